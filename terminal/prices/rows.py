"""One row of a price list: goods, or everything that is wrong with it."""

import unicodedata
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct

from protocol.money import AmountProblem, Fen, parse_yuan
from terminal.domain.barcodes import LABEL_LENGTH, PRICE_PREFIXES, WEIGHT_PREFIXES, is_misread
from terminal.domain.own_goods import OwnItem

MAX_NAME_CHARS: Final = 60
MAX_CATEGORY_CHARS: Final = 20
MAX_UNIT_CHARS: Final = 8
MAX_CODE_CHARS: Final = 32
MAX_SHOWN_CHARS: Final = 40
"""Of what stands in a cell that is wrong."""

OTHER_CATEGORY: Final = "其他"
PIECE: Final = "件"
KILOGRAM: Final = "公斤"
YES: Final = "是"

_YES = frozenset({"是", "√", "1", "y", "yes", "true"})
_NO = frozenset({"", "否", "0", "n", "no", "false"})
FORMULA_SIGNS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""With these a text begins that a spreadsheet would calculate; some take the wide ones as well."""
_CODE_SIGNS = frozenset("-_.")


class Column(StrEnum):
    """The columns of a list."""

    CODE = "code"
    BARCODE = "barcode"
    NAME = "name"
    CATEGORY = "category"
    UNIT = "unit"
    PRICE = "price"
    WEIGHED = "weighed"
    QUICK_KEY = "quick_key"


class RowProblem(StrEnum):
    """What can be wrong with a row."""

    FORMULA = "formula"
    CODE_MISSING = "code_missing"
    CODE_WRONG = "code_wrong"
    CODE_TWICE = "code_twice"
    BARCODE_WRONG = "barcode_wrong"
    BARCODE_ROUNDED = "barcode_rounded"
    """A spreadsheet made 6.9E+12 of it."""
    BARCODE_CHECK_DIGIT = "barcode_check_digit"
    BARCODE_OF_LABEL = "barcode_of_label"
    """A whole label of the scale stands where the number of the goods should."""
    BARCODE_TWICE = "barcode_twice"
    BARCODE_OF_POOL = "barcode_of_pool"
    BARCODE_KEPT = "barcode_kept"
    """Goods that stay in the list have it."""
    NAME_MISSING = "name_missing"
    TEXT_WRONG = "text_wrong"
    PRICE_MISSING = "price_missing"
    PRICE_NOT_A_NUMBER = "price_not_a_number"
    PRICE_ZERO = "price_zero"
    PRICE_NEGATIVE = "price_negative"
    PRICE_TOO_MANY_DECIMALS = "price_too_many_decimals"
    PRICE_TOO_LARGE = "price_too_large"
    POINTS_GOODS = "points_goods"
    """The pool sells it for points, or gives it for nothing: its price is not the shop's."""
    YES_OR_NO = "yes_or_no"
    TOO_MANY_KEYS = "too_many_keys"


class Cell(Struct, frozen=True):
    """A cell's text, without what stands around it. ``is_formula``: a workbook computed it."""

    text: str
    is_formula: bool = False


class Wrong(Struct, frozen=True):
    """One thing that is wrong: in which column, and what stands there or what is in its way."""

    problem: RowProblem
    column: Column
    shown: str = ""


class BadRow(Struct, frozen=True):
    """A row that cannot be taken, by its number in the file; the header is row 1."""

    row_no: int
    wrong: tuple[Wrong, ...]


EMPTY: Final = Cell("")

_AMOUNTS = {
    AmountProblem.NOT_A_NUMBER: RowProblem.PRICE_NOT_A_NUMBER,
    AmountProblem.ZERO: RowProblem.PRICE_ZERO,
    AmountProblem.NEGATIVE: RowProblem.PRICE_NEGATIVE,
    AmountProblem.TOO_MANY_DECIMALS: RowProblem.PRICE_TOO_MANY_DECIMALS,
    AmountProblem.TOO_LARGE: RowProblem.PRICE_TOO_LARGE,
}


def plain(text: str) -> str:
    """Text as it is kept: composed, without space around it."""
    return unicodedata.normalize("NFC", text).strip()


def digits_of(text: str) -> str:
    """Numbers as a keyboard of any width typed them."""
    return unicodedata.normalize("NFKC", text).strip()


