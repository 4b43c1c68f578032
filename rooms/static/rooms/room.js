// The room's page. Ties the socket (control), the ear (WHEP), the voice (WHIP) and what is seen together.

import { Ear } from "./listen.js";
import { RoomSocket } from "./socket.js";
import { inWords, SoundPanel } from "./soundcheck.js";
import { NoMicrophone, Voice } from "./speak.js";
import { Control, StageView, worded, words } from "./stage-view.js";

const { toast } = window.stagedoor;
const root = document.getElementById("room");
const urls = root.dataset;
const part = (name) => root.querySelector(`[data-${name}]`);
const audio = part("sound");

let you = null;
let room = null;
let micIsBusy = false;
let mutingMyself = false;

const socket = new RoomSocket({ seatUrl: urls.seatUrl, socketUrl: urls.socketUrl, csrf: urls.csrf });
const ear = new Ear({ audio, url: urls.whepUrl, askGrant: () => socket.grant("listen") });
const voice = new Voice({ url: urls.whipUrl, askGrant: () => socket.grant("speak") });
const view = new StageView(root, { act: (op, seat) => ask(op, { seat }), remove: askRemoval });
const soundPanel = new SoundPanel(root, tune);

const controls = {
  hand: new Control(root, "hand", () => ask(you.stage === "hand" ? "lower_hand" : "raise_hand")),
  stage: new Control(root, "stage", () => ask(you.stage === "on" ? "step_down" : "step_up")),
  mic: new Control(root, "mic", toggleMicrophone),
  sound: new Control(root, "sound", toggleSound),
  leave: new Control(root, "leave", askToLeave),
};

// ---- In and out

async function enter({ takeOver = false } = {}) {
  const button = part("listen");
  button.disabled = true;
  audio.play().catch(() => {}); // inside the tap, so that the browser lets the sound through later
  try {
    await socket.enter({ takeOver });
  } catch (refused) {
    socket.say("state", "closed");
    if (refused.code === "elsewhere") curtain(words.elsewhere_title, words.elsewhere_text, words.elsewhere_action, { takeOver: true });
    else if (["failed", undefined].includes(refused.code)) curtain(words.stopped_title, words.not_answered, words.try_again);
    else if (refused.code === "too_often") curtain(words.stopped_title, refused.message, words.try_again);
    else location.reload(); // the page itself tells every other answer of the door
  } finally {
    button.disabled = false;
  }
}

/** Whoever leaves an open room without a host is told beforehand what that costs. */
function askToLeave() {
  const dialog = document.getElementById("leave-room");
  const otherHosts = room?.stage.some((person) => person.role === "host" && !person.away && person.seat !== you.seat);
  if (!dialog || you?.role !== "host" || room?.status !== "open" || otherHosts) return leave();
  dialog.showModal();
  return tellCost("leave");
}

/** Fill in what closing or leaving would cost, as the server counts it. */
async function tellCost(act) {
  const line = document.querySelector(`[data-cost="${act}"]`);
  line.hidden = true;
  try {
    const cost = await (await fetch(urls.costUrl, { signal: AbortSignal.timeout(5000) })).json();
    line.textContent = cost[act];
    line.className = `notice notice--${cost.counts ? "success" : "warning"}`;
    line.hidden = !cost[act];
  } catch {
    // Without an answer the dialog still says what is lost.
  }
}

document.querySelector('[data-opens="close-room"]')?.addEventListener("click", () => tellCost("close"));
document.querySelector("[data-leave-anyway]")?.addEventListener("click", leave);

async function leave() {
  stopSound();
  await socket.leave();
  curtain(words.left_title, words.left_text, words.again);
}

function over({ code, words: said }) {
  stopSound();
  if (code === 4004) part("live").hidden = true;
  const titles = { 4003: words.removed_title, 4004: words.closed_title, 4005: words.ticket_title };
  if (code === 4006) curtain(words.taken_over_title, said, words.elsewhere_action, { takeOver: true });
  else if (code === "elsewhere") curtain(words.elsewhere_title, words.elsewhere_text, words.elsewhere_action, { takeOver: true });
  else if (code in titles) curtain(titles[code], said, null);
  else location.reload(); // the door's own answer, which the page itself tells
}

