"""What every paper has: its head, its foot, rows of figures, a place to sign.

Laid out for people of seventy: the title is large, the figure that matters is larger, and
nothing that matters stands in small print.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from drivers.cells import cells, clean_line
from drivers.document import Align, Columns, Cut, Element, Feed, Qr, Rule, Size, Text
from protocol.business_day import SHANGHAI
from terminal.domain.ports import ReceiptFacts
from terminal.receipts.words import BOTH, CHINESE, ENGLISH, Words

SHOWN_ACCOUNT_DIGITS = 4
"""Of the pseudonym's 16: enough for the resident to recognise, too few for anybody else."""

NARROWEST_COLUMNS = 32
"""Cells of 58 mm paper: what fits there in one row does so everywhere."""

MAX_SHOP_LINES = 8
MAX_SHOP_LINE_CHARS = 100


class PaperLanguage(StrEnum):
    """Which words stand on paper."""

    CHINESE = "zh"
    ENGLISH = "en"
    BOTH = "both"


WORDS: dict[PaperLanguage, Words] = {
    PaperLanguage.CHINESE: CHINESE,
    PaperLanguage.ENGLISH: ENGLISH,
    PaperLanguage.BOTH: BOTH,
}


class ShopLines(Struct, frozen=True):
    """The shop's own lines above and below what was sold: address, telephone, a greeting."""

    header: tuple[str, ...] = ()
    footer: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for lines in (self.header, self.footer):
            if len(lines) > MAX_SHOP_LINES or any(len(x) > MAX_SHOP_LINE_CHARS for x in lines):
                raise ValueError(
                    f"at most {MAX_SHOP_LINES} lines of {MAX_SHOP_LINE_CHARS} characters"
                )


NO_SHOP_LINES = ShopLines()


def masked(account: str | None) -> str:
    """The last digits of a resident's pseudonym."""
    return (account or "")[-SHOWN_ACCOUNT_DIGITS:]


def time_text(at: datetime) -> str:
    """The shop's own clock, as people read it."""
    return at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")


def head(
    words: Words, shop: ShopLines, title: str, number: str, facts: ReceiptFacts
) -> list[Element]:
    """Whose paper this is, which, of when; a copy says so before anything else."""
    rows: list[Element] = []
    if facts.copy_no > 0:
        copy = words.copy.format(facts.copy_no)
        rows.append(Text(copy, align=Align.CENTER, size=Size.BIG, bold=True))
    rows.append(Text(facts.shop_name, align=Align.CENTER, size=Size.BIG, bold=True))
    rows.extend(Text(line, align=Align.CENTER) for line in shop.header)
    rows.append(Text(title, align=Align.CENTER, size=Size.TALL))
    rows.append(Columns(words.merchant, facts.merchant_name))
    if number:
        rows.append(Columns(words.number, number))
    rows.append(Columns(words.time, time_text(facts.occurred_at)))
    return rows


def foot(words: Words, shop: ShopLines, facts: ReceiptFacts, *, thanks: bool) -> list[Element]:
    """The receipt's code, the pool, the shop's last words, and the knife."""
    rows: list[Element] = []
    if facts.receipt_code:
        rows += [Qr(facts.receipt_code), Text(words.code, align=Align.CENTER)]
    if facts.receipt_check:
        rows.append(Columns(words.check, grouped(facts.receipt_check)))
    rows += [Feed(), Text(facts.pool_name, align=Align.CENTER)]
    if thanks:
        rows.append(Text(words.farewell, align=Align.CENTER))
    rows.extend(Text(line, align=Align.CENTER) for line in shop.footer)
    return [*rows, Feed(3), Cut()]


def grouped(digits: str) -> str:
    """Digits as they are read out and typed: 482 1093 755."""
    return f"{digits[:3]} {digits[3:7]} {digits[7:]}"


def important(text: str) -> list[Element]:
    """The one figure that a paper is about, between two lines."""
    return [
        Rule(heavy=True),
        Text(text, align=Align.CENTER, size=Size.BIG, bold=True),
        Rule(heavy=True),
    ]


def rows(figures: Sequence[tuple[str, str]]) -> list[Element]:
    """Names and figures, one row each; a row without a figure is left out."""
    return [Columns(name, figure) for name, figure in figures if figure]


def said(label: str, words: str) -> list[Element]:
    """What somebody said, whole: beside its label, or as a paragraph below where it is longer.

    Pushed to the right end like a figure, a paragraph's last line would stand away from the rest.
    """
    plain = clean_line(words).strip()
    if not plain:
        return []
    if cells(label) + 1 + cells(plain) <= NARROWEST_COLUMNS:
        return [Columns(label, plain)]
    return [Text(label), Text(plain)]


def signature(label: str) -> list[Element]:
    """Room to sign by hand."""
    return [Feed(2), Text(f"{label} ____________________")]
