// The basket's own buttons, and the same with arrows, + and −.

import { changeCount, setQuantity } from "./actions.js";
import { byId } from "./dom.js";
import { askWeight } from "./quantity.js";
import { basket, draw } from "./render.js";
import { screenNow } from "./screen.js";

function change(lineNo, what) {
  const screen = screenNow();
  const at = screen.lines.findIndex((line) => line.line_no === lineNo);
  if (at < 0 || screen.state !== "open") return;
  const line = screen.lines[at];
  if (what === "remove" || (what === "less" && line.weighed)) setQuantity(lineNo, "0");
  else if (what === "weigh" || line.weighed) {
    askWeight(screen.line_texts[at].name, line.unit, (text) => setQuantity(lineNo, text));
  } else changeCount(lineNo, what === "more" ? 1 : -1);
}

function selectedLine() {
  return basket.selected ?? screenNow()?.lines.at(-1)?.line_no ?? null;
}

export function changeSelected(what) {
  const lineNo = selectedLine();
  if (lineNo !== null) change(lineNo, what);
}

export function select(step) {
  const screen = screenNow();
  if (!screen?.lines.length) return;
  const at = screen.lines.findIndex((line) => line.line_no === basket.selected);
  const last = screen.lines.length - 1;
  const to = at < 0 ? last : Math.min(Math.max(at + step, 0), last);
  basket.selected = screen.lines[to].line_no;
  draw(screen, screen);
}

export function startBasket() {
  byId("lines").addEventListener("click", (event) => {
    const row = event.target.closest("li");
    const what = event.target.closest("[data-do]")?.dataset.do;
    if (row && what) change(Number(row.dataset.lineNo), what);
  });
}
