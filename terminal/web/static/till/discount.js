// What the shop takes off: a form of its own, and a row below the goods for each discount.

import { discount, discountOff, rounding } from "./actions.js";
import { byId, made, openDialog, put, show } from "./dom.js";
import { screenNow } from "./screen.js";

const ASKS_OWNER = new Set(["owner_needed", "pin_wrong", "pin_waits", "owner_pin_unset"]);

let drawn = "";

export function drawDiscounts(screen) {
  const priced = screen.lines.some((line) => line.unit_price_fen !== null && line.price_fen > 0);
  show("open-discount", screen.state === "open" && priced);
  put("rounding-text", screen.rounding_text);
  show("rounding", screen.state === "open" && screen.rounding_text !== "");
  if (screen.state !== "open") byId("discount-dialog").close();
  // A row that is made anew under a finger would lose its press.
  const wanted = JSON.stringify([screen.discounts, screen.discount_texts]);
  if (wanted === drawn) return;
  drawn = wanted;
  byId("discounts").replaceChildren(
    ...screen.discounts.map((given, i) => row(given, screen.discount_texts[i])),
  );
}

function row(given, words) {
  const place = made("discount-template");
  place.querySelector(".line-name").textContent = words.name;
  place.querySelector(".line-amount").textContent = words.amount;
  place.querySelector("button").addEventListener("click", () => {
    if (given.kind === "rounding") rounding(false);
    else discountOff(given.line_no);
  });
  return place;
}

function option(value, text) {
  const made = document.createElement("option");
  made.value = value;
  made.textContent = text;
  return made;
}

export function askDiscount() {
  const screen = screenNow();
  if (screen?.state !== "open" || byId("open-discount").hidden) return;
  const form = byId("discount-form");
  const of = form.elements.of;
  of.replaceChildren(
    option("", of.dataset.all),
    ...screen.lines
      .map((line, i) => [line, screen.line_texts[i]])
      .filter(([line]) => line.unit_price_fen !== null)
      .map(([line, words]) => option(String(line.line_no), `${words.name} ${words.amount}`)),
  );
  form.elements.text.value = "";
  form.elements.pin.value = "";
  byId("discount-owner").hidden = true;
  put("discount-text", "");
  openDialog("discount-dialog");
}

async function take(event) {
  event.preventDefault();
  const { of, how, text, reason, pin } = byId("discount-form").elements;
  const lineNo = of.value === "" ? null : Number(of.value);
  const given = pin.value;
  pin.value = "";
  await discount(how.value, text.value.trim(), lineNo, reason.value, given);
  const screen = screenNow();
  const notice = screen.notice;
  if (notice === null || !["refused", "alarm"].includes(notice.level)) {
    byId("discount-dialog").close();
    return;
  }
  put("discount-text", `${screen.notice_text}${screen.notice_next}`);
  byId("discount-owner").hidden = !ASKS_OWNER.has(notice.code);
  if (ASKS_OWNER.has(notice.code)) pin.focus();
}

export function startDiscounts() {
  byId("open-discount").addEventListener("click", askDiscount);
  byId("round-off").addEventListener("click", () => rounding(true));
  const form = byId("discount-form");
  form.addEventListener("submit", take);
  const unit = byId("discount-unit");
  for (const how of form.elements.how) {
    how.addEventListener("change", () => put("discount-unit", unit.dataset[how.value]));
  }
}
