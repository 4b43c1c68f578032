// What is seen: the stage, the hands, the controls. Draws a state; decides nothing.

const { avatar, icon } = window.stagedoor;

export const words = JSON.parse(document.getElementById("room-words").textContent);

export function worded(key, values = {}) {
  return Object.entries(values).reduce((text, [name, value]) => text.replace(`%(${name})s`, value), words[key]);
}

function make(tag, { className, text, ...rest } = {}, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(rest)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const RANK = { host: 2, moderator: 1, listener: 0 };

export class StageView {
  /** `act(op, seat)` is called for what a moderator chooses; `remove(person)` for a removal, which is asked first. */
  constructor(root, { act, remove }) {
    this.root = root;
    this.act = act;
    this.remove = remove;
    this.tiles = new Map();
    this.speaking = new Set();
  }

  find(name) {
    return this.root.querySelector(`[data-${name}]`);
  }

  /** Draw the room as `room` (protocol View) for `you` (protocol You). */
  draw(room, you) {
    this.drawStage(room, you);
    this.drawHands(room);
    this.audience(room.audience);
    this.find("hands-count").hidden = room.hands_up === 0;
    this.find("hands-up").textContent = room.hands_up;
    this.find("live").hidden = room.status !== "open";
  }

  /** How many listen; nothing at all while nobody does, for "0" beside a full stage reads as an empty room. */
  audience(count) {
    this.find("audience").textContent = count;
    this.find("count").hidden = count === 0;
  }

  /** Light the rings of those who speak. */
  speakers(seats) {
    this.speaking = new Set(seats);
    for (const [seat, tile] of this.tiles) tile.dataset.speaking = String(this.speaking.has(seat));
  }

  drawStage(room, you) {
    const list = this.find("stage");
    const here = new Set(room.stage.map((person) => person.seat));
    for (const [seat, tile] of this.tiles) {
      if (here.has(seat)) continue;
      tile.remove();
      this.tiles.delete(seat);
    }
    for (const person of room.stage) {
      const tile = this.tiles.get(person.seat) || this.addTile(person);
      this.updateTile(tile, person, you);
      if (list.children[room.stage.indexOf(person)] !== tile) list.insertBefore(tile, list.children[room.stage.indexOf(person)] || null);
    }
    const empty = this.find("stage-empty");
    empty.hidden = room.stage.length > 0;
    empty.textContent = room.status === "shut" && you.role !== "listener" ? words.doors_shut_host : words.nobody_on_stage;
  }

  addTile(person) {
    const tile = make("li", { className: "speaker" });
    tile.append(
      make("span", { className: "speaker__face" }, avatar(person.name, "stage")),
      make("span", { className: "speaker__name", text: person.name }),
      make("span", { className: "speaker__role" }),
      make("span", { className: "speaker__muted" }, icon("mic-off", words.muted)),
    );
    tile.dataset.speaking = String(this.speaking.has(person.seat));
    this.tiles.set(person.seat, tile);
    return tile;
  }

  updateTile(tile, person, you) {
    const mine = person.seat === you.seat;
    tile.dataset.muted = String(person.muted);
    tile.dataset.role = person.role;
    tile.dataset.away = String(person.away);
    if (mine) tile.dataset.you = "";
    const role = person.away ? words.reconnecting : words[person.role];
    tile.querySelector(".speaker__role").textContent = mine && !person.away ? `${role} · ${words.you}` : role;
    const menu = tile.querySelector(".speaker__menu");
    const mayModerate = !mine && RANK[you.role] > 0 && RANK[you.role] > RANK[person.role];
    if (mayModerate && !menu) tile.append(this.menuFor(person));
    if (!mayModerate) menu?.remove();
    const muteButton = tile.querySelector("[data-mute]");
    if (muteButton) muteButton.hidden = person.muted;
  }

  menuFor(person) {
    return menu(person, "speaker__menu", [
      { key: "mute_person", iconName: "mic-off", run: () => this.act("mute", person.seat), mark: "mute" },
      { key: "demote_person", iconName: "arrow-left", run: () => this.act("demote", person.seat) },
      { key: "remove_person", iconName: "x", run: () => this.remove(person) },
    ]);
  }

  drawHands(room) {
    const list = this.find("hands");
    if (!list || !room.hands) return;
    this.drawRows(list, room.hands);
    const empty = this.find("hands-empty");
    empty.hidden = room.hands.length > 0;
    empty.textContent = words.no_hands;
    this.find("lower-all").hidden = !room.hands.some((hand) => hand.stage === "hand");
  }

  /** Rows that have not changed stay, so that neither the focus nor an open menu is lost. */
  drawRows(list, hands) {
    const rows = new Map([...list.children].map((row) => [row.dataset.key, row]));
    const wanted = hands.map((hand) => rows.get(`${hand.stage}-${hand.seat}`) || this.handRow(hand));
    for (const row of rows.values()) if (!wanted.includes(row)) row.remove();
    wanted.forEach((row, place) => {
      if (list.children[place] !== row) list.insertBefore(row, list.children[place] || null);
    });
  }

  handRow(hand) {
    const isUp = hand.stage === "hand";
    const name = make("span", { text: hand.name }, make("small", { text: `@${hand.handle}` }));
    const person = make("span", { className: "person" }, avatar(hand.name, "small"), name);
    const actions = make("span", { className: "actions" });
    if (isUp) {
      const invite = make("button", { type: "button", className: "button button--small", text: words.invite, "aria-label": `${words.invite}: ${hand.name}` });
      invite.addEventListener("click", () => this.act("invite", hand.seat));
      actions.append(invite);
    } else {
      actions.append(make("span", { className: "muted small", text: words.invited }));
    }
    actions.append(
      menu(hand, "", [
        { key: isUp ? "lower" : "withdraw", iconName: "hand", run: () => this.act("lower_hand", hand.seat) },
        { key: "remove_person", iconName: "x", run: () => this.remove(hand) },
      ]),
    );
    return make("li", { className: "person-row", "data-key": `${hand.stage}-${hand.seat}` }, person, actions);
  }
}

function menu(person, className, entries) {
  const summary = make("summary", { className: "button button--quiet button--icon button--small", "aria-label": worded("more_for", { name: person.name }) }, icon("more"));
  const list = make("div", { className: "menu__list" });
  const details = make("details", { className: `menu ${className}`.trim() }, summary, list);
  for (const { key, iconName, run, mark } of entries) {
    const button = make("button", { type: "button" }, icon(iconName), ` ${words[key]}`);
    if (mark) button.dataset[mark] = "";
    button.addEventListener("click", () => {
      details.open = false;
      run();
    });
    list.append(button);
  }
  return details;
}

/** One round button at the foot of the room. */
export class Control {
  constructor(root, name, onTap) {
    this.element = root.querySelector(`[data-control="${name}"]`);
    this.disc = this.element.querySelector(".control__disc");
    this.label = this.element.querySelector(".control__label");
    this.element.addEventListener("click", () => onTap());
  }

  /** Its label says what a tap does; `on` is only for the eye, for a label that changes is no pressed button. */
  show({ iconName, label, on = false, disabled = false }) {
    this.element.hidden = false;
    this.element.disabled = disabled;
    this.element.dataset.on = String(on);
    if (this.shown !== iconName) this.disc.replaceChildren(icon(iconName));
    this.shown = iconName;
    this.label.textContent = label;
  }

  hide() {
    this.element.hidden = true;
  }
}
