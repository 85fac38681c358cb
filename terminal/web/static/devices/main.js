// The devices' self-test: each step says what became of it. One step at a time.

import { TroubleError, get, post } from "../till/api.js";

const byId = (id) => document.getElementById(id);
const buttons = document.querySelectorAll("button");

// Whose leave, and why: asked for once on the page. A PIN that was left there is nobody's leave.
const PIN_STAYS_MS = 120_000;
let forgetting = 0;

function leave() {
  clearTimeout(forgetting);
  forgetting = setTimeout(() => { byId("pin").value = ""; }, PIN_STAYS_MS);
  return { pin: byId("pin").value, reason: byId("reason")?.value ?? "" };
}

async function step(name, body) {
  const says = byId(`${name}-says`);
  says.textContent = "…";
  for (const button of buttons) button.disabled = true;
  try {
    const answer = await post(`/devices/${name}`, { ...body, ...leave() });
    says.textContent = answer.says;
    says.dataset.good = String(answer.good);
    if (answer.good) byId(name === "scanner" ? "scanner-url" : "url").textContent = answer.url;
  } catch (error) {
    if (!(error instanceof TroubleError)) throw error;
    says.textContent = error.says || "终端没有回答 · no answer";
    says.dataset.good = "false";
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

byId("level").addEventListener("click", () => step("level", {}));
byId("papers").addEventListener("click", () => step("papers", {}));
byId("choice").addEventListener("submit", (event) => {
  event.preventDefault();
  const seen = new FormData(event.target);
  step("choice", {
    encoding: seen.get("encoding"),
    columns: Number(seen.get("columns")),
    native_qr: seen.get("native_qr") === "yes",
    cutter: seen.get("cutter") === "yes",
  });
});

byId("drawer").addEventListener("submit", async (event) => {
  event.preventDefault();
  await step("drawer", {});
  byId("pin").value = ""; // there is money in it
});

byId("scanner")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const seen = new FormData(event.target);
  const baud = seen.get("baud");
  step("scanner", { prefix: seen.get("prefix"), baud: baud && Number(baud), layout: seen.get("layout") });
});

// What the scanner sends. Asked for again and again while the terminal sends scans here.

const POLL_MS = 500;
let polling = 0;

function line(tag, text, name = "") {
  const part = document.createElement(tag);
  part.textContent = text;
  part.className = name;
  return part;
}

function show(answer) {
  const on = answer.left_s > 0;
  byId("listen").hidden = on;
  byId("unlisten").hidden = !on;
  byId("listen-says").textContent = on ? `请扫码，还有 ${answer.left_s} 秒 · scan now` : "";
  if (!on && !answer.scans.length) return;
  byId("scans").replaceChildren(...answer.scans.toReversed().map((scan) => {
    const item = document.createElement("li");
    item.append(line("code", scan.text), line("div", scan.kind), line("small", scan.form));
    if (scan.advice) item.append(line("div", scan.advice, "advice"));
    return item;
  }));
}

async function poll() {
  try {
    const answer = await get("/devices/scans");
    show(answer);
    if (answer.left_s > 0) polling = setTimeout(poll, POLL_MS);
  } catch (error) {
    if (!(error instanceof TroubleError)) throw error;
    byId("listen-says").textContent = error.says || "终端没有回答 · no answer";
  }
}

async function listen(on) {
  clearTimeout(polling);
  try {
    const answer = await post("/devices/listen", { on, ...leave() });
    byId("listen-says").dataset.good = String(!answer.says);
    if (answer.says) {
      byId("listen-says").textContent = answer.says; // whoever stands here may not
      return;
    }
    show(answer);
    if (on) poll();
  } catch (error) {
    if (!(error instanceof TroubleError)) throw error;
    byId("listen-says").textContent = error.says || "终端没有回答 · no answer";
  }
}

byId("listen").addEventListener("click", () => listen(true));
byId("unlisten").addEventListener("click", () => listen(false));

// A scanner that types like a keyboard: what it types, how fast, and how it ends.

let firstKey = 0;
let throughInputMethod = false;
byId("typed").addEventListener("keydown", (event) => {
  const field = event.target;
  if (!field.value && !firstKey) firstKey = event.timeStamp;
  throughInputMethod ||= event.isComposing || event.key === "Process";
  if (event.key !== "Enter" && event.key !== "Tab") return;
  if (event.key === "Tab" && !field.value) return;
  event.preventDefault();
  const text = field.value;
  const took = Math.round(event.timeStamp - firstKey);
  const says = byId("typed-says");
  // Long digits may be a resident's code or a payment code.
  const shown = /^\d{16,}$/.test(text) ? `${text.slice(0, 4)}…` : text.slice(0, 80);
  says.textContent = `${shown} · ${text.length} 个字符 characters · 后缀 suffix ${event.key} · ${took} ms`;
  says.dataset.good = String(!throughInputMethod);
  if (throughInputMethod) says.textContent += " · 输入法开着，请关掉 · an input method is on: switch it off";
  field.value = "";
  firstKey = 0;
  throughInputMethod = false;
});
