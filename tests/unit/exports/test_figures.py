"""PDF, XLSX, CSV and JSON say the same: each is read back and every cell is compared."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

import pytest

from protocol.business_day import SHANGHAI
from server.exports.canonical import payload_of
from server.exports.export import ExportRefused, export_statement
from server.exports.fonts import find_page_font
from server.exports.json_file import NotThisFormat, read_document
from server.exports.pdf import MAX_LINES, closing_sentence, net_sentence
from server.exports.seal import StatementFormat
from server.exports.tables import printable, shown_ranges
from server.exports.xlsx import embedded_payload
from server.settlement.document import StatementDocument
from server.settlement.values import DOCUMENT_VERSION
from tests.unit.exports.conftest import ROOT_KEY, exported
from tests.unit.exports.example import empty, example, long, negative, with_everything
from tests.unit.exports.read_back import (
    TABLES,
    Value,
    csv_tables,
    expected_head,
    expected_rows,
    expected_summary,
    pdf_text,
    typed,
    xlsx_tables,
)

# Where the columns do not stand in the order of the document's fields.
PAPER_ORDER = {
    "adjustments": ("key", "of_statement", "reason", "amount_yuan"),
    "payments": ("payment", "paid_at", "direction", "state", "bank_ref", "amount_yuan"),
}

every_document = pytest.mark.parametrize(
    "document",
    [example(), negative(), long(120), with_everything()],
    ids=["example", "negative", "long", "everything"],
)


@pytest.fixture(scope="module", autouse=True)
def _pages_can_be_drawn(cjk_font: object) -> None:
    """The PDF needs a font."""


@every_document
def test_json_is_the_whole_document_in_its_canonical_text(document: StatementDocument) -> None:
    content = exported(document, StatementFormat.JSON).content
    assert read_document(content) == document
    plain = json.loads(content)
    assert plain.pop("seal").startswith("HUIDIAN1 ")
    text = json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert text.encode() == payload_of(document)
    assert plain["document"]["net_fen"] == document.net_fen


def test_json_of_another_version_is_not_read() -> None:
    payload = payload_of(example())
    newer = b'"version":%d' % (DOCUMENT_VERSION + 1)
    with pytest.raises(NotThisFormat):
        read_document(payload.replace(b'"version":%d' % DOCUMENT_VERSION, newer))
    with pytest.raises(NotThisFormat):
        read_document(b"{}")


@every_document
def test_csv_says_every_field_of_the_document(document: StatementDocument) -> None:
    tables = csv_tables(exported(document, StatementFormat.CSV).content)
    assert list(tables) == ["head", "summary", *TABLES]
    for table in TABLES:
        wanted = expected_rows(document, table)
        assert len(tables[table]) == len(wanted), table
        for row, expected in zip(tables[table], wanted, strict=True):
            assert {key: typed(text, expected[key]) for key, text in row.items()} == expected
    said: dict[str, Value] = {
        row["item"]: Decimal(row["amount_yuan"])
        if row["amount_yuan"]
        else int(row["points"] or row["count"])
        for row in tables["summary"]
    }
    assert said == expected_summary(document)
    head = {row["item"]: row["value"] for row in tables["head"]}
    assert head == expected_head(document)


@every_document
def test_xlsx_says_every_field_with_numbers_as_numbers(document: StatementDocument) -> None:
    content = exported(document, StatementFormat.XLSX).content
    tables = xlsx_tables(content)
    assert list(tables) == ["head", "summary", *TABLES]
    for table in TABLES:
        assert tables[table] == expected_rows(document, table), table
    said = {
        row["item"]: next(row[key] for key in ("amount_yuan", "points", "count") if row[key] != "")
        for row in tables["summary"]
    }
    assert said == expected_summary(document)
    assert {row["item"]: row["value"] for row in tables["head"]} == expected_head(document)
    assert embedded_payload(content) == payload_of(document)


@every_document
def test_pdf_says_every_row_in_its_order(document: StatementDocument) -> None:
    text = pdf_text(exported(document, StatementFormat.PDF).content)
    place = 0
    for row in pdf_rows(document):
        found = text.find(row, place)
        assert found >= 0, f"{row} is not there after {text[max(0, place - 80) : place]}"
        place = found + len(row)


def pdf_rows(document: StatementDocument) -> Iterator[str]:
    """Every row on paper as text without blanks, from the first page to the last."""
    summary = expected_summary(document)
    yield net_sentence(document.net_fen).replace(" ", "")
    yield closing_sentence(document).replace(" ", "")
    for name in (
        "opening",
        "reimbursement",
        "reimbursement_returned",
        "fee",
        "adjustment",
        "share",
        "minimum",
        "rent",
        "net",
        "paid",
        "received",
        "closing",
    ):
        yield f"{summary[name]:,.2f}"
    yield f"{summary['takings']:,.2f}元"
    for name in ("redeemed_points", "returned_points"):
        yield f"{summary[name]:,}；"
    yield f"{summary['sales_count']:,}笔"
    yield f"{summary['refunds_count']:,}笔"
    if free := summary.get("free_count"):
        yield f"另有不动积分和钱的销售{free:,}笔。"
    for table in TABLES[:-1]:
        for expected in expected_rows(document, table):
            order = PAPER_ORDER.get(table, tuple(expected))
            yield "".join(on_paper(key, expected[key]) for key in order)
    yield from pdf_lines(document)


def pdf_lines(document: StatementDocument) -> Iterator[str]:
    amounts = (
        "takings_yuan",
        "points",
        "reimbursement_yuan",
        "share_yuan",
        "fee_yuan",
        "adjustment_yuan",
    )
    rows = expected_rows(document, "lines")
    kept = [key for key in amounts if any(row[key] for row in rows)]
    for row, line in zip(rows, document.lines, strict=True):
        moment = f"{line.occurred_at.astimezone(SHANGHAI):%m-%d%H:%M}"
        figures = "".join(on_paper(key, row[key]) for key in kept)
        yield f"{line.line_no}{moment}{row['kind']}{figures}"
        if line.receipt_no:
            proof = f"核验{row['proof']}".replace(" ", "") if line.proof else ""
            of_sale = ""
            if line.of_business_date is not None:
                of_sale = f"退{line.of_business_date}的销售：小票{line.of_receipt_no}"
                of_sale += f"（终端{line.of_terminal}）"
            place = f"终端{line.terminal}流水{line.epoch}-{line.seq}"
            yield f"小票{line.receipt_no}{of_sale}{proof}{place}"
        elif line.of_receipt_no:
            yield f"{line.of_business_date}售出：小票{line.of_receipt_no}（终端{line.of_terminal}）"
        if line.entry_no:
            yield f"凭证{line.entry_no}"
    sums = [sum(Decimal(str(row[key])) for row in rows) for key in kept]
    figures = "".join(
        f"{total:,}" if key == "points" else f"{total:,.2f}"
        for key, total in zip(kept, sums, strict=True)
    )
    yield f"合计{len(rows)}笔{figures}"


def on_paper(key: str, value: Value) -> str:
    """A cell as it stands on paper, without blanks."""
    if isinstance(value, Decimal):
        if key.endswith("_yuan"):
            return f"{value:,.2f}"
        return f"{value:.2f}%" if key == "rate_percent" else f"{value.normalize():f}"
    if isinstance(value, int) and key not in {"z_no", "epoch", "first_seq", "last_seq"}:
        return f"{value:,}"
    assert not isinstance(value, datetime)
    return str(value).replace(" ", "") if value is not None else ""


def test_who_pays_whom_is_said_in_words() -> None:
    assert net_sentence(123_456) == "本期应付商户 1,234.56 元"
    assert net_sentence(-123_456_789) == "本期商户应付 1,234,567.89 元"
    assert net_sentence(0) == "本期两清：应付 0.00 元"
    until = "连同以往未付，截至 2026 年 3 月 31 日，"
    assert closing_sentence(example()) == until + "应付商户 1,704.04 元"
    assert closing_sentence(negative()) == until + "商户应付 1,695.96 元"
    assert closing_sentence(replace(example(), closing_fen=0)) == until + "双方两清"


HOSTILE = '=HYPERLINK("http://x","商店")'


@pytest.mark.parametrize(
    "text", [HOSTILE, "+1", "-2", "@SUM(A1)", "＝1", "#REF!", "a\x07\r\nb\u202ec"]
)
def test_text_stays_text_whatever_it_begins_with(text: str) -> None:
    document = replace(
        example(), merchant_name=text, lines=(replace(example().lines[0], memo=text),)
    )
    csv_head = csv_tables(exported(document, StatementFormat.CSV).content)["head"]
    csv_name = next(row["value"] for row in csv_head if row["item"] == "merchant_name")
    assert csv_name.removeprefix("'") == printable(text)
    assert csv_name.startswith("'") == (text[0] in "=+-@＝")
    # Read back, no cell is a formula (the reader asserts it) and the text is the same.
    tables = xlsx_tables(exported(document, StatementFormat.XLSX).content)
    assert tables["lines"][0]["memo"] == printable(text)
    assert exported(document, StatementFormat.PDF).content.startswith(b"%PDF-")
    assert read_document(exported(document, StatementFormat.JSON).content) == document


def test_what_has_no_shape_is_shown_as_such() -> None:
    assert printable("a\x07\r\nb\u202ec　d") == "a\ufffd  b\ufffdc　d"
    assert shown_ranges(((1, 3), (7, 7))) == "1–3, 7"
    assert shown_ranges(()) == ""


def test_more_lines_than_paper_holds_are_refused_with_another_way() -> None:
    document = replace(example(), lines=example().lines[:1] * (MAX_LINES + 1))
    refused = export_statement(document, StatementFormat.PDF, ROOT_KEY, find_page_font())
    assert isinstance(refused, ExportRefused)
    assert "csv" in refused.says


def test_an_empty_statement_is_one_too() -> None:
    for kind in StatementFormat:
        assert exported(empty(), kind).content
    assert "本期没有明细" in pdf_text(exported(empty(), StatementFormat.PDF).content)


def test_a_day_is_a_day_and_a_time_is_shanghais() -> None:
    content = exported(example(), StatementFormat.XLSX).content
    line = xlsx_tables(content)["lines"][0]
    assert line["business_date"] == date(2026, 3, 1)
    assert line["occurred_at"] == datetime(2026, 3, 1, 9, 31, 5, tzinfo=SHANGHAI)


def test_a_sale_without_a_receipts_number_is_named_by_day_and_terminal_on_paper() -> None:
    line = replace(
        example().lines[0],
        kind="fulfilment",
        receipt_no="",
        of_business_date=date(2026, 2, 25),
        of_terminal="t-0002",
        of_receipt_no="",
    )
    text = pdf_text(exported(replace(example(), lines=(line,)), StatementFormat.PDF).content)
    assert "2026-02-25售出（终端t-0002）" in text
    assert "小票（终端" not in text
