// Moves the code of a one-time link from behind the "#" into the form, and out of the history;
// puts the focus on what went wrong.

const field = document.querySelector("input[name=code]");
if (field && location.hash.length > 1) {
  field.value = decodeURIComponent(location.hash.slice(1));
  field.closest("label").hidden = true;
  history.replaceState(null, "", location.pathname + location.search);
}

const alert = document.querySelector("[role=alert]");
if (alert) {
  alert.focus();
}
