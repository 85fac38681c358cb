// Two short tones: high for what went well, low twice for a refusal. Silent where a browser
// wants a touch first.

const GAIN = 0.12;
const TONES = { good: [[880, 0, 0.12]], refused: [[220, 0, 0.18], [220, 0.26, 0.18]] };

let context = null;

function play(tones) {
  context ??= new AudioContext();
  if (context.state !== "running") return;
  for (const [hertz, startS, lengthS] of tones) {
    const oscillator = context.createOscillator();
    const volume = context.createGain();
    volume.gain.value = GAIN;
    oscillator.frequency.value = hertz;
    oscillator.connect(volume).connect(context.destination);
    oscillator.start(context.currentTime + startS);
    oscillator.stop(context.currentTime + startS + lengthS);
  }
}

const said = (screen) => JSON.stringify([screen.sale_id, screen.state, screen.notice]);

export function sound(screen, before) {
  if (before === null || said(screen) === said(before)) return;
  if (screen.state === "authorised" && before.state !== "authorised") play(TONES.good);
  else if (screen.notice === null) return;
  else if (["refused", "alarm"].includes(screen.notice.level)) play(TONES.refused);
  else if (screen.notice.level === "good") play(TONES.good);
}
