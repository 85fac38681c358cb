"""A shop that sells without pause: the production till on a real file, the pool beside it.

Only the pool's answer is made up, in this process, so that no network is measured. The
workers (printer, outbox) do not run: what they do comes after the sale.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.figures import BenchError, timed_into
from config.pool import PoolPreset, load_pool
from protocol.codes import make_slot, to_digits
from protocol.documents import (
    Catalogue,
    DirectoryEntry,
    IssuerKey,
    Item,
    Policy,
    StandInLimits,
    sign_document,
    whole_directory,
)
from protocol.keys import pool_tag, public_key_text
from protocol.messages import Approved, AuthoriseRequest
from protocol.money import Points
from protocol.redemption import FenRemainder
from protocol.sales import Fulfilment
from terminal.checkout.till import Till
from terminal.domain.changes import Changes
from terminal.domain.clock import ShopClock
from terminal.domain.ports import TerminalIdentity, Unreachable, UnreachableReason
from terminal.domain.sale import SaleState
from terminal.makers import system_wall
from terminal.receipts.coded import CodedReceipts
from terminal.receipts.composer import ReceiptComposer
from terminal.store.identity import SystemIds
from terminal.store.sealer import Sealer
from terminal.store.sqlite import DATABASE_FILE, SqliteStore

POOL = "guanghui"
RESIDENTS = 200
SLOT_KID = 1
SLOT_MINUTES = 120
"""Longer than any run, so that one code serves all of it."""

BALANCE = Points(400)
EGGS, MILK = "6999990000012", "6999990000029"
GREENS, GREENS_MILLI = "greens", 1_250


class PoolBesideTheTill:
    """Answers at once that all the points may be taken, as an online pool would."""

    def __init__(self, account: str) -> None:
        self._account = account

    def authorise(self, request: AuthoriseRequest) -> Approved:
        """See :class:`terminal.domain.ports.Pool`."""
        return Approved(
            account=self._account,
            points=Points(request.required_points + request.optional_points),
            balance_points=BALANCE,
            held_until=request.occurred_at + timedelta(minutes=5),
        )

    def look_up_sale(self, receipt_no: str, sale_id: UUID | None = None) -> Unreachable:
        """See :class:`terminal.domain.ports.Pool`; nothing comes back here."""
        del receipt_no, sale_id
        return Unreachable(UnreachableReason.NOT_ASKED)


class SellingShop:
    """One till that sells the same basket again and again: two barcodes and weighed greens,
    paid with a resident's phone code. Keys are made anew for each shop.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / DATABASE_FILE
        root, issuer = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        tag = pool_tag(root.public_key())
        now = system_wall()
        identity = TerminalIdentity(
            terminal="T0001",
            epoch=1,
            pool=POOL,
            root_key=public_key_text(root.public_key()),
            shop="store-1",
            shop_name="广惠小店听篌街店",
            merchant_name="社区合伙人一号",
        )
        self.identity, self.key = identity, Ed25519PrivateKey.generate()
        sealer = Sealer(identity=identity, key=self.key, boot_id="bench")
        self.store = SqliteStore(self.file, sealer)
        preset = load_pool(POOL)
        documents: tuple[Policy | Catalogue, ...] = (
            _policy(preset, issuer, now),
            _catalogue(preset, now),
        )
        for document in documents:
            self.store.save_document(sign_document(document, root, tag), document)
        self.store.take_page(
            whole_directory(_residents(), version=1, made_at=now, key=root, tag=tag)
        )
        clock = ShopClock(system_wall, lambda: time.monotonic_ns() // 1_000_000)
        clock.note_server_time(now)
        account = _account(1)
        self.till = Till(
            identity=identity,
            store=self.store,
            pool=PoolBesideTheTill(account),
            receipts=CodedReceipts(ReceiptComposer(), self.key, tag),
            clock=clock,
            ids=SystemIds(),
            changes=Changes(),
            wake_workers=lambda: None,
        )
        self.till.start("bench")
        self.code_text = to_digits(
            make_slot(
                issuer,
                tag,
                kid=SLOT_KID,
                account=bytes.fromhex(account),
                starts_at=now,
                minutes=SLOT_MINUTES,
                cap=BALANCE,
                batch=0,
                index=0,
            )
        )

    def close(self) -> None:
        self.store.close()

    def sell(self) -> None:
        """One sale from its first barcode to its completion: two durable commits.

        Raises:
            BenchError: the sale did not complete.
        """
        till = self.till
        till.scan(EGGS)
        till.scan(MILK)
        till.add_item(GREENS, GREENS_MILLI)
        till.scan(self.code_text)
        sale, _ = till.snapshot()
        till.complete(sale.sale_id, sale.points_chosen)
        done, notice = till.snapshot()
        if done.state is not SaleState.CAPTURED or done.points_chosen == 0:
            raise BenchError(f"a sale did not complete: {notice}")

    def sell_timed(self, count: int, durations_s: list[float]) -> None:
        """Sell ``count`` times and note how long each took."""
        for _ in range(count):
            with timed_into(durations_s):
                self.sell()


@contextmanager
def selling_shop(folder: Path) -> Iterator[SellingShop]:
    """A shop that is closed afterwards."""
    shop = SellingShop(folder)
    try:
        yield shop
    finally:
        shop.close()


def _account(number: int) -> str:
    return f"{0xBE << 56 | number:016x}"


def _policy(preset: PoolPreset, issuer: Ed25519PrivateKey, now: datetime) -> Policy:
    return Policy(
        version=1,
        made_at=now,
        pool=preset.id,
        pool_name=preset.name,
        unit_name=preset.unit_name,
        unit_name_en=preset.unit_name_en,
        fen_per_point=preset.fen_per_point,
        fen_remainder=FenRemainder(preset.fen_remainder),
        cut_off_hour=preset.cut_off_hour,
        hold_s=preset.hold_s,
        card_cap_points=preset.codes.card_cap_points,
        slot_cap_points=preset.codes.slot_cap_points,
        stand_in=StandInLimits(
            per_sale_points=preset.standin.per_sale_points,
            per_resident_points=preset.standin.per_resident_points,
            per_terminal_soft_points=preset.standin.per_terminal_soft_points,
            per_terminal_hard_points=preset.standin.per_terminal_hard_points,
            directory_max_age_h=preset.standin.directory_max_age_h,
        ),
        issuer_keys=(IssuerKey(kid=SLOT_KID, public_key=public_key_text(issuer.public_key())),),
    )


def _catalogue(preset: PoolPreset, now: datetime) -> Catalogue:
    items = tuple(
        Item(
            item_id=each.id,
            name=each.name,
            name_en=each.name_en,
            category=each.category,
            unit=each.unit,
            barcode=each.barcode,
            price_fen=each.price_fen,
            price_points=each.price_points,
            reimbursement_fen=each.reimbursement_fen or 0,
            weighed=each.weighed,
            quick_key=each.quick_key,
            stock=each.stock,
            fulfilment=Fulfilment(each.fulfilment),
        )
        for each in preset.catalogue
    )
    return Catalogue(version=1, made_at=now, items=items)


def _residents() -> tuple[DirectoryEntry, ...]:
    return tuple(
        DirectoryEntry(account=_account(number), allowance_points=100)
        for number in range(1, RESIDENTS + 1)
    )