def read_row(cells: Mapping[Column, Cell]) -> OwnItem | tuple[Wrong, ...]:
    """The goods of a row, or all that is wrong with it by itself."""
    formulas = [
        Wrong(RowProblem.FORMULA, column, _shown(cell.text))
        for column, cell in cells.items()
        if cell.is_formula or _looks_like_formula(column, cell.text)
    ]
    if formulas:
        return tuple(formulas)
    reader = _Reader({column: cell.text for column, cell in cells.items()})
    item = reader.item()
    return item if not reader.wrong else tuple(reader.wrong)


def _looks_like_formula(column: Column, text: str) -> bool:
    if column is Column.PRICE and (text := digits_of(text)).startswith(("-", "+")):
        return text[1:2] in FORMULA_SIGNS or not text[1:2].isdigit()
    return text.startswith(FORMULA_SIGNS)


def _shown(text: str) -> str:
    return "".join(x if x.isprintable() else "·" for x in text[:MAX_SHOWN_CHARS])


class _Reader:
    """Reads a row's cells and collects what is wrong with them."""

    def __init__(self, texts: Mapping[Column, str]) -> None:
        self._texts = texts
        self.wrong: list[Wrong] = []

    def item(self) -> OwnItem:
        weighed = self._flag(Column.WEIGHED)
        barcode = self._barcode(weighed=weighed)
        code = self._code(barcode)
        name = self._text(Column.NAME, MAX_NAME_CHARS, "")
        if not name and not self._raw(Column.NAME):
            self._note(RowProblem.NAME_MISSING, Column.NAME)
        unit = KILOGRAM if weighed else PIECE
        return OwnItem(
            code=code,
            barcode=barcode,
            name=name,
            category=self._text(Column.CATEGORY, MAX_CATEGORY_CHARS, OTHER_CATEGORY),
            unit=self._text(Column.UNIT, MAX_UNIT_CHARS, unit),
            price_fen=self._price(),
            weighed=weighed,
            quick_key=self._flag(Column.QUICK_KEY),
        )

    def _raw(self, column: Column) -> str:
        return self._texts.get(column, "").strip()

    def _note(self, problem: RowProblem, column: Column) -> None:
        self.wrong.append(Wrong(problem, column, _shown(self._raw(column))))

    def _text(self, column: Column, most: int, otherwise: str) -> str:
        text = plain(self._texts.get(column, ""))
        if len(text) > most or not text.isprintable():
            self._note(RowProblem.TEXT_WRONG, column)
            return otherwise
        return text or otherwise

    def _flag(self, column: Column) -> bool:
        text = digits_of(self._texts.get(column, "")).lower()
        if text not in _YES | _NO:
            self._note(RowProblem.YES_OR_NO, column)
        return text in _YES

    def _code(self, barcode: str) -> str:
        text = digits_of(self._texts.get(Column.CODE, "")) or barcode
        if not text:
            if not self._raw(Column.BARCODE):
                self._note(RowProblem.CODE_MISSING, Column.CODE)
        elif len(text) > MAX_CODE_CHARS or not all(x.isalnum() or x in _CODE_SIGNS for x in text):
            self._note(RowProblem.CODE_WRONG, Column.CODE)
        return text

    def _barcode(self, *, weighed: bool) -> str:
        text = digits_of(self._texts.get(Column.BARCODE, ""))
        if not text:
            return ""
        if "e+" in text.lower() or "." in text:
            self._note(RowProblem.BARCODE_ROUNDED, Column.BARCODE)
        elif not (text.isascii() and text.replace("-", "").isalnum()) or len(text) > MAX_CODE_CHARS:
            self._note(RowProblem.BARCODE_WRONG, Column.BARCODE)
        elif weighed and len(text) == LABEL_LENGTH and text[:2] in PRICE_PREFIXES | WEIGHT_PREFIXES:
            self._note(RowProblem.BARCODE_OF_LABEL, Column.BARCODE)
        elif text.isdigit() and is_misread(text):
            self._note(RowProblem.BARCODE_CHECK_DIGIT, Column.BARCODE)
        return text

    def _price(self) -> Fen:
        text = self._raw(Column.PRICE)
        if not text:
            self._note(RowProblem.PRICE_MISSING, Column.PRICE)
            return Fen(0)
        amount = parse_yuan(text)
        if isinstance(amount, AmountProblem):
            self._note(_AMOUNTS[amount], Column.PRICE)
            return Fen(0)
        return amount
