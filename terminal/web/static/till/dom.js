// Small helpers for the page's elements.

export const byId = (id) => document.getElementById(id);

export function put(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
  return element;
}

export function show(id, shown) {
  byId(id).hidden = !shown;
}

export const made = (id) => byId(id).content.firstElementChild.cloneNode(true);

export function openDialog(id) {
  const dialog = byId(id);
  if (!dialog.open) dialog.showModal();
  return dialog;
}

export const dialogIsOpen = () => document.querySelector("dialog[open]") !== null;

// After a finger or a mouse, Enter is the primary action again, not the button once more.
export function letGoAfterClick() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button, a");
    if (button && event.detail > 0 && !dialogIsOpen()) button.blur();
  });
  for (const button of document.querySelectorAll("[data-close]")) {
    button.addEventListener("click", () => button.closest("dialog").close());
  }
  for (const dialog of document.querySelectorAll("dialog")) {
    // A closing dialog gives the focus back to the key that opened it.
    dialog.addEventListener("close", () => {
      if (!dialogIsOpen()) document.activeElement?.blur();
    });
  }
}
