"""From the books of a closed period to one statement for each merchant."""

from server.facts import FactDesk
from server.settlement import fund, settle
from server.settlement.statements import (
    Member,
    lines_of,
    members_of,
    shares_of,
    statement_of,
    statements_of,
)
from server.settlement.values import (
    Settle,
    Settled,
    SettleProblem,
    SettleRefused,
    Share,
    Statement,
    StatementLine,
    Totals,
)


def register(desk: FactDesk) -> None:
    """Makes the desk apply settlements, gifts, and what concerns the risk reserve."""
    settle.register(desk)
    fund.register(desk)


__all__ = [
    "Member",
    "Settle",
    "SettleProblem",
    "SettleRefused",
    "Settled",
    "Share",
    "Statement",
    "StatementLine",
    "Totals",
    "lines_of",
    "members_of",
    "register",
    "shares_of",
    "statement_of",
    "statements_of",
]
