"""How much a terminal may give by itself for one slot code, which may be shown more than once.

Who keeps the rules gives a resident no more than the limit a resident, counting what a list of
residents made since cannot know of. So whoever reads a code once may not claim it for ever.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, RowMapping, select

from protocol.codes import SLOT_GRACE
from protocol.evidence import SlotEvidence
from protocol.journal import Envelope, SignedRecord
from protocol.messages import Approved, AuthoriseAnswer
from protocol.reasons import Declined
from protocol.sales import SaleCaptured
from server.directory import PoolTerms
from server.facts.tables import fact
from server.redemption import tables as t
from server.redemption.evidence import slot_of, slot_times
from server.redemption.states import SaleState

LISTS_IN_A_SLOT = 2
"""How many times over the limit may be given within one slot, as newer lists came meanwhile."""


@dataclass(frozen=True, slots=True)
class _Given:
    points: int
    told_at: datetime
    directory_version: int


class _Body(Struct, frozen=True):
    """What is read here of the fact of a record."""

    record: SignedRecord


def slot_limit_problem(
    tx: Connection, terms: PoolTerms, sale: SaleCaptured, envelope: Envelope, approved: int
) -> str | None:
    """Why a slot's sale, of which the server approved ``approved`` points, waits for a person."""
    own = max(0, sale.payment.points - approved)
    if own == 0 or not isinstance(sale.evidence, SlotEvidence) or sale.account is None:
        return None
    code = slot_of(sale.evidence)
    if code is None:
        return None
    limit = terms.stand_in.per_resident_points
    times = slot_times(terms, code)
    given = list(_given(tx, terms.pool, envelope.terminal, sale, times))
    unknown = sum(each.points for each in given if not _may_be_known(each, envelope))
    in_all = sum(each.points for each in given)
    if unknown + own <= limit and in_all + own <= LISTS_IN_A_SLOT * limit:
        return None
    return (
        f"同一个居民码离线已用 {in_all} 积分，再用 {own} 超过每人上限 {limit}，请核实后处理"
        f" / {in_all} points were given offline for this code before, and with {own} more the"
        f" limit of {limit} a resident is exceeded"
    )


def _may_be_known(given: _Given, envelope: Envelope) -> bool:
    """Whether the list that the terminal says it used may have known of this earlier sale: it is
    newer than the one that was used then, and the sale had been told.
    """
    was_told = given.told_at <= envelope.occurred_at + SLOT_GRACE
    return was_told and given.directory_version < envelope.directory_version


def _given(
    tx: Connection,
    pool: str,
    terminal: str,
    sold: SaleCaptured,
    times: tuple[datetime, datetime],
) -> Iterator[_Given]:
    """What the terminal gave the resident by itself in this time, sale by sale."""
    sale, record = t.sale, t.journal_record
    of_record = (
        (record.c.pool == sale.c.pool)
        & (record.c.terminal == sale.c.terminal)
        & (record.c.epoch == sale.c.epoch)
        & (record.c.seq == sale.c.seq)
    )
    of_fact = (fact.c.pool == record.c.pool) & (fact.c.fact_no == record.c.fact_no)
    rows = tx.execute(
        select(
            sale.c.points_for_goods,
            sale.c.points_for_money,
            sale.c.answer,
            fact.c.recorded_at,
            fact.c.body,
        )
        .join(record, of_record)
        .join(fact, of_fact)
        .where(
            sale.c.pool == pool,
            sale.c.account == sold.account,
            sale.c.terminal == terminal,
            sale.c.state == SaleState.CAPTURED.value,
            sale.c.occurred_at.between(*times),
            sale.c.sale_id != str(sold.sale_id),
        )
    ).mappings()
    for row in rows:
        points = row["points_for_goods"] + row["points_for_money"] - _approved(row)
        if points > 0:
            body = msgspec.json.decode(row["body"], type=_Body)
            told = msgspec.json.decode(body.record.body, type=Envelope)
            yield _Given(points, row["recorded_at"], told.directory_version)


def _approved(row: RowMapping) -> int:
    if row["answer"] is None:
        return 0
    answer: Approved | Declined = msgspec.json.decode(row["answer"], type=AuthoriseAnswer)
    return answer.points if isinstance(answer, Approved) else 0
