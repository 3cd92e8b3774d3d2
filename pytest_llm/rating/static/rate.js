// Without this the page works by mouse and Tab. With it: keys, and a note that outlives a reload or a server that has stopped.
"use strict";

const form = document.querySelector("form[method=post] textarea")?.form;
const note = form?.elements.note;
const shortcuts = document.getElementById("shortcuts");
const draft = `note of ${location.search}`;

if (shortcuts) {
  shortcuts.closest("label").hidden = false;
  shortcuts.checked = localStorage.getItem("shortcuts") !== "off";
  shortcuts.addEventListener("change", () => localStorage.setItem("shortcuts", shortcuts.checked ? "on" : "off"));
}

document.addEventListener("keydown", (event) => {
  const writing = event.target.matches("textarea, input:not([type=checkbox])");
  if (writing && event.key === "Escape") event.target.blur();
  if (writing || event.repeat || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (shortcuts && !shortcuts.checked) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const target = [...document.querySelectorAll("[data-keys]")].find((one) => one.dataset.keys.split(" ").includes(key));
  if (!target) return;
  event.preventDefault();
  if (target === note) note.focus();
  else target.click();
});

function grow() {
  note.style.height = "auto";
  note.style.height = `${note.scrollHeight + 2}px`;
}

if (form) {
  const saved = note.value;
  note.value = sessionStorage.getItem(draft) ?? saved;
  if (note.value) grow();
  note.addEventListener("input", () => {
    sessionStorage.setItem(draft, note.value);
    grow();
  });

  let sending = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (sending) return;
    sending = true;
    const body = new URLSearchParams(new FormData(form));
    body.set("choice", event.submitter.value);
    event.submitter.setAttribute("aria-pressed", "true");
    try {
      const response = await fetch(form.action, { method: "POST", body });
      if (!response.ok) throw new Error(response.headers.get("X-Reason") ?? `the server said ${response.status}`);
      sessionStorage.removeItem(draft);
      location.assign(response.url);
    } catch (error) {
      sending = false;
      event.submitter.setAttribute("aria-pressed", "false");
      const alert = form.querySelector("[role=alert]");
      const reason = error instanceof TypeError ? "the server does not answer. Start pytest-llm rate again, and open the address it prints" : error.message;
      alert.textContent = `Not saved: ${reason}.`;
      alert.hidden = false;
    }
  });
}
