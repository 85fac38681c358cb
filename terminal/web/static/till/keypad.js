// A pad of large digits with a field above it; fingers and keyboards use the same field.

import { byId } from "./dom.js";

export function keypad(id, onSubmit) {
  const form = byId(id);
  const field = form.elements.text;
  form.addEventListener("click", (event) => {
    const key = event.target.closest("[data-key]")?.dataset.key;
    if (key === undefined) return;
    if (key === "clear") field.value = "";
    else if (key === "back") field.value = field.value.slice(0, -1);
    else if (field.value.length < 12) field.value += key;
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = field.value.trim();
    field.value = "";
    field.blur();
    if (text !== "") onSubmit(text);
  });
  return field;
}
