"""What a shop takes off at its till, and who must allow it."""

import unicodedata

from msgspec import Struct

from protocol.discounts import Discount, DiscountKind
from protocol.money import BASIS_POINTS_WHOLE, rate_of
from terminal.domain.basket import Basket

BP_A_FOLD = 1_000
FOLD_CHARS = 4


class DiscountRules(Struct, frozen=True):
    """What a cashier may take off by himself, and what 抹零 drops.

    Attributes:
        limit_fen: off one sale altogether; above it the owner's PIN is asked for.
        limit_bp: the same as a part of the goods' prices, in basis points.
        rounding_step_fen: 抹零 drops what is below it: 10 or 100 fen; None: there is none.
        rounds_always: every basket begins with it; else there is a button.
    """

    limit_fen: int = 1_000
    limit_bp: int = 2_000
    rounding_step_fen: int | None = None
    rounds_always: bool = False

    def needs_owner(self, basket: Basket) -> bool:
        """Whether what nobody allowed is more than a cashier gives by himself; 抹零 is not counted."""
        return basket.unapproved_fen() > min(
            self.limit_fen, rate_of(basket.price_fen, self.limit_bp)
        )


def rate_of_folds(text: str) -> int | None:
    """Basis points off of 折 as typed: 9 is a tenth off, 8.5 is 15 in a hundred; None for nonsense."""
    plain = unicodedata.normalize("NFKC", text[: FOLD_CHARS + 1]).strip().removesuffix("折")
    whole, dot, decimal = plain.partition(".")
    if not (whole.isascii() and whole.isdigit()) or len(text) > FOLD_CHARS:
        return None
    if dot and not (len(decimal) == 1 and decimal.isascii() and decimal.isdigit()):
        return None
    pays_bp = int(whole) * BP_A_FOLD + int(decimal or "0") * (BP_A_FOLD // 10)
    return BASIS_POINTS_WHOLE - pays_bp if 0 < pays_bp < BASIS_POINTS_WHOLE else None


def rounding(step_fen: int) -> Discount:
    """抹零 by this step."""
    return Discount(kind=DiscountKind.ROUNDING, amount_fen=0, step_fen=step_fen)


NO_ROUNDING = DiscountRules()
