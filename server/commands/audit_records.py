"""I4 and I5, from the terminals' own bytes: the chains, and one outcome for each sale id."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import ColumnElement, Connection, Row, Table, and_, func, literal, select

from protocol.journal import GENESIS, Envelope, RecordProblem, decode_happening, open_record
from protocol.keys import read_public_key
from protocol.messages import OutcomeKind
from protocol.sales import SaleCaptured, SaleRefunded, SaleReversed
from server.db.paging import PAGE_ROWS, Tick, key_pages, streamed, untold
from server.db.violation import Violation
from server.directory import terminal_of
from server.facts.tables import fact as fact_table
from server.ledger.tables import entry as entry_table
from server.redemption.chain_tables import (
    chain_gap,
    difference_decision,
    journal_difference,
    parked_booking,
)
from server.redemption.differing import OFFICE_EPOCH
from server.redemption.intake import JournalRecord
from server.redemption.tables import journal_record, refund, sale

_POSTED = {OutcomeKind.POSTED.value, OutcomeKind.OVERDRAFT.value}
_RECORD_FACTS = ("journal_record", "recover_record")
_PREFIXES = {"sale": "sale:", "refund": "refund:"}
_Place = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class _Placed:
    """A record as stored: its row, the bytes that its fact kept, and what happened there."""

    terminal: str
    epoch: int
    seq: int
    hash_hex: str
    prev_hash: str
    outcome: str
    sale_here: str | None
    refund_here: str | None
    command: JournalRecord

    @property
    def where(self) -> str:
        return f"record {self.terminal} {self.epoch}/{self.seq}"

    @property
    def place(self) -> _Place:
        return self.terminal, self.epoch, self.seq


def _records(tx: Connection, pool: str) -> Iterator[_Placed]:
    """Every record, chain by chain in order."""
    decode = msgspec.json.Decoder(JournalRecord).decode
    at_its_fact = and_(
        fact_table.c.pool == journal_record.c.pool,
        fact_table.c.fact_no == journal_record.c.fact_no,
    )
    rows = select(
        journal_record,
        fact_table.c.body,
        sale.c.sale_id.label("sale_here"),
        refund.c.refund_id.label("refund_here"),
        # Booked by a person after it was parked: then that is what became of it.
        func.coalesce(parked_booking.c.outcome, journal_record.c.outcome).label("became"),
    ).select_from(
        journal_record.join(fact_table, at_its_fact)
        .outerjoin(parked_booking, _same_place(parked_booking))
        .outerjoin(sale, and_(_same_place(sale), sale.c.state == "captured"))
        .outerjoin(refund, _same_place(refund))
    )
    in_order = (journal_record.c.terminal, journal_record.c.epoch, journal_record.c.seq)
    for row in streamed(tx, rows.where(journal_record.c.pool == pool).order_by(*in_order)):
        yield _Placed(
            terminal=row.terminal,
            epoch=row.epoch,
            seq=row.seq,
            hash_hex=row.hash,
            prev_hash=row.prev_hash,
            outcome=row.became,
            sale_here=row.sale_here,
            refund_here=row.refund_here,
            command=decode(row.body),
        )


def _same_place(table: Table) -> ColumnElement[bool]:
    own = journal_record.c
    return and_(*(table.c[name] == own[name] for name in ("pool", "terminal", "epoch", "seq")))


def check_chains(tx: Connection, pool: str, tick: Tick = untold) -> Iterator[Violation]:
    """I5: each terminal's epoch is contiguous from 1, but for what stands on record as lost; its
    hashes chain, its signatures hold, and no epoch is newer than the one that the server gave out.
    """
    gaps = _noted_gaps(tx, pool)
    keys: dict[str, Ed25519PublicKey | None] = {}
    epochs: dict[str, int] = {}
    place = ("", 0)
    seq, last_hash = 0, GENESIS
    for record in _records(tx, pool):
        if (record.terminal, record.epoch) != place:
            place = (record.terminal, record.epoch)
            seq, last_hash = 0, GENESIS
        if record.terminal not in keys:
            known = terminal_of(tx, pool, record.terminal)
            text = known.public_key if known is not None else None
            keys[record.terminal] = read_public_key(text) if text is not None else None
            epochs[record.terminal] = known.epoch if known is not None else 0
        if _is_behind_gap(gaps, record, seq):
            seq, last_hash = record.seq - 1, record.prev_hash
        for says in _chain_problems(record, keys[record.terminal], seq, last_hash):
            yield Violation("I5", f"pool {pool}, {record.where}", says)
        if record.epoch > epochs[record.terminal]:
            yield Violation("I5", f"pool {pool}, {record.where}", "its epoch was never given out")
        seq, last_hash = record.seq, record.hash_hex
        tick(1)
    yield from _unplaced(tx, pool)


_Gaps = dict[tuple[str, int], list[tuple[int, int]]]


def _noted_gaps(tx: Connection, pool: str) -> _Gaps:
    gaps: _Gaps = {}
    for row in tx.execute(select(chain_gap).where(chain_gap.c.pool == pool)):
        gaps.setdefault((row.terminal, row.epoch), []).append((row.first_seq, row.last_seq))
    return gaps


def _is_behind_gap(gaps: _Gaps, record: _Placed, seq: int) -> bool:
    """Whether every record between the one before and this one is noted as lost."""
    noted = gaps.get((record.terminal, record.epoch), ())
    missing = seq + 1, record.seq - 1
    return missing[0] <= missing[1] and any(
        first <= missing[0] and missing[1] <= last for first, last in noted
    )


def _unplaced(tx: Connection, pool: str) -> Iterator[Violation]:
    """A chain that lost its end is whole in itself: only the facts know that there was more.

    What another terminal handed over and found its place taken stands among the differences.
    """
    lost = select(fact_table.c.fact_no).where(
        fact_table.c.pool == pool,
        fact_table.c.kind.in_(_RECORD_FACTS),
        ~select(literal(1))
        .where(
            journal_record.c.pool == fact_table.c.pool,
            journal_record.c.fact_no == fact_table.c.fact_no,
        )
        .exists(),
        ~select(literal(1))
        .where(
            journal_difference.c.pool == fact_table.c.pool,
            journal_difference.c.fact_no == fact_table.c.fact_no,
        )
        .exists(),
    )
    for row in streamed(tx, lost.order_by(fact_table.c.fact_no)):
        yield Violation("I5", f"pool {pool}, fact {row.fact_no}", "its record is in no chain")


def _chain_problems(
    record: _Placed, key: Ed25519PublicKey | None, seq: int, last_hash: str
) -> Iterator[str]:
    if record.seq != seq + 1:
        yield f"follows {seq} with a gap"
    if record.prev_hash != last_hash:
        yield f"names {record.prev_hash[:12]} as the record before, which is {last_hash[:12]}"
    if record.command.record.hash_hex != record.hash_hex:
        yield "its hash is not that of its bytes"
    if key is None:
        yield "its terminal never enrolled"
        return
    envelope = open_record(record.command.record, key, record.terminal)
    if isinstance(envelope, RecordProblem):
        yield f"its bytes are no record of the terminal: {envelope}"
    elif (envelope.epoch, envelope.seq, envelope.prev_hash) != (
        record.epoch,
        record.seq,
        record.prev_hash,
    ):
        yield "stands at another place than its bytes say"


def _by_the_office(table: Table) -> ColumnElement[bool]:
    """What the office booked of a record whose place is taken stands under the office's fact."""
    decided = difference_decision.c
    return and_(
        table.c.epoch == OFFICE_EPOCH,
        decided.pool == table.c.pool,
        decided.terminal == table.c.terminal,
        decided.fact_no == table.c.seq,
    )


