"""Whether a slot code that is to stand for a service done stands for something else already."""

from datetime import timedelta

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


class _Body(Struct, frozen=True):
    """What is read here of the fact of a record, or of the office's own."""

    record: SignedRecord | None = None


def slot_is_spent(
    tx: Connection, terms: PoolTerms, account: str, evidence: SlotEvidence, envelope: Envelope
) -> bool:
    """Whether this terminal told a sale or a fulfilment with this very code before: a service is
    confirmed by a code that was shown for it. Other terminals' sales are no matter: a slot is
    good for its minutes wherever it is shown.
    """
    code = slot_of(evidence)
    if code is None:
        return False
    since = slot_times(terms, code)[0] - _ISSUED_AHEAD
    bodies = tx.execute(
        select(fact.c.body).where(
            fact.c.pool == terms.pool,
            fact.c.recorded_at >= since,
            or_(
                fact.c.fact_no.in_(_of_sales(terms.pool, account, envelope.terminal)),
                fact.c.fact_no.in_(_of_fulfilments(terms.pool, account)),
            ),
        )
    ).scalars()
    return any(_tells(body, envelope.terminal, code.payload) for body in bodies)


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


def _tells(fact_body: bytes, terminal: str, payload: bytes) -> bool:
    """Whether the fact is a record of this terminal with this slot."""
    record = msgspec.json.decode(fact_body, type=_Body).record
    if record is None:
        return False
    envelope = msgspec.json.decode(record.body, type=Envelope)
    happening = decode_happening(envelope.happening)
    evidence: Evidence | None = None
    if isinstance(happening, SaleCaptured):
        evidence = happening.evidence
    if isinstance(happening, OrderFulfilled):
        evidence = happening.confirmation
    if envelope.terminal != terminal or not isinstance(evidence, SlotEvidence):
        return False
    code = slot_of(evidence)
    return code is not None and code.payload == payload
