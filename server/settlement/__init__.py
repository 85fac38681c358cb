"""From the books of a closed period to one statement for each merchant."""

from server.settlement.settle import register
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
