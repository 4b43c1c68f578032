// The control plane: take a seat, hold the socket, come back after a loss. docs/rooms.md tells the protocol.

const HELLO_VERSION = 1;
const REQUEST_MS = 10000;
const GRANT_MS = 3000; // who asks for one hears nothing meanwhile
const SEAT_MS = 10000;
const RETRIES_MS = [300, 1200, 2700, 4800, 7000]; // then the last one for good, each with jitter

export class Refused extends Error {
  constructor(code, words) {
    super(words || code);
    this.code = code;
  }
}

const TAB = "room-tab";
const LOCK_MS = 500; // a page that is being replaced lets its name go

const freshName = () => crypto.getRandomValues(new Uint8Array(16)).reduce((text, byte) => text + byte.toString(16).padStart(2, "0"), "");

/**
 * Names this page while it lives, so that a reload is not taken for a second page, and a copy of the tab is.
 *
 * The name lives in memory. It lies in sessionStorage, which a duplicated tab copies, only between two pages: left
 * there by the one that goes, taken away by the one that comes. Whoever else holds it by then has a lock on it.
 */
async function pageName() {
  let left = null;
  try {
    left = sessionStorage.getItem(TAB);
    sessionStorage.removeItem(TAB);
  } catch {
    // No storage: then every page is a new one.
  }
  const name = left && ((await locked(left)) || (await rested(LOCK_MS, () => locked(left)))) ? left : freshName();
  if (name !== left) await locked(name);
  window.addEventListener("pagehide", () => {
    try {
      sessionStorage.setItem(TAB, name);
    } catch {
      // The same.
    }
  });
  return name;
}

/** Hold this name as long as the page lives; false if another page does. Where there are no locks, it is ours. */
function locked(name) {
  if (!navigator.locks) return Promise.resolve(true);
  return new Promise((resolve) => {
    navigator.locks
      .request(`${TAB}-${name}`, { ifAvailable: true }, (lock) => {
        resolve(lock !== null);
        return lock && new Promise(() => {});
      })
      .catch(() => resolve(true));
  });
}

async function rested(ms, then) {
  await new Promise((resolve) => setTimeout(resolve, ms));
  return then();
}

/**
 * Events: `state` (connecting, connected, reconnecting, lost, closed), `welcome`, `room`, `you`, `speaking`,
 * `audience`, `sound` {again, within}, and `over` {code, words} when the server has ended it for good.
 */
export class RoomSocket extends EventTarget {
  constructor({ seatUrl, socketUrl, csrf }) {
    super();
    Object.assign(this, { seatUrl, socketUrl, csrf });
    this.named = pageName();
    this.seq = -1;
    this.waiting = new Map();
    this.nextId = 1;
    this.attempt = 0;
    this.ended = false;
  }

  /** Take a seat and connect. Throws Refused when the door says no; later losses are mended without a word. */
  async enter({ takeOver = false } = {}) {
    this.ended = false;
    this.attempt = 0;
    this.say("state", "connecting");
    this.open(await this.takeSeat(takeOver));
  }

