"""From the books of a closed period to one statement for each merchant."""

from server.facts import FactDesk
from server.settlement import (
    adjusting,
    agreeing,
    assigning,
    disputes,
    fund,
    payments,
    runs,
    settle,
    states_commands,
)
from server.settlement.document_values import StatementLine
from server.settlement.lines import lines_of
from server.settlement.statements import (
    Member,
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
    Totals,
)


def register(desk: FactDesk) -> None:
    """Makes the desk apply settlements, what becomes of statements, payments, gifts, and what
    concerns the risk reserve.
    """
    agreeing.register(desk)
    settle.register(desk)
    runs.register(desk)
    states_commands.register(desk)
    disputes.register(desk)
    adjusting.register(desk)
    assigning.register(desk)
    payments.register(desk)
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
