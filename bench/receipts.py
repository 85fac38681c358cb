"""A receipt's bytes and seconds: 40 Chinese lines and a QR code, as our encoder sends them.

The limit is what no encoder can do without: the bare GBK bytes of the same lines with their line
feeds, plus the printer's own QR command. Seconds on a wire are computed: ten bits a byte.
"""

import gc
import time
from collections.abc import Callable
from statistics import median
from typing import Final

from msgspec import Struct

from bench.figures import BenchError
from drivers.document import Columns, Cut, Document, Element, Feed, Qr, Rule, Size, Text, lay_out
from drivers.document import Line as PaperLine
from drivers.escpos.encode import encode_document, native_qr
from drivers.escpos.profile import ChineseEncoding, PrinterProfile, usual_dots
from drivers.heavy import painter_or_none

LIMIT_RATIO: Final = 1.1
LINES: Final = 40
BITS_A_BYTE: Final = 10
BAUD_RATES: Final = (9_600, 19_200, 115_200)
QR_TEXT: Final = "HDR:T0001-000150:7F3A99C2:20260302120000"
_GOODS: Final = ("馒头", "时令青菜", "紫皮独头蒜", "中牟西瓜", "鸡蛋", "食盐", "菜籽油", "洗衣液")


class PaperFigures(Struct, frozen=True, kw_only=True):
    """One paper width. ``ratio`` is ``sent_bytes`` to ``bare_bytes``; it should be 1.1 or less."""

    columns: int
    lines: int
    bare_bytes: int
    sent_bytes: int
    ratio: float
    raster_bytes: int | None
    build_ms: float
    raster_build_ms: float | None
    seconds_at_baud: dict[int, float]


class ReceiptsReport(Struct, frozen=True, kw_only=True):
    """Both paper widths."""

    papers: list[PaperFigures]


def receipt() -> Document:
    """A receipt of exactly :data:`LINES` printed lines on both papers, and a QR code."""
    body: list[Element] = [
        Text("广惠小店一号", size=Size.BIG, bold=True),
        Columns("商户", "社区合伙人一号"),
        Columns("单号", "T0001-000150"),
        Columns("时间", "2026-03-02 12:00"),
        Rule(),
    ]
    goods = LINES - len(body) - 6
    body += [
        Columns(f"{_GOODS[at % len(_GOODS)]} {at + 1} 份", f"{at + 1}.50 元") for at in range(goods)
    ]
    body += [
        Rule(),
        Columns("合计", "435.00 元", size=Size.TALL, bold=True),
        Columns("积分抵扣 3000积分", "-300.00 元"),
        Text("还需付 135.00 元", size=Size.BIG, bold=True),
        Columns("使用后", "29积分"),
        Text("谢谢惠顾，请保留小票备查"),
        Qr(QR_TEXT),
        Feed(3),
        Cut(),
    ]
    return Document(tuple(body))


def run_receipts(*, quick: bool) -> ReceiptsReport:
    """Encode and time; ``quick`` times less often."""
    return ReceiptsReport(papers=[_paper(columns, 20 if quick else 300) for columns in (32, 48)])


def _paper(columns: int, times: int) -> PaperFigures:
    document = receipt()
    profile = PrinterProfile(columns, usual_dots(columns))
    lines = [block for block in lay_out(document, columns) if isinstance(block, PaperLine)]
    if len(lines) != LINES:
        raise BenchError(f"the receipt has {len(lines)} lines on {columns} columns, not {LINES}")
    bare = sum(len(line.text.encode("gbk")) + 1 for line in lines)
    bare += len(native_qr(QR_TEXT.encode(), profile.dots))
    sent = len(encode_document(document, profile, lambda: None).data)
    raster_bytes, raster_ms = _raster(document, columns, times)
    return PaperFigures(
        columns=columns,
        lines=len(lines),
        bare_bytes=bare,
        sent_bytes=sent,
        ratio=sent / bare,
        raster_bytes=raster_bytes,
        build_ms=_median_ms(lambda: encode_document(document, profile, lambda: None), times),
        raster_build_ms=raster_ms,
        seconds_at_baud={baud: sent * BITS_A_BYTE / baud for baud in BAUD_RATES},
    )


def _raster(document: Document, columns: int, times: int) -> tuple[int | None, float | None]:
    """The same as pictures of lines; None where there is no Chinese font to draw with."""
    if painter_or_none() is None:
        return None, None
    profile = PrinterProfile(columns, usual_dots(columns), ChineseEncoding.RASTER)
    data = encode_document(document, profile, painter_or_none).data
    few = max(3, times // 20)
    return len(data), _median_ms(lambda: encode_document(document, profile, painter_or_none), few)


def _median_ms(build: Callable[[], object], times: int) -> float:
    """CPU time: other programs on the machine do not count."""
    spent: list[int] = []
    gc.disable()
    try:
        for _ in range(times):
            before_ns = time.process_time_ns()
            build()
            spent.append(time.process_time_ns() - before_ns)
    finally:
        gc.enable()
    return median(spent) / 1e6


def print_receipts(report: ReceiptsReport, say: Callable[[str], None]) -> None:
    """In words, for a person."""
    say(f"小票 receipt: {LINES} 行中文和二维码 · lines of Chinese and a QR code")
    for paper in report.papers:
        verdict = "≤" if paper.ratio <= LIMIT_RATIO else ">"
        say(
            f"  {paper.columns} 列 columns: {paper.sent_bytes} B / {paper.bare_bytes} B"
            f" = {paper.ratio:.3f} ({verdict} {LIMIT_RATIO}); {paper.build_ms:.2f} ms CPU"
        )
        seconds = ", ".join(f"{x:.2f} s @ {baud}" for baud, x in paper.seconds_at_baud.items())
        say(f"    线上时间 on the wire (computed): {seconds}")
        if paper.raster_bytes is not None:
            say(f"    图形 as pictures: {paper.raster_bytes} B, {paper.raster_build_ms:.1f} ms CPU")
