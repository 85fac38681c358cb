"""The page that looks a card up by its number, and redeems by it where the pool allows that."""

from collections.abc import Callable
from typing import Final

from flask import Response
from msgspec import Struct

from terminal.checkout.card_look_up import CardLookedUp, CardLookUp
from terminal.checkout.page import Page
from terminal.domain.notice import Notice
from terminal.domain.presented import ManualCode
from terminal.web.answers import json_answer
from terminal.web.bodies import ShortText, read_body
from terminal.web.language import day_text, later, say
from terminal.web.more import MorePages, Said
from terminal.web.words import unit_of

HERE: Final = "/more/look-up"


class LookUpBody(Struct, frozen=True, forbid_unknown_fields=True):
    number: ShortText
    reason: ShortText
    pin: ShortText


class LookUpPage:
    """Its addresses. What is found is said above the form, and stands nowhere afterwards."""

    def __init__(
        self,
        cards: CardLookUp,
        page: Page,
        pages: MorePages,
        ask: Callable[[ManualCode], None],
    ) -> None:
        self._cards = cards
        self._ask = ask
        self._page = page
        self._pages = pages

    def rules(self) -> tuple[dict[str, Callable[[], str]], dict[str, Callable[[], Response]]]:
        """Addresses that are looked at, and those that change something."""
        return {HERE: self.look_up_page}, {
            f"{HERE}/look": self.look_up,
            f"{HERE}/redeem": self.redeem_by_hand,
        }

    def look_up_page(self) -> str:
        return self._pages.show("look_up", manual_points=self._cards.most_points())

    def look_up(self) -> Response:
        body = read_body(LookUpBody)
        found = self._cards.look(body.number, body.reason, body.pin or None)
        if isinstance(found, Notice):
            return self._pages.said(found, "")
        may_redeem = not found.blocked and found.banned_until is None
        level = "good" if may_redeem else "refused"
        return json_answer(Said(level=level, text=_status(found), next=self._more(found)))

    def redeem_by_hand(self) -> Response:
        """The answer stands on the till's page, as that of a code does."""
        body = read_body(LookUpBody)
        found = self._cards.redeem(body.number, body.reason, body.pin or None)
        if isinstance(found, Notice):
            return self._pages.said(found, "")
        self._ask(found)
        return json_answer(
            Said(level="good", text=say(later("已问过，请看收银页。")), next="", go="/")
        )

    def _more(self, found: CardLookedUp) -> str:
        figures: dict[str, str | int] = {
            "points": found.allowance_points,
            "unit": unit_of(self._page.view()),
        }
        return say(later("离线最多可用 {points} {unit}；用{unit}还是要扫卡。"), figures)


def _status(found: CardLookedUp) -> str:
    figures: dict[str, str | int] = {"card": f"…{found.shown}", "seq": found.seq}
    if found.blocked:
        return say(later("卡 {card}（第 {seq} 张）有效，持卡人已停用。"), figures)
    if found.banned_until is not None:
        figures["until"] = day_text(found.banned_until)
        return say(later("卡 {card}（第 {seq} 张）有效，持卡人到 {until} 暂停兑换。"), figures)
    return say(later("卡 {card}（第 {seq} 张）有效。"), figures)
