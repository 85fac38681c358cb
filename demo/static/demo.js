// Holds codes in front of the scanners and shows the paper that comes out.
const says = document.querySelector("#says");
const LOOK_EVERY_MS = 800;

async function post(address, form) {
  const answer = await fetch(address, { method: "POST", body: form, headers: { "X-Huidian": "1" } });
  const data = await answer.json().catch(() => ({}));
  says.textContent = data.says ?? (answer.ok ? "" : `出错了 · failed (${answer.status})`);
  return data;
}

for (const shop of document.querySelectorAll(".shop")) {
  const number = shop.dataset.shop;
  for (const button of shop.querySelectorAll(".hold")) {
    button.addEventListener("click", () => {
      const form = new FormData();
      form.set(button.dataset.field, button.dataset.value);
      says.textContent = "正在出示… · holding it up…";
      post(`/hold/${number}`, form);
    });
  }
  for (const form of shop.querySelectorAll("form")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      post(`/hold/${number}`, new FormData(form));
    });
  }
  for (const button of shop.querySelectorAll(".fault")) {
    button.addEventListener("click", () => post(`/fault/${number}/${button.dataset.fault}`));
  }
}

const server = document.querySelector("#server");

function showServer(runs) {
  server.dataset.runs = runs ? "yes" : "no";
  server.textContent = runs ? "停止服务器 · stop the server" : "启动服务器 · start the server";
}

showServer(server.dataset.runs === "yes");
server.addEventListener("click", async () => {
  server.disabled = true;
  const data = await post("/server");
  server.disabled = false;
  showServer(data.runs === true);
});

async function look() {
  const answer = await fetch("/papers").catch(() => null);
  if (answer?.ok) {
    (await answer.json()).forEach((state, number) => show(number, state));
  }
  setTimeout(look, LOOK_EVERY_MS);
}

function show(number, state) {
  const shop = document.querySelector(`.shop[data-shop="${number}"]`);
  for (const button of shop.querySelectorAll(".fault")) {
    button.setAttribute("aria-pressed", String(state.faults.includes(button.dataset.fault)));
  }
  const list = shop.querySelector(".papers");
  const shown = state.papers.map((paper) => paper.number).join();
  if (list.dataset.shown === shown) return;
  list.dataset.shown = shown;
  list.replaceChildren(
    ...state.papers.map((paper) => {
      const picture = document.createElement("img");
      picture.src = `/paper/${number}/${paper.number}.png`;
      picture.alt = paper.text;
      return picture;
    }),
  );
}

look();
