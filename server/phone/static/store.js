// What the phone keeps. The key lies in the browser's own store and cannot be read, by us either;
// slots lie apart from it, so that they are still there when a browser clears the one.

const DATABASE = "huidian-phone";
const SLOTS = "huidian-slots";
const LAST_COUNTER = 65_535;

function open() {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open(DATABASE, 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore("kept");
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

async function within(mode, work) {
  const database = await open();
  try {
    return await new Promise((resolve, reject) => {
      const doing = database.transaction("kept", mode, { durability: "strict" });
      let result;
      work(doing.objectStore("kept"), (value) => (result = value));
      doing.oncomplete = () => resolve(result);
      doing.onabort = doing.onerror = () => reject(doing.error);
    });
  } finally {
    database.close();
  }
}

export const load = (name) =>
  within("readonly", (kept, answer) => {
    const asked = kept.get(name);
    asked.onsuccess = () => answer(asked.result ?? null);
  });

export const save = (name, value) => within("readwrite", (kept) => kept.put(value, name));

export const forget = (name) => within("readwrite", (kept) => kept.delete(name));

// What this page gave last: a browser may clear its store while the page and its key live on.
let given = { seq: 0, counter: 0 };

// The next counter of this certificate: on the disk before the code is shown, so that none is
// given twice, whatever happens, and however many pages are open. null after the last one: a
// code has two bytes for it, and a counter that began anew would look like a copied key.
export const nextCounter = (seq) =>
  within("readwrite", (kept, answer) => {
    const asked = kept.get("counter");
    asked.onsuccess = () => {
      const known = [asked.result, given].filter((one) => one?.seq === seq);
      const last = Math.max(0, ...known.map((one) => one.counter));
      if (last >= LAST_COUNTER) return answer(null);
      given = { seq, counter: last + 1 };
      kept.put({ seq, counter: last + 1 }, "counter");
      answer(last + 1);
    };
  });

export function saveSlots(slots) {
  try {
    localStorage.setItem(SLOTS, JSON.stringify(slots));
  } catch {
    // Full or switched off: the key is there all the same.
  }
}

export function slotNow(atSeconds) {
  try {
    const slots = JSON.parse(localStorage.getItem(SLOTS) ?? "[]");
    return slots.find((slot) => slot.starts_at <= atSeconds && atSeconds < slot.starts_at + slot.minutes * 60) ?? null;
  } catch {
    return null;
  }
}

// Whether this was a registered phone: its slots outlive its key, also when all their times are over.
export const hadSlots = () => localStorage.getItem(SLOTS) !== null;

export const forgetSlots = () => localStorage.removeItem(SLOTS);
