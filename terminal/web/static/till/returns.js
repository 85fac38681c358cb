// Goods that come back: how much of each line, and what is given for it.
//
// The program says what may come back and what that gives; here only quantities are typed.

import { refund } from "./actions.js";
import { TroubleError, post } from "./api.js";
import { byId, made, openDialog, put } from "./dom.js";
import { lost } from "./lost.js";

const NUMBER = /^\d+(\.\d+)?$/;

let looked = null;
let asked = 0;

export async function askReturn(receiptNo) {
  const screen = await look({ receipt_no: receiptNo });
  if (screen === null) return;
  show(screen, null);
  openDialog("refund-dialog");
}

function show(screen, saleId) {
  looked = { ...screen, sale_id: saleId };
  byId("refund-lines").replaceChildren(
    ...screen.choices.map(choiceRow),
    ...screen.lines.map(lineRow),
  );
  drawGive(screen);
}

// An old card gave this number twice: whoever holds the paper says which sale it is.
function choiceRow(choice) {
  const row = made("return-choice-template");
  row.querySelector(".choice-at").textContent = choice.at;
  row.querySelector(".choice-goods").textContent = choice.goods;
  row.querySelector(".choice-paid").textContent = choice.paid;
  row.querySelector("button").addEventListener("click", async () => {
    const screen = await look({ receipt_no: looked.receipt_no, sale_id: choice.sale_id });
    if (screen !== null) show(screen, choice.sale_id);
  });
  return row;
}

async function look(body) {
  try {
    return await post("/api/return", body);
  } catch (error) {
    lost(error instanceof TroubleError ? error.says : "");
    return null;
  }
}

function drawGive(screen) {
  put("refund-kind", screen.title);
  put("refund-receipt", screen.receipt_no);
  put("refund-confirm", screen.confirm);
  put("refund-text", screen.problem ? `${screen.problem}${screen.next}` : screen.give);
  byId("refund-text").dataset.level = screen.problem ? "refused" : "";
  byId("refund-owner").hidden = !screen.needs_owner;
  byId("refund-confirm").disabled = screen.problem !== "";
}

function lineRow(line) {
  const row = made("return-template");
  row.dataset.lineNo = line.line_no;
  row.querySelector(".line-name").textContent = line.name;
  row.querySelector(".line-price").textContent = line.price;
  const field = row.querySelector("input");
  field.value = line.left;
  field.setAttribute("aria-label", line.name);
  const all = row.querySelector('[data-do="all"]');
  const say = () => { all.textContent = field.value === line.left ? all.dataset.none : all.dataset.all; };
  const change = (text) => {
    field.value = text;
    say();
    lookAgain();
  };
  const step = (by) => {
    const count = Math.trunc(Number(NUMBER.test(field.value) ? field.value : "0"));
    change(String(Math.max(0, Math.min(count + by, Math.floor(line.left_milli / 1000)))));
  };
  row.querySelector('[data-do="less"]').addEventListener("click", () => step(-1));
  row.querySelector('[data-do="more"]').addEventListener("click", () => step(1));
  // One touch leaves a line with the customer, one more takes all of it back.
  all.addEventListener("click", () => change(field.value === line.left ? "0" : line.left));
  say();
  row.classList.toggle("by-weight", line.by_weight);
  for (const name of line.by_weight ? ["less", "more"] : []) {
    row.querySelector(`[data-do="${name}"]`).remove();
  }
  for (const part of row.querySelectorAll("button, input")) part.disabled = line.left_milli === 0;
  field.addEventListener("change", () => change(field.value));
  return row;
}

function wantedLines() {
  return Array.from(byId("refund-lines").children, (row) => ({
    line_no: Number(row.dataset.lineNo),
    quantity: row.querySelector("input").value.trim() || "0",
  }));
}

async function lookAgain() {
  byId("refund-confirm").disabled = true;
  const turn = ++asked;
  const screen = await look({
    receipt_no: looked.receipt_no,
    lines: wantedLines(),
    sale_id: looked.sale_id,
  });
  if (screen !== null && turn === asked) drawGive(screen);
}

export function startReturns() {
  byId("refund-confirm").addEventListener("click", () => {
    const reason = document.querySelector("#reasons input:checked").value;
    const lines = wantedLines();
    const field = byId("refund-owner").querySelector("input");
    const pin = field.value;
    field.value = "";
    byId("refund-dialog").close();
    byId("sales-dialog").close();
    refund(looked.receipt_no, reason, lines, pin, looked.sale_id);
  });
}
