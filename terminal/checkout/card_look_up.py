"""Looking a card up by its number, where its code cannot be read: with the owner's leave alone.

It tells what the list of residents says of the card, and takes no points: for those the code
itself is needed. Every look is a record with its reason.
"""

import re
from datetime import date

from msgspec import Struct

from protocol.acts import Act
from protocol.business_day import business_date
from protocol.documents import AccountStatus
from terminal.domain.notice import Notice, NoticeCode, NoticeLevel
from terminal.domain.ports import Clock, Store
from terminal.domain.staff import Leave

NUMBER = re.compile(r"[0-9a-f]{4,16}")
MAX_REASON_CHARS = 40


class CardLookedUp(Struct, frozen=True):
    """A live card: ``shown`` are the last digits of its number.

    ``allowance_points`` is what the list allows offline, which is no balance. ``blocked`` and
    ``banned_until`` say that its resident may not redeem now.
    """

    shown: str
    seq: int
    allowance_points: int
    blocked: bool
    banned_until: date | None


class CardLookUp:
    """One look at a time; nothing is kept of it but the record."""

    def __init__(self, store: Store, clock: Clock, leave: Leave) -> None:
        self._store = store
        self._clock = clock
        self._leave = leave

    def look(self, number: str, reason: str, pin: str | None) -> CardLookedUp | Notice:
        """What the list says of the card whose number ends so, or why nothing is said."""
        reason = reason.strip()[:MAX_REASON_CHARS]
        number = "".join(number.split()).removeprefix("…").lower()
        documents = self._store.documents()
        if documents.policy is None or documents.directory is None:
            return Notice(NoticeCode.NOT_READY, NoticeLevel.ALARM)
        if not NUMBER.fullmatch(number):
            return _refused(NoticeCode.CARD_NUMBER_WRONG)
        if not reason:
            return _refused(NoticeCode.REASON_NEEDED)
        owner = self._leave.owner_by(pin)
        if isinstance(owner, Notice):
            return owner
        self._leave.note(Act.CARD_LOOKED_UP, number.upper(), owner, reason)
        found = [
            (entry, card)
            for entry in self._store.holders_of_cards(number)
            for card in entry.cards
            if card.card_id.endswith(number)
        ]
        if len(found) != 1:
            return _refused(NoticeCode.CARDS_ALIKE if found else NoticeCode.CARD_NOT_LISTED)
        ((entry, card),) = found
        day = business_date(self._clock.moment().at, documents.policy.cut_off_hour)
        banned = entry.banned_until
        return CardLookedUp(
            shown=card.card_id[-4:].upper(),
            seq=card.seq,
            allowance_points=entry.allowance_points,
            blocked=entry.status is AccountStatus.BLOCKED,
            banned_until=banned if banned is not None and banned >= day else None,
        )


def _refused(code: NoticeCode) -> Notice:
    return Notice(code, NoticeLevel.REFUSED)
