// Where nobody has chosen a time zone yet, choose the browser's.
for (const field of document.querySelectorAll("[data-guess-zone]")) {
  if (field.value) continue;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const offered = field.tagName !== "SELECT" || [...field.options].some((option) => option.value === zone);
  if (zone && offered) field.value = zone;
}
