"""Shelf labels and a price poster from the catalogue, as PDF: the price is readable from afar.

Prices are those in force on one day; it stands on every page, so that an old one can be seen.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice

from fpdf import FPDF

from protocol.documents import Item
from protocol.money import format_yuan
from server.exports.ean13 import bars_of
from server.exports.fonts import PageFont
from server.exports.paper import drop_bitmaps
from server.exports.tables import printable

MAX_ITEMS = 5_000

_FONT = "page"
_PAGE_WIDTH_MM, _PAGE_HEIGHT_MM = 210, 297
_COLUMNS, _ROWS = 3, 7
_MARGIN_MM = 9
_LABEL_WIDTH_MM = (_PAGE_WIDTH_MM - 2 * _MARGIN_MM) / _COLUMNS
_LABEL_HEIGHT_MM = (_PAGE_HEIGHT_MM - 2 * _MARGIN_MM) / _ROWS
_PADDING_MM = 2.5
_POINTS_PER_MM = 72 / 25.4
_SMALLEST_PT = 8.0
_NEVER_FIRST = frozenset("，。、；：！？）》”’…·")
"""Signs that no line begins with."""
Place = tuple[float, float, float]
"""Where a line stands: from the left, from the top, and how wide it may be, in mm."""

_POSTER_ROWS = 14
_POSTER_ROW_MM = 16.0


@dataclass(frozen=True, slots=True)
class PriceList:
    """What is printed, of which pool and day. ``unit_name`` is the pool's own word for points."""

    pool_name: str
    unit_name: str
    day: date
    made_at: datetime
    items: Sequence[Item]

    def __post_init__(self) -> None:
        if len(self.items) > MAX_ITEMS:
            raise ValueError(f"at most {MAX_ITEMS} items")


def price_of(item: Item, unit_name: str) -> str:
    """A price as a till takes it, and what it is for: ``4.60 元/kg``, ``5.00 元 + 20 积分/袋``."""
    fen, points = item.unit_prices
    parts = [f"{format_yuan(fen)} 元"] if fen else []
    parts += [f"{points} {unit_name}"] if points else []
    return f"{' + '.join(parts)}/{item.unit}" if parts else "免费"


def shelf_labels(prices: PriceList, font: PageFont) -> bytes:
    """A4 pages of 21 labels to cut: name, price, barcode where there is one, and the day."""
    page = _Pages(font, prices.made_at)
    for labels in _batched(prices.items, _COLUMNS * _ROWS):
        page.add_page()
        for at, item in enumerate(labels):
            row, column = divmod(at, _COLUMNS)
            left = _MARGIN_MM + column * _LABEL_WIDTH_MM
            _label(page, prices, item, left, _MARGIN_MM + row * _LABEL_HEIGHT_MM)
    return bytes(page.output())


def price_poster(prices: PriceList, font: PageFont) -> bytes:
    """A4 pages for the wall, by category: 14 items a page in large print (明码标价)."""
    page = _Pages(font, prices.made_at)
    pages = list(_poster_pages(prices.items))
    for number, (category, items) in enumerate(pages, 1):
        page.add_page()
        page.line_at(prices.pool_name, (_MARGIN_MM, 10, _inner_mm()), 24, align="C")
        page.line_at(f"明码标价 · {category}", (_MARGIN_MM, 22, _inner_mm()), 16, align="C")
        top = 34.0
        for item in items:
            price = price_of(item, prices.unit_name)
            price_mm = min(page.width_of(price, 24) + 2, _inner_mm() * 0.55)
            page.name_at(item.name, (_MARGIN_MM, top + 4, _inner_mm() - price_mm - 4), 22)
            right = _PAGE_WIDTH_MM - _MARGIN_MM - price_mm
            page.line_at(price, (right, top + 3, price_mm), 24, align="R")
            page.rule(_MARGIN_MM, top + _POSTER_ROW_MM)
            top += _POSTER_ROW_MM
        foot = f"{prices.day} 起的价格　第 {number} 页，共 {len(pages)} 页"
        page.line_at(foot, (_MARGIN_MM, _PAGE_HEIGHT_MM - 16, _inner_mm()), 11, align="C")
    return bytes(page.output())


