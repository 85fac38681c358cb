// The list of past sales: print a receipt again, take goods back.

import { TroubleError, get } from "./api.js";
import { refund, reprint } from "./actions.js";
import { byId, made, openDialog, put, show } from "./dom.js";
import { lost } from "./lost.js";

let toRefund = null;

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
  row.querySelector(".sale-marks").textContent = sale.marks.join(" · ");
  row.querySelector('[data-do="reprint"]').addEventListener("click", () => {
    byId("sales-dialog").close();
    reprint(sale.receipt_no);
  });
  const back = row.querySelector('[data-do="refund"]');
  back.disabled = sale.refund_text === "";
  back.addEventListener("click", () => askRefund(sale));
  return row;
}

function askRefund(sale) {
  toRefund = sale;
  put("refund-receipt", sale.receipt_no);
  put("refund-text", sale.refund_text);
  openDialog("refund-dialog");
}

export function startSales() {
  byId("open-sales").addEventListener("click", openSales);
  byId("refund-confirm").addEventListener("click", () => {
    const reason = document.querySelector("#reasons input:checked").value;
    byId("refund-dialog").close();
    byId("sales-dialog").close();
    refund(toRefund.receipt_no, reason);
  });
}
