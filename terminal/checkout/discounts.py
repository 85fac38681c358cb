"""What the shop takes off: by line, off the basket, and 抹零; above a limit the owner allows it."""

from msgspec import UNSET, UnsetType

from protocol.discounts import MAX_REASON_CHARS, Discount, DiscountKind
from protocol.money import AmountProblem, parse_yuan
from terminal.checkout.allowed import AMOUNT_NOTICES
from terminal.checkout.current import CurrentSale
from terminal.checkout.sale_desk import SaleDesk
from terminal.domain.discounts import DiscountRules, rate_of_folds, rounding
from terminal.domain.notice import Notice, NoticeCode, NoticeLevel
from terminal.domain.staff import OwnersLeave


class Discounts:
    """Takes something off the basket that lies on the desk, and puts it on again."""

    def __init__(self, desk: SaleDesk, rules: DiscountRules, leave: OwnersLeave) -> None:
        self._desk = desk
        self._rules = rules
        self._leave = leave

    def amount_off(self, line_no: int | None, text: str, reason: str, pin: str | None) -> None:
        """Take an amount in yuan, as typed, off a line, or off the basket where that is None."""
        amount = parse_yuan(text)
        if isinstance(amount, AmountProblem):
            self._desk.say(AMOUNT_NOTICES[amount], NoticeLevel.REFUSED)
        else:
            self._take(line_no, amount, UNSET, reason, pin)

    def folds(self, line_no: int | None, text: str, reason: str, pin: str | None) -> None:
        """Take a rate off, as shops say it: 9 折 is a tenth off."""
        rate_bp = rate_of_folds(text)
        if rate_bp is None:
            self._desk.say(NoticeCode.FOLDS_WRONG, NoticeLevel.REFUSED)
        else:
            self._take(line_no, 0, rate_bp, reason, pin)

    def remove(self, line_no: int | None) -> None:
        """Put a line's discount on again, or the basket's."""
        with self._desk.lock:
            if self._desk.may_edit():
                kind = DiscountKind.BASKET if line_no is None else DiscountKind.LINE
                basket = self._desk.sale.basket
                off = UNSET if line_no is None else line_no
                self._desk.put(basket.without_discount(kind, off))

    def round_off(self, *, on: bool) -> None:
        """抹零, or not, for this basket; nothing happens where the shop has none."""
        step = self._rules.rounding_step_fen
        with self._desk.lock:
            if step is None or not self._desk.may_edit():
                return
            basket = self._desk.sale.basket
            if on:
                self._desk.put(basket.with_discount(rounding(step)))
            else:
                self._desk.put(basket.without_discount(DiscountKind.ROUNDING))

    def _take(
        self,
        line_no: int | None,
        amount_fen: int,
        rate_bp: int | UnsetType,
        reason: str,
        pin: str | None,
    ) -> None:
        wish = Discount(
            kind=DiscountKind.BASKET if line_no is None else DiscountKind.LINE,
            amount_fen=amount_fen,
            line_no=UNSET if line_no is None else line_no,
            rate_bp=rate_bp,
            reason=reason.strip()[:MAX_REASON_CHARS],
        )
        with self._desk.lock:
            if not self._desk.may_edit():
                return
            if not self._fits(wish):
                self._desk.say(NoticeCode.DISCOUNT_TOO_LARGE, NoticeLevel.REFUSED)
                return
            before = self._desk.sale
            asks = self._rules.needs_owner(before.basket.with_discount(wish))
        # Without the desk's lock: looking at a PIN takes a while, and writes.
        approved: str | Notice | UnsetType = self._leave.owner_by(pin) if asks else UNSET
        with self._desk.lock:
            self._put(wish, approved, before)

    def _fits(self, wish: Discount) -> bool:
        """Whether there is so much to take it off."""
        basket = self._desk.sale.basket
        lines = [x for x in basket.lines if wish.line_no in {UNSET, x.line_no}]
        priced = sum(x.price_fen for x in lines if x.unit_price_fen is not None)
        return priced > 0 and wish.amount_fen <= priced

    def _put(self, wish: Discount, approved: str | Notice | UnsetType, before: CurrentSale) -> None:
        """Take it off the basket that it was asked for, and off no other customer's."""
        if isinstance(approved, Notice):
            self._desk.say_notice(approved)
        elif self._desk.sale is not before:
            self._desk.say(NoticeCode.OTHER_SALE, NoticeLevel.REFUSED)
        elif self._desk.may_edit():
            basket = self._desk.sale.basket.with_discount(wish)
            if approved is not UNSET:
                basket = basket.approved(wish, approved)
            self._desk.put(basket)
