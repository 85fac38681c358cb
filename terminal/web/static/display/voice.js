// Speaks by the browser's own voice, where it has one. Off until somebody presses the button: a
// browser stays silent before a touch, and not every shop wants it.

const KEPT = "huidian-display-voice";
let on = false;

const voice = () => speechSynthesis.getVoices().find((one) => one.lang.startsWith("zh"));

export function say(text) {
  if (!on || !("speechSynthesis" in window)) return;
  speechSynthesis.cancel(); // the newest figure is the one that counts
  const words = new SpeechSynthesisUtterance(text);
  words.lang = "zh-CN";
  words.rate = 0.9;
  words.voice = voice() ?? null;
  speechSynthesis.speak(words);
}

export function startVoice(button) {
  if (!("speechSynthesis" in window)) {
    button.hidden = true;
    return;
  }
  const set = (now) => {
    on = now;
    button.setAttribute("aria-pressed", String(now));
    localStorage.setItem(KEPT, now ? "1" : "");
  };
  set(localStorage.getItem(KEPT) === "1");
  button.addEventListener("click", () => {
    set(!on);
    say("声音已打开");
  });
}
