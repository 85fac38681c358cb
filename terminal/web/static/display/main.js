// The customer's window: follows the till and says what matters. It sends nothing.

import { TroubleError, get } from "../till/api.js";
import { say, startVoice } from "./voice.js";

const SHOWN_LINES = 5;
const STREAM_AGAIN_MS = 3000;

const byId = (id) => document.getElementById(id);
const put = (id, text) => (byId(id).textContent = text);
const showOnly = (shown) => {
  for (const id of ["welcome", "buying", "done", "lost"]) byId(id).hidden = id !== shown;
};

let boot = null;
let version = 0;
let saidFor = "";

function line(texts) {
  const row = document.createElement("li");
  for (const [name, text] of [["name", texts.name], ["amount", texts.amount]]) {
    const cell = document.createElement("span");
    cell.className = name;
    cell.textContent = text;
    row.append(cell);
  }
  return row;
}

function figure({ label, text }) {
  const row = document.createElement("div");
  const name = document.createElement("dt");
  const value = document.createElement("dd");
  name.textContent = label;
  value.textContent = text;
  row.append(name, value);
  return row;
}

function drawBuying(screen) {
  const texts = screen.line_texts;
  byId("lines").replaceChildren(...texts.slice(-SHOWN_LINES).map(line));
  byId("more").hidden = texts.length <= SHOWN_LINES;
  put("more", `共 ${texts.length} 样 · ${texts.length} items`);
  put("due", screen.due_text);
  byId("points-row").hidden = !(screen.payment?.points > 0);
  put("points-label", screen.points_label);
  put("points", screen.points_text);
  put("to-pay", screen.to_pay_text);
  byId("ask").hidden = !(screen.state === "open" && screen.hint_text !== "");
}

// Once for each step of a sale: a display that repeats itself is switched off by the shop.
function speak(screen) {
  const step = `${screen.sale_id} ${screen.state}`;
  if (step === saidFor) return;
  saidFor = step;
  if (screen.state === "authorised" && screen.payment) {
    const points = screen.payment.points ? `用 ${screen.points_text}，` : "";
    say(`${points}还需付 ${screen.to_pay_text}`);
  } else if (screen.state === "captured") {
    say("谢谢惠顾");
  }
}

function draw(screen) {
  if (boot !== null && screen.boot !== boot) location.reload();
  if (screen.version < version) return;
  boot = screen.boot;
  version = screen.version;
  document.body.dataset.state = screen.state;
  put("shop", screen.shop_name);
  put("pool", screen.pool_name);
  if (screen.state === "captured" && screen.completed) {
    byId("figures").replaceChildren(...screen.figures.map(figure));
    showOnly("done");
  } else if (screen.lines.length > 0) {
    drawBuying(screen);
    showOnly("buying");
  } else {
    showOnly("welcome");
  }
  speak(screen);
}

async function look() {
  try {
    draw(await get("/api/view"));
  } catch (error) {
    if (!(error instanceof TroubleError)) throw error;
    showOnly("lost");
  }
}

function follow() {
  const stream = new EventSource("/api/events");
  stream.addEventListener("screen", (event) => draw(JSON.parse(event.data)));
  stream.addEventListener("fault", () => showOnly("lost"));
  stream.addEventListener("error", () => {
    look();
    if (stream.readyState !== EventSource.CLOSED) return;
    setTimeout(follow, STREAM_AGAIN_MS);
  });
}

startVoice(byId("voice"));
follow();
