// allauth tells of a refused or cancelled passkey by an event; say it where the person looks.
(() => {
  const refused = document.currentScript.dataset.refused;
  document.addEventListener("allauth.error", (event) => {
    event.preventDefault();
    window.stagedoor.toast(refused, "danger");
  });
})();
