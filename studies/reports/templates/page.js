"use strict";
// What shows a row of the tables, here, in the legend and in the figures, carries its number as data-v.
const every = (what, inside = document) => [...inside.querySelectorAll(what)];
for (const line of every("figure svg g[data-v] path")) {
  if (getComputedStyle(line).fill !== "none") continue;
  const wide = line.cloneNode();  // a thin line is hard to meet
  wide.removeAttribute("id");
  wide.removeAttribute("marker-start");
  wide.style.cssText = "fill: none; stroke: transparent; stroke-width: 12; pointer-events: stroke";
  line.after(wide);
}
const marked = every("[data-v]");
let kept = null;
const light = (row) => {
  document.body.classList.toggle("lit", row !== null);
  for (const one of marked) one.classList.toggle("on", one.dataset.v === row);
};
const keep = (row) => {
  kept = row;
  for (const button of every("button[aria-pressed]")) button.setAttribute("aria-pressed", button.dataset.v === row);
  light(row);
};
for (const one of marked) {
  for (const come of ["pointerenter", "focusin"]) one.addEventListener(come, () => light(one.dataset.v));
  for (const go of ["pointerleave", "focusout"]) one.addEventListener(go, () => light(kept));
  if (one.matches("button")) one.addEventListener("click", () => keep(kept === one.dataset.v ? null : one.dataset.v));
}
document.addEventListener("keydown", (event) => { if (event.key === "Escape") keep(null); });

for (const tabs of every("[role=tablist]")) {
  const buttons = every("[role=tab]", tabs);
  const show = (chosen) => {
    for (const tab of buttons) {
      tab.setAttribute("aria-selected", tab === chosen);
      tab.tabIndex = tab === chosen ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
    }
  };
  for (const [place, tab] of buttons.entries()) {
    tab.addEventListener("click", () => show(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = buttons[(place + step + buttons.length) % buttons.length];
      show(next);
      next.focus();
    });
  }
}

for (const field of every("input[type=search]")) {
  const lines = every("tbody tr", field.closest(".table"));
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    for (const line of lines) line.hidden = !line.textContent.toLowerCase().includes(wanted);
  });
}

for (const button of every(".sortable thead button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement, row = head.parentElement, body = row.closest("table").tBodies[0];
    const column = [...row.children].indexOf(head);
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of row.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const key = (line) => {
      const text = line.cells[column].textContent.trim().replace("\u2212", "-");
      return [parseFloat(text.replace(/^< /, "")), text];
    };
    const lines = [...body.rows].map((line) => [key(line), line]);
    lines.sort(([[a, s]], [[b, t]]) => {
      if (isNaN(a) !== isNaN(b)) return isNaN(a) ? 1 : -1;
      const order = isNaN(a) ? s.localeCompare(t) : a - b;
      return up ? order : -order;
    });
    for (const [, line] of lines) body.append(line);
  });
}

const unfold = () => {
  const target = document.getElementById(location.hash.slice(1));
  const folded = target && target.closest("details");
  if (folded) folded.open = true;
};
addEventListener("hashchange", unfold);
addEventListener("beforeprint", () => { for (const folded of every("details")) folded.open = true; });
unfold();
