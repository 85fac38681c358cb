"""Amounts as the page writes them: money in 元, points in the pool's own unit."""

from protocol.money import format_yuan
from terminal.web.language import later, say


def yuan(fen: int) -> str:
    """7.10 元."""
    return say(later("{amount} 元"), {"amount": format_yuan(fen)})


def amount_text(fen: int, points: int, unit: str) -> str:
    """What something costs, in money, in points or both."""
    if points and fen:
        return f"{yuan(fen)} + {points} {unit}"
    return f"{points} {unit}" if points else yuan(fen)


def price_text(fen: int | None, points: int | None, unit: str) -> str:
    """A price, or that there is none to pay."""
    return amount_text(fen or 0, points or 0, unit) if fen or points else say(later("免费"))
