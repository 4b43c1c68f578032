// What a page hears, measured in the page: put into every page of a trip before its own scripts run.
// It follows the room's audio element, whose stream is another one after a reconnection.

(() => {
  const LOOK_MS = 20;
  const MOMENT = 1024; // samples, 21 ms
  const QUIET_DB = -60; // below this nobody would call it sound
  const LOWEST_HZ = 60;
  let context = null;
  let stream = null;
  let source = null;
  let pause = 0; // milliseconds of silence until now

  /** Begin to listen: half a second of sound gives bins of 1.5 Hz, and each moment of it is looked at. */
  function begin() {
    context = new AudioContext();
    ear.spectrum = new AnalyserNode(context, { fftSize: 32768, smoothingTimeConstant: 0 });
    // Called by the sound itself: a page that is not looked at may have its timers slowed to one a second.
    ear.moments = context.createScriptProcessor(MOMENT, 1, 1);
    ear.moments.onaudioprocess = ({ inputBuffer }) => hear(inputBuffer.getChannelData(0));
    ear.moments.connect(context.destination);
  }

  function hear(samples) {
    const level = 10 * Math.log10(samples.reduce((sum, one) => sum + one * one, 0) / samples.length);
    pause = level > QUIET_DB ? 0 : pause + (1000 * samples.length) / context.sampleRate;
    ear.longestPause = Math.max(ear.longestPause, pause);
    if (!pause) ear.lastHeardAt = Date.now();
  }

  function follow(element) {
    if (!element?.srcObject || element.srcObject === stream) return;
    if (!context) begin();
    source?.disconnect();
    stream = element.srcObject;
    source = context.createMediaStreamSource(stream);
    source.connect(ear.spectrum);
    source.connect(ear.moments);
  }

  const ear = {
    lastHeardAt: 0, // milliseconds since 1970, as Date.now()
    longestPause: 0, // milliseconds without sound, since it was last set to 0

    /** The loudest frequency, its level, and the levels around other frequencies; null before there is sound. */
    heard(others) {
      if (!context) return null;
      const bins = new Float32Array(ear.spectrum.frequencyBinCount);
      ear.spectrum.getFloatFrequencyData(bins);
      const width = context.sampleRate / ear.spectrum.fftSize;
      let loudest = Math.ceil(LOWEST_HZ / width);
      for (let bin = loudest; bin < bins.length; bin += 1) if (bins[bin] > bins[loudest]) loudest = bin;
      if (!(bins[loudest] > QUIET_DB)) return null;
      const around = (hz) => Math.max(-200, ...bins.slice(Math.floor(hz / width) - 4, Math.ceil(hz / width) + 5));
      return { hz: loudest * width, level: bins[loudest], others: others.map(around) };
    },
  };

  window.ear = ear;
  setInterval(() => follow(document.querySelector("audio[data-sound]")), LOOK_MS);
})();
