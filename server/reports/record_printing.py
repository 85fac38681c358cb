"""A resident's record card on request: who may have it printed, and what stands on it."""

from msgspec import Struct
from sqlalchemy import Connection

from server.directory.queries import resident_of
from server.directory.record_prints import PrintRecordCard, RecordPrint, keep_print
from server.facts import FactDesk, FactStamp
from server.facts.refused import Refused
from server.facts.values import Outcome
from server.settlement.states_rights import refuse_all_but_operators


class RecordCardPrinted(Struct, frozen=True):
    """It is written down; the paper may be made."""

    account: str


def register(desk: FactDesk) -> None:
    """Makes the desk write down who prints a record card."""
    desk.register("print_record_card", PrintRecordCard, print_record_card)


def print_record_card(tx: Connection, stamp: FactStamp, command: PrintRecordCard) -> Outcome:
    """Refused: not the pool's own people, no such resident, or the days are the wrong way round."""
    refused = refuse_all_but_operators(tx, stamp.pool, stamp.actor)
    if refused is not None:
        return refused
    if resident_of(tx, stamp.pool, command.account) is None:
        return Refused(
            "unknown_resident",
            f"没有这位居民：{command.account}，请核对 / not registered: {command.account}",
        )
    if command.first_day > command.last_day:
        return Refused(
            "wrong_period",
            "第一天晚于最后一天，请改日期 / the first day is after the last one",
        )
    made = RecordPrint(
        first_day=command.first_day,
        last_day=command.last_day,
        paper=command.paper,
        printed_by=stamp.actor,
        printed_at=stamp.recorded_at,
    )
    keep_print(tx, stamp.pool, command, made, stamp.fact_no)
    return RecordCardPrinted(account=command.account)
