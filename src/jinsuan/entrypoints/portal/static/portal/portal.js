// The few things a page does by itself. Everything works without this file.
"use strict";

// Live parts stop asking while nobody looks.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.target.closest("[data-live]")) event.preventDefault();
});

// A link with data-dialog opens its dialog here instead of leading to the page of the same content.
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  if (opener) {
    const dialog = document.getElementById(opener.dataset.dialog);
    if (dialog && dialog.showModal) {
      event.preventDefault();
      dialog.showModal();
    }
  }
  const closer = event.target.closest("[data-close]");
  if (closer && closer.closest("dialog")) {
    event.preventDefault();
    closer.closest("dialog").close();
  }
});

// Esc closes the folded menu and gives the focus back.
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// Amounts are shown in groups of three once the field is left.
document.addEventListener("focusout", (event) => {
  const field = event.target;
  if (!(field instanceof HTMLInputElement) || !("money" in field.dataset)) return;
  const plain = field.value.normalize("NFKC").replace(/,/g, "").trim();
  const found = /^(\d{1,10})(?:\.(\d{1,2}))?$/.exec(plain);
  if (!found) return;
  const yuan = found[1].replace(/^0+(?=\d)/, "").replace(/\B(?=(\d{3})+$)/g, ",");
  field.value = `${yuan}.${(found[2] || "").padEnd(2, "0")}`;
});

// A button that sends says so and is not pressed twice.
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (!button || !button.dataset.busy) return;
  setTimeout(() => {
    button.disabled = true;
    button.textContent = button.dataset.busy;
  });
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted) window.location.reload();
});

// Another centre picked in the plan: its row is marked and the bar says what it freezes.
document.addEventListener("change", (event) => {
  const form = event.target.closest("form");
  const bar = document.getElementById("sum");
  if (!form || !bar || !form.contains(bar)) return;
  const row = event.target.name === "centre" && event.target.closest("[data-row]");
  if (!row) {
    bar.textContent = "内容改过了，请重新试算再下单";
    return;
  }
  for (const other of form.querySelectorAll("[data-row]")) other.classList.toggle("sel", other === row);
  bar.replaceChildren(...row.querySelector("[data-sum]").cloneNode(true).childNodes);
});

// The log keeps its place when the reader scrolled up; otherwise it follows.
let place = null;
document.addEventListener("htmx:beforeSwap", (event) => {
  const log = event.detail.target.id === "log-box" && document.getElementById("log");
  if (!log) return;
  const below = log.scrollHeight - log.scrollTop - log.clientHeight;
  const held = document.querySelector("[data-hold-log]:checked");
  place = held || below > 40 ? log.scrollTop : null;
});
document.addEventListener("htmx:afterSwap", (event) => {
  const log = event.detail.target.id === "log-box" && document.getElementById("log");
  if (log) log.scrollTop = place === null ? log.scrollHeight : place;
});

document.addEventListener("DOMContentLoaded", () => {
  const errors = document.querySelector("[data-focus]");
  if (errors) errors.focus();
  const log = document.getElementById("log");
  if (log) log.scrollTop = log.scrollHeight;
});

// A page that is worth printing offers it; without this file the browser's own menu does it.
for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