def _poster_pages(items: Iterable[Item]) -> Iterator[tuple[str, Sequence[Item]]]:
    """Categories in the catalogue's order; a long one takes several pages."""
    grouped: dict[str, list[Item]] = {}
    for item in items:
        grouped.setdefault(item.category, []).append(item)
    for category, members in grouped.items():
        for some in _batched(members, _POSTER_ROWS):
            yield category, some


def _batched(items: Iterable[Item], count: int) -> Iterator[Sequence[Item]]:
    rest = iter(items)
    while some := tuple(islice(rest, count)):
        yield some


def _inner_mm() -> float:
    return _PAGE_WIDTH_MM - 2 * _MARGIN_MM


def _label(page: "_Pages", prices: PriceList, item: Item, left: float, top: float) -> None:
    page.set_draw_color(170, 170, 170)
    page.rect(left, top, _LABEL_WIDTH_MM, _LABEL_HEIGHT_MM)
    inner = _LABEL_WIDTH_MM - 2 * _PADDING_MM
    x = left + _PADDING_MM
    page.name_at(item.name, (x, top + 2, inner), 14)
    page.line_at(price_of(item, prices.unit_name), (x, top + 10, inner), 22)
    small = f"{prices.pool_name} {prices.day}"
    bars = bars_of(item.barcode or "")
    if bars is None:
        page.line_at(small, (x, top + _LABEL_HEIGHT_MM - 7, inner), 8)
        return
    _bars(page, bars, x, top + 22)
    page.line_at(item.barcode or "", (x, top + _LABEL_HEIGHT_MM - 6.5, 31), 8, align="C")
    page.line_at(small, (x + 33, top + _LABEL_HEIGHT_MM - 6.5, inner - 33), 8, align="R")


def _bars(page: "_Pages", bars: str, left: float, top: float) -> None:
    """Modules of a third of a millimetre: the symbology's own size."""
    page.set_fill_color(0, 0, 0)
    for at, dark in enumerate(bars):
        if dark == "1":
            page.rect(left + at * 0.33, top, 0.33, 9.5, style="F")


class _Pages(FPDF):
    """Pages on which every text is fitted to its place: smaller first, then cut with an ellipsis."""

    def __init__(self, font: PageFont, made_at: datetime) -> None:
        super().__init__(format="A4")
        self.set_creation_date(made_at)
        self.set_lang("zh-CN")
        self.set_auto_page_break(auto=False)
        self.add_font(_FONT, fname=font.path, collection_font_number=font.face)
        drop_bitmaps(self)

    def width_of(self, text: str, size_pt: float) -> float:
        self.set_font(_FONT, size=size_pt)
        return float(self.get_string_width(printable(text)))

    def line_at(self, text: str, place: Place, size_pt: float, *, align: str = "L") -> None:
        """One line at a place, as large as asked for if it fits."""
        x, y, room_mm = place
        plain = printable(text)
        size = size_pt
        while size > _SMALLEST_PT and self.width_of(plain, size) > room_mm:
            size -= 1
        self.set_font(_FONT, size=size)
        while plain and float(self.get_string_width(plain)) > room_mm:
            plain = plain[:-2] + "…" if len(plain) > 2 else ""  # noqa: PLR2004 - a sign and "…"
        self.set_xy(x, y)
        self.c_margin = 0
        self.cell(room_mm, size_pt / _POINTS_PER_MM * 1.25, plain, align=align)

    def name_at(self, text: str, place: Place, size_pt: float) -> None:
        """A name in one line, or in two smaller ones where it would get too small in one."""
        x, y, room_mm = place
        plain = printable(text)
        small_pt = size_pt * 2 / 3
        if self.width_of(plain, small_pt) <= room_mm:
            self.line_at(plain, place, size_pt)
            return
        if self.width_of(plain, small_pt) > 2 * room_mm:
            small_pt = _SMALLEST_PT
        end = len(plain)
        while end > 1 and self.width_of(plain[:end], small_pt) > room_mm:
            end -= 1
        while end > 1 and plain[end : end + 1] in _NEVER_FIRST:
            end -= 1
        self.line_at(plain[:end], (x, y - small_pt / _POINTS_PER_MM / 4, room_mm), small_pt)
        self.line_at(plain[end:], (x, y + small_pt / _POINTS_PER_MM, room_mm), small_pt)

    def rule(self, left: float, y: float) -> None:
        self.set_draw_color(150, 150, 150)
        self.line(left, y, _PAGE_WIDTH_MM - left, y)