  async takeSeat(takeOver) {
    const answer = await fetch(this.seatUrl, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": this.csrf },
      body: JSON.stringify({ tab: await this.named, take_over: takeOver }),
      signal: AbortSignal.timeout(SEAT_MS),
    });
    const told = answer.headers.get("Content-Type")?.startsWith("application/json") ? await answer.json() : {};
    if (answer.ok) return told;
    // Words that are not ours: the page's own key is old, because somebody signed in again in this browser.
    throw new Refused(told.code || (answer.status === 403 ? "old_page" : "failed"), told.text);
  }

  open(seat) {
    this.pass = { grant: seat.grants.listen, iceServers: seat.ice_servers };
    const address = new URL(this.socketUrl, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address);
    this.socket = socket;
    this.bye = null;
    socket.addEventListener("open", () => this.send({ op: "hello", v: HELLO_VERSION, grant: seat.grants.socket }));
    socket.addEventListener("message", (event) => this.hear(socket, JSON.parse(event.data)));
    socket.addEventListener("close", (event) => this.closed(socket, event.code));
  }

  /** Ask for something; resolves with the answer, or throws Refused with the server's words. */
  request(op, fields = {}, patience = REQUEST_MS) {
    if (this.socket?.readyState !== WebSocket.OPEN) return Promise.reject(new Refused("not_connected"));
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(id);
        reject(new Refused("not_answered"));
      }, patience);
      this.waiting.set(id, { resolve, reject, timer });
      this.send({ op, id, ...fields });
    });
  }

  /** Leave to connect one half of the sound, and by which servers. A socket that does not answer is given up. */
  async grant(use) {
    const socket = this.socket;
    try {
      const { grant, ice_servers: iceServers } = await this.request("grant", { use }, GRANT_MS);
      return { grant, iceServers };
    } catch (refused) {
      if (refused.code === "not_answered") this.closed(socket, 1006);
      throw refused;
    }
  }

  async leave() {
    this.ended = true;
    try {
      await this.request("leave");
    } catch {
      // Gone is gone; the seat is given up after the grace.
    }
    this.socket?.close();
    this.stopPinging();
    this.say("state", "closed");
  }

  // ---- Below: what happens by itself

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  hear(socket, message) {
    if (socket !== this.socket) return;
    switch (message.op) {
      case "ok":
      case "err":
        this.answered(message);
        break;
      case "welcome":
        this.attempt = 0;
        this.seq = message.seq;
        this.startPinging(message.ping * 1000);
        this.say("state", "connected");
        this.say("welcome", message);
        break;
      case "room":
        if (message.seq <= this.seq) return; // an older state that came late
        this.seq = message.seq;
        this.say("room", message.room);
        break;
      case "bye":
        this.bye = message;
        break;
      default:
        this.say(message.op, message);
    }
  }

  answered(message) {
    const asked = this.waiting.get(message.id);
    if (!asked) return;
    this.waiting.delete(message.id);
    clearTimeout(asked.timer);
    if (message.op === "ok") asked.resolve(message);
    else asked.reject(new Refused(message.code, message.words));
  }

  startPinging(every) {
    this.stopPinging();
    this.pinger = setInterval(() => this.ping(), every);
  }

  stopPinging() {
    clearInterval(this.pinger);
  }

  /** A ping without an answer is a lost connection; an answer with a newer seq is a message that we missed. */
  async ping() {
    try {
      const { seq } = await this.request("ping");
      if (seq > this.seq) await this.sync();
    } catch (refused) {
      if (refused.code === "not_answered") this.closed(this.socket, 1006);
    }
  }

  async sync() {
    const { seq, room, you } = await this.request("sync");
    if (seq < this.seq) return;
    this.seq = seq;
    this.say("you", { you });
    this.say("room", room);
  }

  closed(socket, code) {
    if (socket !== this.socket) return;
    this.socket = null;
    socket.close();
    this.stopPinging();
    for (const { reject, timer } of this.waiting.values()) {
      clearTimeout(timer);
      reject(new Refused("not_connected"));
    }
    this.waiting.clear();
    if (this.ended) return;
    if (this.bye?.final) this.finish(this.bye.code, this.bye.text);
    else this.comeBack(code);
  }

  /** Come back to the same seat. The server asks the door again, so what it refuses is final. */
  async comeBack() {
    const wait = RETRIES_MS[Math.min(this.attempt, RETRIES_MS.length - 1)];
    this.attempt += 1;
    this.say("state", this.attempt > RETRIES_MS.length ? "lost" : "reconnecting");
    await new Promise((resolve) => setTimeout(resolve, wait * (0.7 + 0.6 * Math.random())));
    if (this.ended) return;
    try {
      this.open(await this.takeSeat(false));
    } catch (refused) {
      const passing = !(refused instanceof Refused) || ["failed", "too_often"].includes(refused.code);
      if (passing) this.comeBack();
      else this.finish(refused.code, refused.message);
    }
  }

  finish(code, words) {
    this.ended = true;
    this.say("state", "closed");
    this.say("over", { code, words });
  }

  say(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
