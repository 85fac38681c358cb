// The list of past sales: print a receipt again, take goods back.

import { TroubleError, get } from "./api.js";
import { reprint } from "./actions.js";
import { byId, made, openDialog, show } from "./dom.js";
import { lost } from "./lost.js";
import { askReturn } from "./returns.js";

export async function openSales() {
  let list;
  try {
    list = await get("/api/sales");
  } catch (error) {
    lost(error instanceof TroubleError ? error.says : "");
    return;
  }
  byId("sales").replaceChildren(...list.sales.map(saleRow));
  show("no-sales", list.sales.length === 0);
  openDialog("sales-dialog");
}

function saleRow(sale) {
  const row = made("sale-template");
  row.querySelector(".sale-no").textContent = sale.receipt_no;
  row.querySelector(".sale-time").textContent = sale.time;
  row.querySelector(".sale-paid").textContent = sale.paid;
  row.querySelector(".sale-marks").textContent = [...sale.marks, sale.says].filter(Boolean).join(" · ");
  row.querySelector('[data-do="reprint"]').addEventListener("click", () => {
    byId("sales-dialog").close();
    reprint(sale.receipt_no);
  });
  const back = row.querySelector('[data-do="refund"]');
  back.disabled = !sale.can_return;
  back.addEventListener("click", () => askReturn(sale.receipt_no));
  return row;
}

export function startSales() {
  byId("open-sales").addEventListener("click", openSales);
  byId("find-receipt").addEventListener("submit", (event) => {
    event.preventDefault();
    const field = event.target.elements.text;
    const receiptNo = field.value.trim();
    field.value = "";
    if (receiptNo !== "") askReturn(receiptNo);
  });
}
