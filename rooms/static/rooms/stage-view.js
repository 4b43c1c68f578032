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
    this.find("count").hidden = false;
    this.audience(room.audience);
    this.find("hands-count").hidden = room.hands_up === 0;
    this.find("hands-up").textContent = room.hands_up;
    this.find("live").hidden = room.status !== "open";
  }

  audience(count) {
    this.find("audience").textContent = count;
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
    const summary = make("summary", { className: "button button--quiet button--icon button--small", "aria-label": worded("more_for", { name: person.name }) }, icon("more"));
    const list = make("div", { className: "menu__list" });
    const menu = make("details", { className: "menu speaker__menu" }, summary, list);
    const entry = (key, iconName, run, attributes = {}) => {
      const button = make("button", { type: "button", ...attributes }, icon(iconName), ` ${words[key]}`);
      button.addEventListener("click", () => {
        menu.open = false;
        run();
      });
      list.append(button);
    };
    entry("mute_person", "mic-off", () => this.act("mute", person.seat), { "data-mute": "" });
    entry("demote_person", "arrow-left", () => this.act("demote", person.seat));
    entry("remove_person", "x", () => this.remove(person));
    return menu;
  }

  drawHands(room) {
    const list = this.find("hands");
    if (!list || !room.hands) return;
    const focused = document.activeElement?.closest?.("[data-hands] button")?.dataset.key;
    list.replaceChildren(...room.hands.map((hand) => this.handRow(hand)));
    if (focused) list.querySelector(`[data-key="${focused}"]`)?.focus();
    const empty = this.find("hands-empty");
    empty.hidden = room.hands.length > 0;
    empty.textContent = words.no_hands;
    this.find("lower-all").hidden = !room.hands.some((hand) => hand.stage === "hand");
  }

  handRow(hand) {
    const name = make("span", { text: hand.name }, make("small", { text: `@${hand.handle}` }));
    const person = make("span", { className: "person" }, avatar(hand.name, "small"), name);
    const actions = make("span", { className: "actions" });
    const button = (key, op, className, iconName) => {
      const one = make("button", { type: "button", className: `button button--small ${className}`, "data-key": `${op}-${hand.seat}`, "aria-label": `${words[key]}: ${hand.name}` });
      if (iconName) one.append(icon(iconName));
      else one.append(words[key]);
      one.addEventListener("click", () => this.act(op, hand.seat));
      actions.append(one);
    };
    if (hand.stage === "hand") button("invite", "invite", "");
    else actions.append(make("span", { className: "muted small", text: words.invited }));
    button(hand.stage === "hand" ? "lower" : "withdraw", "lower_hand", "button--quiet button--icon", "x");
    const remove = make("button", { type: "button", className: "button button--small button--quiet button--icon", "data-key": `remove-${hand.seat}`, "aria-label": `${words.remove_person}: ${hand.name}` }, icon("flag"));
    remove.addEventListener("click", () => this.remove(hand));
    actions.append(remove);
    return make("li", { className: "person-row" }, person, actions);
  }
}

/** One round button at the foot of the room. */
export class Control {
  constructor(root, name, onTap) {
    this.element = root.querySelector(`[data-control="${name}"]`);
    this.disc = this.element.querySelector(".control__disc");
    this.label = this.element.querySelector(".control__label");
    this.element.addEventListener("click", () => onTap());
  }

  show({ iconName, label, pressed, disabled = false }) {
    this.element.hidden = false;
    this.element.disabled = disabled;
    if (pressed !== undefined) this.element.setAttribute("aria-pressed", String(pressed));
    if (this.shown !== iconName) this.disc.replaceChildren(icon(iconName));
    this.shown = iconName;
    this.label.textContent = label;
  }

  hide() {
    this.element.hidden = true;
  }
}