@dataclass(frozen=True, slots=True)
class _Told:
    """What a record says that happened: `sold`, `refunded` or `reversed`, and the id."""

    record: _Placed
    what: str
    happened_id: str

    @property
    def where(self) -> str:
        return (
            f"refund:{self.happened_id}" if self.what == "refunded" else f"sale:{self.happened_id}"
        )


def check_outcomes(tx: Connection, pool: str, tick: Tick = untold) -> Iterator[Violation]:
    """I4: what the terminals told, what stands in the sales, and what was booked agree, sale by
    sale and refund by refund: each happened once or not at all.
    """
    records = _records(tx, pool)
    while batch := list(islice(records, PAGE_ROWS)):
        for where, says in _told_problems(tx, pool, batch):
            yield Violation("I4", f"pool {pool}, {where}", says)
        tick(len(batch))
    for table, prefix in ((sale, "sale:"), (refund, "refund:")):
        for where, says in _untold_problems(tx, pool, table, prefix, tick):
            yield Violation("I4", f"pool {pool}, {where}", says)
    yield from _booked_for_nothing(tx, pool, tick)


def _told(record: _Placed) -> _Told | None:
    if record.outcome not in _POSTED:
        return None
    envelope = msgspec.json.decode(record.command.record.body, type=Envelope)
    happening = decode_happening(envelope.happening)
    if isinstance(happening, SaleCaptured):
        return _Told(record, "sold", str(happening.sale_id))
    if isinstance(happening, SaleRefunded):
        return _Told(record, "refunded", str(happening.refund_id))
    if isinstance(happening, SaleReversed):
        return _Told(record, "reversed", str(happening.sale_id))
    return None