function stopSound() {
  ear.stop();
  voice.stop();
}

/** Let the curtain fall, with words and, unless it is final, a way back in. */
function curtain(title, text, action, options = {}) {
  you = room = null;
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  for (const inside of root.querySelectorAll("[data-inside]")) inside.hidden = true;
  for (const name of ["count", "hands-count"]) part(name).hidden = true;
  showTools();
  const section = part("curtain");
  section.hidden = false;
  section.querySelector(".kept")?.remove();
  part("curtain-title").textContent = title;
  part("curtain-text").textContent = text;
  const button = part("listen");
  button.hidden = action === null;
  part("listen-label").textContent = action || "";
  part("onward").hidden = action !== null;
  enterOptions = options;
  part("curtain-title").tabIndex = -1;
  part("curtain-title").focus();
}

let enterOptions = {};
part("listen").addEventListener("click", () => enter(enterOptions));

// ---- What the server says

socket.addEventListener("welcome", ({ detail }) => {
  const first = you === null;
  you = detail.you;
  room = detail.room;
  part("curtain").hidden = true;
  for (const inside of root.querySelectorAll("[data-inside]")) inside.hidden = false;
  enterOptions = {};
  ear.listen(socket.pass);
  view.speakers(detail.speaking);
  draw();
  if (first) document.getElementById("stage-title").focus({ preventScroll: true });
});

socket.addEventListener("room", ({ detail }) => {
  const wasShut = room?.status === "shut";
  room = detail;
  if (wasShut && room.status === "open") toast(words.doors_opened);
  draw();
});

socket.addEventListener("you", ({ detail }) => {
  const before = you;
  you = detail.you;
  if (before?.stage !== "on" && you.stage === "on") notice(words.on_stage_now);
  if (before?.stage === "on" && you.stage !== "on") {
    voice.stop();
    notice(words.off_stage_now);
  }
  if (before?.stage === "on" && you.stage === "on" && !before.muted && you.muted && !mutingMyself) notice(words.muted_by_host);
  voice.mute(you.muted);
  if (before && before.role !== you.role) location.reload(); // another role has another page; the seat is kept
  draw();
  if (before?.stage !== "invited" && you.stage === "invited") part("invitation").focus();
  if (before?.stage === "invited" && you.stage !== "invited" && document.activeElement === document.body) {
    controls[you.stage === "on" ? "mic" : "hand"].element.focus(); // what had the focus has gone
  }
});

socket.addEventListener("speaking", ({ detail }) => view.speakers(detail.seats));
window.addEventListener("offline", () => socket.ping());
window.addEventListener("online", () => socket.ping());
socket.addEventListener("audience", ({ detail }) => view.audience(detail.count));
socket.addEventListener("sound", ({ detail }) => (detail.again === "speak" ? voice : ear).again(detail.within));
socket.addEventListener("over", ({ detail }) => over(detail));

socket.addEventListener("state", ({ detail: state }) => {
  root.dataset.connection = state === "lost" ? "reconnecting" : state;
  const line = root.querySelector(".connection");
  line.hidden = !["connecting", "reconnecting", "lost"].includes(state);
  line.dataset.state = state;
  line.textContent = words[`connection_${state}`] || "";
});

ear.addEventListener("failing", () => notice(words.sound_failed));
ear.addEventListener("hearing", () => clearNotice(words.sound_failed, words.sound_blocked));
ear.addEventListener("blocked", () => notice(words.sound_blocked));
voice.addEventListener("failing", () => {
  if (you && !you.muted) notice(words.voice_failing, "warning");
});
voice.addEventListener("back", () => {
  if (clearNotice(words.voice_failing)) toast(words.voice_back);
});
voice.addEventListener("lost", () => {
  clearNotice(words.voice_failing);
  if (you?.stage !== "on" || you.muted) return;
  mutingMyself = true; // nobody should wait for words that cannot come
  ask("mute").finally(() => (mutingMyself = false));
});

// ---- What a person does

async function ask(op, fields = {}) {
  try {
    return await socket.request(op, fields);
  } catch (refused) {
    toast(["not_answered", "not_connected"].includes(refused.code) ? words.not_answered : refused.message, "danger");
    return null;
  }
}

