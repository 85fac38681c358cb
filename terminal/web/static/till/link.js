// Keeps the screen fresh: pushed by the program, or asked for every second where that fails.

import { TroubleError, get } from "./api.js";
import { take } from "./screen.js";
import { found, lost } from "./lost.js";

const POLL_MS = 1000;
const STREAM_AGAIN_MS = 15000;

let polling = null;

async function poll() {
  try {
    take(await get("/api/view"));
    found();
  } catch (error) {
    lost(error instanceof TroubleError ? error.says : "");
  }
}

function startPolling() {
  if (polling !== null) return;
  polling = setInterval(poll, POLL_MS);
  poll();
}

function stopPolling() {
  clearInterval(polling);
  polling = null;
}

export function follow() {
  const stream = new EventSource("/api/events");
  stream.addEventListener("screen", (event) => {
    stopPolling();
    take(JSON.parse(event.data));
    found();
  });
  stream.addEventListener("fault", (event) => lost(JSON.parse(event.data).says));
  stream.addEventListener("error", () => {
    startPolling();
    if (stream.readyState === EventSource.CLOSED) setTimeout(follow, STREAM_AGAIN_MS);
  });
}
