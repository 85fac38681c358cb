// The PIN pad, turned to the holder of the card. What is typed is kept here until it is sent, and
// nowhere else: there is no field that a browser could remember.

import { sendPin, skipPin, stopPin } from "./actions.js";
import { byId, put, show } from "./dom.js";
import { screenNow } from "./screen.js";

const DIGITS = 6;

let typed = "";
let tooMany = false;

export const padIsOpen = () => screenNow()?.pin !== null && screenNow() !== null;

function drawDots() {
  [...byId("pin-dots").children].forEach((dot, place) => {
    dot.classList.toggle("typed", place < typed.length);
  });
  byId("pin-ok").disabled = typed.length !== DIGITS;
}

function forget() {
  typed = "";
  tooMany = false;
  drawDots();
}

export function typeDigit(digit) {
  if (screenNow()?.pin?.state !== "ready") return;
  // A scanner types hundreds of digits: the first six of them are no PIN.
  if (typed.length === DIGITS) tooMany = true;
  else typed += digit;
  drawDots();
}

export function takeBack() {
  typed = typed.slice(0, -1);
  tooMany = false;
  drawDots();
}

export function enterPin() {
  const pin = typed;
  const good = pin.length === DIGITS && !tooMany;
  if (good || tooMany) forget();
  if (good) sendPin(pin);
}

export function drawPin(screen) {
  const wasOpen = !byId("pin-pad").hidden;
  show("pin-pad", screen.pin !== null);
  if (screen.pin === null) {
    if (wasOpen) forget();
    return;
  }
  if (!wasOpen) forget();
  const ready = screen.pin.state === "ready";
  put("pin-text", screen.pin_text);
  put("pin-skip", screen.pin_skip_text);
  show("pin-skip", screen.pin_skip_text !== "");
  show("pin-keys", ready);
  show("pin-dots", ready);
}

export function startPin() {
  byId("pin-keys").addEventListener("click", (event) => {
    const key = event.target.closest("button");
    if (key?.dataset.digit) typeDigit(key.dataset.digit);
  });
  byId("pin-back").addEventListener("click", takeBack);
  byId("pin-ok").addEventListener("click", enterPin);
  byId("pin-skip").addEventListener("click", skipPin);
  byId("pin-stop").addEventListener("click", stopPin);
}
