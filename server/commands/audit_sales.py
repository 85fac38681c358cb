"""I4, I5 and I7, from the terminals' own bytes: the chains, one outcome for each sale id, and
the money that each sale's points are worth.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, Row, select

from protocol.journal import GENESIS, Envelope, RecordProblem, decode_happening, open_record
from protocol.keys import read_public_key
from protocol.messages import OutcomeKind
from protocol.money import price_of, rate_of
from protocol.sales import SaleCaptured, SaleRefunded, SaleReversed
from server.db.violation import Violation
from server.directory import terminal_of
from server.facts.tables import fact as fact_table
from server.ledger.tables import entry as entry_table
from server.ledger.tables import transfer as transfer_table
from server.redemption.intake import JournalRecord
from server.redemption.tables import journal_record, refund, refund_line, sale, sale_line

_POSTED = {OutcomeKind.POSTED.value, OutcomeKind.OVERDRAFT.value}


@dataclass(frozen=True, slots=True)
class _Placed:
    """A record as stored: its row, and the bytes that its fact kept."""

    terminal: str
    epoch: int
    seq: int
    hash_hex: str
    prev_hash: str
    outcome: str
    command: JournalRecord

    @property
    def where(self) -> str:
        return f"record {self.terminal} {self.epoch}/{self.seq}"


def _records(tx: Connection, pool: str) -> Iterator[_Placed]:
    """Every record, chain by chain in order."""
    decode = msgspec.json.Decoder(JournalRecord).decode
    rows = tx.execute(
        select(journal_record, fact_table.c.body)
        .join(
            fact_table,
            (fact_table.c.pool == journal_record.c.pool)
            & (fact_table.c.fact_no == journal_record.c.fact_no),
        )
        .where(journal_record.c.pool == pool)
        .order_by(journal_record.c.terminal, journal_record.c.epoch, journal_record.c.seq)
    )
    for row in rows:
        yield _Placed(
            terminal=row.terminal,
            epoch=row.epoch,
            seq=row.seq,
            hash_hex=row.hash,
            prev_hash=row.prev_hash,
            outcome=row.outcome,
            command=decode(row.body),
        )


def check_chains(tx: Connection, pool: str) -> Iterator[Violation]:
    """I5: each terminal's epoch is contiguous from 1, its hashes chain, its signatures hold,
    and no epoch is newer than the one that the server gave out.
    """
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
        for says in _chain_problems(record, keys[record.terminal], seq, last_hash):
            yield Violation("I5", f"pool {pool}, {record.where}", says)
        if record.epoch > epochs[record.terminal]:
            yield Violation("I5", f"pool {pool}, {record.where}", "its epoch was never given out")
        seq, last_hash = record.seq, record.hash_hex


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


def check_outcomes(tx: Connection, pool: str) -> Iterator[Violation]:
    """I4: what the terminals told, what stands in the sales, and what was booked agree, sale by
    sale and refund by refund: each happened once or not at all.
    """
    sales = {row.sale_id: row for row in tx.execute(select(sale).where(sale.c.pool == pool))}
    refunds = {
        row.refund_id: row for row in tx.execute(select(refund).where(refund.c.pool == pool))
    }
    told: dict[str, list[_Placed]] = defaultdict(list)
    for record in _records(tx, pool):
        envelope = msgspec.json.decode(record.command.record.body, type=Envelope)
        happening = decode_happening(envelope.happening)
        if record.outcome not in _POSTED:
            continue
        if isinstance(happening, SaleCaptured):
            told[f"sale:{happening.sale_id}"].append(record)
        elif isinstance(happening, SaleRefunded):
            told[f"refund:{happening.refund_id}"].append(record)
        elif isinstance(happening, SaleReversed):
            row = sales.get(str(happening.sale_id))
            if row is None or row.state != "reversed":
                state = row.state if row is not None else "unknown"
                says = f"reversed sale {happening.sale_id}, which is {state}"
                yield Violation("I4", f"pool {pool}, {record.where}", says)
    booked = _booked_keys(tx, pool)
    happened = {f"sale:{key}": row for key, row in sales.items() if row.state == "captured"}
    happened |= {f"refund:{key}": row for key, row in refunds.items()}
    for key in sorted(happened.keys() | told.keys() | booked):
        for says in _outcome_problems(happened.get(key), told.get(key, []), key in booked):
            yield Violation("I4", f"pool {pool}, {key}", says)


def _outcome_problems(row: object, told: list[_Placed], is_booked: bool) -> Iterator[str]:
    if row is None:
        by = ", ".join(record.where for record in told) or "nobody"
        yield f"did not happen, but was told by {by} and booked {int(is_booked)} times"
        return
    places = [(record.terminal, record.epoch, record.seq) for record in told]
    own_place = tuple(getattr(row, name) for name in ("terminal", "epoch", "seq"))
    if places != [own_place]:
        yield f"was told by {places}, and says {own_place}"
    if is_booked != _moves_something(row):
        yield "is booked, and moves nothing" if is_booked else "happened, and is not booked"


def _moves_something(row: object) -> bool:
    parts = ("points_for_goods", "points_for_money", "cash_fen", "reimbursement_fen")
    return any(getattr(row, part) for part in parts)


def _booked_keys(tx: Connection, pool: str) -> set[str]:
    keys = tx.execute(
        select(entry_table.c.key).where(
            entry_table.c.pool == pool, entry_table.c.kind.in_(("sale", "refund"))
        )
    )
    return set(keys.scalars())


def check_money(tx: Connection, pool: str) -> Iterator[Violation]:
    """I7: what a sale's points cost the pool is points × fen per point × the contract's rate,
    plus the frozen reimbursement of goods priced in points; a refund gives back the same, in
    sum over all refunds of a sale; and the ledger moved just that, to the fen.
    """
    moved = _moved(tx, pool)
    goods = _goods(tx, pool)
    back = _goods_back(tx, pool)
    refunds = defaultdict(list)
    for row in _refunds(tx, pool):
        refunds[row.sale_id].append(row)
    captured = select(sale).where(sale.c.pool == pool, sale.c.state == "captured")
    for row in tx.execute(captured.order_by(sale.c.sale_id)):
        rate = (row.fen_per_point or 0, row.reimbursement_bp or 0)
        lines = goods[row.sale_id]
        whole = {line_no: quantity for line_no, (_, quantity) in lines.items()}
        worth = _worth(lines, whole, row.points_for_money, rate)
        points = row.points_for_goods + row.points_for_money
        expected = (points, row.cash_fen, worth)
        yield from _money_problems(pool, f"sale:{row.sale_id}", expected, moved, row)
        returned: dict[int, int] = defaultdict(int)
        points_for_money = returned_fen = 0
        for each in refunds[row.sale_id]:
            for line_no, quantity in back[each.refund_id].items():
                returned[line_no] += quantity
            points_for_money += each.points_for_money
            now_fen = _worth(lines, returned, points_for_money, rate)
            points = each.points_for_goods + each.points_for_money
            expected = (points, each.cash_fen, now_fen - returned_fen)
            yield from _money_problems(pool, f"refund:{each.refund_id}", expected, moved, each)
            returned_fen = now_fen


def _refunds(tx: Connection, pool: str) -> Iterator[Row[Any]]:
    """Every refund, in the order in which they were booked: that of the facts that told them."""
    yield from tx.execute(
        select(refund)
        .join(
            journal_record,
            (journal_record.c.pool == refund.c.pool)
            & (journal_record.c.terminal == refund.c.terminal)
            & (journal_record.c.epoch == refund.c.epoch)
            & (journal_record.c.seq == refund.c.seq),
        )
        .where(refund.c.pool == pool)
        .order_by(journal_record.c.fact_no)
    )


def _money_problems(
    pool: str,
    key: str,
    expected: tuple[int, int, int],
    moved: dict[str, tuple[int, int, int]],
    row: object,
) -> Iterator[Violation]:
    found = moved.get(key, (0, 0, 0))
    names = ("points", "cash in fen", "reimbursement in fen")
    for name, wanted, booked in zip(names, expected, found, strict=True):
        if wanted != booked:
            says = f"{name}: {booked} were booked, the rule says {wanted}"
            yield Violation("I7", f"pool {pool}, {key}", says)
    noted = getattr(row, "reimbursement_fen", None)
    if noted != expected[2]:
        says = f"notes a reimbursement of {noted} fen, the rule says {expected[2]}"
        yield Violation("I7", f"pool {pool}, {key}", says)


def _worth(
    lines: dict[int, tuple[int, int]],
    quantities: dict[int, int],
    points_for_money: int,
    rate: tuple[int, int],
) -> int:
    """Fen. ``lines``: reimbursement of one unit and quantity sold, by number of the line;
    ``rate``: fen per point, and basis points of it that the pool pays.
    """
    fen_per_point, reimbursement_bp = rate
    of_goods = sum(
        price_of(unit_fen, quantities.get(line_no, 0)) for line_no, (unit_fen, _) in lines.items()
    )
    return of_goods + rate_of(points_for_money * fen_per_point, reimbursement_bp)


def _goods(tx: Connection, pool: str) -> dict[str, dict[int, tuple[int, int]]]:
    """Lines priced in points, by sale and number: reimbursement of one unit, quantity."""
    found: dict[str, dict[int, tuple[int, int]]] = defaultdict(dict)
    priced = select(sale_line).where(
        sale_line.c.pool == pool, sale_line.c.unit_price_points.is_not(None)
    )
    for row in tx.execute(priced):
        found[row.sale_id][row.line_no] = (row.reimbursement_fen, row.quantity_milli)
    return found


def _goods_back(tx: Connection, pool: str) -> dict[str, dict[int, int]]:
    """Quantities that came back, by refund and number of the line."""
    found: dict[str, dict[int, int]] = defaultdict(dict)
    for row in tx.execute(select(refund_line).where(refund_line.c.pool == pool)):
        found[row.refund_id][row.line_no] = row.quantity_milli
    return found


_MEASURES = {"redeemed": 0, "returned": 0, "takings": 1, "merchant": 2}


def _moved(tx: Connection, pool: str) -> dict[str, tuple[int, int, int]]:
    """By natural key: points, cash and reimbursement that moved on the merchant's accounts."""
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    rows = tx.execute(
        select(
            entry_table.c.key,
            transfer_table.c.debit_account,
            transfer_table.c.credit_account,
            transfer_table.c.amount,
        )
        .join(
            transfer_table,
            (transfer_table.c.pool == entry_table.c.pool)
            & (transfer_table.c.entry_no == entry_table.c.entry_no),
        )
        .where(entry_table.c.pool == pool, entry_table.c.kind.in_(("sale", "refund")))
    )
    for key, debit, credit, amount in rows:
        sign = -1 if key.startswith("refund:") else 1
        for account, side in ((credit, 1), (debit, -1)):
            measure = _MEASURES.get(account.partition(":")[0])
            if measure is not None:
                found[key][measure] += sign * side * amount
    return {key: (points, cash, fen) for key, (points, cash, fen) in found.items()}
