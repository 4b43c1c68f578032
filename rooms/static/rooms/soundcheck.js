// How the room sounds: a host's panel. What is chosen takes effect at once, and what is shown is what the room says.

import { worded, words } from "./stage-view.js";

/** Return it in words: "Speech, 20 ms". */
export const inWords = (sound) => worded("sound_now", { tuned: sound.music ? words.music : words.speech, length: sound.frame_ms });

export class SoundPanel {
  /** `tune({music, frame_ms})` is called for each choice. */
  constructor(root, tune) {
    this.element = root.querySelector("[data-soundcheck]");
    this.element?.addEventListener("change", () => tune(this.chosen()));
  }

  chosen() {
    const value = (name) => this.element.querySelector(`[name="${name}"]:checked`).value;
    return { music: value("music") === "true", frame_ms: Number(value("frame_ms")) };
  }

  /** Show what the room says; only hosts are told, so for others there is no panel. */
  draw(sound) {
    if (!this.element) return;
    this.element.hidden = !sound;
    if (!sound) return;
    for (const [name, value] of Object.entries(sound)) {
      for (const choice of this.element.querySelectorAll(`[name="${name}"]`)) choice.checked = choice.value === String(value);
    }
    this.element.querySelector("[data-sound-now]").textContent = inWords(sound);
  }
}
