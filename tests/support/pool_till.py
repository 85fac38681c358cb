"""A till enrolled at a real server and speaking to it over real HTTP: what both sides make of it.

The till is :class:`tests.support.shop.Shop` on its SQLite file, the server the application of
:class:`tests.unit.server.world.World` behind a port. They have one clock.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask import Flask
from sqlalchemy import select

from protocol.codes import to_digits
from protocol.evidence import SlotEvidence
from protocol.ids import uuid7
from protocol.journal import Envelope, decode_happening
from protocol.messages import Approved, AuthoriseRequest, OrdersAnswer, OrdersRequest, SaleAnswer
from protocol.reasons import Declined
from protocol.sales import SaleCaptured
from terminal.domain.clock import ShopClock
from terminal.domain.discounts import DiscountRules
from terminal.domain.ports import TerminalIdentity, Unreachable, UnreachableReason
from terminal.pool.breaker import Breaker
from terminal.pool.link import HttpLink, PoolLink, enrol
from terminal.store.tables import journal
from terminal.workers.sync import SyncRound
from tests.support.serving import listening
from tests.support.shop import Ids, PoolAnswers, Shop
from tests.unit.server.world import ZHANG, World

PATIENCE_S = 20.0
"""A busy machine is no absent server."""
NOT_REACHED = Unreachable(UnreachableReason.NO_CONNECTION)


class Line(PoolAnswers):
    """The way to the server, which a test may cut."""

    def __init__(self, link: PoolLink) -> None:
        super().__init__()
        self.link = link
        self.reachable = True

    def authorise(self, request: AuthoriseRequest) -> Approved | Declined | Unreachable:
        return self.link.authorise(request) if self.reachable else NOT_REACHED

    def look_up_sale(
        self, receipt_no: str, sale_id: UUID | None = None
    ) -> SaleAnswer | Unreachable:
        return self.link.look_up_sale(receipt_no, sale_id) if self.reachable else NOT_REACHED

    def look_up_orders(self, request: OrdersRequest) -> OrdersAnswer | Unreachable:
        return self.link.look_up_orders(request) if self.reachable else NOT_REACHED


class PoolIds(Ids):
    """Never those of another till."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def new(self, at: datetime) -> UUID:
        return uuid7(at, self._world.random.randbytes(10))


class PoolTill(Shop):
    """The till of a shop of this pool. Use :func:`till_of`, which also takes it down."""

    def __init__(
        self,
        path: Path,
        world: World,
        url: str,
        *,
        shop: str = "shop-a",
        terminal: str = "t-1",
        rules: DiscountRules | None = None,
    ) -> None:
        self.world = world
        key = Ed25519PrivateKey.from_private_bytes(world.random.randbytes(32))
        clock = ShopClock(world.clock, lambda: 1_000)
        answer = enrol(url, world.invite(shop, terminal), key, clock)
        link = PoolLink(
            HttpLink(url, key, terminal, clock),
            terminal=terminal,
            ask_timeout_s=PATIENCE_S,
            breaker=Breaker(0.0, time.monotonic),
            note_server=lambda _answered: None,
        )
        self._enrolled = TerminalIdentity(
            terminal=answer.terminal,
            epoch=answer.epoch,
            pool=answer.pool,
            root_key=answer.root_key,
            shop=answer.shop,
            shop_name=answer.shop_name,
            merchant_name=answer.merchant_name,
        )
        self.line = Line(link)
        self._own_ids = PoolIds(world)
        assert world.keys.root is not None
        super().__init__(
            path,
            pool=self.line,
            terminal=terminal,
            root_key=world.keys.root.public_key(),
            key=key,
            rules=rules or DiscountRules(),
        )

    def __post_init__(self) -> None:
        self.wall.at = self.world.clock()
        super().__post_init__()

    def open(self) -> None:
        self.identity, self.ids = self._enrolled, self._own_ids
        super().open()

    def sync(self) -> None:
        """One round: the journal to the server, the newest documents back."""
        SyncRound(
            store=self.store,
            outbox=self.outbox,
            link=self.line.link,
            clock=self.clock,
            changes=self.changes,
            root_key=self.root_key,
            tag=self.tag,
            stop_selling=lambda _says: self.till.stop_selling(),
            pool=self.world.pool,
            keep_certificates=self.certificate.keep,
        )()

    def close(self) -> None:
        self.line.link.close()
        self.store.close()

    def show_slot(self, account: str = ZHANG) -> None:
        """The resident's code is scanned."""
        slot = self.world.slot(account)
        assert isinstance(slot, SlotEvidence)
        self.till.scan(to_digits(bytes.fromhex(slot.payload_hex)))

    def sell(self, *items: str, account: str | None = None) -> SaleCaptured:
        """A basket of catalogue items, with all points that it may take if a code is shown."""
        self.till.clear()
        for item in items:
            self.till.add_item(item)
        if account is not None:
            self.show_slot(account)
        self.till.complete(self.till.snapshot()[0].sale_id)
        sale = self.records()[-1]
        assert isinstance(sale, SaleCaptured), self.page.view().notice
        return sale

    def records(self) -> Sequence[object]:
        """Everything that the terminal wrote down, oldest first."""
        with self.store.reading() as connection:
            bodies = connection.execute(select(journal.c.body).order_by(journal.c.seq)).scalars()
            envelopes = [msgspec.json.decode(body, type=Envelope) for body in bodies]
        return [decode_happening(each.happening) for each in envelopes]


def pass_time(world: World, *tills: PoolTill, **by: float) -> None:
    """The clock of all goes on."""
    world.clock.move(**by)
    for till in tills:
        till.wall.at += timedelta(**by)


@contextmanager
def till_of(
    world: World,
    folder: Path,
    *,
    shop: str = "shop-a",
    terminal: str = "t-1",
    server: Flask | None = None,
    rules: DiscountRules | None = None,
) -> Iterator[PoolTill]:
    """A till with its documents, in a folder of its own; ``server``: another than the world's."""
    data = folder / terminal
    data.mkdir()
    with listening(server or world.app) as url:
        till = PoolTill(data, world, url, shop=shop, terminal=terminal, rules=rules)
        till.till.start("test")
        till.sync()
        assert till.store.documents().directory is not None
        try:
            yield till
        finally:
            till.close()
