"""Wrong PINs of residents' cards at this terminal, a row a card."""

from datetime import date

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert as upsert

from terminal.domain.card_pin import CardTries
from terminal.store.tables import card_tries as table


def save_card_tries(connection: Connection, tries: CardTries) -> None:
    """Keep it in place of what stood there."""
    values = {
        "card_id": tries.card_id,
        "seq": tries.seq,
        "pin_round": tries.pin_round,
        "day": tries.day.isoformat(),
        "wrong": tries.wrong,
    }
    kept = upsert(table).values(**values)
    connection.execute(kept.on_conflict_do_update(index_elements=[table.c.card_id], set_=values))


def read_card_tries(connection: Connection, card_id: str) -> CardTries | None:
    """What stands there; None before the first."""
    row = connection.execute(select(table).where(table.c.card_id == card_id)).one_or_none()
    if row is None:
        return None
    return CardTries(row.card_id, row.seq, row.pin_round, date.fromisoformat(row.day), row.wrong)
