// Where nobody has chosen a time zone yet, choose the browser's.
for (const field of document.querySelectorAll("[data-guess-zone]")) {
  if (field.value) continue;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const listed = [...(field.list?.options ?? [])].find((option) => option.dataset.zone === zone);
  if (zone) field.value = listed ? listed.value : zone;
}