for (const button of document.querySelectorAll("[data-action]")) {
  button.addEventListener("click", () => ask(button.dataset.action));
}

async function toggleMicrophone() {
  if (micIsBusy || you?.stage !== "on") return;
  if (you.muted) {
    await speak();
  } else {
    voice.mute(true); // at once here, and for everybody as soon as the server has it
    mutingMyself = true;
    await ask("mute");
    mutingMyself = false;
  }
}

/** Open the microphone, then ask to be heard. Until the server has said yes, not a word passes. */
async function speak() {
  micIsBusy = true;
  draw();
  try {
    await voice.start();
    const answer = await ask("unmute");
    if (answer) {
      voice.mute(false);
      notice("");
    }
  } catch (problem) {
    notice(problem instanceof NoMicrophone ? words[problem.code] : problem.message && problem.code !== "timeout" ? problem.message : words.not_answered, "warning");
    if (you && !you.muted) await ask("mute");
  } finally {
    micIsBusy = false;
    draw();
  }
}

function toggleSound() {
  if (audio.paused) ear.play();
  else audio.muted = !audio.muted;
  draw();
}

async function tune(sound) {
  if (await ask("sound", sound)) toast(worded("sound_changed", { sound: inWords(sound) }));
  else draw(); // refused: as it was
}

let removing = null;

function askRemoval(person) {
  removing = person;
  document.querySelector("[data-remove-title]").textContent = worded("remove_title", { name: person.name });
  document.getElementById("remove-reason").value = "";
  document.getElementById("remove-person").showModal();
}

document.querySelector("[data-confirm-remove]")?.addEventListener("click", () => {
  ask("remove", { seat: removing.seat, reason: document.getElementById("remove-reason").value.trim() });
});

// ---- What is seen

function draw() {
  if (!you || !room) return;
  view.draw(room, you);
  const onStage = you.stage === "on";
  const moderates = you.role !== "listener";
  part("invitation").hidden = you.stage !== "invited";
  if (onStage || moderates || you.stage === "invited") controls.hand.hide();
  else controls.hand.show({ iconName: "hand", label: you.stage === "hand" ? words.lower_hand : words.raise_hand, on: you.stage === "hand" });
  if (onStage) controls.stage.show({ iconName: "arrow-left", label: words.step_down });
  else if (moderates) controls.stage.show({ iconName: "mic", label: words.step_up });
  else controls.stage.hide();
  if (onStage) {
    const label = micIsBusy ? words.connecting : you.muted ? words.unmute : words.mute;
    controls.mic.show({ iconName: you.muted ? "mic-off" : "mic", label, on: !you.muted, disabled: micIsBusy });
  } else {
    controls.mic.hide();
  }
  controls.sound.show({ iconName: audio.muted ? "volume-off" : "volume", label: audio.muted ? words.sound_on : words.sound_off, on: audio.muted });
  if (room.host_gone && !moderates) notice(room.host_left ? words.host_left : words.host_gone);
  else clearNotice(words.host_gone, words.host_left);
  soundPanel.draw(room.sound);
  showTools();
}

function showTools() {
  const open = root.querySelector('[data-action="open_doors"]');
  const close = root.querySelector("[data-needs-open]");
  if (open) open.hidden = room?.status !== "shut";
  if (close) close.hidden = room?.status !== "open";
}

function notice(text, tone = "info") {
  const element = part("notice");
  element.hidden = !text;
  element.className = `room__notice notice notice--${tone}`;
  element.textContent = text;
}

/** Take the notice away if it says one of these; returns whether it did. */
function clearNotice(...texts) {
  if (!texts.includes(part("notice").textContent)) return false;
  notice("");
  return true;
}

/** Let the microphone's button glow as loud as one is: whoever is live sees that they are heard. */
setInterval(() => {
  const live = you?.stage === "on" && !you.muted;
  controls.mic.element.style.setProperty("--level", live ? voice.level().toFixed(2) : "0");
}, 100);

window.addEventListener("pagehide", stopSound);
window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload(); // a page brought back by the Back button has lost its seat
});
