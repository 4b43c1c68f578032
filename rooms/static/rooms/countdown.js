// How long until the start, on the page of those who wait. The page asks the server by itself whether the doors are open.

const element = document.querySelector("[data-countdown]");
const start = Date.parse(element.dataset.countdown);
const late = document.querySelector("[data-late]");
const two = (number) => String(number).padStart(2, "0");

function show() {
  const seconds = Math.floor((start - Date.now()) / 1000);
  element.hidden = seconds < 0 || seconds > 24 * 3600;
  if (seconds < 0 && late.hidden && !document.querySelector("[data-shut-again]")) late.hidden = false;
  const clock = [Math.floor((seconds % 3600) / 60), seconds % 60].map(two).join(":");
  element.textContent = seconds >= 3600 ? `${Math.floor(seconds / 3600)}:${clock}` : clock;
}

show();
setInterval(show, 1000);
