// What a page hears, measured in the page: put into every page of a trip before its own scripts run.
// It follows the room's audio element, whose stream is another one after a reconnection.

(() => {
  const FRAME_MS = 20;
  const QUIET_DB = -60; // below this nobody would call it sound
  const LOWEST_HZ = 60;
  let context = null;
  let stream = null;
  let source = null;

  // Half a second of sound gives bins of 1.5 Hz; a moment of it tells when it ends.
  const analyser = (fftSize) => new AnalyserNode(context, { fftSize, smoothingTimeConstant: 0 });

  function follow(element) {
    if (!element?.srcObject || element.srcObject === stream) return;
    if (!context) {
      context = new AudioContext();
      ear.spectrum = analyser(32768);
      ear.moment = analyser(2048);
    }
    source?.disconnect();
    stream = element.srcObject;
    source = context.createMediaStreamSource(stream);
    source.connect(ear.spectrum);
    source.connect(ear.moment);
  }

  const ear = {
    lastHeardAt: 0, // milliseconds since 1970, as Date.now()
    longestPause: 0, // milliseconds without sound, since it was last set to 0

    /** The level of this moment, in dB below full scale. */
    level() {
      if (!context) return -Infinity;
      const samples = new Float32Array(ear.moment.fftSize);
      ear.moment.getFloatTimeDomainData(samples);
      return 10 * Math.log10(samples.reduce((sum, one) => sum + one * one, 0) / samples.length);
    },

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
  setInterval(() => {
    follow(document.querySelector("audio[data-sound]"));
    const now = Date.now();
    if (ear.level() > QUIET_DB) ear.lastHeardAt = now;
    ear.longestPause = Math.max(ear.longestPause, now - ear.lastHeardAt);
  }, FRAME_MS);
})();
