"""Cards' PINs at the till: when one is needed, and whether it is right.

A wrong PIN is on the disk before it is looked at, so that pulling the plug gives no free tries;
it is told to the server as a record, which adds up what all terminals tell. One PIN at a time.
"""

import hmac
import threading
from collections.abc import Callable
from datetime import date

from protocol.business_day import business_date
from protocol.card_pins import TRIES_A_DAY, PinBusyError, PinMaker, PinRule, is_pin, read_verifier
from protocol.card_tries import CardPinWrong
from protocol.codes import CardCode
from protocol.documents import Policy
from protocol.evidence import ProofGrade
from protocol.journal import ClockState
from protocol.redemption import PointsWanted
from terminal.domain.card_pin import CardTries, CardWithPin, PinAsking, PinState, wait_after_s
from terminal.domain.notice import Notice, NoticeCode, NoticeLevel
from terminal.domain.ports import Clock, Store
from terminal.domain.taken import looked_back_to

_MS_A_SECOND = 1000
_NO_DAY = date(1970, 1, 1)


class CardPins:
    """Asks for PINs and checks them. Thread-safe.

    Raises:
        StoreFaultError: from every method, when the disk cannot be read or written.
    """

    def __init__(
        self, store: Store, clock: Clock, maker: PinMaker, wake_workers: Callable[[], None]
    ) -> None:
        self._store = store
        self._clock = clock
        self._maker = maker
        self._wake_workers = wake_workers
        self._lock = threading.Lock()
        self._wrong_in_a_row = 0
        self._waits_until_ms = 0

    def asking(
        self, card: CardCode, wanted: PointsWanted, policy: Policy, ceiling: int | None = None
    ) -> PinAsking | None:
        """What stands on the pad, where this card needs its PIN for so many points; else None.

        ``ceiling``: what the server says may still go without.
        """
        left = self.left_without(card, policy)
        if left is None or (ceiling is None and wanted.most <= left):
            return None
        left = left if ceiling is None else min(left, ceiling)
        enough = left > 0 and wanted.required <= left
        state, tries_left = self._state(card, policy)
        return PinAsking(card, int(wanted.most), left if enough else 0, state, tries_left)

    def left_without(self, card: CardCode, policy: Policy) -> int | None:
        """Points that this card may still take here today without its PIN; None: no limit.

        Without the time nobody knows what day it is, so none go.
        """
        limit = policy.limits.card_no_pin_day_points
        account = self._account(card)
        if limit is None or account == card.card_id.hex():  # a denominated card knows no PIN
            return None
        today = self._today(policy)
        if today is None:
            return 0
        if account is None:
            return limit
        sales = self._store.sales_since(account, looked_back_to(today, policy.cut_off_hour))
        used = sum(
            sale.payment.points
            for sale in sales
            if sale.business_date == today and sale.proof_grade is ProofGrade.CARD
        )
        return max(0, limit - used)

    def check(self, card: CardCode, pin: str, policy: Policy) -> CardWithPin | Notice:
        """The card with its PIN, or why not; a wrong one counts, whoever typed it."""
        if not is_pin(pin):
            return _refused(NoticeCode.CARD_PIN_SIX_DIGITS)
        with self._lock:
            moment = self._clock.moment()
            waits_ms = self._waits_until_ms - moment.monotonic_ms
            if waits_ms > 0:
                seconds = -(-waits_ms // _MS_A_SECOND)
                return Notice(NoticeCode.PIN_WAITS, NoticeLevel.REFUSED, {"seconds": seconds})
            rule = self._rule(card)
            state, tries_left = self._state(card, policy)
            if state is not PinState.READY or rule is None or rule.verifier is None:
                return _refused(_NOTICES.get(state, NoticeCode.CARD_PIN_UNSET))
            return self._tried(card, pin, policy, rule, tries_left)

    def _tried(
        self, card: CardCode, pin: str, policy: Policy, rule: PinRule, tries_left: int
    ) -> CardWithPin | Notice:
        counted = self._tries(card, policy, rule, TRIES_A_DAY - tries_left + 1)
        with self._store.working() as work:
            work.save_card_tries(counted)
        try:
            made = self._maker.make(pin, card.secret, card.card_id)
        except PinBusyError:
            self._take_back(card, policy, rule, tries_left)
            return _refused(NoticeCode.CARD_PIN_BUSY)
        assert rule.verifier is not None
        if hmac.compare_digest(made.verifier, rule.verifier):
            self._take_back(card, policy, rule, tries_left)
            self._wrong_in_a_row = 0
            return CardWithPin(card, rule.pin_round, made.proof_key)
        moment = self._clock.moment()
        self._wrong_in_a_row += 1
        wait_ms = wait_after_s(self._wrong_in_a_row) * _MS_A_SECOND
        self._waits_until_ms = moment.monotonic_ms + wait_ms
        told = CardPinWrong(card_id=card.card_id.hex(), seq=card.seq, pin_round=rule.pin_round)
        with self._store.working() as work:
            work.journal(told, moment)
        self._wake_workers()
        if tries_left <= 1:
            return _refused(NoticeCode.CARD_PIN_TRIED_OUT)
        figures: dict[str, str | int] = {"left": tries_left - 1}
        return Notice(NoticeCode.CARD_PIN_WRONG, NoticeLevel.REFUSED, figures)

    def _take_back(self, card: CardCode, policy: Policy, rule: PinRule, tries_left: int) -> None:
        """It was no wrong one; those before it stay."""
        counted = self._tries(card, policy, rule, TRIES_A_DAY - tries_left)
        with self._store.working() as work:
            work.save_card_tries(counted)

    def _tries(self, card: CardCode, policy: Policy, rule: PinRule, wrong: int) -> CardTries:
        kept = self._store.card_tries(card.card_id.hex())
        today, before = self._today(policy), kept.day if kept is not None else _NO_DAY
        day = before if today is None else max(today, before)
        return CardTries(card.card_id.hex(), card.seq, rule.pin_round, day, wrong)

    def _state(self, card: CardCode, policy: Policy) -> tuple[PinState, int]:
        rule = self._rule(card)
        if rule is None:
            return PinState.UNSET, 0
        if rule.verifier is None:
            return PinState.LOCKED, 0
        kept = self._store.card_tries(card.card_id.hex())
        left = TRIES_A_DAY
        if kept is not None:
            left = kept.left(card.seq, rule.pin_round, self._today(policy))
        return (PinState.READY if left else PinState.TRIED_OUT), left

    def _rule(self, card: CardCode) -> PinRule | None:
        card_id = card.card_id.hex()
        entry = self._store.holder_of_card(card_id, card.seq)
        for each in entry.cards if entry is not None else ():
            if (each.card_id, each.seq) == (card_id, card.seq) and each.pin_verifier:
                return read_verifier(each.pin_verifier)
        return None

    def _account(self, card: CardCode) -> str | None:
        entry = self._store.holder_of_card(card.card_id.hex(), card.seq)
        return entry.account if entry is not None else None

    def _today(self, policy: Policy) -> date | None:
        moment = self._clock.moment()
        if moment.clock_state is ClockState.UNKNOWN:
            return None
        return business_date(moment.at, policy.cut_off_hour)


_NOTICES = {
    PinState.UNSET: NoticeCode.CARD_PIN_UNSET,
    PinState.LOCKED: NoticeCode.CARD_PIN_LOCKED,
    PinState.TRIED_OUT: NoticeCode.CARD_PIN_TRIED_OUT,
}


def _refused(code: NoticeCode) -> Notice:
    return Notice(code, NoticeLevel.REFUSED)
