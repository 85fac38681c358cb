"""Points out: holds for sales that ask, and the booking of what terminals tell."""

from server.facts import FactDesk
from server.redemption.authorise import Authorise, AuthoriseProblem, authorise
from server.redemption.intake import (
    BadRecord,
    Fork,
    Gap,
    JournalRecord,
    StandsAlready,
    book_record,
)
from server.redemption.queries import ChainHead, Refund, Sale, chain_head, refunds_of, sale_of
from server.redemption.states import SaleState

__all__ = [
    "Authorise",
    "AuthoriseProblem",
    "BadRecord",
    "ChainHead",
    "Fork",
    "Gap",
    "JournalRecord",
    "Refund",
    "Sale",
    "SaleState",
    "StandsAlready",
    "authorise",
    "book_record",
    "chain_head",
    "refunds_of",
    "register",
    "sale_of",
]


def register(desk: FactDesk) -> None:
    """Makes the desk apply questions for points and journal records."""
    desk.register("authorise", Authorise, authorise)
    desk.register("journal_record", JournalRecord, book_record)
