// Runs before the first paint: says that scripts work, so that dialogs need not stand in the page, and sees
// that a chosen colour scheme never flashes through the other one.
document.documentElement.classList.add("has-scripts");
try {
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage may be forbidden; then the system's choice stands.
}
