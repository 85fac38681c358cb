"""The rule of the share: tiers over a calendar month's takings, and nothing else.

What is owed for a month depends on the month's takings alone, never on how often statements are
made: a statement pays what is owed with its takings less what was owed without them. The month
is the one in which the sale happened; a refund lowers the month of its sale.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from protocol.money import BASIS_POINTS_WHOLE

Tiers = Sequence[tuple[int, int]]
"""(from this many fen, basis points), rising from 0."""


@dataclass(frozen=True, slots=True)
class TierPart:
    """What of some takings falls into one tier, and the share of it; fen."""

    from_fen: int
    bp: int
    takings_fen: int
    share_fen: int


def share_of_month(tiers: Tiers, takings_fen: int) -> int:
    """Fen owed for a month's takings: each tier's part at its rate, rounded once, halves up.

    A month in which more came back than was taken mirrors the first tier.
    """
    return _rounded(owed_bp(tiers, takings_fen))


def owed_bp(tiers: Tiers, takings_fen: int) -> int:
    """The share before rounding, in ten-thousandths of a fen."""
    return sum(part * bp for part, (_, bp) in zip(_parts(tiers, takings_fen), tiers, strict=True))


def share_parts(tiers: Tiers, before_fen: int, takings_fen: int) -> list[TierPart]:
    """What a month's further ``takings_fen`` owe, tier by tier, where the month had
    ``before_fen``. The parts add up to the difference of :func:`share_of_month`.
    """
    after_fen = before_fen + takings_fen
    parts_before, shares_before = _parts(tiers, before_fen), _shares(tiers, before_fen)
    parts_after, shares_after = _parts(tiers, after_fen), _shares(tiers, after_fen)
    return [
        TierPart(from_fen, bp, parts_after[i] - parts_before[i], shares_after[i] - shares_before[i])
        for i, (from_fen, bp) in enumerate(tiers)
    ]


def share_parts_of_lines(tiers: Tiers, before_fen: int, takings_fen: Sequence[int]) -> list[int]:
    """Each line's part of the share, in the order in which the lines were booked.

    A line owes what it moves the month by, down to ten-thousandths of a fen; the fen that
    rounding leaves over go to the largest remainders, the earlier line first. Nothing is lost:
    the parts add up to what all of the lines owe together.
    """
    exact: list[int] = []
    so_far_fen = before_fen
    for line_fen in takings_fen:
        exact.append(owed_bp(tiers, so_far_fen + line_fen) - owed_bp(tiers, so_far_fen))
        so_far_fen += line_fen
    total_fen = share_of_month(tiers, so_far_fen) - share_of_month(tiers, before_fen)
    parts = [each // BASIS_POINTS_WHOLE for each in exact]
    largest_first = sorted(range(len(exact)), key=lambda i: (-(exact[i] % BASIS_POINTS_WHOLE), i))
    for i in largest_first[: total_fen - sum(parts)]:
        parts[i] += 1
    return parts


def _parts(tiers: Tiers, takings_fen: int) -> list[int]:
    """How much of the month's takings lies in each tier."""
    if takings_fen < 0:
        return [takings_fen, *([0] * (len(tiers) - 1))]
    ends = [from_fen for from_fen, _ in tiers[1:]]
    parts = []
    for i, (from_fen, _) in enumerate(tiers):
        upto = min(takings_fen, ends[i]) if i < len(ends) else takings_fen
        parts.append(max(0, upto - from_fen))
    return parts


def _shares(tiers: Tiers, takings_fen: int) -> list[int]:
    """The share by tier: rounded sums up to each tier, so that the tiers add up to the month."""
    shares, upto_bp, before_fen = [], 0, 0
    for part, (_, bp) in zip(_parts(tiers, takings_fen), tiers, strict=True):
        upto_bp += part * bp
        shares.append(_rounded(upto_bp) - before_fen)
        before_fen = _rounded(upto_bp)
    return shares


def _rounded(amount_bp: int) -> int:
    """Whole fen, halves rounded up; below zero mirrored."""
    rounded = (abs(amount_bp) * 2 + BASIS_POINTS_WHOLE) // (2 * BASIS_POINTS_WHOLE)
    return rounded if amount_bp >= 0 else -rounded
