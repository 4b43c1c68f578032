// Adds rows to a Django formset: copies the blank row, numbers it, and counts it in the management form.
"use strict";

for (const section of document.querySelectorAll("[data-rows]")) {
  const prefix = section.dataset.rows;
  const total = section.querySelector(`[name="${prefix}-TOTAL_FORMS"]`);
  const most = Number(section.querySelector(`[name="${prefix}-MAX_NUM_FORMS"]`).value);
  const list = section.querySelector("[data-rows-list]");
  const blank = section.querySelector("[data-rows-blank]");
  const add = section.querySelector("[data-rows-add]");

  add.addEventListener("click", () => {
    const number = Number(total.value);
    const holder = document.createElement("template");
    holder.innerHTML = blank.innerHTML.replaceAll("__prefix__", String(number));
    list.append(holder.content);
    total.value = String(number + 1);
    add.hidden = number + 1 >= most;
    list.lastElementChild.querySelector("input:not([type=hidden])").focus();
  });
}
