"""Agreeing and ending contracts where the books decide what is closed."""

from sqlalchemy import Connection

from server.directory.commands import AgreeTerms, EndContract
from server.directory.contracts import agree_terms, end_contract
from server.directory.queries import contract_named
from server.directory.values import Done
from server.directory.values import Refused as DirectoryRefused
from server.facts import FactDesk, FactStamp
from server.facts.refused import Refused
from server.settlement.late_terms import settled_days_problem
from server.settlement.statements import closed_through


def register(desk: FactDesk) -> None:
    """Makes the desk apply contracts with all their terms."""
    desk.register("agree_terms", AgreeTerms, _agree)
    desk.register("end_contract", EndContract, _end)


def _agree(tx: Connection, stamp: FactStamp, command: AgreeTerms) -> Done | Refused:
    """Take a contract. Refused: it would change what is settled, or see
    :func:`server.directory.contracts.agree_terms`.
    """
    refused = settled_days_problem(tx, stamp.pool, command)
    if refused is not None:
        return refused
    return _answer(agree_terms(tx, stamp.pool, command))


def _end(tx: Connection, stamp: FactStamp, command: EndContract) -> Done | Refused:
    """Let a contract end early, not into days that are settled."""
    found = contract_named(tx, stamp.pool, command.contract)
    closed = closed_through(tx, stamp.pool, found.merchant) if found is not None else None
    return _answer(end_contract(tx, stamp.pool, command, closed_through=closed))


def _answer(answer: Done | DirectoryRefused) -> Done | Refused:
    if isinstance(answer, DirectoryRefused):
        return Refused(answer.reason, answer.says)
    return answer
