"""What shows that a resident was there: kept with the sale, checked again by the server."""

from enum import StrEnum

from msgspec import UNSET, Struct, UnsetType


class ProofGrade(StrEnum):
    """How strong the proof of a redemption is."""

    CONFIRM = "A"
    """The resident's phone signed shop and amount."""
    SHOW = "B"
    """A code made for a phone was shown within its minutes."""
    CARD_PIN = "C"
    CARD = "D"
    MANUAL = "M"
    """Neither was there: the shop's owner let the resident be looked up by the card's number."""


class SlotEvidence(Struct, frozen=True, tag="slot"):
    """The slot code itself: signed by the pool, worthless after its minutes.

    Attributes:
        payload_hex: the code's 85 bytes in hex.
    """

    payload_hex: str


class PinEvidence(Struct, frozen=True):
    """The card's PIN was at hand for this sale; never the PIN, nor anything to find it by.

    Attributes:
        pin_round: which of the card's PINs; setting one and lifting a lock begin the next round.
        proof_hex: :func:`protocol.card_pins.pin_proof` over sale, points and terminal, in hex.
    """

    pin_round: int
    proof_hex: str


class CardEvidence(Struct, frozen=True, tag="card"):
    """A card and the proof that its secret was at hand; never the secret.

    Attributes:
        card_id: 16 hex digits.
        seq: the card's number in its line of replacements.
        proof_hex: :func:`protocol.codes.card_proof` over sale, points and terminal, in hex.
        pin: where the holder typed the PIN as well. What it is worth, the server finds out.
    """

    card_id: str
    seq: int
    proof_hex: str
    pin: PinEvidence | UnsetType = UNSET


class ShowEvidence(Struct, frozen=True, tag="show"):
    """A code that a phone signed and showed.

    Attributes:
        payload_hex: its 185 or 186 bytes in hex; the phone's certificate is in it.
    """

    payload_hex: str


class ConfirmEvidence(Struct, frozen=True, tag="confirm"):
    """A phone's yes to this sale: how many points at most, at which terminal.

    Attributes:
        certificate_hex: the phone's certificate, 115 or 116 bytes.
        challenge_hex: what the terminal asked, 224 bytes.
        answer_hex: what the phone answered, 77 bytes.
    """

    certificate_hex: str
    challenge_hex: str
    answer_hex: str


class ManualEvidence(Struct, frozen=True, tag="manual"):
    """Nobody showed anything: the terminal's signed word for whom it served, and why.

    Worth something only with the server's own yes to it: a resident's card that is neither lost
    nor replaced, within the pool's limit for this (``Limits.manual_day_points``).

    Attributes:
        card_id, seq: the resident's card, by whose number the resident was found.
        allowed_by: the owner whose PIN was typed for this.
        reason: what the cashier wrote, up to 40 characters.
    """

    card_id: str
    seq: int
    allowed_by: str
    reason: str


Evidence = SlotEvidence | CardEvidence | ShowEvidence | ConfirmEvidence | ManualEvidence

_GRADES: dict[type[Evidence], ProofGrade] = {
    SlotEvidence: ProofGrade.SHOW,
    ShowEvidence: ProofGrade.SHOW,
    ConfirmEvidence: ProofGrade.CONFIRM,
    CardEvidence: ProofGrade.CARD,
    ManualEvidence: ProofGrade.MANUAL,
}


def proof_grade(evidence: Evidence) -> ProofGrade:
    """The grade of what was shown, as far as it can be told without checking it."""
    if isinstance(evidence, CardEvidence) and evidence.pin is not UNSET:
        return ProofGrade.CARD_PIN
    return _GRADES[type(evidence)]
