// The keyboard alone, and scanners that type like one.
//
// Keys are read by their place (event.code), so an input method that is switched on cannot
// change what a scanner types. What is typed outside a field gathers until Enter.

import { clear, goBack, nextCustomer, primary, reprint, scan, stopConfirm, stopPin } from "./actions.js";
import { changeSelected, select } from "./basket.js";
import { askDiscount } from "./discount.js";
import { byId, dialogIsOpen, openDialog, put, show } from "./dom.js";
import { closeSearch, openSearch, showTab } from "./items.js";
import { enterPin, padIsOpen, takeBack, typeDigit } from "./pin.js";
import { openParked } from "./parked.js";
import { openSales } from "./sales.js";
import { screenNow } from "./screen.js";

const MAX_TYPED = 5000;
const STALE_MS = 5000;
// A scanner may end with more than one Enter; only a person's own Enter completes a sale.
const QUIET_MS = 500;
const SHOWN_CHARS = 24;
const OTHER_SIGNS = { Period: ".", Slash: "/", Semicolon: ";", Quote: "'", Backslash: "\\" };

let typed = "";
let lastSignAt = -Infinity;
let lastScanAt = -Infinity;

const inField = (element) => element instanceof HTMLInputElement && element.type !== "radio";

function sign(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return null;
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code);
  if (digit) return event.shiftKey ? "#" : digit[1];
  const letter = /^Key([A-Z])$/.exec(event.code);
  if (letter) return letter[1];
  if (typed !== "" && (event.code === "Minus" || event.code === "Equal")) return "-";
  return OTHER_SIGNS[event.code] ?? null;
}

function showTyped() {
  show("typed", typed !== "");
  put("typed-text", typed.slice(-SHOWN_CHARS));
}

function gather(one) {
  const now = performance.now();
  if (now - lastSignAt > STALE_MS) typed = "";
  lastSignAt = now;
  if (typed.length < MAX_TYPED) typed += one;
  showTyped();
}

function dropTyped() {
  typed = "";
  showTyped();
}

function onEnter(event) {
  if (typed !== "") {
    event.preventDefault();
    const text = typed;
    dropTyped();
    lastScanAt = performance.now();
    scan(text);
    return;
  }
  if (event.repeat || performance.now() - lastScanAt < QUIET_MS) {
    event.preventDefault();
    return;
  }
  const element = document.activeElement;
  const ownEnter = element instanceof HTMLButtonElement || element instanceof HTMLAnchorElement;
  if (dialogIsOpen() || ownEnter || screenNow() === null) return;
  event.preventDefault();
  primary();
}

export function askClear() {
  if (screenNow()?.state !== "open" || screenNow().lines.length === 0) return;
  openDialog("clear-dialog");
  byId("clear-confirm").focus();
}

function onEscape(event) {
  if (typed !== "") {
    event.preventDefault();
    dropTyped();
    return;
  }
  if (dialogIsOpen()) return; // it closes by itself
  event.preventDefault(); // else it would close the dialog that it opens here
  const state = screenNow()?.state;
  if (screenNow()?.confirming) stopConfirm();
  else if (state === "authorising" || state === "authorised") goBack();
  else if (inField(document.activeElement)) {
    document.activeElement.blur();
    closeSearch();
    showTab("items");
  } else askClear();
}

function onCustomer() {
  if (screenNow()?.state === "captured") nextCustomer();
  else if (screenNow()?.state === "open") askClear();
}

const KEYS = {
  F2: () => (showTab("amount"), byId("amount-pad").elements.text.focus()),
  F3: askDiscount,
  F4: openSearch,
  F6: () => screenNow()?.state === "authorised" && byId("fewer").click(),
  F7: openSales,
  F8: onCustomer,
  F10: openParked,
  F9: () => screenNow()?.completed && reprint(screenNow().completed.receipt_no),
};

const BASKET_KEYS = {
  ArrowUp: () => select(-1),
  ArrowDown: () => select(1),
  NumpadAdd: () => changeSelected("more"),
  Equal: () => changeSelected("more"),
  NumpadSubtract: () => changeSelected("less"),
  Minus: () => changeSelected("less"),
  Delete: () => changeSelected("remove"),
};

// The pad takes every key: what a holder types there must not end up in a field or a scan.
function onPadKey(event) {
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code);
  const onButton = document.activeElement instanceof HTMLButtonElement;
  if (event.code === "Tab" || (onButton && event.code === "Space")) return;
  event.preventDefault();
  if (digit) typeDigit(digit[1]);
  else if (event.code === "Backspace" || event.code === "Delete") takeBack();
  else if (event.code === "Escape") stopPin();
  else if ((event.code === "Enter" || event.code === "NumpadEnter") && !event.repeat) enterPin();
}

function onKey(event) {
  if (padIsOpen()) {
    onPadKey(event);
    return;
  }
  if (event.isComposing && inField(event.target)) return;
  if (KEYS[event.code] && !dialogIsOpen()) {
    event.preventDefault();
    if (!event.repeat) KEYS[event.code]();
    return;
  }
  if (event.code === "Escape") onEscape(event);
  if (inField(event.target)) return;
  if (event.code === "Enter" || event.code === "NumpadEnter") {
    onEnter(event);
    return;
  }
  const one = sign(event);
  if (one !== null) {
    event.preventDefault();
    gather(one);
  } else if (BASKET_KEYS[event.code] && !dialogIsOpen() && screenNow()?.state === "open") {
    event.preventDefault();
    BASKET_KEYS[event.code]();
  }
}

export function startKeys() {
  document.addEventListener("keydown", onKey);
  byId("clear").addEventListener("click", askClear);
  byId("clear-confirm").addEventListener("click", () => {
    byId("clear-dialog").close();
    clear();
  });
}
