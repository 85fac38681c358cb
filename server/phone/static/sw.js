// Keeps the page for flight mode. Files come from what is kept; whenever the page is opened with a
// network, the server is asked whether there are others. What is asked of the server is never kept.
//
// Each version of the page is kept whole, in a cache of its own, and a page keeps the version with
// which it was opened: files of two versions would not fit together.

const CACHES = "huidian-phone-shell";
const STATE = `${CACHES}-state`;
const NEWEST = "/phone/newest"; // the version that was kept last
const IN_USE = "/phone/in-use"; // the version of the page that was opened last

const cacheOf = (version) => `${CACHES}-${version}`;
const told = async () => (await fetch("/phone/shell.json", { cache: "no-store" })).json();

async function noted(name) {
  const found = await (await caches.open(STATE)).match(name);
  return found === undefined ? null : found.text();
}

async function note(name, version) {
  await (await caches.open(STATE)).put(name, new Response(version));
}

async function fetchNewest() {
  const { version, files } = await told();
  if (version === (await noted(NEWEST)) && (await caches.has(cacheOf(version)))) return;
  // All of them or none.
  const answers = await Promise.all(files.map((file) => fetch(file, { cache: "no-store" })));
  if (answers.some((answer) => !answer.ok)) throw new Error("a file of the page is missing");
  const kept = await caches.open(cacheOf(version));
  await Promise.all(files.map((file, at) => kept.put(file, answers[at])));
  // The server may have been updated in the middle: then this is no version at all.
  if ((await told()).version !== version) throw new Error("the page changed meanwhile");
  await note(NEWEST, version);
  if ((await noted(IN_USE)) === null) await note(IN_USE, version); // that of the page that brought this worker
}

async function turnToNewest() {
  const version = await noted(NEWEST);
  if (version === null || version === (await noted(IN_USE))) return;
  await note(IN_USE, version);
  const others = (await caches.keys()).filter((name) => name.startsWith(CACHES) && ![STATE, cacheOf(version)].includes(name));
  await Promise.all(others.map((name) => caches.delete(name)));
}

async function kept(path) {
  const version = (await noted(IN_USE)) ?? (await noted(NEWEST));
  return version === null ? undefined : (await caches.open(cacheOf(version))).match(path);
}

self.addEventListener("install", (event) => {
  event.waitUntil(fetchNewest().then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(self.clients.claim());
});

self.addEventListener("fetch", (event) => {
  const address = new URL(event.request.url);
  if (event.request.method !== "GET" || address.origin !== location.origin || !address.pathname.startsWith("/phone/")) return;
  const opens = event.request.mode === "navigate";
  const found = (opens ? turnToNewest() : Promise.resolve())
    .then(() => kept(address.pathname))
    .catch(() => undefined); // the browser cleared what was kept: the server has it
  event.respondWith(found.then((answer) => answer ?? fetch(event.request)));
  if (opens) event.waitUntil(found.then(fetchNewest).catch(() => undefined));
});
