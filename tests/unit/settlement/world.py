"""A pool whose sales are booked straight into the ledger, each as a fact of its own."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Engine, insert, select

from protocol.business_day import closes_at
from protocol.keys import public_key_text
from server.db import reading, run_writing, writing
from server.directory import tables
from server.directory.accounts import merchant_accounts, pool_accounts, resident_accounts
from server.directory.commands import AgreeTerms
from server.directory.contract_terms import ContractTerms
from server.facts import FactDesk, FactStamp
from server.ledger import Asset, EntryDraft, Leg, Normal, Posted, open_account, post
from server.redemption import tables as sales
from server.settlement import agreeing, runs
from server.settlement import settle as settlement
from server.settlement.values import (
    DOCUMENT_VERSION,
    CloseRun,
    OpenRun,
    RunClosed,
    RunOpened,
    Settle,
    Settled,
    SettleRefused,
)

POOL = "guanghui"
RESIDENT = "00000000000000aa"
FEN_PER_POINT = 10
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


class OpenShopToo(msgspec.Struct, frozen=True):
    merchant: str
    shop: str


class Declare(msgspec.Struct, frozen=True):
    merchant: str
    z_no: int
    day: date
    declared_fen: int
    counted_fen: int


class Pay(msgspec.Struct, frozen=True):
    merchant: str
    payment: str
    day: date
    amount_fen: int


class BookSale(msgspec.Struct, frozen=True):
    """A sale, or with `of_sale` what of it comes back. `goods`: fen by category; without any,
    everything is 食品.
    """

    merchant: str
    sale: str
    day: date
    cash_fen: int
    points: int
    reimbursement_fen: int
    of_sale: str = ""
    shop: str = ""
    goods: dict[str, int] = {}


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
    own = {"pool": stamp.pool}
    tx.execute(insert(tables.place).values(**own, place="p", kind="社区", name="社区", parent=None))
    tx.execute(
        insert(tables.shop_kind).values(
            **own, shop_kind="k", name="小店", name_en="shop", pays_share=True, pays_rent=True
        )
    )
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
        _open_shop(tx, stamp, merchant, merchant)
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


def _open_shop(tx: Connection, stamp: FactStamp, merchant: str, shop: str) -> None:
    """A shop with one terminal, `t-<shop>`."""
    own = {"pool": stamp.pool, "shop": shop}
    tx.execute(
        insert(tables.shop).values(
            **own, merchant=merchant, kind="k", name=f"门店{shop}", place="p"
        )
    )
    tx.execute(
        insert(tables.terminal).values(
            **own,
            terminal=f"t-{shop}",
            state="active",
            code_name="BCDF",
            code_hash="0" * 64,
            code_expires_at=stamp.recorded_at,
            tries_left=5,
            public_key=f"key of {shop}",
            epoch=1,
            enrolled_at=stamp.recorded_at,
        )
    )


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
    _write_sale(tx, stamp, command, draft.occurred_at)


def _write_sale(tx: Connection, stamp: FactStamp, command: BookSale, at: datetime) -> None:
    back = bool(command.of_sale)
    money_fen = command.cash_fen + command.points * FEN_PER_POINT
    goods = command.goods or {"食品": money_fen}
    own = {"pool": stamp.pool, "refund_id" if back else "sale_id": command.sale}
    values: dict[str, object] = {
        "terminal": f"t-{command.shop or command.merchant}",
        "merchant": command.merchant,
        "content_hash": "0" * 64,
        "receipt_no": f"R-{command.sale}",
        "occurred_at": at,
        "business_date": command.day,
        "points_for_goods": 0,
        "points_for_money": command.points,
        "cash_fen": command.cash_fen,
        "waived_fen": 0,
        "rounded_up_fen": 0,
        "reimbursement_fen": command.reimbursement_fen,
        "epoch": 1,
        "seq": stamp.fact_no,
    }
    if back:
        tx.execute(insert(sales.refund).values(**own, **values, sale_id=command.of_sale))
        named = select(sales.sale_line).where(sales.sale_line.c.sale_id == command.of_sale)
        numbers = {row.category: row.line_no for row in tx.execute(named)}
        for category, amount_fen in goods.items():
            tx.execute(
                insert(sales.refund_line).values(
                    **own,
                    sale_id=command.of_sale,
                    line_no=numbers[category],
                    quantity_milli=1,
                    amount_fen=amount_fen,
                    amount_points=0,
                )
            )
        return
    values |= {
        "state": "captured",
        "account": RESIDENT,
        "answered_by": "nobody",
        "amounts_source": "basket",
        "overdraft_points": 0,
        "fen_per_point": FEN_PER_POINT,
        "reimbursement_bp": 10_000,
    }
    tx.execute(insert(sales.sale).values(**own, **values))
    for number, (category, amount_fen) in enumerate(goods.items(), start=1):
        tx.execute(
            insert(sales.sale_line).values(
                **own,
                line_no=number,
                name=category,
                category=category,
                quantity_milli=1_000,
                unit="个",
                unit_price_fen=amount_fen,
                amount_fen=amount_fen,
                amount_points=0,
                reimbursement_fen=0,
                fulfilment="at_once",
                catalogue_version=1,
            )
        )


def _open_shop_too(tx: Connection, stamp: FactStamp, command: OpenShopToo) -> None:
    _open_shop(tx, stamp, command.merchant, command.shop)


def _declare(tx: Connection, stamp: FactStamp, command: Declare) -> None:
    difference = command.declared_fen - command.counted_fen
    key = f"declared:t-{command.merchant}:{command.z_no}"
    at = closes_at(command.day, 0) - timedelta(hours=1)
    tx.execute(
        insert(sales.declared_takings).values(
            pool=stamp.pool,
            terminal=f"t-{command.merchant}",
            z_no=command.z_no,
            key=key,
            shop=command.merchant,
            merchant=command.merchant,
            business_date=command.day,
            occurred_at=at,
            takings="{}",
            declared_fen=command.declared_fen,
            told_fen=command.counted_fen,
            counted_fen=command.counted_fen,
            difference_fen=difference,
            content_hash="0" * 64,
            epoch=1,
            seq=stamp.fact_no,
            fact_no=stamp.fact_no,
        )
    )
    if difference:
        sides = ("takings_contra", f"takings:{command.merchant}")
        debit, credit = sides if difference > 0 else sides[::-1]
        leg = Leg(Asset.FEN, "takings_declared", debit, credit, abs(difference))
        _post(tx, stamp, EntryDraft(key, "declared", at, command.day, (leg,)))


def _pay(tx: Connection, stamp: FactStamp, command: Pay) -> None:
    open_account(tx, stamp.pool, "bank", Asset.FEN, "bank", normal=Normal.DEBIT)
    owed = f"merchant:{command.merchant}"
    paid = command.amount_fen > 0
    code = "paid_out" if paid else "received"
    debit, credit = (owed, "bank") if paid else ("bank", owed)
    leg = Leg(Asset.FEN, code, debit, credit, abs(command.amount_fen))
    key = f"payment:{command.payment}"
    _post(tx, stamp, EntryDraft(key, "payment", stamp.recorded_at, command.day, (leg,)))


def _post(tx: Connection, stamp: FactStamp, draft: EntryDraft) -> None:
    posted = post(tx, stamp.pool, draft, recorded_at=stamp.recorded_at, fact_no=stamp.fact_no)
    assert isinstance(posted, Posted), posted


def make_desk() -> FactDesk:
    desk = FactDesk()
    desk.register("open_world", OpenWorld, _open_world)
    desk.register("agree", Agree, _agree)
    desk.register("book_sale", BookSale, _book_sale)
    desk.register("open_shop_too", OpenShopToo, _open_shop_too)
    desk.register("declare", Declare, _declare)
    desk.register("pay", Pay, _pay)
    settlement.register(desk)
    agreeing.register(desk)
    runs.register(desk)
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

    def contract(
        self,
        merchant: str,
        contract: str,
        terms: ContractTerms,
        first: date = FIRST_DAY,
        last: date | None = None,
        *,
        shop: str | None = None,
        resumes: bool = False,
    ) -> object:
        """What the desk answers to a contract with all its terms."""
        return self.tell(
            AgreeTerms(
                contract=contract,
                merchant=merchant,
                shop=shop,
                valid_from=first,
                valid_until=last,
                terms=terms,
                resumes=resumes,
            )
        )

    def open_shop(self, merchant: str, shop: str) -> None:
        self.tell(OpenShopToo(merchant, shop))

    def declare(self, merchant: str, z_no: int, day: date, declared: int, counted: int) -> None:
        self.tell(Declare(merchant, z_no, day, declared, counted))

    def pay(self, merchant: str, payment: str, day: date, amount_fen: int) -> None:
        """Money that the pool paid the merchant; below 0, that he paid the pool."""
        self.tell(Pay(merchant, payment, day, amount_fen))

    def run(self, through: date, run: str = "", *, at: datetime | None = None) -> RunClosed:
        """Opens a run, settles everybody and closes it; a merchant without a contract is left."""
        self.now = at or max(self.now, closes_at(through, 3))
        opened = self.tell(
            OpenRun(
                run=run or f"run-{through}",
                through=through,
                opened_by="财务",
                document_version=DOCUMENT_VERSION,
            )
        )
        assert isinstance(opened, RunOpened), opened
        with reading(self.engine) as tx:
            due = runs.merchants_due(tx, POOL, opened.run)
        for step in runs.drive(self.tell, opened.run, due):
            assert step.of == len(due)
        closed = self.tell(CloseRun(run=opened.run, closed_by="财务"))
        assert isinstance(closed, RunClosed), closed
        return closed

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
        shop: str = "",
        goods: dict[str, int] | None = None,
    ) -> None:
        parts = (cash_fen, points, reimbursement_fen, of_sale, shop, goods or {})
        self.tell(BookSale(merchant, sale, day, *parts))

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
