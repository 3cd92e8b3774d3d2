"use strict";
// The page can be read without this: it filters, sorts, and moves by keys.
(() => {
  const table = document.getElementById("table");
  if (!table) return;
  const $ = (id) => document.getElementById(id);
  const bodies = [...table.tBodies];
  let texts = null; // read when somebody first looks for a word
  const form = $("filter"), find = $("find"), metric = $("metric"), shown = $("shown");
  const kinds = [...form.querySelectorAll("[name=kind]")];
  const order = ["failed", "warned", "passed", "unjudged"];
  form.hidden = false;

  function filter() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = new Set(kinds.filter((box) => box.checked).map((box) => box.value));
    if (words.length) texts ??= bodies.map((body) => body.textContent.toLowerCase());
    let count = 0;
    bodies.forEach((body, place) => {
      const fits = chosen.has(body.dataset.kind) && (!metric.value || body.dataset.metric === metric.value)
        && words.every((word) => texts[place].includes(word));
      if (body.hidden === fits) body.hidden = !fits;
      count += fits;
    });
    shown.textContent = `${count} of ${bodies.length} shown`;
    $("nothing").hidden = count > 0;
  }

  function key(body, by) {
    if (by === "kind") return order.indexOf(body.dataset.kind);
    if (by === "metric") return body.dataset.metric;
    return Number(body.dataset[by]);
  }

  function sort(head, by) {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const keyed = bodies.map((body, place) => [key(body, by), place, body]);
    const missing = (value) => typeof value === "number" && Number.isNaN(value);
    keyed.sort(([a, i], [b, j]) => {
      if (missing(a) || missing(b)) return missing(a) - missing(b) || i - j; // what has no number stays last
      const ahead = a < b ? -1 : a > b ? 1 : 0;
      return (down ? -ahead : ahead) || i - j;
    });
    table.append(...keyed.map(([, , body]) => body));
  }

  for (const head of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => sort(head, head.dataset.sort));
  }

  const visible = () => [...table.tBodies].filter((body) => !body.hidden);
  const line = (body) => body.querySelector("summary, .sentence");

  function move(step) {
    const all = visible();
    const place = all.findIndex((body) => body.contains(document.activeElement));
    const next = all[place < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(place + step, 0), all.length - 1)];
    if (!next) return;
    line(next).focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  }

  function clear() {
    find.value = "";
    metric.value = "";
    for (const box of kinds) box.checked = true;
    filter();
  }

  function failedOnly() {
    const others = kinds.filter((box) => box.value !== "failed");
    const all = others.some((box) => !box.checked);
    for (const box of kinds) box.checked = all || box.value === "failed";
    filter();
  }

  function openTarget() {
    const target = /^#g\d+$/.test(location.hash) && $(location.hash.slice(1));
    if (!target) return;
    const details = target.querySelector("details");
    if (details) details.open = true;
    target.scrollIntoView();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      clear();
      document.activeElement.blur();
    } else if (event.target.matches("input, select")) {
      return;
    } else if (event.key === "/") {
      event.preventDefault();
      find.focus();
    } else if (event.key === "j" || event.key === "k") {
      event.preventDefault();
      move(event.key === "j" ? 1 : -1);
    } else if (event.key === "f") {
      failedOnly();
    }
  });
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  $("keys-button").addEventListener("click", (event) => {
    const closed = !$("keys").hidden;
    $("keys").hidden = closed;
    event.currentTarget.setAttribute("aria-expanded", String(!closed));
  });
  addEventListener("hashchange", openTarget);
  shown.textContent = `${bodies.length} of ${bodies.length} shown`;
  openTarget();
})();
