// Draws the screen. All words come with it; nothing is decided here.

import { noteDone } from "./actions.js";
import { drawDiscounts } from "./discount.js";
import { byId, made, put, show } from "./dom.js";
import { drawPin } from "./pin.js";
import { drawParked } from "./parked.js";

// The states that have a place of their own on the page say these by themselves.
const SAID_BY_STATE = { authorising: "asking", captured: "completed" };

export const basket = { selected: null };

export function draw(screen, before) {
  document.body.dataset.state = screen.state;
  put("shop", screen.shop_name);
  put("who", screen.person_text);
  byId("who").hidden = !screen.person_text;
  put("proxy", screen.proxy_text);
  byId("proxy").hidden = !screen.proxy_text;
  drawStatuses(screen);
  drawNotice(screen);
  drawLines(screen);
  drawDiscounts(screen);
  drawParked(screen);
  drawSums(screen);
  drawPane(screen);
  if (screen.state === "captured" && before?.state !== "captured") noteDone();
  drawConfirming(screen);
  drawPin(screen);
  drawDone(screen);
  for (const id of ["clear-dialog", "quantity-dialog"]) {
    if (screen.state !== "open") byId(id).close();
  }
  if (screen.state !== "authorised") byId("fewer-dialog").close();
}

function drawStatuses(screen) {
  const marks = screen.statuses.map((status) => {
    const mark = made("status-template");
    mark.dataset.level = status.level;
    mark.dataset.about = status.about;
    mark.querySelector("b").textContent = status.text;
    return mark;
  });
  byId("statuses").replaceChildren(...marks);
}

function drawNotice(screen) {
  const said = screen.notice !== null && screen.notice.code !== SAID_BY_STATE[screen.state];
  const covering = screen.pin !== null ? "pin-notice" : screen.confirming !== null ? "confirming-notice" : null;
  const here = covering ?? (screen.state === "captured" ? "done-notice" : "notice");
  for (const place of ["notice", "done-notice", "confirming-notice", "pin-notice"]) {
    const wanted = said && place === here;
    put(`${place}-text`, wanted ? screen.notice_text : "");
    put(`${place}-next`, wanted ? screen.notice_next : "");
    byId(place).dataset.level = wanted ? screen.notice.level : "";
    show(place, wanted);
  }
}

let drawnLines = "";

function drawLines(screen) {
  // A row that is made anew under a finger would lose its press.
  const wanted = JSON.stringify([screen.lines, screen.line_texts, basket.selected]);
  if (wanted === drawnLines) return;
  drawnLines = wanted;
  const list = byId("lines");
  const focused = document.activeElement;
  const focusedLine = focused?.closest?.("#lines li")?.dataset.lineNo;
  const focusedDo = focused?.dataset?.do;
  const grew = screen.lines.length > list.childElementCount;
  const numbers = screen.lines.map((line) => line.line_no);
  if (!numbers.includes(basket.selected)) basket.selected = null;
  list.replaceChildren(...screen.lines.map((line, i) => lineRow(line, screen.line_texts[i])));
  show("empty", screen.lines.length === 0);
  if (focusedLine !== undefined) {
    list.querySelector(`[data-line-no="${focusedLine}"] [data-do="${focusedDo}"]`)?.focus();
  } else if (grew) {
    list.lastElementChild?.scrollIntoView({ block: "nearest" });
  }
  list.querySelector(".selected")?.scrollIntoView({ block: "nearest" });
}

function lineRow(line, words) {
  const row = made("line-template");
  row.dataset.lineNo = line.line_no;
  row.classList.toggle("selected", line.line_no === basket.selected);
  row.querySelector(".line-name").textContent = words.name;
  row.querySelector(".line-price").textContent = words.price;
  row.querySelector(".line-amount").textContent = words.amount;
  for (const name of line.weighed ? ["less", "more"] : ["weigh", "remove"]) {
    row.querySelector(`[data-do="${name}"]`).remove();
  }
  return row;
}

function drawSums(screen) {
  put("due", screen.due_text);
  put("points-label", screen.points_label);
  put("points", screen.points_text);
  put("remainder", screen.remainder_text);
  put("to-pay", screen.to_pay_text);
  put("rule", screen.rule_text);
  show("rule", screen.rule_text !== "");
  put("hint-text", screen.hint_text);
  show("hint", screen.hint_text !== "");
  put("cash-text", screen.cash_text);
  show("cash", screen.cash_text !== "");
  show("clear", screen.state === "open" && screen.lines.length > 0);
}

function figureList(id, figures) {
  byId(id).replaceChildren(
    ...figures.map((figure) => {
      const place = made("figure-template");
      place.querySelector("dt").textContent = figure.label;
      place.querySelector("dd").textContent = figure.text;
      return place;
    }),
  );
}

function drawPane(screen) {
  show("pane-open", screen.state === "open" || screen.state === "captured");
  show("pane-asking", screen.state === "authorising");
  show("pane-approved", screen.state === "authorised");
  if (screen.state !== "authorised") return;
  figureList("approved-figures", screen.figures.slice(0, -1)); // what remains to pay is below
  put("confirm-text", screen.confirm_text);
  show("fewer", screen.fewer_text !== "");
  put("fewer-title", screen.fewer_text);
}

function drawConfirming(screen) {
  show("confirming", screen.confirming !== null);
  if (screen.confirming === null) return;
  const picture = byId("challenge");
  // The address names the question: the same picture is not fetched again, a new one is.
  const address = `/api/challenge?of=${screen.confirming.digits.slice(-40)}`;
  if (picture.getAttribute("src") !== address) picture.src = address;
  put("confirming-text", screen.confirming_text);
  put("skip-confirm", screen.confirming_skip_text);
  show("skip-confirm", screen.confirming_skip_text !== "");
}

function drawDone(screen) {
  show("done", screen.state === "captured");
  if (screen.completed === null) return;
  figureList("done-figures", screen.figures);
  put("done-remainder", screen.remainder_text);
  put("receipt-no", screen.receipt_text);
  put("print-text", screen.print_text);
  byId("print").dataset.level = screen.print_level;
  show("print", screen.print_text !== "");
}
