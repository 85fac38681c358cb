// What a button does. One press at a time; the buttons that must not be pressed twice are
// switched off at once and come back with the answer.

import { TroubleError, post } from "./api.js";
import { found, lost } from "./lost.js";
import { screenNow, take } from "./screen.js";

const ARM_MS = 600;

let pressing = false;
let doneAt = 0;
let edits = Promise.resolve();

export const isPressing = () => pressing;

export function noteDone() {
  doneAt = performance.now();
}

async function send(path, body) {
  try {
    take(await post(path, body));
    found();
  } catch (error) {
    lost(error instanceof TroubleError ? error.says : "");
  }
}

function switchOnce(off) {
  for (const button of document.querySelectorAll("[data-once]")) button.disabled = off;
}

async function press(path, body) {
  if (pressing) return;
  pressing = true;
  switchOnce(true);
  try {
    await send(path, body);
  } finally {
    pressing = false;
    switchOnce(false);
  }
}

// Edits of the basket go one after another, each from the screen that the one before left.
function edit(makeBody, path) {
  edits = edits.then(async () => {
    const body = makeBody(screenNow());
    if (body !== null) await send(path, body);
  });
  return edits;
}

export const scan = (text) => send("/api/scan", { text });

export const addItem = (itemId, quantity = "1") =>
  edit(() => ({ item_id: itemId, quantity }), "/api/item");

export const addAmount = (text) => edit(() => ({ text }), "/api/amount");

export const setQuantity = (lineNo, quantity) =>
  edit(() => ({ line_no: lineNo, quantity }), "/api/quantity");

export const changeCount = (lineNo, by) =>
  edit((screen) => {
    const line = screen.lines.find((one) => one.line_no === lineNo);
    if (line === undefined) return null;
    const milli = Math.max(0, line.quantity_milli + by * 1000);
    const rest = String(milli % 1000).padStart(3, "0");
    return { line_no: lineNo, quantity: `${Math.floor(milli / 1000)}.${rest}` };
  }, "/api/quantity");

export const discount = (how, text, lineNo, reason, pin) =>
  press("/api/discount", { how, text, line_no: lineNo, reason, pin });
export const discountOff = (lineNo) => press("/api/discount-off", { line_no: lineNo });
export const rounding = (on) => press("/api/rounding", { on });
export const park = () => press("/api/park");
export const takeUp = (number) => press("/api/take-up", { number });
export const parkDelete = (number, reason) => press("/api/park-delete", { number, reason });
export const choosePoints = (points) => press("/api/points", { points });
export const goBack = () => press("/api/back");
export const clear = () => press("/api/clear");
export const skipConfirm = () => press("/api/skip-confirm");
export const stopConfirm = () => press("/api/stop-confirm");
export const sendPin = (pin) => press("/api/pin", { pin });
export const skipPin = () => press("/api/skip-pin");
export const stopPin = () => press("/api/stop-pin");
export const reprint = (receiptNo) => press("/api/reprint", { receipt_no: receiptNo });
export const refund = (receiptNo, reason, lines, pin, saleId) =>
  press("/api/refund", { receipt_no: receiptNo, reason, lines, pin, sale_id: saleId });

export const lastRunSeen = () => press("/api/last-run-seen");
export const putBack = () => press("/api/put-back");

// A finger that was still pressing "confirm" must not dismiss the screen that says it worked.
export function nextCustomer() {
  if (performance.now() - doneAt >= ARM_MS) clear();
}

export function complete() {
  const screen = screenNow();
  if (screen.confirming !== null || screen.pin !== null) return; // it covers the button
  if (!screen.cash_text && !screen.confirm_text) return;
  const { points, cash_fen } = screen.payment;
  press("/api/complete", { sale_id: screen.sale_id, points, cash_fen });
}

export function primary() {
  if (screenNow().state === "captured") nextCustomer();
  else complete();
}
