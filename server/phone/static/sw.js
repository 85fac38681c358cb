// Keeps the page for flight mode. Files come from what is kept and are looked for anew whenever
// there is a network; what is asked of the server is never kept.

const SHELL = "huidian-phone-shell";

async function fetchAll() {
  const files = await (await fetch("/phone/shell.json", { cache: "no-store" })).json();
  // All of them or none: a page of two versions would not fit together.
  const answers = await Promise.all(files.map((file) => fetch(file, { cache: "no-store" })));
  if (answers.some((answer) => !answer.ok)) throw new Error("a file of the page is missing");
  const kept = await caches.open(SHELL);
  await Promise.all(files.map((file, at) => kept.put(file, answers[at])));
}

self.addEventListener("install", (event) => {
  event.waitUntil(fetchAll().then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(self.clients.claim());
});

self.addEventListener("fetch", (event) => {
  const address = new URL(event.request.url);
  if (event.request.method !== "GET" || address.origin !== location.origin || !address.pathname.startsWith("/phone/")) return;
  event.respondWith(
    (async () => {
      const found = await (await caches.open(SHELL)).match(address.pathname);
      if (event.request.mode === "navigate") event.waitUntil(fetchAll().catch(() => undefined));
      return found ?? fetch(event.request);
    })(),
  );
});