def _told_problems(
    tx: Connection, pool: str, batch: Iterable[_Placed]
) -> Iterator[tuple[str, str]]:
    told = [(record, _told(record)) for record in batch]
    ids = {each.happened_id for _, each in told if each is not None}
    sales = _by_id(tx, pool, sale.c.sale_id, ids)
    refunds = _by_id(tx, pool, refund.c.refund_id, ids)
    for record, each in told:
        sold = each.happened_id if each is not None and each.what == "sold" else None
        refunded = each.happened_id if each is not None and each.what == "refunded" else None
        if record.sale_here not in {None, sold}:
            yield f"sale:{record.sale_here}", f"was told by nobody; {record.where} is not about it"
        if record.refund_here not in {None, refunded}:
            yield f"refund:{record.refund_here}", f"was told by nobody; {record.where} is other"
        if each is None:
            continue
        row = (refunds if each.what == "refunded" else sales).get(each.happened_id)
        if each.what == "reversed":
            if row is None or row.state != "reversed":
                state = row.state if row is not None else "unknown"
                yield record.where, f"reversed sale {each.happened_id}, which is {state}"
        elif row is None or (each.what == "sold" and row.state != "captured"):
            yield each.where, f"did not happen, but was told by {record.where}"
        elif (row.terminal, row.epoch, row.seq) != record.place:
            own = (row.terminal, row.epoch, row.seq)
            yield each.where, f"was told by {record.place}, and says {own}"


def _by_id(
    tx: Connection, pool: str, column: ColumnElement[str], ids: set[str]
) -> dict[str, Row[Any]]:
    table = sale if column is sale.c.sale_id else refund
    found = tx.execute(select(table).where(table.c.pool == pool, column.in_(sorted(ids))))
    return {row[1]: row for row in found}


def _untold_problems(
    tx: Connection, pool: str, table: Table, prefix: str, tick: Tick
) -> Iterator[tuple[str, str]]:
    """What happened without a record, and what was booked though it moved nothing, or not."""
    key = table.c.sale_id if table is sale else table.c.refund_id
    happened = (table.c.state == "captured",) if table is sale else ()
    booked_as = and_(entry_table.c.pool == table.c.pool, entry_table.c.key == literal(prefix) + key)
    for page in key_pages(tx, key, pool):
        rows = tx.execute(
            select(
                table,
                func.coalesce(journal_record.c.fact_no, difference_decision.c.fact_no).label(
                    "told_no"
                ),
                entry_table.c.entry_no,
            )
            .select_from(
                table.outerjoin(journal_record, _same_place(table))
                .outerjoin(difference_decision, _by_the_office(table))
                .outerjoin(entry_table, booked_as)
            )
            .where(table.c.pool == pool, page.within(), *happened)
            .order_by(key)
        )
        for row in rows:
            where = f"{prefix}{row[1]}"
            if row.told_no is None:
                yield where, "happened, but was told by nobody"
            if (row.entry_no is not None) != _moves_something(row):
                is_booked = row.entry_no is not None
                yield (
                    where,
                    "is booked, and moves nothing" if is_booked else "happened, and is not booked",
                )
        tick(page.rows)


def _moves_something(row: Row[Any]) -> bool:
    parts = ("points_for_goods", "points_for_money", "cash_fen", "reimbursement_fen")
    return any(getattr(row, part) for part in parts)


def _booked_for_nothing(tx: Connection, pool: str, tick: Tick) -> Iterator[Violation]:
    """Entries of sales and refunds that never happened."""
    own_id = {kind: func.substr(entry_table.c.key, len(p) + 1) for kind, p in _PREFIXES.items()}
    of_sale = and_(
        sale.c.pool == pool, sale.c.sale_id == own_id["sale"], sale.c.state == "captured"
    )
    of_refund = and_(refund.c.pool == pool, refund.c.refund_id == own_id["refund"])
    for page in key_pages(tx, entry_table.c.entry_no, pool):
        for kind, table, is_its in (("sale", sale, of_sale), ("refund", refund, of_refund)):
            unfounded = select(entry_table.c.key).where(
                entry_table.c.pool == pool,
                page.within(),
                entry_table.c.kind == kind,
                ~select(literal(1)).select_from(table).where(is_its).exists(),
            )
            for row in tx.execute(unfounded.order_by(entry_table.c.entry_no)):
                says = "did not happen, but is booked"
                yield Violation("I4", f"pool {pool}, {row.key}", says)
        tick(page.rows)
