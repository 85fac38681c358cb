"""The power goes while several hands are on the till: what was acknowledged is on the disk, once.

A killed process is not a power cut: what the kernel holds survives it. That commits are synced
is asked of SQLite and read back (tests/unit/terminal/test_faults.py); here the program itself is
cut off at any instruction.
"""

import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
import urllib3
from sqlalchemy import select

from protocol.journal import GENESIS, Envelope, SignedRecord, decode_happening, open_record
from protocol.sales import SaleCaptured, SaleRefunded, SaleReversed, TerminalStarted
from terminal.domain.sale import SaleState
from terminal.store import tables
from tests.support.running_till import RunningTill, open_store
from tests.support.shop import TERMINAL_KEY, card_text, slot_text

CUTS = 6
HANDS = 3


@dataclass
class Shown:
    """What the page has said so far: this much must be true after any cut."""

    sales: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    refunds: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)


class Hand:
    """Somebody at the till who presses whatever there is, in no order, often twice."""

    def __init__(self, till: RunningTill, shown: Shown, seed: int) -> None:
        self._till = till
        self._shown = shown
        self._random = random.Random(seed)

    def run(self) -> None:
        """Press on until nobody answers."""
        while True:
            try:
                self._press()
            except (urllib3.exceptions.HTTPError, OSError):
                return
            except AssertionError as wrong:
                self._shown.problems.append(str(wrong))
                return

    def _press(self) -> None:
        choice = self._random.random()
        if choice < 0.35:
            self._look(self._till.ask("POST", "/api/item", item_id="bun"))
        elif choice < 0.55:
            code = self._random.choice((slot_text(starts_at=datetime.now(UTC)), card_text()))
            self._look(self._till.ask("POST", "/api/scan", text=code))
        elif choice < 0.9:
            screen = self._till.ask("GET", "/api/view")
            again = self._till.ask("POST", "/api/complete", sale_id=screen["sale_id"])
            self._look(again)
            self._look(self._till.ask("POST", "/api/complete", sale_id=screen["sale_id"]))
        elif choice < 0.95:
            self._look(self._till.ask("POST", self._random.choice(("/api/back", "/api/clear"))))
        elif self._shown.sales:
            receipt_no = self._random.choice(list(self._shown.sales))
            screen = self._till.ask(
                "POST", "/api/refund", receipt_no=receipt_no, reason="不新鲜"
            )  # fmt: skip
            if screen["notice"] and screen["notice"]["code"] == "refunded":
                self._shown.refunds.add(receipt_no)

    def _look(self, screen: dict[str, object]) -> None:
        completed = screen["completed"]
        if isinstance(completed, dict):
            facts = (str(screen["sale_id"]), completed["points"], completed["cash_fen"])
            self._shown.sales[completed["receipt_no"]] = facts
        if screen["state"] == "authorised":
            self._shown.asked.add(str(screen["sale_id"]))


@dataclass
class Found:
    """What is on the disk."""

    sales: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    refunds: dict[str, str] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    numbers: list[str] = field(default_factory=list)
    starts: int = 0
    undecided: int = 0


def read(data_dir: Path) -> Found:
    """Everything that the journal says, its chain and its signatures checked on the way."""
    found = Found()
    store = open_store(data_dir)
    with store.reading() as connection:
        rows = connection.execute(
            select(tables.journal).order_by(tables.journal.c.epoch, tables.journal.c.seq)
        ).all()
        told_later = connection.execute(select(tables.outbox)).all()
        undecided = select(tables.sale).where(tables.sale.c.state == SaleState.AUTHORISING.value)
        found.undecided = len(connection.execute(undecided).all())
    store.close()
    assert len(told_later) == len(rows), "nobody was told anything: every record is untold"
    previous = GENESIS
    for seq, row in enumerate(rows, 1):
        record = SignedRecord(body=row.body, signature=row.signature)
        envelope = open_record(record, TERMINAL_KEY.public_key(), "T0001")
        assert isinstance(envelope, Envelope)
        assert (envelope.seq, envelope.prev_hash) == (seq, previous)
        previous = record.hash_hex
        match decode_happening(envelope.happening):
            case SaleCaptured() as sale:
                facts = (str(sale.sale_id), sale.payment.points, sale.payment.cash_fen)
                found.sales[sale.receipt_no] = facts
                found.outcomes[str(sale.sale_id)] += 1
                found.numbers.append(sale.receipt_no)
            case SaleReversed() as reversed_:
                found.outcomes[str(reversed_.sale_id)] += 1
            case SaleRefunded() as refund:
                assert str(refund.sale_id) not in found.refunds
                found.refunds[str(refund.sale_id)] = refund.receipt_no
                found.numbers.append(refund.receipt_no)
            case TerminalStarted():
                found.starts += 1
    return found


@pytest.mark.timeout(120)
def test_what_the_page_acknowledged_is_on_the_disk_once_after_every_cut(tmp_path: Path) -> None:
    chance = random.Random(20260322)
    till, shown = RunningTill(tmp_path), Shown()
    till.enrol()
    try:
        for cut in range(CUTS):
            till.start()
            hands = [
                threading.Thread(target=Hand(till, shown, HANDS * cut + number).run)
                for number in range(HANDS)
            ]
            for hand in hands:
                hand.start()
            threading.Event().wait(chance.uniform(0.2, 1.2))
            till.kill()
            for hand in hands:
                hand.join(15)
                assert not hand.is_alive()
        till.start()
        assert till.stop() == 0
    finally:
        till.end()
    assert shown.problems == []
    found = read(till.data_dir)
    assert found.starts == CUTS + 1
    assert found.undecided == 0
    assert {no: found.sales.get(no) for no in shown.sales} == shown.sales
    assert {shown.sales[no][0] for no in shown.refunds} <= set(found.refunds)
    assert set(found.outcomes.values()) == {1}
    assert shown.asked <= set(found.outcomes), "every held sale was completed or reversed"
    assert found.numbers == [f"T0001-{n:06d}" for n in range(1, len(found.numbers) + 1)]
    assert len(shown.sales) > CUTS, "the hands sold something between the cuts"
    assert any(points for _, points, _ in shown.sales.values())
