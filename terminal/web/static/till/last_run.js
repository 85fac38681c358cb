// After a stop: was the sale that was on the page completed or not, with its receipt or its basket.

import { lastRunSeen, putBack, reprint } from "./actions.js";
import { TroubleError, get } from "./api.js";
import { byId, made, openDialog, put, show } from "./dom.js";
import { lost } from "./lost.js";

let receiptNo = "";

export async function askLastRun() {
  let found;
  try {
    found = await get("/api/last-run");
  } catch (error) {
    lost(error instanceof TroubleError ? error.says : "");
    return;
  }
  if (!found.shown) return;
  receiptNo = found.receipt_no;
  const dialog = byId("last-run-dialog");
  dialog.dataset.level = found.completed ? "good" : "ask";
  put("last-run-title", found.title);
  put("last-run-text", found.text);
  put("last-run-total", found.total);
  byId("last-run-lines").replaceChildren(...found.lines.map(lineRow));
  show("last-run-reprint", found.completed);
  show("last-run-put-back", found.may_put_back);
  openDialog("last-run-dialog");
}

function lineRow(line) {
  const row = made("last-run-template");
  row.querySelector(".line-name").textContent = line.name;
  row.querySelector(".line-quantity").textContent = line.quantity;
  row.querySelector(".line-amount").textContent = line.amount;
  return row;
}

export function startLastRun() {
  byId("last-run-reprint").addEventListener("click", async () => {
    byId("last-run-dialog").close();
    await lastRunSeen();
    reprint(receiptNo);
  });
  byId("last-run-put-back").addEventListener("click", () => {
    byId("last-run-dialog").close();
    putBack();
  });
  byId("last-run-seen").addEventListener("click", () => {
    byId("last-run-dialog").close();
    lastRunSeen();
  });
  askLastRun();
}
