"""A wrong PIN at a terminal, as its record tells it: what the server adds up over all of them."""

from msgspec import Struct


class CardPinWrong(Struct, frozen=True, kw_only=True, tag="card_pin_wrong"):
    """Somebody typed a wrong PIN for a card that was there. Never the digits.

    ``pin_round``: which of the card's PINs it was tried against.
    """

    card_id: str
    seq: int
    pin_round: int
