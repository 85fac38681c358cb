// Checks a receipt: from the address that its code opened, by the camera, or typed off the paper.

import { NoDecoder, watch } from "./camera.js";
import { half, language, say, turnLanguage } from "./words.js";

const byId = (id) => document.getElementById(id);

let told = null; // the newest answer
let notice = ""; // the name of what is said above
let stopCamera = null;

const yuan = (fen) => `${(fen / 100).toFixed(2)} ${say("yuan")}`;
const points = (count) => `${count} ${language === "zh" ? told.unit_name : told.unit_name_en}`;
const when = (seconds) =>
  new Intl.DateTimeFormat(language === "zh" ? "zh-CN" : "en-GB", {
    year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hour12: false, timeZone: "Asia/Shanghai",
  }).format(new Date(seconds * 1000));

function row(place, name, children) {
  const made = document.createElement(name);
  for (const [kind, text] of children) made.appendChild(document.createElement(kind)).textContent = text;
  place.append(...(name === "div" ? made.childNodes : [made]));
}

function showFigures() {
  const figures = byId("figures");
  figures.replaceChildren();
  byId("lines").replaceChildren();
  figures.hidden = !told.genuine;
  byId("compare").hidden = !told.genuine;
  if (!told.genuine) return;
  const isRefund = told.kind === "refund";
  const pairs = [
    [say("kind"), say(isRefund ? "refund" : "sale")],
    [say("shop"), told.shop_name],
    [say("receiptNo"), told.receipt_no],
    [say("time"), when(told.occurred_at)],
    [say("total"), yuan(told.total_fen)],
    [say(isRefund ? "pointsBack" : "pointsUsed"), points(told.points)],
    [say(isRefund ? "cashBack" : "cash"), yuan(told.cash_fen)],
  ];
  for (const [name, figure] of pairs) if (figure) row(figures, "div", [["dt", name], ["dd", figure]]);
  for (const line of told.lines) {
    const parts = line.amount_fen || !line.amount_points ? [yuan(line.amount_fen)] : [];
    if (line.amount_points) parts.push(points(line.amount_points));
    const amount = parts.join(" + ");
    row(byId("lines"), "li", [["span", `${line.name} × ${line.quantity}`], ["b", amount]]);
  }
}

function view() {
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
  document.title = say("receiptTitle");
  for (const place of document.querySelectorAll("[data-say]")) place.textContent = say(RENAMED[place.dataset.say] ?? place.dataset.say);
  byId("notice").hidden = notice === "";
  byId("notice").textContent = notice && say(notice);
  byId("verdict").hidden = told === null;
  if (told === null) return;
  byId("state").dataset.state = told.state;
  byId("state").textContent = say(`receipt_${told.state}`);
  byId("says").textContent = half(told.says);
  showFigures();
}

// The scanning page has words of its own under these names.
const RENAMED = { title: "receiptTitle", scanText: "receiptScanText" };

async function check(question) {
  notice = "checking";
  told = null;
  view();
  try {
    const response = await fetch("/v1/receipts/check", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(question),
    });
    told = response.ok ? await response.json() : null;
    notice = response.ok ? "" : "serverBusy";
  } catch {
    notice = "noNetwork";
  }
  view();
  byId("verdict").scrollIntoView({ block: "start" });
}

function endCamera() {
  stopCamera?.();
  stopCamera = null;
  byId("scanning").hidden = true;
  byId("asking").hidden = false;
}

async function scan() {
  notice = window.isSecureContext ? "" : "receiptNeedsHttps";
  told = null;
  view();
  if (!window.isSecureContext) return;
  byId("scanning").hidden = false;
  byId("asking").hidden = true;
  try {
    let done = false;
    const stop = await watch(byId("video"), (text) => {
      if (done) return;
      done = true;
      endCamera();
      check({ digits: text.slice(0, 700) });
    });
    stopCamera = stop;
    if (done || byId("scanning").hidden) endCamera();
  } catch (error) {
    endCamera();
    notice = error instanceof NoDecoder ? "receiptDecoderNone" : "receiptCameraNone";
    view();
  }
}

function fromAddress() {
  const digits = location.hash.slice(1);
  if (digits) check({ digits: digits.slice(0, 700) });
}

byId("scan-paper").addEventListener("click", scan);
byId("stop").addEventListener("click", endCamera);
byId("typed").addEventListener("submit", (event) => {
  event.preventDefault();
  check({ receipt_no: byId("receipt-no").value, check: byId("check").value });
});
byId("language").addEventListener("click", () => {
  turnLanguage();
  view();
});
window.addEventListener("hashchange", fromAddress);
view();
fromAddress();
