// Keys for the shop's items, page by page, and the search among them.

import { get } from "./api.js";
import { addItem, scan } from "./actions.js";
import { byId, made, put, show } from "./dom.js";
import { askWeight } from "./quantity.js";

const PAGE_KEYS = document.documentElement.lang === "en" ? 6 : 9;
const SHORTEST_BARCODE = /^\d{8,}$/;

let version = null;
let loading = false;
let items = [];
let page = 0;
let searches = false;
let asking = 0;
let found = { of: "", items: [] };

const search = byId("search");

export async function refreshItems(screen) {
  if (loading || screen.catalogue_version === version) return;
  loading = true;
  try {
    const catalogue = await get("/api/catalogue");
    version = catalogue.version;
    searches = catalogue.searches;
    found = { of: "", items: [] };
    // Quick keys first; what has a barcode comes after them.
    items = [
      ...catalogue.items.filter((item) => item.quick_key),
      ...catalogue.items.filter((item) => !item.quick_key),
    ];
    drawItems();
  } catch {
    // The banner of the link says so; the next screen tries again.
  } finally {
    loading = false;
  }
}

function matching() {
  const wanted = search.hidden ? "" : search.value.trim().toLowerCase();
  if (wanted === "") return items;
  const here = items.filter(
    (item) => item.name.toLowerCase().includes(wanted) || item.barcode.includes(wanted),
  );
  const known = new Set(here.map((item) => item.item_id));
  return [...here, ...(found.of === wanted ? found.items : []).filter((item) => !known.has(item.item_id))];
}

// The shop's own list is too long to have it here: the program looks into it.
async function searchList() {
  const wanted = search.value.trim().toLowerCase();
  if (!searches || wanted === "" || found.of === wanted) return;
  const asked = (asking += 1);
  const answer = await get(`/api/goods?q=${encodeURIComponent(wanted)}`).catch(() => null);
  if (answer === null || asked !== asking) return;
  found = { of: wanted, items: answer.items };
  drawItems();
}

function drawItems() {
  const matched = matching();
  const pages = Math.max(1, Math.ceil(matched.length / PAGE_KEYS));
  page = Math.min(Math.max(page, 0), pages - 1);
  const shown = matched.slice(page * PAGE_KEYS, (page + 1) * PAGE_KEYS);
  byId("item-keys").replaceChildren(...shown.map(itemKey));
  show("no-items", matched.length === 0 && items.length > 0);
  put("page-no", `${page + 1}/${pages}`);
  show("pager", pages > 1 && !byId("items").hidden);
  byId("page-back").disabled = page === 0;
  byId("page-on").disabled = page === pages - 1;
}

function itemKey(item) {
  const key = made("item-template");
  key.dataset.itemId = item.item_id;
  key.querySelector(".item-name").textContent = item.name;
  key.querySelector(".item-price").textContent = item.unit
    ? `${item.price} / ${item.unit}`
    : item.price;
  key.addEventListener("click", () => choose(item));
  return key;
}

function choose(item) {
  if (item.weighed) askWeight(item.name, item.unit, (text) => addItem(item.item_id, text));
  else addItem(item.item_id);
}

export function showTab(name) {
  for (const tab of ["items", "amount"]) {
    byId(`tab-${tab}`).setAttribute("aria-selected", String(tab === name));
    show(tab, tab === name);
  }
  drawItems();
}

export function openSearch() {
  showTab("items");
  search.hidden = false;
  search.value = "";
  search.focus();
  drawItems();
}

export function closeSearch() {
  search.value = "";
  search.hidden = true;
  search.blur();
  drawItems();
}

export function startItems(amountField) {
  byId("tab-items").addEventListener("click", () => showTab("items"));
  byId("tab-amount").addEventListener("click", () => showTab("amount"));
  byId("page-back").addEventListener("click", () => ((page -= 1), drawItems()));
  byId("page-on").addEventListener("click", () => ((page += 1), drawItems()));
  search.addEventListener("input", () => {
    page = 0;
    drawItems();
    searchList();
  });
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    event.stopPropagation();
    const text = search.value.trim();
    if (SHORTEST_BARCODE.test(text)) {
      closeSearch();
      scan(text);
      return;
    }
    const first = matching()[0];
    // What was typed is not looked up yet: the answer will show it.
    if (searches && !first && found.of !== text.toLowerCase()) return;
    closeSearch();
    if (text !== "" && first) choose(first);
  });
  amountField.form.addEventListener("submit", () => showTab("items"));
}
