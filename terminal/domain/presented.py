"""What a resident presents at the till: a code of the pool's, or one that a phone signed."""

from typing import Protocol
from uuid import UUID

from msgspec import Struct

from protocol.codes import ConfirmCode, ResidentCode, ShowCode
from protocol.codes.challenge import Challenge
from protocol.money import Points
from terminal.domain.card_pin import CardWithPin
from terminal.domain.ports import Moment


class ConfirmedCode(Struct, frozen=True):
    """A phone showed its code, and then said yes to this till's challenge."""

    show: ShowCode
    challenge: Challenge
    answer: ConfirmCode

    @property
    def payload(self) -> bytes:
        return self.answer.payload

    @property
    def account(self) -> bytes:
        return self.show.account

    @property
    def cap(self) -> Points:
        """Most points that the phone may give where nobody can be asked."""
        return self.show.cap


class ManualCode(Struct, frozen=True):
    """Nothing was shown: the owner let the resident be found by the card's number (人工核对)."""

    card_id: str
    seq: int
    account: str
    allowed_by: str
    reason: str

    @property
    def payload(self) -> bytes:
        return f"{self.card_id}.{self.seq}".encode()


PhoneCode = ShowCode | ConfirmedCode
ScannedCode = ResidentCode | CardWithPin | PhoneCode
PresentedCode = ScannedCode | ManualCode


def phone_counter(code: PhoneCode) -> tuple[str, int, int]:
    """The phone's account, its certificate's number, and the code's own counter."""
    certificate = (code if isinstance(code, ShowCode) else code.show).certificate
    counter = code.counter if isinstance(code, ShowCode) else code.answer.counter
    return certificate.account.hex(), certificate.seq, counter


class Confirming(Struct, frozen=True):
    """The till waits for a phone's yes."""

    show: ShowCode
    challenge: Challenge
    skip_points: int
    """How many points need no confirmation; 0 where the code cannot be judged without one."""


class Challenger(Protocol):
    """Makes the till's challenges."""

    def challenge(self, sale_id: UUID, points: int, at: Moment, kid: int) -> Challenge | None:
        """Ask a phone for so many points; None as long as the pool has given no certificate.

        ``kid``: the issuer key by which the phone was let in. It knows that one for sure, so the
        till shows its certificate by the same key, if it has one.
        """


class NoChallenger:
    """A till that has no certificate: codes are shown, and no more."""

    def challenge(self, sale_id: UUID, points: int, at: Moment, kid: int) -> Challenge | None:
        del sale_id, points, at, kid
        return None
