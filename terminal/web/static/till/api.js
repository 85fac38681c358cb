// Speaks to the terminal's program. Every answer to a POST is the new screen.

// Which till this page shows: a press on a page that was left open counts at no other.
const marks = { "X-Huidian": "1", "X-Huidian-Mode": document.body.dataset.mode ?? "shop" };

export class TroubleError extends Error {
  // `says` is the program's own sentence; empty where the program did not answer at all.
  constructor(says) {
    super(says || "no answer");
    this.says = says;
  }
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new TroubleError("");
  }
  const body = await response.json().catch(() => ({ says: "" }));
  if (!response.ok) throw new TroubleError(body.says ?? "");
  return body;
}

export const get = (path) => ask(path, { cache: "no-store" });

export const post = (path, body = {}) =>
  ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...marks },
    body: JSON.stringify(body),
  });

export const postFile = (path, file) =>
  ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/octet-stream", ...marks },
    body: file,
  });
