// Speaking: the microphone, and one WHIP session while on stage. The server mutes; this only spares it packets.

import { connected, endSession, exchange, isOver, MediaRefused, rest, retryDelay } from "./listen.js";

const LOOK_MS = 500;
const SILENT_MS = 4000; // the server reports every second or so on what it receives
const FINAL = ["not_on_stage", "denied", "no_ticket", "banned", "closed"]; // the door's answers; others pass

/** `code` is microphone_refused, microphone_missing or microphone_failed. */
export class NoMicrophone extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

async function openMicrophone() {
  if (!navigator.mediaDevices?.getUserMedia) throw new NoMicrophone("microphone_failed");
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 },
    });
  } catch (problem) {
    if (["NotAllowedError", "SecurityError"].includes(problem.name)) throw new NoMicrophone("microphone_refused");
    if (["NotFoundError", "OverconstrainedError"].includes(problem.name)) throw new NoMicrophone("microphone_missing");
    throw new NoMicrophone("microphone_failed");
  }
}

/** When the server's last report on what it receives came; 0 before the first. */
async function reportedAt(connection) {
  let at = 0;
  for (const report of (await connection.getStats()).values()) {
    if (report.type === "remote-inbound-rtp") at = Math.max(at, report.timestamp);
  }
  return at;
}

/**
 * Events: `failing` while the upstream is connected anew, `back` when it is, `lost` when the door refused it.
 * `askGrant` resolves with {grant, iceServers}.
 */
export class Voice extends EventTarget {
  constructor({ url, askGrant }) {
    super();
    Object.assign(this, { url, askGrant });
    this.connection = null;
    this.connecting = null;
    this.microphone = null;
    this.context = null;
    this.analyser = null;
    this.renewing = false;
  }

  get isUp() {
    return this.connection?.connectionState === "connected" && !this.renewing;
  }

  /** Open the microphone and the upstream, if they are not. Throws NoMicrophone or what the door says. */
  async start() {
    if (this.isUp) return;
    if (!this.microphone) {
      this.microphone = await openMicrophone();
      this.mute(true);
      this.measure();
    }
    await this.connect();
  }

  /** Connect anew at a random moment within so many seconds, as muted or unmuted as we are. */
  async again(within = 0) {
    const microphone = this.microphone;
    if (!microphone || this.renewing) return;
    this.renewing = true;
    if (within) await rest(within * 1000 * Math.random());
    for (let attempt = 0; microphone === this.microphone; attempt += 1) {
      this.dispatchEvent(new Event("failing"));
      try {
        await this.connect();
        this.dispatchEvent(new Event("back"));
        break;
      } catch (problem) {
        if (microphone !== this.microphone) break;
        if (FINAL.includes(problem.code)) {
          this.stop();
          this.dispatchEvent(new Event("lost"));
          break;
        }
        await rest(retryDelay(attempt));
      }
    }
    this.renewing = false;
  }

  /** How loud one is now, from 0 to 1; 0 where the browser cannot tell. */
  level() {
    if (!this.analyser) return 0;
    this.analyser.getFloatTimeDomainData(this.wave);
    const loudest = this.wave.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    return Math.min(1, Math.sqrt(loudest));
  }

  /** Listen to our own microphone, only to show how loud it is. */
  measure() {
    try {
      this.context = new AudioContext();
      this.analyser = new AnalyserNode(this.context, { fftSize: 512 });
      this.wave = new Float32Array(this.analyser.fftSize);
      this.context.createMediaStreamSource(this.microphone).connect(this.analyser);
    } catch {
      this.analyser = null; // the sound matters, not its picture
    }
  }

  mute(muted) {
    for (const track of this.microphone?.getAudioTracks() || []) track.enabled = !muted;
  }

  /** Let the microphone go, so that the browser's sign of it goes too. */
  stop() {
    for (const track of this.microphone?.getTracks() || []) track.stop();
    this.microphone = null;
    this.analyser = null;
    this.context?.close().catch(() => {});
    this.context = null;
    const connection = this.connection;
    this.connection = null;
    if (!connection) return;
    endSession(this.place);
    connection.close();
  }

  // ---- Below: what happens by itself

  /** Connect; whoever asks while it is being done waits for the same. */
  connect() {
    this.connecting ??= this.replace().finally(() => {
      this.connecting = null;
    });
    return this.connecting;
  }

  async replace() {
    const microphone = this.microphone;
    const { grant, iceServers } = await this.askGrant();
    const connection = new RTCPeerConnection({ iceServers });
    let place = null;
    try {
      connection.addTransceiver(microphone.getAudioTracks()[0], { direction: "sendonly", streams: [microphone] });
      place = await exchange(connection, this.url, grant);
      await connected(connection);
      if (microphone !== this.microphone) throw new MediaRefused("left");
    } catch (problem) {
      endSession(place);
      connection.close();
      throw problem;
    }
    this.connection?.close();
    this.connection = connection;
    this.place = place;
    connection.addEventListener("connectionstatechange", () => {
      if (connection === this.connection && isOver(connection)) this.again();
    });
    this.watch(connection);
  }

  /** Look for the server's reports as long as this is the line we speak by. */
  async watch(connection) {
    let toldAt = 0;
    let movedAt = performance.now();
    while (connection === this.connection) {
      const reported = await reportedAt(connection);
      if (reported > toldAt) movedAt = performance.now();
      toldAt = reported;
      if (isOver(connection) || performance.now() - movedAt >= SILENT_MS) this.again();
      await rest(LOOK_MS);
    }
  }
}
