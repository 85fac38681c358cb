// Asks for a weight or a quantity on a pad of its own.

import { byId, openDialog, put } from "./dom.js";
import { keypad } from "./keypad.js";

let answer = null;

const field = keypad("quantity-pad", (text) => {
  byId("quantity-dialog").close();
  answer?.(text);
});

export function askWeight(name, unit, onAnswer) {
  answer = onAnswer;
  put("quantity-title", name);
  byId("quantity-pad").querySelector(".keypad-label").textContent = unit;
  openDialog("quantity-dialog");
  field.value = "";
  field.focus();
}
