"""How figures, days and periods are written on the merchant's pages."""

from dataclasses import dataclass
from datetime import date, datetime

from flask_babel import gettext as _gettext

from protocol.business_day import SHANGHAI
from protocol.money import format_quantity, format_yuan
from server.settlement import Statement


def gettext(text: str, **parts: object) -> str:
    """A Chinese text in the language of the page; the library publishes no types."""
    return str(_gettext(text, **parts))


@dataclass(frozen=True, slots=True)
class Wording:
    """The pool's own words; `unit_name` is what points are called in the page's language."""

    unit_name: str

    def points(self, points: int) -> str:
        """`600 积分`."""
        return f"{points} {self.unit_name}".replace("-", "−", 1)

    @staticmethod
    def yuan(fen: int) -> str:
        """`58.20 元`; below zero with a minus sign in front."""
        return gettext("%(amount)s 元", amount=format_yuan(fen).replace("-", "−"))

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
    def percent(rate_bp: int) -> str:
        """Basis points as a percentage without needless zeros: 350 is `3.5 %`."""
        whole, rest = divmod(rate_bp, 100)
        return f"{whole}.{rest:02d}".rstrip("0") + " %" if rest else f"{whole} %"

    @staticmethod
    def quantity(quantity_milli: int) -> str:
        return format_quantity(quantity_milli)

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
            "redeemed": gettext("商户收到的%(unit)s", unit=self.unit_name),
            "returned": gettext("商户退还的%(unit)s", unit=self.unit_name),
            "merchant": gettext("积分池应付商户"),
            "takings": gettext("商户现金收款"),
            "pool_fund": gettext("积分池资金"),
            "takings_contra": gettext("现金收款对方科目"),
        }
        name = names.get(kind, kind)
        return f"{name} {self.masked(whose)}" if kind == "resident" else name

    @staticmethod
    def moment(at: datetime) -> str:
        """Date and time at the shop."""
        return f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"

    @staticmethod
    def period(statement: Statement) -> str:
        """One day, or the first and the last."""
        first, last = statement.period_from, statement.period_through
        return _day(last) if first == last else f"{_day(first)} – {_day(last)}"


def _day(day: date) -> str:
    return f"{day:%Y-%m-%d}"
