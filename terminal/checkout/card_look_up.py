"""Looking a card up by its number, where its code cannot be read: with the owner's leave alone.

It tells what the list of residents says of the card. Where the pool allows it, the owner may also
let points be asked for a resident who has neither phone nor card at hand (人工核对): by the owner's
PIN each time, and only the server says yes. Every look is a record with its reason.
"""

import re
from datetime import date

from msgspec import Struct

from protocol.acts import Act
from protocol.business_day import business_date
from protocol.documents import AccountStatus, DirectoryCard, DirectoryEntry
from protocol.reasons import Declined, DeclineReason
from terminal.domain.notice import Notice, NoticeCode, NoticeLevel
from terminal.domain.ports import Clock, Store
from terminal.domain.presented import ManualCode
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


class _Found(Struct, frozen=True):
    entry: DirectoryEntry
    card: DirectoryCard
    owner: str
    reason: str


class CardLookUp:
    """One look at a time; nothing is kept of it but the record."""

    def __init__(self, store: Store, clock: Clock, leave: Leave) -> None:
        self._store = store
        self._clock = clock
        self._leave = leave

    def look(self, number: str, reason: str, pin: str | None) -> CardLookedUp | Notice:
        """What the list says of the card whose number ends so, or why nothing is said."""
        policy = self._store.documents().policy
        found = self._find(Act.CARD_LOOKED_UP, number, reason, pin)
        if isinstance(found, Notice):
            return found
        assert policy is not None, "nothing is found without one"
        day = business_date(self._clock.moment().at, policy.cut_off_hour)
        entry, card = found.entry, found.card
        banned = entry.banned_until
        return CardLookedUp(
            shown=card.card_id[-4:].upper(),
            seq=card.seq,
            allowance_points=entry.allowance_points,
            blocked=entry.status is AccountStatus.BLOCKED,
            banned_until=banned if banned is not None and banned >= day else None,
        )

    def most_points(self) -> int:
        """What a resident who shows nothing may take a day; 0 where the pool serves none so."""
        policy = self._store.documents().policy
        return policy.limits.manual_day_points if policy is not None else 0

    def redeem(self, number: str, reason: str, pin: str | None) -> ManualCode | Notice:
        """Whom the owner lets redeem without phone and card; to be shown to the till as a code is.

        The PIN is typed for each one, also by an owner who is signed in.
        """
        if self.most_points() <= 0:
            declined = Declined(DeclineReason.MANUAL_OFF)
            return Notice(NoticeCode.DECLINED, NoticeLevel.REFUSED, {}, declined)
        if not pin:
            return _refused(NoticeCode.OWNER_NEEDED)
        found = self._find(Act.MANUAL_REDEMPTION, number, reason, pin)
        if isinstance(found, Notice):
            return found
        return ManualCode(
            card_id=found.card.card_id,
            seq=found.card.seq,
            account=found.entry.account,
            allowed_by=found.owner,
            reason=found.reason,
        )

    def _find(self, act: Act, number: str, reason: str, pin: str | None) -> _Found | Notice:
        """The one card whose number ends so, with the owner's leave; noted whatever is found."""
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
        self._leave.note(act, number.upper(), owner, reason)
        found = [
            (entry, card)
            for entry in self._store.holders_of_cards(number)
            for card in entry.cards
            if card.card_id.endswith(number)
        ]
        if len(found) != 1:
            return _refused(NoticeCode.CARDS_ALIKE if found else NoticeCode.CARD_NOT_LISTED)
        return _Found(*found[0], owner, reason)


def _refused(code: NoticeCode) -> Notice:
    return Notice(code, NoticeLevel.REFUSED)
