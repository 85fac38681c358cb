// The banner for what the program itself cannot say: that it does not answer.

const banner = document.getElementById("lost");
const text = document.getElementById("lost-text");
const next = document.getElementById("lost-next");

export function lost(says) {
  text.textContent = says || text.dataset.default;
  next.hidden = says !== "";
  banner.hidden = false;
}

export function found() {
  banner.hidden = true;
}
