"""Whole pools of the programmes, told by commands and by sealed records of many terminals."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime

import msgspec
from sqlalchemy import Connection

from protocol.codes import make_slot
from protocol.evidence import ProofGrade, SlotEvidence
from protocol.journal import ClockState, Envelope, encode_happening, seal
from protocol.keys import pool_tag
from protocol.messages import Approved, OutcomeKind, RecordOutcome
from protocol.money import Points
from protocol.sales import (
    AnsweredBy,
    Happening,
    Payment,
    RefundLine,
    SaleCaptured,
    SaleLine,
    SaleRefunded,
)
from server.awards import OpenBalance
from server.db import reading, writing
from server.directory import SignInRole
from server.directory.commands import RegisterResident
from server.facts import Failed, Refusal, Submission
from server.redemption import Authorise, JournalRecord
from server.settlement.document import StatementDocument, document_of
from tests.unit.audit.pool_world import RESIDENT, SLOT_KID, PoolWorld

BATCH = 200


@dataclass
class RealWorld(PoolWorld):
    """As :class:`PoolWorld`; many commands of a batch share a transaction, as at the edge."""

    waiting: list[msgspec.Struct] | None = None
    outcomes: list[object] = field(default_factory=list)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is told inside is handed in together, in its order."""
        self.waiting, self.outcomes = [], []
        yield
        waiting, self.waiting = self.waiting, None
        for start in range(0, len(waiting), BATCH):
            some = [
                Submission(each, actor="test", recorded_at=self.now)
                for each in waiting[start : start + BATCH]
            ]
            with writing(self.engine) as tx:
                self.outcomes += self.desk.submit_many(tx, self.pool, some)
        for outcome in self.outcomes:
            assert not isinstance(outcome, Refusal | Failed), outcome
            if isinstance(outcome, RecordOutcome):
                assert outcome.outcome is not OutcomeKind.PARKED, outcome

    def tell(self, command: msgspec.Struct) -> object:
        if self.waiting is None:
            return super().tell(command)
        self.waiting.append(command)
        return None

    def by(self, actor: str, command: msgspec.Struct) -> object:
        """What the desk answers somebody in particular."""
        with writing(self.engine) as tx:
            return self.desk.submit(tx, self.pool, command, actor=actor, recorded_at=self.now)

    def open_place(self, merchant: str, *, share_bp: int | None = None) -> None:
        """A merchant with a shop and a terminal, without a sign-in; quick, for very many."""
        self.open_merchant(
            merchant, merchant, share_bp=share_bp or 0, contract=share_bp is not None
        )

    def sign_in_for(
        self, user: str, role: SignInRole, merchant: str | None, password: str = ""
    ) -> None:
        """Nobody signs in here, and hashing a password takes time."""

    def register(self, account: str, place: str) -> None:
        self.tell(RegisterResident(account=account, name="居民", household="1-1", place=place))

    def give(self, account: str, points: int) -> None:
        self.tell(
            OpenBalance(
                opening_id=f"o-{account}",
                account=account,
                points=points,
                as_of=self.day,
                opened_by="办公室",
            )
        )

    def amount(self, name: str, price_fen: int, *, category: str = "食品") -> SaleLine:
        """A line that the cashier typed."""
        return SaleLine(
            line_no=1,
            item_id=None,
            barcode=None,
            name=name,
            category=category,
            quantity_milli=1_000,
            unit="个",
            unit_price_fen=price_fen,
            amount_fen=price_fen,
        )

    def stall_sale(
        self, merchant: str, line: SaleLine, *, account: str = "", points: int = 0
    ) -> SaleCaptured:
        """A sale that the terminal answered by itself: money, and points for it."""
        till = self.tills[merchant]
        till.receipts += 1
        sale = SaleCaptured(
            sale_id=self.new_id(),
            receipt_no=f"{till.terminal}-{till.receipts:04d}",
            business_date=self.day,
            lines=(line,),
            payment=Payment(points_for_money=points, cash_fen=line.amount_fen - 10 * points),
            answered_by=AnsweredBy.STAND_IN if points else AnsweredBy.NOBODY,
            account=account or None,
            evidence=self._slot(account) if points else None,
            proof_grade=ProofGrade.SHOW if points else None,
        )
        self.happened(merchant, sale)
        return sale

    def asked_sale(self, merchant: str, *lines: SaleLine, points: int) -> SaleCaptured:
        """A sale of the pool's one resident, whose points the server held; all is paid by them."""
        till = self.tills[merchant]
        till.receipts += 1
        goods = sum(line.amount_points for line in lines)
        sale = SaleCaptured(
            sale_id=self.new_id(),
            receipt_no=f"{till.terminal}-{till.receipts:04d}",
            business_date=self.day,
            lines=lines,
            payment=Payment(points_for_goods=goods, points_for_money=points - goods),
            answered_by=AnsweredBy.SERVER,
            account=RESIDENT,
            evidence=self._slot(RESIDENT),
            proof_grade=ProofGrade.SHOW,
        )
        assert sale.evidence is not None
        approved = self.tell(
            Authorise(
                terminal=till.terminal,
                sale_id=sale.sale_id,
                evidence=sale.evidence,
                proof_holds=False,
                required_points=goods,
                optional_points=points - goods,
                occurred_at=self.now,
            )
        )
        assert isinstance(approved, Approved), approved
        self.happened(merchant, sale)
        return sale

    def give_back(self, merchant: str, sale: SaleCaptured, cash_fen: int, points: int) -> None:
        """Part of a typed amount comes back."""
        till = self.tills[merchant]
        till.receipts += 1
        money_fen = cash_fen + 10 * points
        quantity = sale.lines[0].quantity_milli * money_fen // sale.lines[0].amount_fen
        line = RefundLine(line_no=1, quantity_milli=quantity, amount_fen=money_fen, amount_points=0)
        self.happened(
            merchant,
            SaleRefunded(
                refund_id=self.new_id(),
                sale_id=sale.sale_id,
                receipt_no=f"{till.terminal}-{till.receipts:04d}",
                business_date=self.day,
                lines=(line,),
                payment=Payment(points_for_money=points, cash_fen=cash_fen),
                account=sale.account,
            ),
        )

    @property
    def day(self) -> date:
        """The business date; every happening of a test is in the afternoon."""
        return self.now.date()

    def happened(self, merchant: str, happening: Happening, *, at: datetime | None = None) -> None:
        """Seals what happened as the terminal's next record and hands it in."""
        till = self.tills[merchant]
        envelope = Envelope(
            terminal=till.terminal,
            epoch=1,
            seq=till.seq + 1,
            prev_hash=till.last_hash,
            occurred_at=at or self.now,
            monotonic_ms=0,
            boot_id="boot",
            clock_state=ClockState.GOOD,
            policy_version=1,
            directory_version=1,
            happening=encode_happening(happening),
        )
        sealed = seal(envelope, till.key)
        till.seq, till.last_hash = till.seq + 1, sealed.hash_hex
        self.tell(JournalRecord(terminal=till.terminal, record=sealed, proof_holds=None))

    def _slot(self, account: str) -> SlotEvidence:
        payload = make_slot(
            self.issuer,
            pool_tag(self.root.public_key()),
            kid=SLOT_KID,
            account=bytes.fromhex(account),
            starts_at=self.now,
            minutes=10,
            cap=Points(500),
            batch=0,
            index=1,
        )
        return SlotEvidence(payload_hex=payload.hex())

    def read(self, tx: Connection, statement: str) -> StatementDocument:
        found = document_of(tx, self.pool, statement)
        assert found is not None, statement
        return found

    def document(self, statement: str) -> StatementDocument:
        with reading(self.engine) as tx:
            return self.read(tx, statement)
