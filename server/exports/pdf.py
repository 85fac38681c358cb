"""A statement on paper: A4, Chinese, to be read by a person of seventy and checked line by line."""

import re
from collections.abc import Iterator
from datetime import datetime

from fpdf import XPos, YPos

from protocol.business_day import SHANGHAI
from protocol.money import format_yuan
from server.exports import words
from server.exports.canonical import FORMAT_NAME
from server.exports.fonts import PageFont
from server.exports.paper import (
    LINE_MM,
    MARGIN_MM,
    WIDTH_MM,
    Paper,
    PaperColumn,
    PaperRow,
)
from server.exports.seal import Seal
from server.exports.tables import Cell, Kind, Table, printable, shown, summary_of, table_of
from server.exports.words import word
from server.settlement.document import StatementDocument, StatementLine

MAX_LINES = 30_000
"""Some 1,500 pages: more is no paper any more."""

_SAYINGS = {
    "takings": "实收已减去退货；积分抵付是居民用积分付的部分，由积分池补偿。",
    "shares": "纳入 = 本档收入 × 比例。按合约当月累计收入分档，逐期相减，所以按日、按周、按月结算结果相同。",
    "minimum": "当月纳入不足合约最低额的，在含当月最后一个合约日的对账单上补足。",
    "rents": "按当月天数折算。",
    "goods": "数量已减去退回的；兑换券和服务在兑现之后才计费。",
    "declared": "差额 = 申报减去系统合计，计入收入。",
    "adjustments": "对以往对账单异议的答复；原对账单不改动。",
    "payments": "上一份对账单之后的付款；退回的付款列两次。",
    "coverage": "本单依据这些终端的流水。缺号的记录还没有传到，传到后列入以后的对账单。",
    "lines": "每一笔都能按小票号、终端流水号和凭证号查到原始记录；各笔相加就是上面的合计。",
}
_UNIT = "（金额单位：元）"
_SUMMED = {
    "takings": {"cash_fen", "points_fen", "sales_count", "refunds_count"},
    "shares": {"share_fen"},
    "minimum": {"added_fen"},
    "rents": {"rent_fen"},
    "goods": {"points", "reimbursement_fen", "fee_fen"},
    "declared": {"declared_fen", "counted_fen", "difference_fen"},
    "adjustments": {"amount_fen"},
}
_FIGURES = frozenset({Kind.YUAN, Kind.NUMBER, Kind.RATE, Kind.MILLI})
# Numbers that name something and are not counted: no separators, not among the figures.
_NAMES = frozenset({"z_no", "epoch", "first_seq", "last_seq"})


def pdf_bytes(document: StatementDocument, payload: bytes, seal: Seal, font: PageFont) -> bytes:
    """The pages with the canonical JSON attached, up to where the seal goes."""
    name = printable(document.merchant_name)
    paper = Paper(
        font,
        document.issued_at,
        running_title=f"对账单 {_period(document)}　{name}",
        footing=f"{document.statement}　核对码 {seal.code}",
    )
    paper.set_title(f"{name} 对账单 {document.statement}")
    paper.set_author(printable(document.pool_name))
    paper.embed_file(
        bytes=payload,
        basename=f"{FORMAT_NAME}.json",
        desc="canonical JSON",
        creation_date=document.issued_at,
        modification_date=document.issued_at,
    )
    _first_page(paper, document, seal)
    for key, saying in _SAYINGS.items():
        table = table_of(document, key)
        if table.rows and key != "lines":
            paper.heading(f"{table.name}{_UNIT if _has_money(table) else ''}", saying)
            paper.ruled_table(_columns(table), _rows(table))
    _lines(paper, document)
    _how_to_check(paper, seal)
    return bytes(paper.output()) + b"% "


