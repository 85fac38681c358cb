// The cashier's page: puts its parts together.

import {
  addAmount,
  choosePoints,
  complete,
  goBack,
  nextCustomer,
  reprint,
  scan,
  skipConfirm,
  stopConfirm,
} from "./actions.js";
import { startBasket } from "./basket.js";
import { startDiscounts } from "./discount.js";
import { byId, letGoAfterClick, openDialog } from "./dom.js";
import { startParked } from "./parked.js";
import { refreshItems, startItems } from "./items.js";
import { keypad } from "./keypad.js";
import { startKeys } from "./keys.js";
import { startLastRun } from "./last_run.js";
import { follow } from "./link.js";
import { draw } from "./render.js";
import { startPad } from "./pad.js";
import { startPin } from "./pin.js";
import { startReturns } from "./returns.js";
import { startSales } from "./sales.js";
import { onScreen, screenNow } from "./screen.js";
import { sound } from "./sound.js";

// A scanner types into whatever field is open: no amount of money has this many digits.
const SCANNED = /^\d{12,}$/;

const amount = keypad("amount-pad", (text) => {
  if (SCANNED.test(text)) scan(text);
  else addAmount(text);
});

const fewer = keypad("fewer-pad", (text) => {
  byId("fewer-dialog").close();
  // What is no number is out of every range, and the program says so.
  choosePoints(/^\d{1,9}$/.test(text) ? Number(text) : -1);
});

byId("fewer").addEventListener("click", () => {
  openDialog("fewer-dialog");
  fewer.value = "";
  fewer.focus();
});
byId("cash").addEventListener("click", complete);
byId("confirm").addEventListener("click", complete);
byId("go-back").addEventListener("click", goBack);
byId("cancel-asking").addEventListener("click", goBack);
byId("skip-confirm").addEventListener("click", skipConfirm);
byId("stop-confirm").addEventListener("click", stopConfirm);
byId("next-customer").addEventListener("click", nextCustomer);
byId("reprint").addEventListener("click", () => reprint(screenNow().completed.receipt_no));

letGoAfterClick();
startBasket();
startDiscounts();
startItems(amount);
startKeys();
startPin();
startParked();
startSales();
startReturns();
startLastRun();
startPad();
onScreen(draw);
onScreen(sound);
onScreen(refreshItems);
follow();
