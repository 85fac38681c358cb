// Baskets that wait while others are served: put aside, taken up again, thrown away for a reason.

import { park, parkDelete, takeUp } from "./actions.js";
import { byId, made, openDialog, put, show } from "./dom.js";
import { screenNow } from "./screen.js";

const REFUSALS = new Set(["park_empty", "park_full", "park_first", "park_unknown", "park_reason", "basket_locked"]);

let drawn = "";
let deleting = null;

export function drawParked(screen) {
  put("parked-button-text", screen.parked_text);
  show("park", screen.lines.length > 0 && screen.state !== "captured");
  show("no-parked", screen.parked.length === 0);
  const refused = screen.notice !== null && REFUSALS.has(screen.notice.code);
  put("parked-notice", refused ? `${screen.notice_text}${screen.notice_next}` : "");
  // A row that is made anew under a finger would lose its press.
  const wanted = JSON.stringify(screen.parked_texts);
  if (wanted === drawn) return;
  drawn = wanted;
  byId("parked").replaceChildren(
    ...screen.parked.map((one, i) => row(one.number, screen.parked_texts[i])),
  );
}

function row(number, words) {
  const place = made("parked-template");
  place.dataset.number = number;
  place.querySelector(".line-name").textContent = words.title;
  place.querySelector(".line-price").textContent = words.goods;
  place.querySelector(".line-amount").textContent = words.amount;
  place.querySelector('[data-do="take-up"]').addEventListener("click", () => done(takeUp(number)));
  place.querySelector('[data-do="delete"]').addEventListener("click", () => {
    deleting = number;
    put("park-delete-text", `${words.title} · ${words.amount}`);
    openDialog("park-delete-dialog");
  });
  return place;
}

// What was refused is read in the dialog; what was done is seen on the page behind it.
async function done(pressed) {
  await pressed;
  const notice = screenNow()?.notice;
  if (!notice || !REFUSALS.has(notice.code)) byId("parked-dialog").close();
}

export function openParked() {
  if (screenNow() === null) return;
  put("parked-notice", "");
  const dialog = openDialog("parked-dialog");
  dialog.querySelector("#park:not([hidden]), [data-do]")?.focus();
}

export function startParked() {
  byId("open-parked").addEventListener("click", openParked);
  byId("park").addEventListener("click", () => done(park()));
  byId("park-reasons").addEventListener("click", (event) => {
    const reason = event.target.closest("button")?.dataset.reason;
    if (reason === undefined || deleting === null) return;
    byId("park-delete-dialog").close();
    parkDelete(deleting, reason);
    deleting = null;
  });
}
