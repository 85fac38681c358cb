"""A till on a real SQLite file; only the pool's answers, the clocks and the ids are made up."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from protocol.card_pin_hash import ArgonPinMaker
from protocol.codes import make_card, make_slot, to_digits
from protocol.documents import (
    AccountStatus,
    DirectoryCard,
    DirectoryEntry,
    DirectoryPage,
    IssuerKey,
    Item,
    NumberedDocument,
    Policy,
    StandInLimits,
    sign_document,
    whole_directory,
)
from protocol.ids import uuid7
from protocol.keys import pool_tag, public_key_text
from protocol.messages import Approved, AuthoriseRequest, OrdersAnswer, OrdersRequest, SaleAnswer
from protocol.money import Points
from protocol.reasons import Declined
from protocol.redemption import FenRemainder
from terminal.checkout.after_sale import AfterSale
from terminal.checkout.discounts import Discounts
from terminal.checkout.page import Page
from terminal.checkout.returns import Returns
from terminal.checkout.till import Till
from terminal.desks import Around, make_desks
from terminal.domain.changes import Changes, Surroundings
from terminal.domain.clock import ShopClock
from terminal.domain.discounts import NO_ROUNDING, DiscountRules
from terminal.domain.ports import Receipts, TerminalIdentity, Unreachable, UnreachableReason
from terminal.domain.stand_in import ImageTrust
from terminal.receipts.coded import CodedReceipts
from terminal.receipts.composer import ReceiptComposer
from terminal.shifts.staff import Staff
from terminal.store.challenges import KeptCertificates
from terminal.store.outbox import Outbox
from terminal.store.people import ArgonPins
from terminal.store.sealer import Sealer
from terminal.store.spool import Spool
from terminal.store.sqlite import SqliteStore

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)  # 12:00 in Shanghai
ROOT = Ed25519PrivateKey.from_private_bytes(b"r" * 32)
CARD_ISSUER = Ed25519PrivateKey.from_private_bytes(b"c" * 32)
SLOT_ISSUER = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
TERMINAL_KEY = Ed25519PrivateKey.from_private_bytes(b"t" * 32)
TAG = pool_tag(ROOT.public_key())
ZHANG, WANG, BANNED, BLOCKED = (
    "00000000000000a1",
    "00000000000000a2",
    "00000000000000a3",
    "00000000000000a4",
)
WANGS_CARD = "00000000000000c2"
SECRET = b"0123456789abcdef"

ITEMS = (
    Item(
        item_id="bun", name="馒头", name_en="Bun", category="食品", unit="个",
        barcode="6900000000014", price_fen=50, quick_key=True,
    ),
    Item(
        item_id="greens", name="青菜", name_en="Greens", category="蔬菜", unit="kg",
        price_fen=460, weighed=True,
    ),
    Item(
        item_id="fresh", name="时令青菜", name_en="Fresh greens", category="蔬菜", unit="kg",
        price_fen=360, weighed=True,
    ),
    Item(
        item_id="rice", name="大米", name_en="Rice", category="礼品", unit="袋",
        price_points=15, reimbursement_fen=2800,
    ),
    Item(
        item_id="oil", name="菜籽油", name_en="Oil", category="礼品", unit="桶",
        price_points=40, reimbursement_fen=9500,
    ),
    Item(
        item_id="pressure", name="血压测量", name_en="Blood pressure", category="服务", unit="次",
        price_fen=0,
    ),
)  # fmt: skip

CHEAP_PINS = ArgonPinMaker(memory_kib=8, passes=1)
"""As a terminal works PINs out, in no time."""


class PoolAnswers:
    """Stands where the network is: gives the answers that a test lays out, in order."""

    def __init__(self) -> None:
        self.asked: list[AuthoriseRequest] = []
        self.answers: list[Approved | Declined | Unreachable] = []
        self.orders: OrdersAnswer | None = None
        self.orders_asked: list[OrdersRequest] = []
        self.looked_up: list[str] = []
        self.sales: dict[str, SaleAnswer] = {}
        self.while_asking: Callable[[], None] = lambda: None

    def authorise(self, request: AuthoriseRequest) -> Approved | Declined | Unreachable:
        self.asked.append(request)
        self.while_asking()
        if self.answers:
            return self.answers.pop(0)
        return Unreachable(UnreachableReason.NO_CONNECTION)

    def look_up_sale(
        self, receipt_no: str, sale_id: UUID | None = None
    ) -> SaleAnswer | Unreachable:
        self.looked_up.append(receipt_no)
        by_id = f"{receipt_no} {sale_id}"
        found = self.sales.get(by_id) or self.sales.get(receipt_no)
        return found or Unreachable(UnreachableReason.NO_CONNECTION)

    def look_up_orders(self, request: OrdersRequest) -> OrdersAnswer | Unreachable:
        self.orders_asked.append(request)
        return self.orders or Unreachable(UnreachableReason.NO_CONNECTION)

    def approve(self, points: int, balance: int, account: str = ZHANG) -> None:
        self.answers.append(
            Approved(
                account=account,
                points=Points(points),
                balance_points=Points(balance),
                held_until=NOON + timedelta(minutes=5),
            )
        )


class Ids:
    """Counts, so that a failing test can be read."""

    def __init__(self) -> None:
        self._count = 0

    def new(self, at: datetime) -> UUID:
        self._count += 1
        return uuid7(at, self._count.to_bytes(10, "big"))


@dataclass
class Wall:
    """A clock that a test moves."""

    at: datetime = NOON
    monotonic_ms: int = 1000


def policy(fen_remainder: FenRemainder = FenRemainder.WAIVE, version: int = 1) -> Policy:
    return Policy(
        version=version,
        made_at=NOON - timedelta(hours=1),
        pool="guanghui",
        pool_name="惠积分",
        unit_name="积分",
        unit_name_en="points",
        fen_per_point=10,
        fen_remainder=fen_remainder,
        cut_off_hour=3,
        hold_s=300,
        card_cap_points=50,
        slot_cap_points=400,
        stand_in=StandInLimits(
            per_sale_points=100,
            per_resident_points=150,
            per_terminal_soft_points=200,
            per_terminal_hard_points=300,
            directory_max_age_h=72,
        ),
        issuer_keys=(
            IssuerKey(kid=1, public_key=public_key_text(CARD_ISSUER.public_key())),
            IssuerKey(kid=2, public_key=public_key_text(SLOT_ISSUER.public_key())),
        ),
    )


RESIDENTS = (
    DirectoryEntry(account=ZHANG, allowance_points=100),
    DirectoryEntry(
        account=WANG, allowance_points=50, cards=(DirectoryCard(card_id=WANGS_CARD, seq=1),)
    ),
    DirectoryEntry(account=BANNED, allowance_points=100, banned_until=date(2026, 12, 31)),
    DirectoryEntry(account=BLOCKED, allowance_points=100, status=AccountStatus.BLOCKED),
)


def directory(
    version: int = 1,
    made_at: datetime = NOON - timedelta(minutes=10),
    residents: Sequence[DirectoryEntry] = RESIDENTS,
) -> DirectoryPage:
    """A whole directory in one page."""
    return whole_directory(residents, version=version, made_at=made_at, key=ROOT, tag=TAG)


def slot_text(
    account: str = ZHANG,
    cap: int = 400,
    starts_at: datetime = NOON,
    *,
    issuer: Ed25519PrivateKey = SLOT_ISSUER,
    kid: int = 2,
    batch: int = 0,
) -> str:
    return to_digits(
        make_slot(
            issuer,
            TAG,
            kid=kid,
            account=bytes.fromhex(account),
            starts_at=starts_at,
            minutes=30,
            cap=Points(cap),
            batch=batch,
            index=1,
        )
    )


def card_text(card_id: str = WANGS_CARD, seq: int = 1, cap: int = 50) -> str:
    return to_digits(
        make_card(
            CARD_ISSUER,
            TAG,
            kid=1,
            card_id=bytes.fromhex(card_id),
            secret=SECRET,
            seq=seq,
            expires_on=date(2028, 1, 1),
            cap=Points(cap),
        )
    )


def take_documents(
    store: SqliteStore, documents: Iterable[NumberedDocument | DirectoryPage]
) -> None:
    """Keep documents as the sync worker does that fetched them."""
    for document in documents:
        if isinstance(document, DirectoryPage):
            store.take_page(document)
        else:
            store.save_document(sign_document(document, ROOT, TAG), document)


@dataclass
class Shop:
    """A till with everything around it, as a test needs it."""

    path: Path
    pool: PoolAnswers = field(default_factory=PoolAnswers)
    wall: Wall = field(default_factory=Wall)
    woken: int = 0
    terminal: str = "T0001"
    root_key: Ed25519PublicKey = field(default_factory=ROOT.public_key)
    key: Ed25519PrivateKey = TERMINAL_KEY
    rules: DiscountRules = NO_ROUNDING

    def __post_init__(self) -> None:
        self.tag = pool_tag(self.root_key)
        self.identity = TerminalIdentity(
            terminal=self.terminal,
            epoch=1,
            pool="guanghui",
            root_key=public_key_text(self.root_key),
            shop="s-1",
            shop_name="广惠小店一号",
            merchant_name="社区合伙人一号",
        )
        self.ids = Ids()
        self.changes = Changes()
        self.surroundings = Surroundings(self.changes)
        self.clock = ShopClock(lambda: self.wall.at, lambda: self.wall.monotonic_ms)
        self.open()

    def open(self) -> None:
        """Switch the terminal on: everything in memory is new, the disk is as it was."""
        sealer = Sealer(identity=self.identity, key=self.key, boot_id="boot")
        self.store = SqliteStore(self.path / "terminal.db", sealer)
        self.outbox = Outbox(self.store)
        self.spool = Spool(self.store)
        receipts = CodedReceipts(ReceiptComposer(), self.key, self.tag)
        self.staff = Staff(
            store=self.store,
            clock=self.clock,
            hasher=ArgonPins(memory_kib=8, passes=1),
            changes=self.changes,
            wake_workers=self._wake,
            refund_limit_fen=10_000,
            refund_limit_points=1_000,
            shop=self.identity.shop,
        )
        self.certificate = KeptCertificates(self.path, self.key, self.tag)
        self.till = Till(
            identity=self.identity,
            store=self.store,
            pool=self.pool,
            receipts=receipts,
            clock=self.clock,
            ids=self.ids,
            changes=self.changes,
            wake_workers=self._wake,
            at_till=self.staff.at_till,
            challenger=self.certificate,
            rules=self.rules,
            pin_maker=CHEAP_PINS,
        )
        self.discounts = Discounts(self.till.desk, self.rules, self.staff)
        self.after_sale = AfterSale(
            identity=self.identity,
            store=self.store,
            receipts=receipts,
            wake_workers=self._wake,
        )
        self.returns = Returns(
            identity=self.identity,
            store=self.store,
            pool=self.pool,
            receipts=receipts,
            clock=self.clock,
            ids=self.ids,
            wake_workers=self._wake,
            is_stopped=self.till.is_stopped,
            approvals=self.staff,
        )
        self._open_more(receipts)
        self.page = Page(
            identity=self.identity,
            till=self.till,
            store=self.store,
            clock=self.clock,
            changes=self.changes,
            surroundings=self.surroundings,
            rules=self.rules,
        )

    def _open_more(self, receipts: Receipts) -> None:
        around = Around(
            identity=self.identity,
            store=self.store,
            clock=self.clock,
            ids=self.ids,
            papers=receipts,
            staff=self.staff,
            surroundings=self.surroundings,
            trust=ImageTrust(confirmed=True),
            wake_workers=self._wake,
            is_stopped=self.till.is_stopped,
            changes=self.changes,
            sale_desk=self.till.desk,
        )
        desks = make_desks(around, self.pool)
        self.till.code_taker = desks.takes
        self.till.proxy_problem = desks.proxies.problem
        self.proxies = desks.proxies
        self.orders, self.shifts, self.awarding = desks.orders, desks.shifts, desks.awarding
        self.prices = desks.prices

    def power_cut(self) -> None:
        """Everything in memory is gone; the disk stays."""
        self.store.close()
        self.open()
        self.till.start("test")

    def take(self, *documents: NumberedDocument | DirectoryPage) -> None:
        take_documents(self.store, documents)

    def _wake(self) -> None:
        self.woken += 1
