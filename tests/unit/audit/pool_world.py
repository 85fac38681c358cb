"""A whole pool, told by commands and by terminals' sealed records: nothing is put into tables."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import msgspec
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine

from config.pool import load_pool
from protocol.business_day import business_date
from protocol.codes import make_slot
from protocol.documents import IssuerKey
from protocol.evidence import ProofGrade, SlotEvidence
from protocol.ids import uuid7
from protocol.journal import (
    GENESIS,
    ClockState,
    Envelope,
    encode_happening,
    seal,
)
from protocol.keys import pool_tag, public_key_text
from protocol.messages import OutcomeKind, RecordOutcome
from protocol.money import Fen, Points, price_of
from protocol.redemption import Due, FenRemainder, RedemptionTerms, Tender, tender
from protocol.sales import (
    AnsweredBy,
    Happening,
    Payment,
    RefundLine,
    ReversalReason,
    SaleCaptured,
    SaleLine,
    SaleRefunded,
    SaleReversed,
)
from server.awards import AwardPoints
from server.bootstrap.desk import make_desk
from server.db import reading, run_writing
from server.directory import SignInRole
from server.directory.adoption import adoption_of
from server.directory.commands import (
    AgreeContract,
    EnrolTerminal,
    InviteTerminal,
    OpenShop,
    RegisterMerchant,
    RegisterResident,
    RegisterSignIn,
)
from server.facts import FactDesk, Refusal
from server.redemption import JournalRecord
from server.settlement import Settle, Settled, runs
from server.settlement.values import DOCUMENT_VERSION, CloseRun, OpenRun, RunClosed, RunOpened

OPENED_AT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
RESIDENT = "00000000000000aa"
PASSWORD = "ni-hao-8-ge-zi"
SLOT_KID = 7


@dataclass
class Till:
    """A terminal with its key and the end of its chain."""

    terminal: str
    merchant: str
    key: Ed25519PrivateKey
    seq: int = 0
    last_hash: str = GENESIS
    receipts: int = 0


@dataclass
class PoolWorld:
    """One pool of a preset; time moves only when a test moves it."""

    engine: Engine
    preset_name: str = "guanghui"
    now: datetime = OPENED_AT
    desk: FactDesk = field(default_factory=make_desk)
    root: Ed25519PrivateKey = field(
        default_factory=lambda: Ed25519PrivateKey.from_private_bytes(b"r" * 32)
    )
    issuer: Ed25519PrivateKey = field(
        default_factory=lambda: Ed25519PrivateKey.from_private_bytes(b"i" * 32)
    )
    tills: dict[str, Till] = field(default_factory=dict)
    counter: int = 0

    def __post_init__(self) -> None:
        self.preset = load_pool(self.preset_name)
        self.pool = self.preset.id
        adoption = adoption_of(
            self.preset,
            root_key=public_key_text(self.root.public_key()),
            issuer_keys=[
                IssuerKey(kid=SLOT_KID, public_key=public_key_text(self.issuer.public_key()))
            ],
        )
        self.tell(adoption)
        place = self.preset.places[-1].id
        self.tell(RegisterResident(account=RESIDENT, name="张阿姨", household="1-101", place=place))

    def tell(self, command: msgspec.Struct) -> object:
        """Submits a command in a transaction of its own; a refusal fails the test."""
        outcome = run_writing(
            self.engine,
            lambda tx: self.desk.submit(tx, self.pool, command, actor="test", recorded_at=self.now),
        )
        assert not isinstance(outcome, Refusal), outcome
        return outcome

    def new_id(self) -> UUID:
        self.counter += 1
        return uuid7(self.now, self.counter.to_bytes(10, "big"))

    def open_merchant(
        self,
        merchant: str,
        name: str,
        *,
        share_bp: int = 1_000,
        reimbursement_bp: int = 10_000,
        contract: bool = True,
    ) -> Till:
        """A merchant with one shop, one contract, one enrolled terminal and one sign-in."""
        self.tell(RegisterMerchant(merchant=merchant, name=name))
        kind, place = self.preset.shop_kinds[0].id, self.preset.places[-1].id
        self.tell(
            OpenShop(shop=merchant, merchant=merchant, shop_kind=kind, name=name, place=place)
        )
        if contract:
            self.tell(
                AgreeContract(
                    contract=f"c-{merchant}",
                    merchant=merchant,
                    share_bp=share_bp,
                    reimbursement_bp=reimbursement_bp,
                    valid_from=date(2026, 1, 1),
                )
            )
        terminal, code_hash = f"t-{merchant}", "0" * 64
        self.tell(
            InviteTerminal(
                terminal=terminal,
                shop=merchant,
                code_name="BCDF",
                code_hash=code_hash,
                expires_at=self.now + timedelta(minutes=10),
                tries=5,
            )
        )
        key = Ed25519PrivateKey.from_private_bytes(terminal.encode().ljust(32, b".")[:32])
        public_key = public_key_text(key.public_key())
        self.tell(EnrolTerminal(terminal=terminal, public_key=public_key, code_hash=code_hash))
        self.sign_in_for(merchant, SignInRole.MERCHANT, merchant)
        self.tills[merchant] = Till(terminal, merchant, key)
        return self.tills[merchant]

    def sign_in_for(
        self, user: str, role: SignInRole, merchant: str | None, password: str = PASSWORD
    ) -> None:
        cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        hashed = cheap.hash(password)
        command = RegisterSignIn(user=user, role=role, merchant=merchant, password_hash=hashed)
        self.tell(command)

    def award(self, times: int = 1, rule: str = "river-patrol", *, account: str = RESIDENT) -> None:
        for _ in range(times):
            self.tell(
                AwardPoints(
                    award_id=str(self.new_id()),
                    account=account,
                    rule_id=rule,
                    performed_on=business_date(self.now, self.preset.cut_off_hour),
                    awarded_by="网格员小张",
                )
            )

    def line(self, item: str, quantity_milli: int = 1_000, line_no: int = 1) -> SaleLine:
        """A line of the preset's catalogue, at its points price where it has one."""
        found = next(each for each in self.preset.catalogue if each.id == item)
        in_points = found.price_points is not None
        return SaleLine(
            line_no=line_no,
            item_id=found.id,
            barcode=found.barcode,
            name=found.name,
            category=found.category,
            quantity_milli=quantity_milli,
            unit=found.unit,
            unit_price_fen=None if in_points else found.price_fen,
            unit_price_points=found.price_points,
            amount_fen=0 if in_points else price_of(found.price_fen or 0, quantity_milli),
            amount_points=price_of(found.price_points or 0, quantity_milli),
            reimbursement_fen=found.reimbursement_fen or 0,
        )

    def sell(
        self,
        merchant: str,
        *lines: SaleLine,
        points: int = 0,
        day: date | None = None,
        at: datetime | None = None,
    ) -> SaleCaptured:
        """A captured sale, told at once; `at` and `day` are the terminal's claim."""
        occurred_at = at or self.now
        till = self.tills[merchant]
        till.receipts += 1
        due = Due(
            Fen(sum(line.amount_fen for line in lines)),
            Points(sum(line.amount_points for line in lines)),
        )
        terms = RedemptionTerms(self.preset.fen_per_point, FenRemainder(self.preset.fen_remainder))
        paid = tender(due, terms, Points(points))
        assert isinstance(paid, Tender), paid
        sale = SaleCaptured(
            sale_id=self.new_id(),
            receipt_no=f"{till.terminal}-{till.receipts:04d}",
            business_date=day or business_date(occurred_at, self.preset.cut_off_hour),
            lines=lines,
            payment=Payment(
                points_for_goods=paid.points_for_goods,
                points_for_money=paid.points_for_money,
                cash_fen=paid.cash_fen,
                waived_fen=paid.waived_fen,
                rounded_up_fen=paid.rounded_up_fen,
            ),
            answered_by=AnsweredBy.STAND_IN if points else AnsweredBy.NOBODY,
            account=RESIDENT if points else None,
            evidence=self.slot(occurred_at) if points else None,
            proof_grade=ProofGrade.SHOW if points else None,
        )
        self.record(merchant, sale, at=occurred_at)
        return sale

    def refund(
        self, merchant: str, sale: SaleCaptured, *lines: RefundLine, payment: Payment
    ) -> SaleRefunded:
        till = self.tills[merchant]
        till.receipts += 1
        refund = SaleRefunded(
            refund_id=self.new_id(),
            sale_id=sale.sale_id,
            receipt_no=f"{till.terminal}-{till.receipts:04d}",
            business_date=business_date(self.now, self.preset.cut_off_hour),
            lines=lines,
            payment=payment,
            account=sale.account,
        )
        self.record(merchant, refund)
        return refund

    def reverse(self, merchant: str, sale_id: UUID) -> None:
        self.record(merchant, SaleReversed(sale_id=sale_id, reason=ReversalReason.CANCELLED))

    def slot(self, at: datetime) -> SlotEvidence:
        payload = make_slot(
            self.issuer,
            pool_tag(self.root.public_key()),
            kid=SLOT_KID,
            account=bytes.fromhex(RESIDENT),
            starts_at=at,
            minutes=10,
            cap=Points(500),
            batch=0,
            index=1,
        )
        return SlotEvidence(payload_hex=payload.hex())

    def record(
        self,
        merchant: str,
        happening: Happening,
        *,
        at: datetime | None = None,
        outcome: OutcomeKind | None = None,
    ) -> RecordOutcome:
        """Seals what happened as the terminal's next record and hands it in.

        ``outcome``: what must become of it; left out, anything but parked.
        """
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
        told = self.tell(JournalRecord(terminal=till.terminal, record=sealed, proof_holds=None))
        assert isinstance(told, RecordOutcome), told
        is_as_wanted = told.outcome is not OutcomeKind.PARKED
        if outcome is not None:
            is_as_wanted = told.outcome is outcome
        assert is_as_wanted, told
        till.seq, till.last_hash = till.seq + 1, sealed.hash_hex
        return told

    def settle(self, through: date) -> Settled:
        outcome = self.tell(Settle(run=str(self.new_id()), through=through, settled_by="财务"))
        assert isinstance(outcome, Settled)
        return outcome

    def run(self, through: date) -> RunClosed:
        """Settles as the server does now; `settle` as it once did, in documents of before."""
        opened = self.tell(
            OpenRun(
                run=f"run-{through}",
                through=through,
                opened_by="财务",
                document_version=DOCUMENT_VERSION,
            )
        )
        assert isinstance(opened, RunOpened)
        with reading(self.engine) as tx:
            due = runs.merchants_due(tx, self.pool, opened.run)
        for step in runs.drive(self.tell, opened.run, due):
            assert step.of == len(due)
        closed = self.tell(CloseRun(run=opened.run, closed_by="财务"))
        assert isinstance(closed, RunClosed)
        return closed


def small_history(world: PoolWorld) -> None:
    """Two merchants, a refund in the next period, a fact that came late, an overdraft."""
    world.open_merchant("xiaodian", "广惠小店一号")
    world.open_merchant("zhan", "听篌街兑换站", share_bp=0)
    world.award(1)
    day_1 = world.now
    a1 = (world.line("bun", 5_000), world.line("greens", 1_000, 2))
    all_points = world.sell("xiaodian", *a1, points=71)
    world.sell("xiaodian", world.line("massage"))
    world.sell("zhan", world.line("massage"), points=20)
    world.reverse("zhan", world.new_id())
    world.now = day_1 + timedelta(days=1)
    world.settle(business_date(day_1, 0))
    back = RefundLine(line_no=1, quantity_milli=2_000, amount_fen=100, amount_points=0)
    world.refund("xiaodian", all_points, back, payment=Payment(points_for_money=10))
    world.sell("zhan", world.line("massage"), points=100, at=day_1)
    world.now = day_1 + timedelta(days=2)
    world.settle(business_date(day_1, 0) + timedelta(days=1))
