"""Who printed whose record card: a resident's history on paper is written down when it is taken."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    Date,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    String,
    Table,
    insert,
    select,
)

from server.db import POOL_ID_MAX, UtcDateTime, metadata
from server.db.dialect import never_changes
from server.directory.commands import HexId
from server.directory.values import NAME_MAX

_ACCOUNT_HEX = 16
_PAPER_MAX = 2
SHOWN_MAX = 5

record_print = Table(
    "record_print",
    metadata,
    Column("pool", String(POOL_ID_MAX), nullable=False),
    Column("fact_no", BigInteger, nullable=False),
    Column("account", String(_ACCOUNT_HEX), nullable=False),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    Column("paper", String(_PAPER_MAX), nullable=False),
    Column("printed_by", String(NAME_MAX), nullable=False),
    Column("printed_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("pool", "fact_no", name="a_record_card_is_printed_by_one_fact"),
    ForeignKeyConstraint(
        ["pool", "account"],
        ["resident.pool", "resident.account"],
        name="a_record_card_is_a_residents",
    ),
    CheckConstraint("first_day <= last_day", name="a_record_card_has_a_period"),
    Index("record_cards_of_a_resident", "pool", "account", "fact_no"),
)
never_changes(record_print, "what was printed was seen: print another one")


class PrintRecordCard(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="print_record_card",
):
    """Somebody of the office takes a resident's record on paper; both days are included."""

    account: HexId
    first_day: date
    last_day: date
    paper: Literal["A4", "A5"]


@dataclass(frozen=True, slots=True)
class RecordPrint:
    """One time that a record card was printed; ``printed_by`` is the fact's actor."""

    first_day: date
    last_day: date
    paper: str
    printed_by: str
    printed_at: datetime


def keep_print(
    tx: Connection, pool: str, command: PrintRecordCard, made: RecordPrint, fact_no: int
) -> None:
    """Write down that it was printed."""
    tx.execute(
        insert(record_print).values(
            pool=pool,
            fact_no=fact_no,
            account=command.account,
            first_day=made.first_day,
            last_day=made.last_day,
            paper=made.paper,
            printed_by=made.printed_by,
            printed_at=made.printed_at,
        )
    )


def record_prints(tx: Connection, pool: str, account: str) -> list[RecordPrint]:
    """The last times that this resident's record was printed, the newest first."""
    own = record_print.c
    rows = tx.execute(
        select(own.first_day, own.last_day, own.paper, own.printed_by, own.printed_at)
        .where(own.pool == pool, own.account == account)
        .order_by(own.fact_no.desc())
        .limit(SHOWN_MAX)
    )
    return [
        RecordPrint(row.first_day, row.last_day, row.paper, row.printed_by, row.printed_at)
        for row in rows
    ]
