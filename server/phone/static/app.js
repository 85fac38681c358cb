// The resident's page: registers the phone, shows its code, confirms, and tells what happened.

import { NoDecoder, watch } from "./camera.js";
import { confirmDigits, fromHex, joined, makeKey, number, publicKeyHex, readChallenge, showDigits, sign, toHex } from "./codes.js";
import { draw } from "./qr.js";
import { forget, forgetSlots, hadSlots, load, nextCounter, save, saveSlots, slotNow } from "./store.js";
import { half, language, say, speak, turnLanguage } from "./words.js";

const RENEW_S = 30;
const REFRESH_MS = 60_000;
const LEVEL = { code: "L", "answer-code": "M" }; // how much of each code may be damaged

// Without TLS a browser gives a page neither keys nor a camera, and keeps nothing for flight mode.
const SECURE = window.isSecureContext && crypto.subtle !== undefined;

const byId = (id) => document.getElementById(id);
const nowSeconds = () => Math.floor(Date.now() / 1000);

let phone = null; // key, certificate, tag, account, seq, told …
let shown = null; // { digits, until }
let pool = null; // its two names, which stay on the page when the phone is ended
let tab = "show";
let stopCamera = null;
let challenge = null;
let renewing = false;
let online = true; // whether the server answered last
let notice = null; // what is said above: { name } of words.js, or { says } of the server in both languages

// —— words ——

const unit = () => (phone?.told ? (language === "zh" ? phone.told.unit_name : phone.told.unit_name_en) : "");
const when = (seconds) =>
  new Intl.DateTimeFormat(language === "zh" ? "zh-CN" : "en-GB", {
    month: "numeric", day: "numeric", hour: "2-digit", minute: "2-digit", timeZone: "Asia/Shanghai",
  }).format(new Date(seconds * 1000));

function words() {
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
  document.title = say("title");
  for (const place of document.querySelectorAll("[data-say]")) place.textContent = say(place.dataset.say, { unit: unit() });
  showNotice();
}

function showNotice() {
  byId("notice").hidden = notice === null;
  byId("notice").textContent = notice === null ? "" : notice.says ? half(notice.says) : say(notice.name);
}

function tell(name) {
  notice = name === "" ? null : { name };
  showNotice();
}

// —— the server ——

class Refused extends Error {}

