// The newest screen that the program sent, and who wants to know of it.

let current = null;
const listeners = [];

export const screenNow = () => current;

export function onScreen(listener) {
  listeners.push(listener);
}

export function take(screen) {
  if (current !== null && screen.boot !== current.boot) {
    location.reload(); // the program was started anew, perhaps as another version
    return;
  }
  if (current !== null && screen.version < current.version) return; // overtaken on its way
  const before = current;
  current = screen;
  for (const listener of listeners) listener(screen, before);
}
