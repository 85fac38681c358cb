"""After a stop: was the sale completed or not, with its receipt or its basket."""

from collections.abc import Callable

from flask import Response
from msgspec import Struct

from protocol.money import format_quantity, format_yuan
from terminal.checkout.last_run import LastRunDesk
from terminal.checkout.page import Page
from terminal.checkout.till import Till
from terminal.domain.last_run import DraftLine, Ended, LastRun
from terminal.web.amounts import amount_text
from terminal.web.answers import json_answer
from terminal.web.language import later, say, time_text
from terminal.web.words import unit_of


class LastRunLine(Struct, frozen=True, kw_only=True):
    """One line, ready to show."""

    name: str
    quantity: str
    amount: str


class LastRunScreen(Struct, frozen=True, kw_only=True):
    """``shown`` False: there is nothing to say. ``may_put_back``: its goods may go into the basket."""

    shown: bool = False
    completed: bool = False
    title: str = ""
    text: str = ""
    lines: tuple[LastRunLine, ...] = ()
    total: str = ""
    receipt_no: str = ""
    may_put_back: bool = False


class LastRunRoutes:
    """The addresses of the question after a stop."""

    def __init__(
        self,
        desk: LastRunDesk | None,
        till: Till,
        page: Page,
        answer: Callable[[], Response],
    ) -> None:
        self._desk = desk
        self._till = till
        self._page = page
        self._answer = answer

    def rules(self) -> tuple[dict[str, Callable[[], Response]], dict[str, Callable[[], Response]]]:
        """What is read and what is done."""
        return (
            {"/api/last-run": self.last_run},
            {"/api/last-run-seen": self.last_run_seen, "/api/put-back": self.put_back},
        )

    def last_run(self) -> Response:
        found = self._desk.shown() if self._desk is not None else None
        if found is None:
            return json_answer(LastRunScreen())
        return json_answer(_screen(found, unit_of(self._page.view())))

    def last_run_seen(self) -> Response:
        if self._desk is not None:
            self._desk.seen()
        return self._answer()

    def put_back(self) -> Response:
        if self._desk is not None:
            self._desk.put_back(self._till)
        return self._answer()


def _screen(found: LastRun, unit: str) -> LastRunScreen:
    figures: dict[str, str | int] = {
        "receipt_no": found.receipt_no,
        "time": time_text(found.at) if found.at is not None else "",
        "points": found.points,
        "unit": unit,
        "cash": format_yuan(found.cash_fen),
        "total": format_yuan(found.total_fen),
    }
    lines = tuple(_line(line, unit) for line in found.lines)
    if found.ended is Ended.COMPLETED:
        paid = (
            later("小票 {receipt_no}，{time}，用 {points} {unit}，现金 {cash} 元。请不要重复收款。")
            if found.points
            else later("小票 {receipt_no}，{time}，现金 {cash} 元。请不要重复收款。")
        )
        return LastRunScreen(
            shown=True,
            completed=True,
            title=say(later("停机前的最后一单已经成交")),
            text=say(paid, figures),
            lines=lines,
            total=_total(found, unit),
            receipt_no=found.receipt_no,
        )
    text = say(later("没有用{unit}，没有小票。收过现金的，请当面点清。"), figures)
    if found.receipt_no:
        text += say(later("它前面的一单（小票 {receipt_no}）已经成交。"), figures)
    if found.taken_up is not None:
        text += say(later("商品在挂单 {number} 里，取单就能接着卖。"), {"number": found.taken_up})
    elif not lines:
        text += say(later("商品没有存下来，请问清居民，重新录入。"))
    if any(line.discount_fen for line in found.lines):
        text += say(later("折扣要重新填。"))
    if found.proxied:
        text += say(later("这一单是代兑换，请先重新开始代兑换。"))
    return LastRunScreen(
        shown=True,
        title=say(later("停机时的这一单没有成交")),
        text=text,
        lines=lines,
        total=_total(found, unit),
        may_put_back=bool(lines),
    )


def _total(found: LastRun, unit: str) -> str:
    points = sum(line.amount_points for line in found.lines)
    yuan = say(later("共 {total} 元"), {"total": format_yuan(found.total_fen)})
    if not points:
        return yuan
    of_points = say(later("共 {points} {unit}"), {"points": points, "unit": unit})
    return f"{of_points} · {yuan}" if found.total_fen else of_points


def _line(line: DraftLine, unit: str) -> LastRunLine:
    return LastRunLine(
        name=line.name,
        quantity=f"{format_quantity(line.quantity_milli)} {line.unit}".rstrip(),
        amount=amount_text(line.amount_fen, line.amount_points, unit),
    )
