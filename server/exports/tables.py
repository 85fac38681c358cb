"""A statement as tables: what the PDF, the XLSX and the CSV show, described once for all three.

A cell is text, a whole number, a day, a moment or nothing; its column says what it means. Money
is in fen here and becomes yuan where it is shown.
"""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from protocol.business_day import SHANGHAI
from protocol.money import format_quantity, format_yuan
from server.exports import words
from server.exports.words import word
from server.settlement.document import StatementDocument
from server.settlement.document_values import LINE_FIELDS_SINCE

Cell = str | int | date | datetime | None
Row = tuple[Cell, ...]


class Kind(StrEnum):
    """What a column's cells are and how they are shown."""

    TEXT = "text"
    DAY = "day"
    TIME = "time"
    """Aware; shown as Shanghai's."""
    YUAN = "yuan"
    """Whole fen, shown in yuan with two decimals."""
    NUMBER = "number"
    RATE = "rate"
    """Basis points, shown in per cent."""
    MILLI = "milli"
    """Thousandths of a unit."""


_UNITS = {Kind.YUAN: "（元）", Kind.RATE: "（%）"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column: the document's field it shows, its Chinese name, and what its cells are.

    `says` gives the words for the field's codes.
    """

    field: str
    name: str
    kind: Kind = Kind.TEXT
    says: Mapping[str, str] | None = None

    @property
    def key(self) -> str:
        """The column's name for programs: the field's, with the unit that is shown."""
        if self.kind is Kind.YUAN:
            return f"{self.field.removesuffix('_fen')}_yuan"
        if self.kind is Kind.RATE:
            return "rate_percent"
        return self.field.removesuffix("_milli")

    @property
    def title(self) -> str:
        """What stands in a header: `实收（元） cash_yuan`."""
        return f"{self.name}{_UNITS.get(self.kind, '')} {self.key}"


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a statement."""

    key: str
    name: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def title(self) -> str:
        return f"{self.name} {self.key}"


def tables_of(document: StatementDocument) -> Iterator[Table]:
    """Every table of a statement, the head first and the lines last; also those without rows."""
    yield _head(document)
    yield summary_of(document)
    for key in _COLUMNS:
        yield table_of(document, key)


def table_of(document: StatementDocument, key: str) -> Table:
    """One table of rows, by the name of the document's field."""
    name, columns = _COLUMNS[key]
    if key == "lines":
        columns = [
            each for each in columns if LINE_FIELDS_SINCE.get(each.field, 1) <= document.version
        ]
    named = tuple(
        Column(each.field, document.unit_name, each.kind, each.says)
        if each.field == "points"
        else each
        for each in columns
    )
    rows = tuple(tuple(_cell(row, column) for column in named) for row in getattr(document, key))
    return Table(key, name, named, rows)


def _cell(row: Any, column: Column) -> Cell:
    value = getattr(row, column.field)
    if column.field == "missing":
        return shown_ranges(value)
    if column.field == "transfer_nos":
        return " ".join(str(number) for number in value)
    if isinstance(value, bool):
        return column.name if value else ""
    if isinstance(value, str):
        return word(column.says, value) if column.says else value
    assert value is None or isinstance(value, int | date), f"{column.field} is no cell"
    return value


def _head(document: StatementDocument) -> Table:
    d = document
    rows: tuple[Row, ...] = (
        ("statement", "对账单号", d.statement),
        ("pool", "积分池代号", d.pool),
        ("pool_name", "积分池", d.pool_name),
        ("merchant", "商户代号", d.merchant),
        ("merchant_name", "商户", d.merchant_name),
        ("period_from", "期间自", shown(Kind.DAY, d.period_from)),
        ("period_through", "期间至", shown(Kind.DAY, d.period_through)),
        ("cycle", "结算周期", word(words.CYCLES, d.cycle)),
        ("issued_at", "出单时间", shown(Kind.TIME, d.issued_at)),
        ("unit_name", "积分名称", d.unit_name),
    )
    columns = (Column("item", "项目代号"), Column("name", "项目"), Column("value", "内容"))
    return Table("head", "抬头", columns, rows)


def summary_of(document: StatementDocument) -> Table:
    """From the opening to the closing balance, then what was counted. Amounts are signed as the
    merchant sees them: above zero is what the pool owes him. Each row has one of the three.
    """
    d, unit = document, document.unit_name
    money = (
        ("opening", "期初余额（上期结转）", d.opening_fen),
        ("reimbursement", f"收{unit}，积分池补偿", d.reimbursement_fen),
        ("reimbursement_returned", f"退{unit}，补偿收回", -d.reimbursement_returned_fen),
        ("fee", "兑换券和服务费", d.fee_fen),
        ("adjustment", "对异议的调整", d.adjustment_fen),
        ("share", "经营收入纳入积分池", -d.share_fen),
        ("minimum", "补足最低纳入额", -d.minimum_fen),
        ("rent", "房屋租金", -d.rent_fen),
        ("net", "本期净额", d.net_fen),
        ("paid", "积分池已付给商户", -d.paid_fen),
        ("received", "商户已付给积分池", d.received_fen),
        ("closing", "期末余额", d.closing_fen),
        ("takings", "实收现金（已减退货）", d.takings_fen),
    )
    rows: list[Row] = [(item, name, fen, None, None) for item, name, fen in money]
    rows += [
        ("redeemed_points", f"收{unit}", None, d.redeemed_points, None),
        ("returned_points", f"退{unit}", None, d.returned_points, None),
        ("sales_count", "销售", None, None, d.sales_count),
        ("refunds_count", "退货", None, None, d.refunds_count),
    ]
    if d.free_count:
        rows.append(("free_count", "另有不动积分和钱的销售", None, None, d.free_count))
    columns = (
        Column("item", "项目代号"),
        Column("name", "项目"),
        Column("amount_fen", "金额", Kind.YUAN),
        Column("points", unit, Kind.NUMBER),
        Column("count", "笔数", Kind.NUMBER),
    )
    return Table("summary", "汇总", columns, tuple(rows))


_COLUMNS: Mapping[str, tuple[str, Sequence[Column]]] = {
    "takings": (
        "营业收入",
        (
            Column("source", "数额来源", says=words.SOURCES),
            Column("category", "类别", says=words.NO_CATEGORY),
            Column("cash_fen", "实收", Kind.YUAN),
            Column("points_fen", "积分抵付", Kind.YUAN),
            Column("sales_count", "销售笔数", Kind.NUMBER),
            Column("refunds_count", "退货笔数", Kind.NUMBER),
        ),
    ),
    "shares": (
        "经营收入纳入积分池",
        (
            Column("contract", "合约"),
            Column("month", "月份"),
            Column("category", "类别", says=words.ALL_THE_REST),
            Column("basis", "计算基数", says=words.BASES),
            Column("from_fen", "本档起点", Kind.YUAN),
            Column("bp", "比例", Kind.RATE),
            Column("takings_fen", "本档收入", Kind.YUAN),
            Column("share_fen", "纳入", Kind.YUAN),
        ),
    ),
    "minimum": (
        "最低纳入额",
        (
            Column("contract", "合约"),
            Column("month", "月份"),
            Column("days", "天数", Kind.NUMBER),
            Column("minimum_fen", "当月最低", Kind.YUAN),
            Column("share_fen", "当月已纳入", Kind.YUAN),
            Column("added_fen", "本期补足", Kind.YUAN),
        ),
    ),
    "rents": (
        "房屋租金",
        (
            Column("contract", "合约"),
            Column("from_day", "自", Kind.DAY),
            Column("through_day", "至", Kind.DAY),
            Column("days", "天数", Kind.NUMBER),
            Column("rent_fen", "租金", Kind.YUAN),
        ),
    ),
    "goods": (
        "商品、兑换券和服务",
        (
            Column("item_id", "代号"),
            Column("name", "名称"),
            Column("kind", "类型", says=words.GOODS_KINDS),
            Column("units_milli", "数量", Kind.MILLI),
            Column("points", "积分", Kind.NUMBER),
            Column("reimbursement_fen", "补偿", Kind.YUAN),
            Column("fee_fen", "服务费", Kind.YUAN),
        ),
    ),
    "declared": (
        "申报与系统合计",
        (
            Column("shop", "门店"),
            Column("z_no", "Z 报表号", Kind.NUMBER),
            Column("business_date", "营业日", Kind.DAY),
            Column("declared_fen", "申报", Kind.YUAN),
            Column("counted_fen", "系统合计", Kind.YUAN),
            Column("difference_fen", "差额", Kind.YUAN),
        ),
    ),
    "adjustments": (
        "对异议的调整",
        (
            Column("key", "凭据"),
            Column("of_statement", "原对账单"),
            Column("reason", "原因"),
            Column("amount_fen", "金额", Kind.YUAN),
        ),
    ),
    "payments": (
        "付款",
        (
            Column("payment", "付款号"),
            Column("paid_at", "日期", Kind.DAY),
            Column("direction", "方向", says=words.DIRECTIONS),
            Column("state", "状态", says=words.PAYMENT_STATES),
            Column("bank_ref", "银行流水号"),
            Column("amount_fen", "金额", Kind.YUAN),
        ),
    ),
    "coverage": (
        "终端流水",
        (
            Column("terminal", "终端"),
            Column("shop", "门店"),
            Column("epoch", "代次", Kind.NUMBER),
            Column("first_seq", "首号", Kind.NUMBER),
            Column("last_seq", "末号", Kind.NUMBER),
            Column("missing", "缺号"),
            Column("parked_count", "待处理", Kind.NUMBER),
        ),
    ),
    "lines": (
        "逐笔明细",
        (
            Column("line_no", "序号", Kind.NUMBER),
            Column("occurred_at", "时间", Kind.TIME),
            Column("business_date", "营业日", Kind.DAY),
            Column("late", "迟到"),
            Column("kind", "类型", says=words.LINE_KINDS),
            Column("takings_fen", "实收", Kind.YUAN),
            Column("points", "积分", Kind.NUMBER),
            Column("reimbursement_fen", "补偿", Kind.YUAN),
            Column("share_fen", "纳入", Kind.YUAN),
            Column("fee_fen", "服务费", Kind.YUAN),
            Column("adjustment_fen", "调整", Kind.YUAN),
            Column("contract", "合约"),
            Column("source", "数额来源", says=words.SOURCES),
            Column("shop", "门店"),
            Column("terminal", "终端"),
            Column("epoch", "代次", Kind.NUMBER),
            Column("seq", "流水号", Kind.NUMBER),
            Column("receipt_no", "小票号"),
            Column("proof", "核验", says=words.PROOFS),
            Column("entry_no", "凭证号", Kind.NUMBER),
            Column("transfer_nos", "分录号"),
            Column("key", "凭据"),
            Column("of_business_date", "原营业日", Kind.DAY),
            Column("of_terminal", "原终端"),
            Column("of_receipt_no", "原小票号"),
            Column("memo", "备注"),
        ),
    ),
}


def shown_ranges(ranges: tuple[tuple[int, int], ...]) -> str:
    """`12–15, 20`: both ends included; nothing missing is an empty text."""
    return ", ".join(str(a) if a == b else f"{a}–{b}" for a, b in ranges)


def shown(kind: Kind, cell: Cell) -> str:
    """A cell as plain text, without separators of thousands."""
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return f"{cell.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}"
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, str):
        return printable(cell)
    if kind is Kind.YUAN:
        return format_yuan(cell)
    if kind is Kind.RATE:
        return str(Decimal(cell).scaleb(-2))
    if kind is Kind.MILLI:
        sign = "-" if cell < 0 else ""
        return sign + format_quantity(abs(cell))
    return str(cell)


def printable(text: str) -> str:
    """Text as one line that a page can hold: ends of lines become blanks, and what has no shape
    (control characters, and those that turn the direction of writing) becomes U+FFFD.
    """
    if text.isprintable():
        return text
    return "".join(
        " " if sign in "\r\n\t" else "\ufffd" if unicodedata.category(sign)[0] == "C" else sign
        for sign in text
    )
