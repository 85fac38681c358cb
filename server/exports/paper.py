"""Pages of A4 or A5 with Chinese text: tables that run over pages under a repeated header.

Nothing is cut: text that is too wide for its column goes on in the next row of it. All text is
11 points or more.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from fpdf import FPDF, XPos, YPos

from server.exports.fonts import PageFont


class PaperSize(StrEnum):
    """What a printer at an office has in its trays; the text is as large on both."""

    A4 = "A4"
    A5 = "A5"


MARGIN_MM = 14
WIDTH_MM = 210 - 2 * MARGIN_MM
"""Of A4 between its margins."""
TEXT_PT = 11
LINE_MM = 5.6
PADDING_MM = 1.2

_SIZES_MM = {PaperSize.A4: (210.0, 297.0), PaperSize.A5: (148.0, 210.0)}
_FOOTER_MM = 20
_FONT = "page"
_BLACK, _RED, _GREY = (0, 0, 0), (176, 0, 0), (70, 70, 70)
_HEADER_FILL, _TOTAL_FILL, _RULE = (221, 231, 240), (240, 240, 240), (150, 150, 150)
_NARROWEST_MM = 18.0
_BASELINE_MM = 4.2
_DETAIL_MM = 14
_BREAKABLE_CHARS = 4
# Bitmaps inside a font that a page never shows and that cannot be made smaller.
_BITMAPS = "BDF "
_BLANKS = "\u3000 "
_NEVER_FIRST = frozenset("，。；：、？！）》」”’…,.;:)%")


@dataclass(frozen=True, slots=True)
class PaperColumn:
    """A column on paper; `right` for figures, which then are never broken over rows."""

    title: str
    right: bool = False


@dataclass(frozen=True, slots=True)
class PaperRow:
    """One row of a table; `detail` stands under it over the whole width."""

    cells: Sequence[str]
    detail: str = ""
    total: bool = False


@dataclass(slots=True)
class _Laid:
    """A table whose columns have found their widths."""

    columns: Sequence[PaperColumn]
    widths: list[float]
    titles: list[list[str]] = field(default_factory=list)


class Paper(FPDF):
    """The pages of one document.

    Attributes:
        running_title: stands at the top of every page but the first.
        footing: stands at the bottom of every page, left of the page number.
    """

    def __init__(
        self,
        font: PageFont,
        made_at: datetime,
        running_title: str,
        footing: str,
        size: PaperSize = PaperSize.A4,
    ) -> None:
        super().__init__(format=_SIZES_MM[size])
        self.running_title = running_title
        self.footing = footing
        self._char_mm: dict[tuple[float, str], float] = {}
        self.set_creation_date(made_at)
        self.set_lang("zh-CN")
        self.set_margins(MARGIN_MM, MARGIN_MM)
        self.set_auto_page_break(auto=False)
        self.add_font(_FONT, fname=font.path, collection_font_number=font.face)
        drop_bitmaps(self)
        self.size(TEXT_PT)
        self.add_page()

    def header(self) -> None:
        """Called by the library when a page begins."""
        if self.page_no() > 1:
            self.size(TEXT_PT)
            self.set_text_color(*_GREY)
            title = self._shortened(self.running_title, self.epw)
            self.cell(self.epw, LINE_MM, title, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
            self.set_text_color(*_BLACK)
            self.ln(2)

    def footer(self) -> None:
        """Called by the library when a page is full."""
        self.size(TEXT_PT)
        self.set_text_color(*_GREY)
        self.set_xy(MARGIN_MM, self.h - 14)
        self.cell(self.epw - 40, LINE_MM, self.footing)
        self.cell(40, LINE_MM, f"第 {self.page_no()} 页，共 {{nb}} 页", align="R")
        self.set_text_color(*_BLACK)

    def size(self, size_pt: float) -> None:
        """From here on text is this large."""
        self.set_font(_FONT, size=size_pt)

    def room_mm(self) -> float:
        """How much is left of the page above its footing."""
        return float(self.h) - _FOOTER_MM - float(self.get_y())

    def need(self, height_mm: float) -> None:
        """Begin a page unless this one has so much room."""
        if self.room_mm() < height_mm:
            self.add_page()

    def heading(self, text: str, saying: str = "", *, room_mm: float = 44) -> None:
        """A section's heading with a sentence under it, never alone at the end of a page."""
        self.need(room_mm)
        self.ln(4)
        self.size(14)
        self.cell(self.epw, 8, text, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.size(TEXT_PT)
        if saying:
            self.paragraph(saying)
        self.ln(1)

    def paragraph(self, text: str) -> None:
        """Text over the whole width, in rows."""
        for row in self.rows_of(text, self.epw):
            self.need(LINE_MM)
            self.cell(self.epw, LINE_MM, row, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def width_of(self, text: str) -> float:
        """How wide a text is at the size set, in mm."""
        size_pt = self.font_size_pt
        width = 0.0
        for sign in text:
            known = self._char_mm.get((size_pt, sign))
            if known is None:
                known = self._char_mm[size_pt, sign] = float(self.get_string_width(sign))
            width += known
        return width

    def rows_of(self, text: str, width_mm: float) -> list[str]:
        """The text in rows that fit; broken at a wide blank, at a blank, or where it must be."""
        rows = []
        while self.width_of(text) > width_mm:
            end = self._end_of_row(text, width_mm)
            rows.append(text[:end].rstrip(_BLANKS))
            text = text[end:].lstrip(_BLANKS)
        return [*rows, text]

    def _end_of_row(self, text: str, width_mm: float) -> int:
        """How many characters of a text that is too wide come into its first row; 1 or more."""
        used_mm, end = 0.0, 0
        for sign in text:
            used_mm += self.width_of(sign)
            if used_mm > width_mm:
                break
            end += 1
        for blank in _BLANKS:
            found = text.rfind(blank, end // 2, end + 1)
            if found > 0:
                return found
        while end > 1 and text[end] in _NEVER_FIRST:
            end -= 1
        return max(end, 1)

    def _shortened(self, text: str, width_mm: float) -> str:
        rows = self.rows_of(text, width_mm - self.width_of("…"))
        return text if len(rows) == 1 else f"{rows[0]}…"

    def ruled_table(self, columns: Sequence[PaperColumn], rows: Iterable[PaperRow]) -> None:
        """A table over the whole width; its header stands at the top of every page it is on."""
        self.size(TEXT_PT)
        kept = list(rows)
        laid = _Laid(columns, self._widths(columns, kept))
        laid.titles = [
            self.rows_of(column.title, width - 2 * PADDING_MM)
            for column, width in zip(columns, laid.widths, strict=True)
        ]
        header_mm = max(map(len, laid.titles)) * LINE_MM
        self.need(header_mm + 3 * LINE_MM)
        self._header_row(laid)
        for row in kept:
            cells = [
                self.rows_of(cell, width - 2 * PADDING_MM)
                for cell, width in zip(row.cells, laid.widths, strict=True)
            ]
            detail = self.rows_of(row.detail, self.epw - _DETAIL_MM) if row.detail else []
            height_mm = (max(map(len, cells)) + len(detail)) * LINE_MM + 1.4
            if self.room_mm() < height_mm:
                self.add_page()
                self._header_row(laid)
            self._row(laid, cells, detail, total=row.total)

    def _widths(self, columns: Sequence[PaperColumn], rows: Sequence[PaperRow]) -> list[float]:
        """Figures get what they need; what is left is the texts', by what they would like."""
        wanted = []
        for place, column in enumerate(columns):
            cells = max((self.width_of(row.cells[place]) for row in rows), default=0.0)
            # A title may take two rows; a figure may not.
            title = (
                self.width_of(column.title) / (1 if len(column.title) < _BREAKABLE_CHARS else 2) + 2
            )
            wanted.append(max(cells, title) + 2 * PADDING_MM + 0.5)
        over = sum(wanted) - self.epw
        texts = [place for place, column in enumerate(columns) if not column.right]
        if over > 0:
            shrinkable = {place: max(0.0, wanted[place] - _NARROWEST_MM) for place in texts}
            most = sum(shrinkable.values())
            for place, room in shrinkable.items():
                wanted[place] -= min(1.0, over / most) * room if most else 0.0
        else:
            for place in range(len(columns)):
                wanted[place] -= over / len(columns)
        scale = min(1.0, self.epw / sum(wanted))
        return [width * scale for width in wanted]

    def _header_row(self, laid: _Laid) -> None:
        height_mm = max(map(len, laid.titles)) * LINE_MM + 1
        self.set_fill_color(*_HEADER_FILL)
        self.rect(MARGIN_MM, self.get_y(), self.epw, height_mm, style="F")
        self._cells(laid, laid.titles, coloured=False)
        self.set_y(self.get_y() + height_mm)

    def _row(self, laid: _Laid, cells: list[list[str]], detail: list[str], *, total: bool) -> None:
        top_mm, height_mm = self.get_y(), max(map(len, cells)) * LINE_MM
        if total:
            self.set_fill_color(*_TOTAL_FILL)
            self.rect(MARGIN_MM, top_mm, self.epw, height_mm + 1, style="F")
        self._cells(laid, cells, coloured=True)
        self.set_y(top_mm + height_mm + 0.4)
        self.set_text_color(*_GREY)
        for number, row in enumerate(detail):
            self._put(MARGIN_MM + _DETAIL_MM, self.get_y() + number * LINE_MM, row)
        self.set_text_color(*_BLACK)
        bottom_mm = self.get_y() + len(detail) * LINE_MM + 1
        self.set_draw_color(*_RULE)
        self.set_line_width(0.1)
        self.line(MARGIN_MM, bottom_mm, MARGIN_MM + self.epw, bottom_mm)
        self.set_y(bottom_mm)

    def _put(self, left_mm: float, top_mm: float, text: str) -> None:
        """One row of text at a place. A table has thousands: a cell would take five times as long."""
        if text:
            self.text(left_mm, top_mm + _BASELINE_MM, text)

    def _cells(self, laid: _Laid, cells: list[list[str]], *, coloured: bool) -> None:
        top_mm, left_mm = self.get_y() + 0.5, float(MARGIN_MM)
        for column, width_mm, texts in zip(laid.columns, laid.widths, cells, strict=True):
            if coloured and column.right and texts[0].startswith("-"):
                self.set_text_color(*_RED)
            for number, text in enumerate(texts):
                slack_mm = width_mm - PADDING_MM - self.width_of(text)
                from_left_mm = slack_mm if column.right else PADDING_MM
                self._put(left_mm + from_left_mm, top_mm + number * LINE_MM, text)
            self.set_text_color(*_BLACK)
            left_mm += width_mm
        self.set_y(top_mm - 0.5)


def drop_bitmaps(paper: FPDF) -> None:
    """Leave out of a document's fonts what cannot be made smaller."""
    for font in paper.fonts.values():
        tables = getattr(font, "ttfont", {})
        if _BITMAPS in tables:
            del tables[_BITMAPS]
