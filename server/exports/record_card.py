"""A resident's record (积分量化管理个人记录卡) on paper: what, when registered, how many points."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from fpdf import XPos, YPos

from protocol.business_day import SHANGHAI
from server.exports.fonts import PageFont
from server.exports.paper import LINE_MM, Paper, PaperColumn, PaperRow, PaperSize
from server.exports.tables import printable

MAX_LINES: Final = 5_000
"""Some 150 pages: more than anybody keeps in a drawer."""
TITLE: Final = "积分量化管理个人记录卡"
_LABEL_MM = 24


@dataclass(frozen=True, slots=True)
class PrintedRecord:
    """What stands on a record card.

    ``name`` is masked, ``number`` what is shown of the account. ``lines`` are texts, moments and
    points, oldest first; ``before`` and their points add up to ``after``. ``printed_by`` is who
    took it.
    """

    pool_name: str
    unit_name: str
    name: str
    number: str
    first_day: date
    last_day: date
    before: int
    lines: Sequence[tuple[str, datetime, int]]
    after: int
    printed_by: str


def record_card_pdf(
    record: PrintedRecord, font: PageFont, made_at: datetime, size: PaperSize
) -> bytes:
    """The pages. What came in and what went out are added up apart, so that a reader can see both.

    Raises:
        ValueError: more than MAX_LINES lines.
    """
    if len(record.lines) > MAX_LINES:
        raise ValueError(f"at most {MAX_LINES} lines")
    unit = printable(record.unit_name)
    printed = f"{_minute(made_at)}　{printable(record.printed_by)} 打印"
    paper = Paper(
        font,
        made_at,
        running_title=f"{TITLE}　{printable(record.name)} {record.number}",
        footing=printed,
        size=size,
    )
    paper.set_title(f"{TITLE} {record.number}")
    paper.set_author(printable(record.pool_name))
    paper.size(17)
    paper.cell(paper.epw, 10, TITLE, align="C", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    paper.ln(2)
    paper.size(12)
    for label, text in (
        ("积分池", record.pool_name),
        ("居民", f"{record.name}（{record.number}）"),
        ("期间", f"{record.first_day:%Y-%m-%d} 至 {record.last_day:%Y-%m-%d}"),
    ):
        for number, row in enumerate(paper.rows_of(printable(text), paper.epw - _LABEL_MM)):
            paper.cell(_LABEL_MM, 6.4, label if number == 0 else "")
            paper.cell(paper.epw - _LABEL_MM, 6.4, row, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    paper.ln(3)
    columns = (
        PaperColumn("事项"),
        PaperColumn("登记时间"),
        PaperColumn(unit, right=True),
    )
    paper.ruled_table(columns, _rows(record))
    if not record.lines:
        paper.paragraph(f"这段时间没有{unit}变动。")
    paper.ln(LINE_MM)
    paper.paragraph("如有不符，请带上这张卡到社区查询。")
    return bytes(paper.output())


def _rows(record: PrintedRecord) -> list[PaperRow]:
    came = sum(points for _, _, points in record.lines if points > 0)
    went = sum(points for _, _, points in record.lines if points < 0)
    return [
        PaperRow(("期初", f"{record.first_day:%Y-%m-%d}", str(record.before)), total=True),
        *(
            PaperRow((printable(what), _minute(at), f"{points:+d}"))
            for what, at, points in record.lines
        ),
        PaperRow(("本期增加", "", f"{came:+d}"), total=True),
        PaperRow(("本期减少", "", f"{went:+d}" if went else "0"), total=True),
        PaperRow(("期末结余", f"{record.last_day:%Y-%m-%d}", str(record.after)), total=True),
    ]


def _minute(at: datetime) -> str:
    return f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
