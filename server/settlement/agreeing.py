"""Agreeing and ending contracts where the books decide what is closed."""

from sqlalchemy import Connection

from server.directory.commands import AgreeTerms, EndContract
from server.directory.contracts import agree_terms, end_contract
from server.directory.queries import contract_named
from server.directory.values import Done
from server.directory.values import Refused as DirectoryRefused
from server.facts import FactDesk, FactStamp
from server.facts.refused import Refused
from server.settlement.statements import closed_through


def register(desk: FactDesk) -> None:
    """Makes the desk apply contracts with all their terms."""
    desk.register("agree_terms", AgreeTerms, _agree)
    desk.register("end_contract", EndContract, _end)


def _agree(tx: Connection, stamp: FactStamp, command: AgreeTerms) -> Done | Refused:
    """Take a contract. Refused: see :func:`server.directory.contracts.agree_terms`."""
    closed = closed_through(tx, stamp.pool, command.merchant)
    answer = agree_terms(tx, stamp.pool, command, closed_through=closed)
    return _answer(answer)


def _end(tx: Connection, stamp: FactStamp, command: EndContract) -> Done | Refused:
    """Let a contract end early, not into days that are settled."""
    found = contract_named(tx, stamp.pool, command.contract)
    closed = closed_through(tx, stamp.pool, found.merchant) if found is not None else None
    return _answer(end_contract(tx, stamp.pool, command, closed_through=closed))


def _answer(answer: Done | DirectoryRefused) -> Done | Refused:
    if isinstance(answer, DirectoryRefused):
        return Refused(answer.reason, answer.says)
    return answer
