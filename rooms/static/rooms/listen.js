// Hearing: one WHEP session into one audio element. A new session replaces a lost one; nothing is renegotiated.

const RETRIES_MS = [500, 1500, 3000, 6000];
const EXCHANGE_MS = 10000;
const CONNECT_MS = 12000;
const FIRST_PACKET_MS = 4000;
const LOOK_MS = 250;
const STALL_MS = 1500; // the server sends without a pause, even silence: a line as quiet as that is dead
const STALL_WITHIN = 0.3; // seconds, so that all who heard by one server do not come at once

export class MediaRefused extends Error {
  constructor(code, words) {
    super(words || code);
    this.code = code;
  }
}

export const rest = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export const retryDelay = (attempt) => RETRIES_MS[Math.min(attempt, RETRIES_MS.length - 1)];

/** Whether nothing more will come. A goodbye is seen at the DTLS transport seconds before the connection says so. */
export function isOver(connection) {
  const ends = [...connection.getReceivers(), ...connection.getSenders()];
  const isClosed = ends.some(({ transport }) => transport?.state === "closed");
  return isClosed || ["failed", "closed"].includes(connection.connectionState);
}

/** Post an offer, take the answer. Returns the session's address. */
export async function exchange(connection, url, grant) {
  await connection.setLocalDescription(await connection.createOffer());
  const answer = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/sdp", Authorization: `Bearer ${grant}` },
    body: connection.localDescription.sdp,
    signal: AbortSignal.timeout(EXCHANGE_MS),
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
      else if (isOver(connection)) reject(new MediaRefused("lost"));
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

async function packetsReceived(connection) {
  let packets = 0;
  for (const report of (await connection.getStats()).values()) {
    if (report.type === "inbound-rtp") packets += report.packetsReceived || 0;
  }
  return packets;
}

/** Resolves with the first packet, throws when none comes. */
async function carrying(connection) {
  const end = performance.now() + FIRST_PACKET_MS;
  while (!(await packetsReceived(connection))) {
    if (performance.now() > end || isOver(connection)) throw new MediaRefused("silent");
    await rest(50);
  }
}

/**
 * Events: `hearing`, `failing` (trying again), `blocked` (the browser wants a tap first).
 * `askGrant` resolves with {grant, iceServers}.
 */
export class Ear extends EventTarget {
  constructor({ audio, url, askGrant }) {
    super();
    Object.assign(this, { audio, url, askGrant });
    this.connection = null;
    this.life = null; // from listen() to stop(): {pass, renewing, hurry, wake}
  }

  /** Hear the room from now on. `pass` {grant, iceServers} is for one try; later ones ask for their own. */
  listen(pass) {
    if (!this.life) {
      this.life = { pass };
      this.renew();
    } else if (this.life.wake) {
      this.life.pass = pass;
      this.life.wake(); // no need to wait longer: the room answers again
    }
  }

  /** Connect anew, at a random moment within so many seconds. Until the new line carries packets, the old is heard. */
  again(within) {
    this.renew({ within });
  }

  stop() {
    this.life = null;
    endSession(this.place);
    this.place = null;
    this.connection?.close();
    this.connection = null;
    this.audio.srcObject = null;
  }

  async play() {
    try {
      await this.audio.play();
    } catch (problem) {
      if (problem.name === "NotAllowedError") this.dispatchEvent(new Event("blocked"));
    }
  }

  // ---- Below: what happens by itself

  /** Try until a line carries packets; one such try at a time. `isDead`: nothing is heard meanwhile. */
  async renew({ within = 0, isDead = false } = {}) {
    const life = this.life;
    if (!life) return;
    if (life.renewing) {
      if (isDead) life.hurry?.(); // no moment to wait for: nothing is heard already
      return;
    }
    life.renewing = true;
    if (within) await this.rest(life, "hurry", within * 1000 * Math.random());
    for (let attempt = 0; life === this.life; attempt += 1) {
      try {
        await this.connect(life);
        break;
      } catch {
        if (life !== this.life) break;
        if (isDead || attempt > 0) this.dispatchEvent(new Event("failing"));
        await this.rest(life, "wake", retryDelay(attempt));
      }
    }
    life.renewing = false;
  }

  /** Rest for so long, or until life[call] is called. */
  async rest(life, call, ms) {
    await Promise.race([rest(ms), new Promise((resolve) => { life[call] = resolve; })]);
    life[call] = null;
  }

  async connect(life) {
    const { grant, iceServers } = life.pass || (await this.askGrant());
    life.pass = null;
    const connection = new RTCPeerConnection({ iceServers });
    connection.addTransceiver("audio", { direction: "recvonly" });
    const sound = new Promise((resolve) => {
      connection.addEventListener("track", ({ track, streams }) => resolve(streams[0] || new MediaStream([track])));
    });
    let place = null;
    try {
      place = await exchange(connection, this.url, grant);
      await connected(connection);
      await carrying(connection);
      if (life !== this.life) throw new MediaRefused("left");
    } catch (problem) {
      endSession(place);
      connection.close();
      throw problem;
    }
    this.take(connection, place, await sound);
  }

  take(connection, place, sound) {
    const old = this.connection;
    this.connection = connection;
    this.place = place;
    this.audio.srcObject = sound;
    this.play();
    old?.close();
    this.dispatchEvent(new Event("hearing"));
    connection.addEventListener("connectionstatechange", () => {
      if (connection === this.connection && isOver(connection)) this.renew({ within: STALL_WITHIN, isDead: true });
    });
    this.watch(connection);
  }

  /** Look for packets as long as this is the line we hear by. */
  async watch(connection) {
    let packets = 0;
    let grownAt = performance.now();
    while (connection === this.connection) {
      const received = await packetsReceived(connection);
      if (received > packets) grownAt = performance.now();
      packets = received;
      if (isOver(connection) || performance.now() - grownAt >= STALL_MS) {
        connection.close(); // or it would ask a server that no longer knows it, many times a second
        this.renew({ within: STALL_WITHIN, isDead: true });
        return; // the next line is looked after by itself
      }
      await rest(LOOK_MS);
    }
  }
}
