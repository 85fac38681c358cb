"""Practice (练习): a till of its own to learn on, of which nothing counts."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, Protocol

from msgspec import Struct

from drivers.document import Document
from terminal.domain.notice import Notice

SHOP: Final = "shop"
"""The mode of every start. The other one has a name of its own each time it begins."""
PRACTICE_PIN: Final = "2580"
"""The practice owner's and workers'; no secret, it stands on the page. Real PINs are not known
there: a thousand of them could be tried without anybody noticing.
"""
PRACTICE_CARD: Final = "00000000000000ec"
PRACTICE_CARD_PIN: Final = "258036"
"""The practice card's number and PIN, on the page as well."""


class PracticeResident(StrEnum):
    """Whose code can be shown to the practice till."""

    ENOUGH = "enough"
    FEW = "few"
    BANNED = "banned"
    CARD = "card"
    """With a card in the hand, and its PIN in the head."""


class PracticePaper(Struct, frozen=True):
    """What a real till would have printed: shown on the page, and sent nowhere."""

    number: str
    document: Document


class PracticeTill(Protocol):
    """What the practice till has beside an ordinary one."""

    def show(self, resident: PracticeResident) -> None:
        """Hold this resident's code before the scanner."""

    @property
    def asks_card_pin(self) -> bool:
        """Whether the pool's rules ask for the card's PIN."""

    def points_of(self, resident: PracticeResident) -> int:
        """What this resident has left."""

    def papers(self) -> Sequence[PracticePaper]:
        """The newest first."""


class Practising(Protocol):
    """Between the shop's till and the one to practise on."""

    def mode(self) -> str:
        """Which of them the pages and the scanner are at: :data:`SHOP`, or a practice's name."""

    def enter(self) -> Notice:
        """Begin to practise, unless a sale lies on the shop's desk."""

    def leave(self) -> Notice:
        """Back to the shop's till."""
