"""The page of practice: how to begin; and there, codes to show and the papers that were made.

GET  /more/practice    the page
GET  /devices          in practice: that the devices are the shop's
POST /practice/enter   {}            POST /practice/leave  {}
POST /practice/show    {resident}    a code before the practice till's scanner
"""

from collections.abc import Callable
from typing import Final

from flask import Response
from msgspec import Struct
from msgspec.structs import replace

from drivers.document import Beep, Cut, Drawer, Feed, Line, lay_out
from terminal.domain.notice import Notice, NoticeCode, NoticeLevel
from terminal.domain.practising import (
    PRACTICE_CARD,
    PRACTICE_CARD_PIN,
    PRACTICE_PIN,
    PracticePaper,
    PracticeResident,
    PracticeTill,
    Practising,
)
from terminal.web.bodies import NoBody, read_body
from terminal.web.language import later, say
from terminal.web.more import Answer, MorePages
from terminal.web.screen import Screen

ENTER: Final = "/practice/enter"
LEAVE: Final = "/practice/leave"
DEVICES: Final = "/devices"
COLUMNS: Final = 32
PAPERS_SHOWN: Final = 5
TOLD_ELSEWHERE: Final = frozenset({"shift", "clock"})
"""Marks of the top line that mean something in practice."""

RESIDENTS: Final = {
    PracticeResident.ENOUGH: later("李奶奶（{unit}够用）"),
    PracticeResident.FEW: later("王师傅（{unit}不够）"),
    PracticeResident.BANNED: later("小陈（暂停兑换）"),
    PracticeResident.CARD: later("赵爷爷（用积分卡）"),
}


class ShowBody(Struct, frozen=True, forbid_unknown_fields=True):
    resident: PracticeResident


class ResidentRow(Struct, frozen=True, kw_only=True):
    """A code to show."""

    key: str
    name: str
    points: int


def resident_rows(practice: PracticeTill | None, unit: str) -> list[ResidentRow]:
    """Whose codes can be shown; nobody's at the shop's till."""
    if practice is None:
        return []
    return [
        ResidentRow(key=each.value, name=say(text, {"unit": unit}), points=practice.points_of(each))
        for each, text in RESIDENTS.items()
    ]


def practice_screen(screen: Screen) -> Screen:
    """The screen without what would send somebody to a printer, a cable or an office."""
    statuses = tuple(x for x in screen.statuses if x.about in TOLD_ELSEWHERE)
    if not screen.print_text:
        return replace(screen, statuses=statuses)
    text = say(later("练习不打印。小票请按上面的“练习码和小票”看。"))
    return replace(screen, statuses=statuses, print_text=text, print_level=NoticeLevel.ASK.value)


class PracticePage:
    """Its addresses, at either till. ``practice`` is None at the shop's."""

    def __init__(
        self,
        practising: Practising | None,
        practice: PracticeTill | None,
        pages: MorePages,
    ) -> None:
        self._practising = practising
        self._practice = practice
        self._pages = pages

    def rules(self) -> tuple[dict[str, Callable[[], Answer]], dict[str, Callable[[], Response]]]:
        looked: dict[str, Callable[[], Answer]] = {"/more/practice": self.practice_page}
        if self._practice is not None:
            looked[DEVICES] = self.no_devices
        return (
            looked,
            {ENTER: self.enter_practice, LEAVE: self.leave_practice, "/practice/show": self.show},
        )

    def no_devices(self) -> Answer:
        """Printer, drawer and scanner are real: nothing of them is tried out in practice."""
        return self._pages.show("practice_no_devices")

    def practice_page(self) -> Answer:
        practice = self._practice
        if practice is None:
            return self._pages.show("practice_begin")
        return self._pages.show(
            "practice",
            pin=PRACTICE_PIN,
            card_pin=PRACTICE_CARD_PIN if practice.asks_card_pin else "",
            card_number=PRACTICE_CARD[-4:].upper(),
            papers=[paper_lines(x) for x in practice.papers()[:PAPERS_SHOWN]],
        )

    def enter_practice(self) -> Response:
        read_body(NoBody)
        if self._practising is None:
            return self._pages.refused(NoticeCode.NOT_READY)
        return self._pages.said(self._practising.enter(), "/")

    def leave_practice(self) -> Response:
        read_body(NoBody)
        if self._practising is None:
            return self._pages.refused(NoticeCode.NOT_READY)
        return self._pages.said(self._practising.leave(), "/")

    def show(self) -> Response:
        resident = read_body(ShowBody).resident
        if self._practice is None:
            return self._pages.refused(NoticeCode.UNKNOWN_SCAN)
        self._practice.show(resident)
        # What the till says to the code stands on the till's own page.
        return self._pages.said(Notice(NoticeCode.PRACTICE_SHOWN, NoticeLevel.GOOD), "/")


class PaperLine(Struct, frozen=True, kw_only=True):
    """One line of a paper: its text, and the classes that say how it stands there."""

    text: str
    look: str


def paper_lines(paper: PracticePaper) -> list[PaperLine]:
    """A paper as the page shows it: as wide as the narrow one, so that no line breaks."""
    lines: list[PaperLine] = []
    for block in lay_out(paper.document, COLUMNS):
        match block:
            case Line():
                bold = " bold" if block.bold else ""
                look = f"{block.align.value} {block.size.value}{bold}"
                lines.append(PaperLine(text=block.text, look=look))
            case Feed() | Cut() | Drawer() | Beep():
                lines.append(PaperLine(text=" ", look="left normal"))
            case _:  # practice papers carry no codes; a shop's picture is left out
                continue
    return lines
