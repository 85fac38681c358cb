"""Sheets of residents' cards for printing: ten to an A4 page, with marks to cut along.

A sheet is worth as much as its cards: whoever has the file can use them. It is made, printed and
deleted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import qrcode
import qrcode.constants
import qrcode.util
from fpdf import FPDF

from server.exports.fonts import PageFont
from server.exports.paper import drop_bitmaps

CARD_MM: Final = (85.6, 54.0)
"""ISO/IEC 7810 ID-1, as every wallet takes it."""
COLUMNS, ROWS = 2, 5
CARDS_A_PAGE: Final = COLUMNS * ROWS
CODE_MM: Final = 30.0
"""The code itself, without the white around it."""
_QUIET_MODULES = 4
_PAGE_MM = (210.0, 297.0)
_LEFT_MM = (_PAGE_MM[0] - COLUMNS * CARD_MM[0]) / 2
_TOP_MM = (_PAGE_MM[1] - ROWS * CARD_MM[1]) / 2
_MARK_MM = 6.0
_MARK_GAP_MM = 1.0
_FONT = "card"
_TEXT_MM = 42.0


@dataclass(frozen=True, slots=True)
class PrintedCard:
    """What stands on one card. ``name`` is masked; ``digits`` is its code."""

    pool_name: str
    name: str
    card_no: str
    expires_on: date
    cap_points: int
    unit_name: str
    digits: str


def card_sheet_pdf(cards: Sequence[PrintedCard], font: PageFont, made_at: datetime) -> bytes:
    """The cards as PDF, in their order, row by row."""
    sheet = FPDF(format="A4")
    sheet.set_creation_date(made_at)
    sheet.set_lang("zh-CN")
    sheet.set_margins(0, 0)
    sheet.set_auto_page_break(auto=False)
    sheet.add_font(_FONT, fname=font.path, collection_font_number=font.face)
    drop_bitmaps(sheet)
    for first in range(0, len(cards), CARDS_A_PAGE):
        sheet.add_page()
        _marks(sheet)
        for place, card in enumerate(cards[first : first + CARDS_A_PAGE]):
            row, column = divmod(place, COLUMNS)
            _card(sheet, card, _LEFT_MM + column * CARD_MM[0], _TOP_MM + row * CARD_MM[1])
    return bytes(sheet.output())


def _marks(sheet: FPDF) -> None:
    """Short lines at the edges, where a cutter's blade goes; none crosses a card."""
    sheet.set_line_width(0.2)
    right, bottom = _PAGE_MM[0] - _LEFT_MM, _PAGE_MM[1] - _TOP_MM
    for column in range(COLUMNS + 1):
        x = _LEFT_MM + column * CARD_MM[0]
        sheet.line(x, _TOP_MM - _MARK_GAP_MM - _MARK_MM, x, _TOP_MM - _MARK_GAP_MM)
        sheet.line(x, bottom + _MARK_GAP_MM, x, bottom + _MARK_GAP_MM + _MARK_MM)
    for row in range(ROWS + 1):
        y = _TOP_MM + row * CARD_MM[1]
        sheet.line(_LEFT_MM - _MARK_GAP_MM - _MARK_MM, y, _LEFT_MM - _MARK_GAP_MM, y)
        sheet.line(right + _MARK_GAP_MM, y, right + _MARK_GAP_MM + _MARK_MM, y)


def _card(sheet: FPDF, card: PrintedCard, left: float, top: float) -> None:
    code_mm = _code(sheet, card.digits, left + 1.5, top + (CARD_MM[1] - CODE_MM) / 2)
    x, y = left + 1.5 + code_mm, top + 9
    for size_pt, line_mm, text in (
        (13, 7, card.pool_name),
        (10, 8, "个人积分卡"),
        (12, 7, card.name),
        (8, 4.5, f"卡号 {card.card_no}"),
        (8, 4.5, f"有效期至 {card.expires_on:%Y-%m-%d}"),
        (8, 4.5, f"每次最多用 {card.cap_points} {card.unit_name}"),
        (8, 4.5, "遗失请马上告诉社区"),
    ):
        sheet.set_font(_FONT, size=size_pt)
        sheet.set_xy(x, y)
        sheet.cell(_TEXT_MM, line_mm, _fitting(sheet, text))
        y += line_mm


def _code(sheet: FPDF, digits: str, left: float, top: float) -> float:
    """Draw the code with its white to the left; returns how wide it is with the white on both
    sides. Each row's dark runs are one rectangle, so that no printer leaves hair lines.
    """
    code = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_M, border=0)
    code.add_data(qrcode.util.QRData(digits, mode=qrcode.util.MODE_NUMBER))
    rows = code.get_matrix()
    module = CODE_MM / len(rows)
    left += _QUIET_MODULES * module
    sheet.set_fill_color(0, 0, 0)
    for number, row in enumerate(rows):
        at = 0
        while at < len(row):
            if not row[at]:
                at += 1
                continue
            end = at
            while end < len(row) and row[end]:
                end += 1
            sheet.rect(left + at * module, top + number * module, (end - at) * module, module, "F")
            at = end
    return CODE_MM + 2 * _QUIET_MODULES * module


def _fitting(sheet: FPDF, text: str) -> str:
    """As much of a text as there is room for."""
    while text and sheet.get_string_width(text) > _TEXT_MM:
        text = text[:-1]
    return text
