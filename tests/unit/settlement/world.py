"""A pool whose sales are booked straight into the ledger, each as a fact of its own."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Engine, insert

from protocol.business_day import closes_at
from protocol.keys import public_key_text
from server.db import run_writing, writing
from server.directory import tables
from server.directory.accounts import merchant_accounts, pool_accounts, resident_accounts
from server.facts import FactDesk, FactStamp
from server.ledger import Asset, EntryDraft, Leg, Normal, Posted, open_account, post
from server.settlement import settle as settlement
from server.settlement.values import Settle, Settled, SettleRefused

POOL = "guanghui"
RESIDENT = "00000000000000aa"
FIRST_DAY = date(2026, 3, 1)
OPENED_AT = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)


class OpenWorld(msgspec.Struct, frozen=True):
    """The pool, one resident with points, and these merchants."""

    merchants: tuple[str, ...]
    cut_off_hour: int


class Agree(msgspec.Struct, frozen=True):
    merchant: str
    contract: str
    share_bp: int
    first: date
    last: date | None


class BookSale(msgspec.Struct, frozen=True):
    """A sale, or with `of_sale` what of it comes back."""

    merchant: str
    sale: str
    day: date
    cash_fen: int
    points: int
    reimbursement_fen: int
    of_sale: str = ""


def _open_world(tx: Connection, stamp: FactStamp, command: OpenWorld) -> None:
    key = public_key_text(Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key())
    texts = {"name", "name_en", "street", "unit_name", "unit_name_en", "merchant_word"}
    values: dict[str, object] = {}
    for column in tables.pool.columns:
        values[column.name] = "积分" if column.name in texts else 10
    values |= {
        "pool": stamp.pool,
        "fen_remainder": "waive",
        "cut_off_hour": command.cut_off_hour,
        "allowance_buckets_points": "[0]",
        "root_key": key,
        "adopted_at": stamp.recorded_at,
    }
    tx.execute(insert(tables.pool).values(values))
    plans = [*pool_accounts(), *resident_accounts(RESIDENT)]
    for merchant in command.merchants:
        tx.execute(
            insert(tables.merchant).values(
                pool=stamp.pool,
                merchant=merchant,
                name=f"商户{merchant}",
                registered_at=stamp.recorded_at,
            )
        )
        plans += merchant_accounts(merchant)
    for plan in plans:
        open_account(
            tx,
            stamp.pool,
            plan.account,
            Asset(plan.asset),
            plan.kind,
            normal=Normal(plan.normal),
            floor_at_zero=plan.floor_at_zero,
            hot=plan.hot,
        )
    leg = Leg(Asset.POINTS, "award", "points_issued", f"resident:{RESIDENT}", 1_000_000)
    _post(tx, stamp, EntryDraft("award:1", "award", OPENED_AT, FIRST_DAY, (leg,)))


def _agree(tx: Connection, stamp: FactStamp, command: Agree) -> None:
    tx.execute(
        insert(tables.contract).values(
            pool=stamp.pool,
            contract=command.contract,
            merchant=command.merchant,
            share_bp=command.share_bp,
            reimbursement_bp=10_000,
            valid_from=command.first,
            valid_until=command.last,
        )
    )


def _book_sale(tx: Connection, stamp: FactStamp, command: BookSale) -> None:
    back = bool(command.of_sale)
    resident, merchant = f"resident:{RESIDENT}", command.merchant
    given = f"{'returned' if back else 'redeemed'}:{merchant}"
    ways = [
        (
            Asset.POINTS,
            "points_returned" if back else "redemption",
            resident,
            given,
            command.points,
        ),
        (
            Asset.FEN,
            "reimbursement_returned" if back else "reimbursement",
            "pool_fund",
            f"merchant:{merchant}",
            command.reimbursement_fen,
        ),
        (
            Asset.FEN,
            "takings_returned" if back else "takings",
            "takings_contra",
            f"takings:{merchant}",
            command.cash_fen,
        ),
    ]
    legs = tuple(
        Leg(asset, code, credit, debit, amount) if back else Leg(asset, code, debit, credit, amount)
        for asset, code, debit, credit, amount in ways
        if amount
    )
    draft = EntryDraft(
        key=f"{'refund' if back else 'sale'}:{command.sale}",
        kind="refund" if back else "sale",
        occurred_at=closes_at(command.day, 0) - timedelta(hours=12),
        business_date=command.day,
        legs=legs,
        memo=command.of_sale,
    )
    _post(tx, stamp, draft)


def _post(tx: Connection, stamp: FactStamp, draft: EntryDraft) -> None:
    posted = post(tx, stamp.pool, draft, recorded_at=stamp.recorded_at, fact_no=stamp.fact_no)
    assert isinstance(posted, Posted), posted


def make_desk() -> FactDesk:
    desk = FactDesk()
    desk.register("open_world", OpenWorld, _open_world)
    desk.register("agree", Agree, _agree)
    desk.register("book_sale", BookSale, _book_sale)
    settlement.register(desk)
    return desk


@dataclass
class World:
    """Drives the pool as the server's edges do: one transaction for each command."""

    engine: Engine
    desk: FactDesk = field(default_factory=make_desk)
    now: datetime = OPENED_AT

    def tell(self, command: msgspec.Struct) -> object:
        return run_writing(
            self.engine,
            lambda tx: self.desk.submit(tx, POOL, command, actor="test", recorded_at=self.now),
        )

    def open(
        self, *merchants: str, share_bp: int = 1_000, contracts: bool = True, cut_off_hour: int = 0
    ) -> None:
        self.tell(OpenWorld(merchants, cut_off_hour))
        for merchant in merchants if contracts else ():
            self.tell(Agree(merchant, f"c-{merchant}", share_bp, FIRST_DAY, None))

    def agree(
        self, merchant: str, contract: str, share_bp: int, first: date, last: date | None = None
    ) -> None:
        self.tell(Agree(merchant, contract, share_bp, first, last))

    def book_oddity(self, merchant: str, day: date) -> None:
        """Something that concerns the merchant, of a code that no statement knows."""
        leg = Leg(Asset.FEN, "rebate", "pool_fund", f"merchant:{merchant}", 5)
        draft = EntryDraft("oddity:1", "oddity", self.now, day, (leg,))
        with writing(self.engine) as tx:
            _post(tx, FactStamp(POOL, 1, self.now, "test"), draft)

    def sell(
        self,
        merchant: str,
        sale: str,
        day: date,
        *,
        cash_fen: int = 0,
        points: int = 0,
        reimbursement_fen: int = 0,
        of_sale: str = "",
    ) -> None:
        self.tell(BookSale(merchant, sale, day, cash_fen, points, reimbursement_fen, of_sale))

    def settle(self, through: date, run: str = "", *, at: datetime | None = None) -> Settled:
        outcome = self.try_settle(through, run, at=at)
        assert isinstance(outcome, Settled), outcome
        return outcome

    def try_settle(
        self, through: date, run: str = "", *, at: datetime | None = None
    ) -> Settled | SettleRefused:
        self.now = at or max(self.now, closes_at(through, 3))
        outcome = self.tell(Settle(run=run or f"run-{through}", through=through, settled_by="财务"))
        assert isinstance(outcome, Settled | SettleRefused)
        return outcome
