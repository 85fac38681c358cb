"""What an export must show, taken from the document itself, and readers for what it does show.

Nothing here uses the tables that the exports are made from, so that a column which is left out,
or filled from another field, is found.
"""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import openpyxl
import pypdfium2

from protocol.business_day import SHANGHAI
from server.settlement.document import StatementDocument

Value = str | int | Decimal | date | datetime | None
TABLES = (
    "takings",
    "shares",
    "minimum",
    "rents",
    "goods",
    "declared",
    "adjustments",
    "payments",
    "coverage",
    "lines",
)
WORDS: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("takings", "source"): {"basket": "终端购物清单", "declared": "Z 报表申报"},
    ("takings", "category"): {"": "未分类"},
    ("shares", "category"): {"": "其他全部"},
    ("shares", "basis"): {"cash": "实收", "all": "实收加积分"},
    ("goods", "kind"): {"goods": "商品", "voucher": "兑换券", "service": "服务"},
    ("payments", "direction"): {"pay": "付给商户", "receive": "商户付来"},
    ("payments", "state"): {"paid": "已付", "bounced": "退回"},
    ("lines", "source"): {"basket": "终端购物清单", "declared": "Z 报表申报"},
    ("lines", "proof"): {"": "", "B": "B 手机出示", "C": "C 卡和密码"},
    ("lines", "kind"): {
        "sale": "销售",
        "refund": "退货",
        "declared": "申报",
        "adjustment": "调整",
        "fee": "服务费",
        "fulfilment": "券和服务兑现",
    },
}


def column_key(field: str) -> str:
    if field == "bp":
        return "rate_percent"
    if field.endswith("_fen"):
        return field.removesuffix("_fen") + "_yuan"
    return field.removesuffix("_milli")


def expected_value(table: str, field: str, value: Any) -> Value:
    if field.endswith("_fen") or field == "bp":
        return Decimal(value) / 100
    if field.endswith("_milli"):
        return Decimal(value) / 1000
    if field == "missing":
        return ", ".join(str(a) if a == b else f"{a}–{b}" for a, b in value)
    if field == "transfer_nos":
        return " ".join(map(str, value))
    if field == "late":
        return "迟到" if value else ""
    if isinstance(value, str):
        return WORDS.get((table, field), {}).get(value, value)
    if value is None:
        return ""
    assert isinstance(value, int | date)
    return value


def expected_rows(document: StatementDocument, table: str) -> list[dict[str, Value]]:
    """A table's rows by column key; every field of the document's row has its column."""
    return [
        {
            column_key(field.name): expected_value(table, field.name, getattr(row, field.name))
            for field in fields(row)
        }
        for row in getattr(document, table)
    ]


def expected_summary(d: StatementDocument) -> dict[str, Decimal | int]:
    """Amounts as the merchant sees them, points, and counts, by the row's name."""
    fen = {
        "opening": d.opening_fen,
        "reimbursement": d.reimbursement_fen,
        "reimbursement_returned": -d.reimbursement_returned_fen,
        "fee": d.fee_fen,
        "adjustment": d.adjustment_fen,
        "share": -d.share_fen,
        "minimum": -d.minimum_fen,
        "rent": -d.rent_fen,
        "net": d.net_fen,
        "paid": -d.paid_fen,
        "received": d.received_fen,
        "closing": d.closing_fen,
        "takings": d.takings_fen,
    }
    free_count = sum(each.kind == "sale" and not each.entry_no for each in d.lines)
    counts = {
        "redeemed_points": d.redeemed_points,
        "returned_points": d.returned_points,
        "sales_count": d.sales_count,
        "refunds_count": d.refunds_count,
    } | ({"free_count": free_count} if free_count else {})
    return {name: Decimal(amount) / 100 for name, amount in fen.items()} | counts


def expected_head(d: StatementDocument) -> dict[str, str]:
    return {
        "statement": d.statement,
        "pool": d.pool,
        "pool_name": d.pool_name,
        "merchant": d.merchant,
        "merchant_name": d.merchant_name,
        "period_from": str(d.period_from),
        "period_through": str(d.period_through),
        "cycle": {"month": "每月", "run": "按结算"}[d.cycle],
        "issued_at": f"{d.issued_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}",
        "unit_name": d.unit_name,
    }


def csv_tables(content: bytes) -> dict[str, list[dict[str, str]]]:
    """A CSV's rows by table, each by column key; the seal is left out."""
    rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
    tables: dict[str, list[dict[str, str]]] = {}
    header: list[str] = []
    for table, *cells in rows:
        if " " in table:
            header = [title.split()[-1] for title in cells]
            tables[table.split()[-1]] = []
        elif table != "seal":
            tables[table].append(dict(zip(header, cells, strict=True)))
    return tables


def typed(text: str, like: Value) -> Value:
    """A cell of text as the kind of value that stands there."""
    if isinstance(like, Decimal):
        return Decimal(text)
    if isinstance(like, datetime):
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=SHANGHAI)
    if isinstance(like, date):
        return date.fromisoformat(text)
    if isinstance(like, int):
        return int(text)
    return text.removeprefix("'")


def xlsx_tables(content: bytes) -> dict[str, list[dict[str, Value]]]:
    """A workbook's rows by sheet, each by column key: numbers exact, days and times as such."""
    book = openpyxl.load_workbook(io.BytesIO(content))
    tables: dict[str, list[dict[str, Value]]] = {}
    for sheet in book.worksheets:
        assert sheet.freeze_panes == "A2"
        header, *rows = sheet.iter_rows()
        keys = [str(cell.value).split()[-1] for cell in header]
        tables[sheet.title.split()[-1]] = [
            {key: _cell(cell) for key, cell in zip(keys, row, strict=True)} for row in rows
        ]
    return tables


def _cell(cell: Any) -> Value:
    value = cell.value
    assert cell.data_type != "f", f"{cell.coordinate} is a formula"
    if isinstance(value, datetime):
        return (
            value.date() if cell.number_format == "yyyy-mm-dd" else value.replace(tzinfo=SHANGHAI)
        )
    if isinstance(value, int | float):
        # Fifteen digits are what a spreadsheet keeps; amounts have fewer.
        exact = Decimal(f"{value:.15g}")
        return exact * 100 if cell.number_format == "0.00%" else exact
    assert value is None or isinstance(value, str)
    return value if value is not None else ""


def pdf_text(content: bytes) -> str:
    """All text of a PDF in the order in which it is drawn, without any blanks."""
    pages = pypdfium2.PdfDocument(content)
    try:
        texts = [pages[number].get_textpage().get_text_bounded() for number in range(len(pages))]
    finally:
        pages.close()
    return re.sub(r"\s+", "", "".join(texts))
