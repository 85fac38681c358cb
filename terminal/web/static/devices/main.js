// The printer's self-test: each step says what became of it. One step at a time.

import { TroubleError, post } from "../till/api.js";

const byId = (id) => document.getElementById(id);
const buttons = document.querySelectorAll("button");

async function step(name, body) {
  const says = byId(`${name}-says`);
  says.textContent = "…";
  for (const button of buttons) button.disabled = true;
  try {
    const answer = await post(`/devices/${name}`, body);
    says.textContent = answer.says;
    says.dataset.good = String(answer.good);
    byId("url").textContent = answer.url;
  } catch (error) {
    if (!(error instanceof TroubleError)) throw error;
    says.textContent = error.says || "终端没有回答 · no answer";
    says.dataset.good = "false";
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

byId("level").addEventListener("click", () => step("level", {}));
byId("papers").addEventListener("click", () => step("papers", {}));
byId("choice").addEventListener("submit", (event) => {
  event.preventDefault();
  const seen = new FormData(event.target);
  step("choice", {
    encoding: seen.get("encoding"),
    columns: Number(seen.get("columns")),
    native_qr: seen.get("native_qr") === "yes",
    cutter: seen.get("cutter") === "yes",
  });
});
