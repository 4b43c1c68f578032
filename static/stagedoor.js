// What every page can do. Pages work without it; it adds local times, dialogs, copying, the theme and toasts.
"use strict";

(() => {
  const root = document.documentElement;

  // ---- Times: the event's zone comes from the server; the viewer's is known only here, unless they chose one.

  const viewerZone = root.dataset.viewerZone || Intl.DateTimeFormat().resolvedOptions().timeZone;

  function wallClock(moment, timeZone) {
    const parts = new Intl.DateTimeFormat("en-GB", { timeZone, dateStyle: "short", timeStyle: "short" });
    return parts.format(moment);
  }

  function yourTime(moment, eventZone) {
    const here = wallClock(moment, viewerZone);
    const there = wallClock(moment, eventZone);
    if (here === there) return "";
    const clock = { timeZone: viewerZone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    const day = { weekday: "short", day: "numeric", month: "short" };
    const sameDay = here.slice(0, 10) === there.slice(0, 10);
    const time = new Intl.DateTimeFormat(root.lang, sameDay ? clock : { ...day, ...clock }).format(moment);
    return ` · ${root.dataset.yourTime.replace("%(time)s", time)}`;
  }

  function localTimes(within = document) {
    for (const element of within.querySelectorAll("time[data-zone]")) {
      const yours = element.querySelector("[data-yours]");
      if (yours) yours.textContent = yourTime(new Date(element.dateTime), element.dataset.zone);
    }
  }

  // ---- Parts that scripts build themselves; the same as the template tags of these names.

  function initials(name) {
    const words = name.trim().split(/\s+/).filter(Boolean);
    if (words.length === 0) return "?";
    const ends = words.length === 1 ? [words[0]] : [words[0], words.at(-1)];
    return ends.map((word) => [...word][0]).join("").toUpperCase();
  }

  function avatar(name, size = "medium") {
    let sum = 0;
    for (let place = 0; place < name.length; place += 1) sum += name.charCodeAt(place);
    const element = document.createElement("span");
    element.className = `avatar avatar--${size} avatar--tone-${(sum % 6) + 1}`;
    element.setAttribute("aria-hidden", "true");
    element.textContent = initials(name);
    return element;
  }

  function icon(name, label = "") {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    svg.setAttribute("class", "icon");
    if (label) {
      svg.setAttribute("role", "img");
      svg.setAttribute("aria-label", label);
    } else {
      svg.setAttribute("aria-hidden", "true");
    }
    use.setAttribute("href", `${root.dataset.icons}#${name}`);
    svg.append(use);
    return svg;
  }

  function toast(text, tone = "") {
    const element = document.createElement("p");
    element.className = tone ? `toast toast--${tone}` : "toast";
    element.textContent = text;
    document.querySelector(".toasts").append(element);
    setTimeout(() => element.remove(), 5000);
  }

  // ---- Behaviour asked for by attributes, so that parts brought in by htmx have it too.

  async function copy(button) {
    const source = button.dataset.copy;
    const element = source.startsWith("#") ? document.querySelector(source) : null;
    const text = element ? (element.value ?? element.textContent).trim() : source;
    try {
      await navigator.clipboard.writeText(text);
      toast(root.dataset.copied);
    } catch {
      toast(root.dataset.notCopied, "danger");
    }
  }

  function chooseTheme(theme) {
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
    try {
      if (theme === "auto") localStorage.removeItem("theme");
      else localStorage.setItem("theme", theme);
    } catch {
      // Then it holds for this page only.
    }
    showTheme();
  }

  function showTheme() {
    const theme = root.dataset.theme || "auto";
    for (const button of document.querySelectorAll("[data-theme-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === theme));
    }
  }

  function closeMenus(except = null) {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (menu !== except) menu.open = false;
    }
  }

  document.addEventListener("click", (event) => {
    const target = event.target;
    closeMenus(target.closest("details.menu"));
    const opener = target.closest("[data-opens]");
    if (opener) document.getElementById(opener.dataset.opens)?.showModal();
    if (target.closest("[data-closes]")) target.closest("dialog")?.close();
    if (target instanceof HTMLDialogElement) target.close(); // the backdrop is the dialog itself
    const copier = target.closest("[data-copy]");
    if (copier) copy(copier);
    const theme = target.closest("[data-theme-choice]");
    if (theme) chooseTheme(theme.dataset.themeChoice);
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = document.activeElement?.closest("details.menu[open]");
    closeMenus();
    menu?.querySelector("summary").focus();
  });

  // A second click on Pay must not send a second form. The server refuses it too; this spares the person the answer.
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    for (const button of event.target.querySelectorAll("button[data-once]")) {
      setTimeout(() => { button.disabled = true; });
    }
  });

  // A page that comes back by the Back button must be usable again.
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    for (const button of document.querySelectorAll("button[data-once]")) button.disabled = false;
  });

  document.addEventListener("htmx:load", (event) => localTimes(event.target));
  for (const part of document.querySelectorAll("[data-needs-script]")) part.hidden = false;
  document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  localTimes();
  showTheme();

  window.stagedoor = { avatar, icon, initials, localTimes, toast };
})();
