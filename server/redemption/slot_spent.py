"""Whether a slot code that is to stand for a service done stands for something else already."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Select, or_, select

from protocol.evidence import Evidence, SlotEvidence
from protocol.journal import Envelope, SignedRecord, decode_happening
from protocol.sales import OrderFulfilled, SaleCaptured
from server.directory import PoolTerms
from server.facts.tables import fact
from server.redemption import order_tables as o
from server.redemption import tables as t
from server.redemption.evidence import slot_of, slot_times
from server.redemption.order_states import OrderMove

_ISSUED_AHEAD = timedelta(days=2)
"""No record with a slot came longer before its time: slots are made for a day."""


@dataclass(frozen=True, slots=True)
class SlotUse:
    """What a slot stands for already: when, and where."""

    at: datetime
    terminal: str


class _Body(Struct, frozen=True):
    """What is read here of the fact of a record, or of the office's own."""

    record: SignedRecord | None = None


def slot_use(
    tx: Connection, terms: PoolTerms, account: str, evidence: SlotEvidence, terminal: str
) -> SlotUse | None:
    """What this very code stands for, or None where it may confirm a service at ``terminal``.

    One slot confirms one service, wherever that is: a slot can be photographed, and whoever did
    it could confirm the resident's other orders at a friend's till. A sale counts at the terminal
    that told it alone: whoever shops and then has a haircut next door shows the same slot, which
    is good for its minutes wherever it is shown.
    """
    code = slot_of(evidence)
    if code is None:
        return None
    since = slot_times(terms, code)[0] - _ISSUED_AHEAD
    bodies = tx.execute(
        select(fact.c.body)
        .where(
            fact.c.pool == terms.pool,
            fact.c.recorded_at >= since,
            or_(
                fact.c.fact_no.in_(_of_sales(terms.pool, account, terminal)),
                fact.c.fact_no.in_(_of_fulfilments(terms.pool, account)),
            ),
        )
        .order_by(fact.c.fact_no)
    ).scalars()
    uses = (_told(body, code.payload) for body in bodies)
    return next((use for use in uses if use is not None), None)


def _of_sales(pool: str, account: str, terminal: str) -> Select[int]:
    sale, record = t.sale, t.journal_record
    of_record = (
        (record.c.pool == sale.c.pool)
        & (record.c.terminal == sale.c.terminal)
        & (record.c.epoch == sale.c.epoch)
        & (record.c.seq == sale.c.seq)
    )
    return (
        select(record.c.fact_no)
        .select_from(sale)
        .join(record, of_record)
        .where(sale.c.pool == pool, sale.c.account == account, sale.c.terminal == terminal)
    )


def _of_fulfilments(pool: str, account: str) -> Select[int]:
    order, move = o.fulfilment_order, o.order_move
    own = (move.c.pool == order.c.pool) & (move.c.order_id == order.c.order_id)
    return (
        select(move.c.fact_no)
        .select_from(order)
        .join(move, own)
        .where(
            order.c.pool == pool,
            order.c.account == account,
            move.c.move == OrderMove.FULFIL.value,
        )
    )


def _told(fact_body: bytes, payload: bytes) -> SlotUse | None:
    """The use of this slot, where the fact is a terminal's record of one."""
    record = msgspec.json.decode(fact_body, type=_Body).record
    if record is None:
        return None
    envelope = msgspec.json.decode(record.body, type=Envelope)
    happening = decode_happening(envelope.happening)
    evidence: Evidence | None = None
    if isinstance(happening, SaleCaptured):
        evidence = happening.evidence
    if isinstance(happening, OrderFulfilled):
        evidence = happening.confirmation
    code = slot_of(evidence) if isinstance(evidence, SlotEvidence) else None
    if code is None or code.payload != payload:
        return None
    return SlotUse(envelope.occurred_at, envelope.terminal)
