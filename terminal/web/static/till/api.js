// Speaks to the terminal's program. Every answer to a POST is the new screen.

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
    headers: { "Content-Type": "application/json", "X-Huidian": "1" },
    body: JSON.stringify(body),
  });

export const postFile = (path, file) =>
  ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/octet-stream", "X-Huidian": "1" },
    body: file,
  });
