// Speaking: the microphone, and one WHIP session while on stage. The server mutes; this only spares it packets.

import { connected, endSession, exchange } from "./listen.js";

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

/** Events: `lost` when the upstream broke while it was wanted. */
export class Voice extends EventTarget {
  constructor({ url, askGrant }) {
    super();
    Object.assign(this, { url, askGrant });
    this.connection = null;
    this.microphone = null;
  }

  get isUp() {
    return this.connection?.connectionState === "connected";
  }

  /** Open the microphone and the upstream, if they are not. Throws NoMicrophone or what the door says. */
  async start(iceServers) {
    if (this.isUp) return;
    this.microphone ??= await openMicrophone();
    const track = this.microphone.getAudioTracks()[0];
    track.enabled = false;
    this.connection?.close();
    const connection = new RTCPeerConnection({ iceServers: (iceServers || []).map((urls) => ({ urls })) });
    this.connection = connection;
    connection.addTransceiver(track, { direction: "sendonly", streams: [this.microphone] });
    try {
      this.place = await exchange(connection, this.url, await this.askGrant());
      await connected(connection);
    } catch (problem) {
      connection.close();
      if (this.connection === connection) this.connection = null;
      throw problem;
    }
    connection.addEventListener("connectionstatechange", () => {
      if (connection !== this.connection || !["failed", "closed"].includes(connection.connectionState)) return;
      this.connection = null;
      this.dispatchEvent(new Event("lost"));
    });
  }

  mute(muted) {
    for (const track of this.microphone?.getAudioTracks() || []) track.enabled = !muted;
  }

  /** Let the microphone go, so that the browser's sign of it goes too. */
  stop() {
    for (const track of this.microphone?.getTracks() || []) track.stop();
    this.microphone = null;
    const connection = this.connection;
    this.connection = null;
    if (!connection) return;
    endSession(this.place);
    connection.close();
  }
}
