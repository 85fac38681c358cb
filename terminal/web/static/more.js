// The pages behind 更多: a form is posted as JSON, and what the program says is shown above it.

import { TroubleError, get, post, postFile } from "./till/api.js";
import { startPad } from "./till/pad.js";

const SAID = "huidian-said";

function say(answer) {
  const place = document.getElementById("said");
  place.dataset.level = answer.level;
  document.getElementById("said-text").textContent = answer.text;
  document.getElementById("said-next").textContent = answer.next;
  place.hidden = false;
  place.scrollIntoView({ block: "nearest" });
}

function bodyOf(form) {
  const body = {};
  for (const field of form.elements) {
    if (!field.name) continue;
    if (field.type === "checkbox") body[field.name] = field.checked;
    else if (field.type === "radio" && !field.checked) continue;
    else body[field.name] = field.value.trim();
  }
  if (form.dataset.flag) {
    const [name, value] = form.dataset.flag.split(":");
    body[name] = value === "true";
  }
  return body;
}

async function send(form) {
  const buttons = form.querySelectorAll("button");
  for (const button of buttons) button.disabled = true;
  try {
    const answer = await post(form.dataset.post, bodyOf(form));
    const go = answer.go && (form.dataset.go || answer.go);
    if (go) {
      if (answer.text && go !== "/") sessionStorage.setItem(SAID, JSON.stringify(answer));
      location.assign(go);
      return;
    }
    if (form.dataset.flag) {
      location.reload();
      return;
    }
    say(answer);
    for (const field of form.querySelectorAll('input[type="password"]')) field.value = "";
    // The next code is typed over the one that was refused, and not behind it.
    form.querySelector('input[type="text"][autofocus]')?.select();
  } catch (error) {
    const text = error instanceof TroubleError ? error.says : "";
    say({ level: "alarm", text: text || document.body.dataset.lost || "×", next: "" });
  }
  for (const button of buttons) button.disabled = false;
}

// A file goes as it is; what its program says is answered like any other form.
async function sendFile(form) {
  const [file] = form.elements.file.files;
  if (!file) {
    form.elements.file.click();
    return;
  }
  if (file.size > Number(form.dataset.most)) {
    say({ level: "refused", text: form.dataset.large, next: "" });
    return;
  }
  const button = form.querySelector("button");
  const working = form.querySelector(".working");
  button.disabled = true;
  working.hidden = false;
  try {
    const replace = form.elements.replace.checked ? 1 : 0;
    const answer = await postFile(`${form.dataset.file}?replace=${replace}`, file);
    if (answer.go) {
      location.assign(answer.go);
      return;
    }
    say(answer);
  } catch (error) {
    const text = error instanceof TroubleError ? error.says : "";
    say({ level: "alarm", text: text || document.body.dataset.lost || "×", next: "" });
  }
  working.hidden = true;
  button.disabled = false;
}

for (const form of document.querySelectorAll("form[data-file]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    sendFile(form);
  });
}

for (const form of document.querySelectorAll("form[data-post]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (form.dataset.sure && !window.confirm(form.dataset.sure)) return;
    send(form);
  });
}

const said = sessionStorage.getItem(SAID);
if (said !== null) {
  sessionStorage.removeItem(SAID);
  say(JSON.parse(said));
}
startPad();

// A code that the scanner read comes by itself: the page looks whether there is something new.
const waiting = document.querySelector("[data-turn]");
if (waiting !== null) {
  setInterval(async () => {
    const now = await get(waiting.dataset.turnAt || "/more/orders/turn").catch(() => null);
    // Nobody is interrupted who is typing.
    const typing = ["INPUT", "SELECT"].includes(document.activeElement?.tagName) && document.activeElement.value;
    if (now !== null && String(now.turn) !== waiting.dataset.turn && !typing) location.reload();
  }, 1000);
}