async function ask(path, body) {
  let response;
  try {
    response = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  } catch {
    throw new Refused("noNetwork");
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  throw new Refused({ wrong_code: "wrongCode", clock_skew: "clockOff" }[answer.problem] ?? "serverBusy");
}

async function keep(key, told) {
  phone = {
    key,
    account: told.account,
    seq: told.seq,
    tag: told.tag,
    certificate: told.certificate,
    issuerKeys: told.issuer_keys,
    told: { ...told, slots: [] },
  };
  saveSlots(told.slots);
  await save("phone", phone);
}

async function enrol(code) {
  tell("enrolling");
  // The same key again, should an answer have been lost: the code is good for it twice.
  const key = (await load("new-key")) ?? (await makeKey());
  await save("new-key", key);
  try {
    const told = await ask("/v1/phones/enrol", { code, public_key: await publicKeyHex(key) });
    await keep(key, told);
    await forget("new-key");
    byId("enrol-code").value = "";
    if (navigator.storage?.persist) navigator.storage.persist();
    await renew();
    view();
    tell("enrolled");
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    tell(error.message);
  }
}

async function refresh() {
  if (phone === null) return;
  const at = nowSeconds();
  const message = joined(fromHex(phone.account), number(phone.seq, 2), number(at, 4));
  const signature = toHex(await sign(phone.key, "phone-request", fromHex(phone.tag), message));
  try {
    const told = await ask("/v1/phones/refresh", { account: phone.account, seq: phone.seq, at, signature });
    if (told.state !== undefined) return await ended(told.says);
    await keep(phone.key, told);
    online = true;
    if (notice?.name === "clockOff") tell("");
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    online = error.message !== "noNetwork";
    if (error.message === "clockOff") tell("clockOff");
  }
  view();
}

async function ended(says) {
  phone = null;
  shown = null;
  challenge = null;
  tab = "show";
  endCamera();
  await forget("phone");
  forgetSlots();
  notice = { says };
  view();
}

// The key has made all the codes that it can number: the slots serve until the phone is registered again.
async function usedUp() {
  phone = null;
  shown = null;
  tab = "show";
  await forget("phone");
  view();
  tell("countersOut");
}

// —— the code ——

async function renew() {
  if (phone === null || renewing) return;
  renewing = true;
  try {
    const counter = await nextCounter(phone.seq);
    if (counter === null) return await usedUp();
    const at = nowSeconds();
    shown = { digits: await showDigits(phone, counter, at), until: at + RENEW_S };
  } finally {
    renewing = false;
  }
  drawCode();
}

function put(canvas, digits) {
  canvas.dataset.digits = digits;
  draw(canvas, digits, LEVEL[canvas.id]);
}

// A code that is over stays nowhere in the page: neither its digits nor its picture.
function wipe(canvas) {
  delete canvas.dataset.digits;
  canvas.width = canvas.height = 0;
}

function drawCode() {
  if (phone === null) wipe(byId("answer-code"));
  const slot = phone === null ? slotNow(nowSeconds()) : null;
  const digits = phone === null ? slot?.digits : shown?.digits;
  byId("code").hidden = digits === undefined;
  if (digits === undefined) wipe(byId("code"));
  if (digits === undefined || tab !== "show" || byId("show").hidden) return;
  if (byId("code").dataset.digits !== digits) put(byId("code"), digits);
}

async function tick() {
  if (document.hidden || tab !== "show") return;
  if (phone === null) {
    drawCode();
    return;
  }
  const left = (shown?.until ?? 0) - nowSeconds();
  if (left <= 0 || left > RENEW_S) await renew();
  byId("renews").textContent = say("renewsIn", { seconds: Math.max(0, (shown?.until ?? 0) - nowSeconds()) });
  byId("left").style.width = `${(Math.max(0, left) / RENEW_S) * 100}%`;
}

// —— confirming ——

async function startCamera() {
  tell("");
  challenge = null;
  part("scan");
  try {
    stopCamera = await watch(byId("video"), async (text) => {
      if (challenge !== null) return;
      const read = await readChallenge(text, phone);
      if (challenge !== null || tab !== "confirm") return;
      if (read === null) {
        tell("notChallenge");
        return;
      }
      challenge = read;
      endCamera();
      tell("");
      askResident();
    });
    if (tab !== "confirm") endCamera();
  } catch (error) {
    part("none"); // no black picture and no "point at it" beside the reason why not
    tell(error instanceof NoDecoder ? "decoderNone" : "cameraNone");
  }
}

function endCamera() {
  stopCamera?.();
  stopCamera = null;
}

function askResident() {
  part("ask");
  byId("ask-shop").textContent = challenge.shop;
  byId("ask-points").textContent = `${challenge.points} ${unit()}`;
  speak(say("speakConfirm", { shop: challenge.shop, points: challenge.points, unit: unit() }));
}

async function agree() {
  const counter = await nextCounter(phone.seq);
  if (counter === null) return await usedUp();
  const digits = await confirmDigits(phone, counter, challenge.payload);
  part("answer");
  put(byId("answer-code"), digits);
  speak(say("answerText"));
}

function part(name) {
  if (name !== "answer") wipe(byId("answer-code"));
  for (const each of ["scan", "ask", "answer"]) byId(each).hidden = each !== name;
}

// —— the page ——

function record() {
  const told = phone?.told;
  const rows = (told?.history ?? []).map((line) => {
    const row = document.createElement("li");
    const [what, at, points] = ["span", "time", "b"].map((name) => row.appendChild(document.createElement(name)));
    what.textContent = language === "zh" ? line.what : (line.what_en ?? line.what);
    at.textContent = when(line.at);
    points.textContent = `${line.points > 0 ? "+" : ""}${line.points} ${unit()}`;
    points.className = line.points > 0 ? "in" : "out";
    return row;
  });
  byId("lines").replaceChildren(...rows);
  byId("no-lines").hidden = rows.length > 0;
  byId("old-lines").hidden = online || !told;
  byId("old-lines").textContent = told ? say("offlineRecord", { when: when(told.server_time) }) : "";
}

function view() {
  const slot = phone === null ? slotNow(nowSeconds()) : null;
  if (phone === null && slot === null && notice === null && hadSlots()) notice = { name: "slotNone" };
  words();
  const usable = phone !== null || slot !== null;
  byId("enrol").hidden = phone !== null || !SECURE;
  byId("tabs").hidden = phone === null;
  byId("top").hidden = phone === null;
  for (const name of ["show", "confirm", "record"]) {
    byId(name).hidden = !usable || (phone === null ? name !== "show" : tab !== name);
    byId(`tab-${name}`).setAttribute("aria-selected", String(tab === name));
  }
  byId("slot-text").hidden = slot === null;
  byId("renew-row").hidden = phone === null;
  const told = phone?.told;
  if (told) pool = { zh: told.pool_name, en: told.pool_name_en };
  if (pool) byId("pool").textContent = pool[language];
  if (told) {
    byId("name").textContent = told.name;
    byId("balance").textContent = String(told.balance_points);
    for (const debt of ["overdraft", "owed"]) {
      const points = told[`${debt}_points`] ?? 0; // a phone enrolled before these were told
      byId(debt).hidden = points === 0;
      byId(debt).textContent = say(debt, { points, unit: unit() });
    }
    byId("as-of").textContent = say("asOf", { when: when(told.server_time) });
    byId("limit").textContent = say("showLimit", { points: told.show_points, unit: unit() });
  }
  if (!told) for (const name of ["name", "balance", "overdraft", "owed", "as-of"]) byId(name).textContent = "";
  byId("limit").hidden = phone === null;
  if (challenge !== null && phone !== null) byId("ask-points").textContent = `${challenge.points} ${unit()}`;
  record();
  drawCode();
}

function turnTo(name) {
  if (tab === "confirm") endCamera();
  wipe(byId("answer-code"));
  tab = name;
  tell("");
  view();
  if (name === "confirm") startCamera();
  if (name === "record") refresh();
  if (name === "show") renew();
}

// What the page is without TLS: the reason, in the language that is chosen, and no form to fill in.
function startWithout() {
  notice = { name: "needsHttps" };
  view();
  byId("language").addEventListener("click", () => {
    turnLanguage();
    view();
  });
  byId("speak").addEventListener("click", () => speak(say("needsHttps")));
}

async function start() {
  if (!SECURE) return startWithout();
  phone = await load("phone").catch(() => null);
  if (phone !== null) await renew();
  view();
  for (const name of ["show", "confirm", "record"]) byId(`tab-${name}`).addEventListener("click", () => turnTo(name));
  byId("enrol").addEventListener("submit", (event) => {
    event.preventDefault();
    enrol(byId("enrol-code").value);
  });
  byId("renew").addEventListener("click", renew);
  byId("yes").addEventListener("click", agree);
  byId("no").addEventListener("click", () => turnTo("show"));
  byId("done").addEventListener("click", () => turnTo("show"));
  byId("language").addEventListener("click", () => {
    turnLanguage();
    view();
  });
  byId("speak").addEventListener("click", () => {
    const points = phone?.told?.balance_points ?? 0;
    speak(challenge && tab === "confirm" ? say("speakConfirm", { ...challenge, unit: unit() }) : say("speakShow", { points, unit: unit() }));
  });
  window.addEventListener("resize", () => {
    for (const code of [byId("code"), byId("answer-code")]) if (code.clientWidth && code.dataset.digits) put(code, code.dataset.digits);
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) endCamera();
    else {
      renew();
      refresh();
      if (tab === "confirm" && challenge === null) startCamera();
    }
  });
  setInterval(tick, 1000);
  setInterval(() => document.hidden || refresh(), REFRESH_MS);
  if ("serviceWorker" in navigator) navigator.serviceWorker.register("/phone/sw.js");
  refresh();
}

start();
