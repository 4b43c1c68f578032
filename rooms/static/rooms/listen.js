// Hearing: one WHEP session into one audio element. A new session replaces a lost one; nothing is renegotiated.

const RETRIES_MS = [500, 1500, 3000, 6000];
const CONNECT_MS = 12000;

export class MediaRefused extends Error {
  constructor(code, words) {
    super(words || code);
    this.code = code;
  }
}

/** Post an offer, take the answer. Returns the session's address. */
export async function exchange(connection, url, grant) {
  await connection.setLocalDescription(await connection.createOffer());
  const answer = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/sdp", Authorization: `Bearer ${grant}` },
    body: connection.localDescription.sdp,
  });
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw new MediaRefused(problem.code || "failed", problem.detail);
  }
  const place = answer.headers.get("Location");
  await connection.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  return place;
}

/** Resolves when connected, throws when it failed or took too long. */
export function connected(connection) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new MediaRefused("timeout")), CONNECT_MS);
    const look = () => {
      if (connection.connectionState === "connected") resolve();
      else if (["failed", "closed"].includes(connection.connectionState)) reject(new MediaRefused("lost"));
      else return;
      clearTimeout(timer);
      connection.removeEventListener("connectionstatechange", look);
    };
    connection.addEventListener("connectionstatechange", look);
    look();
  });
}

export function endSession(place) {
  if (place) fetch(place, { method: "DELETE", keepalive: true }).catch(() => {});
}

/** Events: `hearing`, `failing` (trying again), `blocked` (the browser wants a tap first). */
export class Ear extends EventTarget {
  constructor({ audio, url, askGrant }) {
    super();
    Object.assign(this, { audio, url, askGrant });
    this.connection = null;
    this.wanted = false;
    this.attempt = 0;
  }

  get isConnected() {
    return this.connection?.connectionState === "connected";
  }

  /** Hear the room from now on. `grant` is used for the first try; later ones ask for their own. */
  listen({ grant, iceServers }) {
    this.iceServers = iceServers;
    if (this.wanted && (this.isConnected || this.trying)) return;
    this.wanted = true;
    this.attempt = 0;
    this.connect(grant);
  }

  async connect(grant) {
    this.trying = true;
    const connection = new RTCPeerConnection({ iceServers: (this.iceServers || []).map((urls) => ({ urls })) });
    connection.addTransceiver("audio", { direction: "recvonly" });
    connection.addEventListener("track", ({ track, streams }) => {
      this.audio.srcObject = streams[0] || new MediaStream([track]);
      this.play();
    });
    try {
      const place = await exchange(connection, this.url, grant || (await this.askGrant()));
      await connected(connection);
      if (!this.wanted) throw new MediaRefused("left");
      this.take(connection, place);
    } catch {
      connection.close();
      this.trying = false;
      if (this.wanted) this.tryAgain();
    }
  }

  take(connection, place) {
    const old = this.connection;
    this.connection = connection;
    this.place = place;
    this.trying = false;
    this.attempt = 0;
    old?.close();
    this.dispatchEvent(new Event("hearing"));
    connection.addEventListener("connectionstatechange", () => {
      if (connection !== this.connection || !["failed", "closed"].includes(connection.connectionState)) return;
      this.connection = null;
      connection.close();
      if (this.wanted) this.tryAgain();
    });
  }

  async tryAgain() {
    const wait = RETRIES_MS[Math.min(this.attempt, RETRIES_MS.length - 1)];
    this.attempt += 1;
    this.trying = true;
    if (this.attempt > 1) this.dispatchEvent(new Event("failing"));
    await new Promise((resolve) => setTimeout(resolve, wait));
    this.trying = false;
    if (this.wanted && !this.isConnected) this.connect(null);
  }

  async play() {
    try {
      await this.audio.play();
    } catch (problem) {
      if (problem.name === "NotAllowedError") this.dispatchEvent(new Event("blocked"));
    }
  }

  stop() {
    this.wanted = false;
    endSession(this.place);
    this.place = null;
    this.connection?.close();
    this.connection = null;
    this.audio.srcObject = null;
  }
}
