"""What shows that a resident was there: kept with the sale, checked again by the server."""

from enum import StrEnum

from msgspec import Struct


class ProofGrade(StrEnum):
    """How strong the proof of a redemption is."""

    CONFIRM = "A"
    """The resident's phone signed shop and amount."""
    SHOW = "B"
    """A code made for a phone was shown within its minutes."""
    CARD_PIN = "C"
    CARD = "D"
    MANUAL = "M"


class SlotEvidence(Struct, frozen=True, tag="slot"):
    """The slot code itself: signed by the pool, worthless after its minutes.

    Attributes:
        payload_hex: the code's 85 bytes in hex.
    """

    payload_hex: str


class CardEvidence(Struct, frozen=True, tag="card"):
    """A card and the proof that its secret was at hand; never the secret.

    Attributes:
        card_id: 16 hex digits.
        seq: the card's number in its line of replacements.
        proof_hex: :func:`protocol.codes.card_proof` over sale, points and terminal, in hex.
    """

    card_id: str
    seq: int
    proof_hex: str


Evidence = SlotEvidence | CardEvidence


def proof_grade(evidence: Evidence) -> ProofGrade:
    """The grade of what was shown."""
    return ProofGrade.SHOW if isinstance(evidence, SlotEvidence) else ProofGrade.CARD