def _first_page(paper: Paper, document: StatementDocument, seal: Seal) -> None:
    paper.size(20)
    paper.cell(WIDTH_MM, 11, "商户对账单 Statement", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    paper.size(12)
    for label, text in (
        ("积 分 池", document.pool_name),
        ("商　　户", f"{document.merchant_name}（{document.merchant}）"),
        ("期　　间", f"{_period(document)}（{word(words.CYCLES, document.cycle)}）"),
        ("对账单号", document.statement),
        ("出单时间", _minute(document.issued_at, "%Y-%m-%d %H:%M")),
        ("核 对 码", seal.code),
    ):
        for number, row in enumerate(paper.rows_of(printable(text), WIDTH_MM - 26)):
            paper.cell(26, 6.4, label if number == 0 else "")
            paper.cell(WIDTH_MM - 26, 6.4, row, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    paper.ln(3)
    _net_box(paper, document)
    _summary(paper, document)


def net_sentence(net_fen: int) -> str:
    """Who pays whom for the period, and how much: never a figure whose sign must be understood."""
    if net_fen > 0:
        return f"本期应付商户 {grouped(net_fen)} 元"
    if net_fen < 0:
        return f"本期商户应付 {grouped(-net_fen)} 元"
    return "本期两清：应付 0.00 元"


def closing_sentence(document: StatementDocument) -> str:
    """What is open when everything of before and all payments are counted in."""
    day, fen = document.period_through, document.closing_fen
    until = f"连同以往未付，截至 {day.year} 年 {day.month} 月 {day.day} 日"
    if fen > 0:
        return f"{until}，应付商户 {grouped(fen)} 元"
    if fen < 0:
        return f"{until}，商户应付 {grouped(-fen)} 元"
    return f"{until}，双方两清"


def _net_box(paper: Paper, document: StatementDocument) -> None:
    """Dark where the merchant pays, so that nobody takes it for money that he gets."""
    owes = document.net_fen < 0
    height_mm, top_mm = 25, paper.get_y()
    paper.set_draw_color(0, 0, 0)
    paper.set_line_width(0.6)
    paper.set_fill_color(*((40, 40, 40) if owes else (255, 255, 255)))
    paper.rect(MARGIN_MM, top_mm, WIDTH_MM, height_mm, style="DF")
    paper.set_text_color(*((255, 255, 255) if owes else (0, 0, 0)))
    paper.size(18)
    paper.set_xy(MARGIN_MM, top_mm + 2.5)
    paper.cell(WIDTH_MM, 10, net_sentence(document.net_fen), align="C")
    paper.size(12)
    paper.set_xy(MARGIN_MM, top_mm + 14)
    paper.cell(WIDTH_MM, 7, closing_sentence(document), align="C")
    paper.set_text_color(0, 0, 0)
    paper.set_xy(MARGIN_MM, top_mm + height_mm)


def _summary(paper: Paper, document: StatementDocument) -> None:
    paper.heading(
        "金额怎么来的", "正数是积分池应付商户的，负数（红色、带减号）是商户应付积分池的。"
    )
    rows, counted = [], []
    for item, name, fen, points, count in summary_of(document).rows:
        if fen is None:
            counted.append(
                f"{name} {_figure(Kind.NUMBER, points)}"
                if count is None
                else f"{name} {_figure(Kind.NUMBER, count)} 笔"
            )
        elif item == "takings":
            counted.append(f"{name} {_figure(Kind.YUAN, fen)} 元")
        else:
            strong = item in {"net", "closing"}
            rows.append(PaperRow((str(name), _figure(Kind.YUAN, fen)), total=strong))
    paper.ruled_table((PaperColumn("项目"), PaperColumn("金额（元）", right=True)), rows)
    paper.ln(2)
    paper.paragraph("；　".join(counted) + "。")  # rows end at wide blanks


def _has_money(table: Table) -> bool:
    return any(column.kind is Kind.YUAN for column in table.columns)


def _columns(table: Table) -> list[PaperColumn]:
    return [
        PaperColumn(column.name, right=column.kind in _FIGURES and column.field not in _NAMES)
        for column in table.columns
    ]


def _rows(table: Table) -> Iterator[PaperRow]:
    kinds = [Kind.TEXT if column.field in _NAMES else column.kind for column in table.columns]
    for row in table.rows:
        yield PaperRow([_figure(kind, cell) for kind, cell in zip(kinds, row, strict=True)])
    if summed := _SUMMED.get(table.key):
        total: list[Cell] = [
            _sum(table, place) if column.field in summed else None
            for place, column in enumerate(table.columns)
        ]
        cells = [_figure(kind, cell) for kind, cell in zip(kinds, total, strict=True)]
        yield PaperRow(["合计", *cells[1:]], total=True)


def _sum(table: Table, place: int) -> int:
    cells = [row[place] for row in table.rows]
    return sum(cell for cell in cells if isinstance(cell, int))


def _lines(paper: Paper, document: StatementDocument) -> None:
    """Two rows a line: what it comes to, and where it is written down."""
    table = table_of(document, "lines")
    paper.heading(f"{table.name}{_UNIT}", _SAYINGS["lines"])
    if not document.lines:
        paper.paragraph("本期没有明细。")
        return
    # Columns that would hold nothing but zeros are left out.
    figures = [
        (field, title, kind)
        for field, title, kind in (
            ("takings_fen", "实收", Kind.YUAN),
            ("points", document.unit_name, Kind.NUMBER),
            ("reimbursement_fen", "补偿", Kind.YUAN),
            ("share_fen", "纳入", Kind.YUAN),
            ("fee_fen", "服务费", Kind.YUAN),
            ("adjustment_fen", "调整", Kind.YUAN),
        )
        if any(getattr(line, field) for line in document.lines)
    ]
    columns = [PaperColumn("序号"), PaperColumn("时间"), PaperColumn("类型")]
    columns += [PaperColumn(printable(title), right=True) for _, title, _ in figures]

    def rows() -> Iterator[PaperRow]:
        for line in document.lines:
            amounts = [_figure(kind, getattr(line, field)) for field, _, kind in figures]
            head = [str(line.line_no), _minute(line.occurred_at), word(words.LINE_KINDS, line.kind)]
            yield PaperRow([*head, *amounts], detail=_detail(line))
        sums = [
            _figure(kind, sum(getattr(line, field) for line in document.lines))
            for field, _, kind in figures
        ]
        yield PaperRow(["合计", "", f"{len(document.lines)} 笔", *sums], total=True)

    paper.ruled_table(columns, rows())


def _detail(line: StatementLine) -> str:
    """Where a line is written down, and what is to be said of it."""
    said = [f"迟到（营业日 {line.business_date}）"] if line.late else []
    if line.receipt_no:
        said.append(f"小票 {line.receipt_no}")
    if line.of_business_date is not None:
        said.append(_of_sale(line))
    if line.proof:
        said.append(f"核验 {word(words.PROOFS, line.proof)}")
    if line.terminal:
        said.append(f"终端 {line.terminal} 流水 {line.epoch}-{line.seq}")
    if line.entry_no:
        said.append(f"凭证 {line.entry_no}")
    if line.contract:
        said.append(f"合约 {line.contract}")
    said += [word(words.SOURCES, line.source), line.shop]
    if line.memo != line.receipt_no:  # a sale's entry bears its receipt's number
        said.append(line.memo)
    return printable("　".join(text for text in said if text))


def _of_sale(line: StatementLine) -> str:
    """The sale behind a refund, a voucher or a work order, as its own receipt says it."""
    day = line.of_business_date
    sold = f"退 {day} 的销售" if line.kind == "refund" else f"{day} 售出"
    paper = f"：小票 {line.of_receipt_no}" if line.of_receipt_no else ""
    return f"{sold}{paper}（终端 {line.of_terminal}）"


def _how_to_check(paper: Paper, seal: Seal) -> None:
    paper.heading("怎样核对这份对账单", room_mm=70)
    for text in (
        "电子文件：请街道办事处用“huidian-server statement verify 文件”核对，改动过一个字节也能查出。",
        f"纸面：向街道办事处报核对码 {seal.code}，查出账上的数字，与本单对照。",
        "异议：请在期限内按序号提出；已出的对账单不改动，调整列入下一期。",
        f"内容摘要 SHA-256：{seal.digest}",
    ):
        paper.paragraph(text)
    paper.ln(12)
    for label, width_mm in (("商户签字", 85), ("日期", 60)):
        paper.cell(paper.width_of(label) + 2, LINE_MM, label)
        left_mm, bottom_mm = paper.get_x(), paper.get_y() + LINE_MM
        paper.line(left_mm, bottom_mm, left_mm + width_mm, bottom_mm)
        paper.set_x(left_mm + width_mm + 4)


def _period(document: StatementDocument) -> str:
    return f"{document.period_from} 至 {document.period_through}"


def _minute(moment: datetime, form: str = "%m-%d %H:%M") -> str:
    return f"{moment.astimezone(SHANGHAI):{form}}"


def grouped(fen: int) -> str:
    """Yuan with two decimals and separators of thousands: `1,234.50`."""
    return _grouped(format_yuan(fen))


def _figure(kind: Kind, cell: Cell) -> str:
    text = shown(kind, cell)
    if kind is Kind.RATE and text:
        return f"{text}%"
    return _grouped(text) if kind in _FIGURES else text


def _grouped(figure: str) -> str:
    return re.sub(r"(?<=\d)(?=(?:\d{3})+(?:\.|$))", ",", figure)
