"""How figures, days, periods and codes are written on the pages."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from flask import g
from flask_babel import gettext as _gettext

from protocol.business_day import SHANGHAI
from protocol.money import format_quantity, format_yuan
from server.exports.tables import shown_ranges
from server.portal import codes
from server.settlement.document_values import StatementLine


def gettext(text: str, **parts: object) -> str:
    """A Chinese text in the language of the page; the library publishes no types."""
    return str(_gettext(text, **parts))


def said(says: str) -> str:
    """The half of a refusal ("中文 / English") that is in the language of the page."""
    chinese, _, english = says.partition(" / ")
    return english or chinese if g.get("language") == "en" else chinese


class Period(Protocol):
    """What has a first and a last day: a statement, a draft, a document."""

    @property
    def period_from(self) -> date: ...

    @property
    def period_through(self) -> date: ...


@dataclass(frozen=True, slots=True)
class Wording:
    """The pool's own words; `unit_name` is what points are called in the page's language."""

    unit_name: str

    def points(self, points: int) -> str:
        """`600 积分`."""
        return f"{points} {self.unit_name}".replace("-", "−", 1)

    def price(self, fen: int | None, points: int | None) -> str:
        """What it costs in money, in points, or in both where both are due: `5.00 元 + 20 积分`."""
        parts = [self.yuan(fen)] if fen is not None else []
        parts += [self.points(points)] if points is not None else []
        return " + ".join(parts)

    @staticmethod
    def yuan(fen: int) -> str:
        """`58.20 元`; below zero with a minus sign in front."""
        return gettext("%(amount)s 元", amount=format_yuan(fen).replace("-", "−"))

    @staticmethod
    def plain_yuan(fen: int) -> str:
        """`58.20`, as it is typed into a form."""
        return format_yuan(fen)

    @staticmethod
    def signed_yuan(fen: int) -> str:
        """`+58.20 元`: which way an amount goes is never left to the reader."""
        plus = "+" if fen > 0 else ""
        return plus + Wording.yuan(fen)

    @staticmethod
    def owed(net_fen: int) -> str:
        """A statement's result in few words."""
        if net_fen > 0:
            return gettext("应收 %(amount)s", amount=Wording.yuan(net_fen))
        if net_fen < 0:
            return gettext("应付 %(amount)s", amount=Wording.yuan(-net_fen))
        return gettext("两清")

    @staticmethod
    def owed_to_merchant(fen: int) -> str:
        """The same as the pool's own people read it."""
        if fen > 0:
            return gettext("应付商户 %(amount)s", amount=Wording.yuan(fen))
        if fen < 0:
            return gettext("应向商户收 %(amount)s", amount=Wording.yuan(-fen))
        return gettext("两清")

    @staticmethod
    def percent(rate_bp: int) -> str:
        """Basis points as a percentage without needless zeros: 350 is `3.5 %`."""
        whole, rest = divmod(abs(rate_bp), 100)
        sign = "−" if rate_bp < 0 else ""
        return sign + (f"{whole}.{rest:02d}".rstrip("0") if rest else f"{whole}") + " %"

    @staticmethod
    def quantity(quantity_milli: int) -> str:
        return ("−" if quantity_milli < 0 else "") + format_quantity(abs(quantity_milli))

    @staticmethod
    def masked(account: str) -> str:
        """A resident as a merchant may see him: enough to tell two apart, and no more."""
        return gettext("尾号 %(tail)s", tail=account[-4:])

    def account(self, account: str) -> str:
        """A ledger account in words."""
        kind, _, whose = account.partition(":")
        names = {
            "resident": gettext("居民的%(unit)s", unit=self.unit_name),
            "offline_overdraft": gettext("居民离线透支"),
            "card": gettext("卡上的%(unit)s", unit=self.unit_name),
            "lapsed_points": gettext("卡上剩余作废"),
            "owed": gettext("居民欠回的%(unit)s", unit=self.unit_name),
            "redeemed": gettext("商户收到的%(unit)s", unit=self.unit_name),
            "returned": gettext("商户退还的%(unit)s", unit=self.unit_name),
            "merchant": gettext("积分池应付商户"),
            "takings": gettext("商户现金收款"),
            "pool_fund": gettext("积分池资金"),
            "takings_contra": gettext("现金收款对方科目"),
            "bank": gettext("银行"),
        }
        name = names.get(kind, kind)
        return f"{name} {self.masked(whose)}" if kind == "resident" else name

    @staticmethod
    def moment(at: datetime) -> str:
        """Date and time at the shop."""
        return f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"

    @staticmethod
    def day(day: date) -> str:
        return f"{day:%Y-%m-%d}"

    @staticmethod
    def period(which: Period) -> str:
        """One day, or the first and the last."""
        first, last = which.period_from, which.period_through
        if first == last:
            return Wording.day(last)
        return f"{Wording.day(first)} – {Wording.day(last)}"

    @staticmethod
    def word(group: str, code: object) -> str:
        """A code's word (see `codes`); one that has none stands as it is."""
        words = codes.WORDS[group]()
        return words.get(str(code), str(code))

    @staticmethod
    def line_net(line: StatementLine) -> int:
        """What one line adds to the statement's net."""
        return line.reimbursement_fen - line.share_fen + line.fee_fen + line.adjustment_fen

    @staticmethod
    def ranges(ranges: tuple[tuple[int, int], ...]) -> str:
        """`12–15, 20`: both ends included."""
        return shown_ranges(ranges)

    @staticmethod
    def actor(actor: str) -> str:
        """A fact's actor as people call him."""
        return actor.partition(":")[2] or actor
