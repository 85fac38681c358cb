"""The frame of the pages behind 更多: rarely used things, one page each."""

from collections.abc import Callable
from typing import Final

from flask import Response, render_template
from msgspec import Struct

from protocol.money import AmountProblem, Fen, parse_yuan
from terminal.checkout.page import Page
from terminal.checkout.view import NoticeView
from terminal.domain.notice import Notice, NoticeCode, NoticeLevel
from terminal.web.answers import json_answer
from terminal.web.language import Words, language_now, later, say
from terminal.web.words import notice_words, unit_of

Answer = Response | str


class Entry(Struct, frozen=True):
    """One door of the menu."""

    href: str
    name: str
    about: str


MENU: Final = (
    Entry("/more/orders", later("券和上门单"), later("用兑换券、完成上门服务")),
    Entry("/more/awards", later("登记{unit}"), later("工作人员登记居民做的事、活动签到")),
    Entry("/more/proxies", later("代兑换"), later("工作人员替居民兑换，送到家，登记送达")),
    Entry("/more/report", later("报表"), later("按小时、类别、积分看一天，存成表格")),
    Entry("/more/prices", later("价目"), later("从文件换价目、改价、存成文件，要店主 PIN 码")),
    Entry("/more/shift", later("班次"), later("开班、X 报表、数钱交班、Z 报表")),
    Entry("/more/look-up", later("查卡"), later("卡扫不出来、没带手机和卡时，要店主同意")),
    Entry("/more/practice", later("练习"), later("学着收银：不扣{unit}，不记账，不打印")),
    Entry("/more/staff", later("人员"), later("换人收银、店主和收银员的 PIN 码")),
)


class Said(Struct, frozen=True, kw_only=True):
    """What a form is answered; with ``go`` the page moves on and shows it there."""

    level: str
    text: str
    next: str
    go: str = ""


class MorePages:
    """What all pages behind 更多 need."""

    def __init__(self, page: Page, note: Callable[[], None]) -> None:
        self._page = page
        self._note = note

    def menu(self) -> str:
        unit: dict[str, str | int] = {"unit": self.unit()}
        entries = [Entry(x.href, say(x.name, unit), say(x.about, unit)) for x in MENU]
        return self.show("menu", at_menu=True, entries=entries)

    def show(self, name: str, **values: object) -> str:
        """A page of this name."""
        values = {"unit": self.unit(), **values}
        return render_template(f"more/{name}.html", language=language_now(), **values)

    def unit(self) -> str:
        """What the pool calls its points, in the language of this request."""
        return unit_of(self._page.view())

    def words(self, notice: Notice) -> Words:
        view = NoticeView(
            code=notice.code.value,
            level=notice.level.value,
            figures=notice.figures,
            decline=notice.decline,
        )
        return notice_words(view, self._page.view())

    def said(self, notice: Notice, go: str) -> Response:
        """Answer a form: where it worked the page is shown anew at ``go``."""
        words = self.words(notice)
        worked = notice.level in {NoticeLevel.GOOD, NoticeLevel.ASK}
        self._note()
        return json_answer(
            Said(
                level=notice.level.value, text=words.text, next=words.next, go=go if worked else ""
            )
        )

    def refused(self, code: NoticeCode) -> Response:
        return self.said(Notice(code, NoticeLevel.REFUSED), "")


_AMOUNTS: Final = {
    AmountProblem.NOT_A_NUMBER: NoticeCode.AMOUNT_NOT_A_NUMBER,
    AmountProblem.NEGATIVE: NoticeCode.AMOUNT_NEGATIVE,
    AmountProblem.TOO_MANY_DECIMALS: NoticeCode.AMOUNT_TOO_MANY_DECIMALS,
    AmountProblem.TOO_LARGE: NoticeCode.AMOUNT_TOO_LARGE,
}


def fen_of(text: str) -> Fen | NoticeCode:
    """An amount as typed, 0 or more; or what is wrong with it."""
    amount = parse_yuan(text)
    if amount is AmountProblem.ZERO:
        return Fen(0)
    return _AMOUNTS[amount] if isinstance(amount, AmountProblem) else amount
