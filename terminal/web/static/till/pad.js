// A touch screen has no keys: digits stand at the bottom while a field for figures is open.

const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "0", ".", "←"];
const FIGURES = 'input[inputmode="decimal"], input[inputmode="numeric"]';

let field = null;

function makePad() {
  const pad = document.createElement("div");
  pad.className = "digit-pad";
  pad.hidden = true;
  for (const key of KEYS) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = key;
    // The field keeps the focus, so that keys and fingers write into the same place.
    button.addEventListener("pointerdown", (event) => event.preventDefault());
    button.addEventListener("click", () => {
      if (field === null) return;
      if (key === "←") field.value = field.value.slice(0, -1);
      else if (field.maxLength < 0 || field.value.length < field.maxLength) field.value += key;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    });
    pad.append(button);
  }
  return pad;
}

export function startPad() {
  const pad = makePad();
  document.body.append(pad);
  document.addEventListener("focusin", (event) => {
    if (!event.target.matches?.(FIGURES)) return;
    if (field !== null && field !== event.target) finish();
    field = event.target;
    const place = field.closest("dialog") ?? document.body;
    if (pad.parentElement !== place) place.append(pad);
    pad.hidden = false;
    field.scrollIntoView({ block: "center" });
  });
  // Only after the press: a page that moves while a finger is down loses it.
  document.addEventListener("click", (event) => {
    if (pad.contains(event.target) || event.target === field) return;
    pad.hidden = true;
    finish();
  });
}

// Digits that were pressed here are no edit of the browser's own.
function finish() {
  const done = field;
  field = null;
  if (done !== null) done.dispatchEvent(new Event("change", { bubbles: true }));
}
