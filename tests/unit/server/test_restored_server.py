"""A server that was restored from a backup: every till that has started since comes back whole."""

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar, cast

import click
import pytest
from sqlalchemy import select

from protocol.documents import Catalogue
from protocol.journal import SignedRecord
from protocol.keys import public_key_text
from protocol.messages import (
    BootAnswer,
    BootRequest,
    DocumentsAnswer,
    DocumentsRequest,
    EnrolAnswer,
    JournalAnswer,
    Problem,
)
from server.bootstrap.desk import make_desk
from server.commands.audit import run_audit
from server.db import open_engine, reading
from server.redemption import ReopenTerminal
from server.redemption import tables as t
from terminal.diagnostics import rejoin
from terminal.pool.link import PoolLink, ServerProblem
from terminal.store.epochs import enter_epoch, head_in
from terminal.store.sealer import ChainHead
from terminal.store.tables import sale
from terminal.workers.sync import SyncRound
from tests.support.shop import ITEMS, NOON, ROOT, TAG, TERMINAL_KEY, Shop, directory, policy
from tests.unit.awards.running import run
from tests.unit.server.world import Till, World

T = TypeVar("T")


class Wire:
    """The till's requests, signed with its key and answered by the real application."""

    def __init__(self, till: Till) -> None:
        self.till = till

    def tell(self, records: tuple[SignedRecord, ...]) -> JournalAnswer | ServerProblem:
        return _answered(self.till.send_records(*records))

    def boot(self, request: BootRequest) -> BootAnswer | ServerProblem:
        return _answered(self.till.ask("boot", request, BootAnswer))

    def fetch_documents(self, _asked: DocumentsRequest) -> DocumentsAnswer:
        return DocumentsAnswer(documents=(), server_time=self.till.world.clock())


def _answered(answer: T | Problem) -> T | ServerProblem:
    return ServerProblem(409, answer) if isinstance(answer, Problem) else answer


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    (tmp_path / "till").mkdir()
    made = Shop(tmp_path / "till", terminal="t-1")
    made.take(policy(), Catalogue(version=1, made_at=NOON, items=ITEMS), directory())
    made.till.start("test")
    yield made
    made.store.close()


def enrolled(world: World) -> Wire:
    till = Till(world, "t-1")
    till.key = TERMINAL_KEY
    assert till.key_text == public_key_text(TERMINAL_KEY.public_key())
    assert isinstance(till.enrol(world.invite("shop-a", "t-1")), EnrolAnswer)
    return Wire(till)


def sync_of(shop: Shop, wire: Wire, boot_id: str) -> SyncRound:
    return SyncRound(
        store=shop.store,
        outbox=shop.outbox,
        link=cast("PoolLink", wire),
        clock=shop.clock,
        changes=shop.changes,
        root_key=ROOT.public_key(),
        tag=TAG,
        pool=shop.identity.pool,
        stop_selling=lambda _says: shop.till.stop_selling(),
        boot_id=boot_id,
    )


def sell(shop: Shop, times: int) -> None:
    for _ in range(times):
        shop.till.add_item("bun")
        shop.till.complete(shop.till.snapshot()[0].sale_id)


def sold_here(shop: Shop) -> list[str]:
    with shop.store.reading() as connection:
        return sorted(connection.execute(select(sale.c.sale_id)).scalars())


def booked_there(world: World) -> list[str]:
    return sorted(world.read(lambda tx: tx.execute(select(t.sale.c.sale_id)).scalars().all()))


def copy(source: Path, target: Path) -> None:
    with sqlite3.connect(source) as here, sqlite3.connect(target) as there:
        here.backup(there)


def violations(world: World) -> dict[str, Sequence[object]]:
    with reading(world.engine) as tx:
        found = run_audit(tx, world.pool, make_desk)
    return {each.invariant: each.violations for each in found if each.violations}


def test_a_till_that_started_since_the_backup_tells_every_sale_again_once(
    world: World, shop: Shop, tmp_path: Path
) -> None:
    wire = enrolled(world)
    sell(shop, 2)
    assert shop.outbox.next_batch()
    sync = sync_of(shop, wire, "boot-1")
    sync._has_epoch = True  # enrolled just now, in the epoch that it has
    sync()
    assert len(booked_there(world)) == 2
    copy(tmp_path / "pool.sqlite3", tmp_path / "backup.sqlite3")

    sell(shop, 2)
    sync()
    shop.power_cut()
    second = sync_of(shop, wire, "boot-2")
    second()
    sell(shop, 3)
    second()
    assert shop.store.untold() == 0
    assert booked_there(world) == sold_here(shop)
    assert head_in(shop.store).epoch == 2

    world.engine.dispose()
    world.serve(open_engine(f"sqlite:///{tmp_path}/backup.sqlite3"))
    assert len(booked_there(world)) == 2
    # Before it has called, nobody here knows which epochs it has used since.
    too_soon = run(world, "terminal", "reopen", "t-1", "--reason", "从备份恢复")
    assert (too_soon.exit_code, "没有停用" in too_soon.output) == (1, True)
    shop.power_cut()
    sync_of(shop, wire, "boot-3")()
    assert shop.till.is_stopped(), "what it has is not here: a person is to look"
    with pytest.raises(click.ClickException, match="reopen"):
        rejoin._ask(cast("PoolLink", wire), shop.store, world.clock)

    # As the office did it before: into an epoch that this till has used already.
    world.do(ReopenTerminal(terminal="t-1", reason="从备份恢复"))
    with pytest.raises(click.ClickException, match="2/1"):
        rejoin._ask(cast("PoolLink", wire), shop.store, world.clock)

    assert run(world, "terminal", "reopen", "t-1", "--reason", "从备份恢复").exit_code == 0
    answer = rejoin._ask(cast("PoolLink", wire), shop.store, world.clock)
    assert (answer.epoch, answer.anew) == (3, True)
    closed = ChainHead(answer.closed_epoch, answer.closed_seq, answer.closed_hash)
    assert not enter_epoch(shop.store, answer.epoch, closed, datetime.now(UTC), anew=answer.anew)
    shop.power_cut()
    last = sync_of(shop, wire, "boot-4")
    last()
    sell(shop, 1)
    last()
    assert shop.store.untold() == 0
    assert len(sold_here(shop)) == 8
    assert booked_there(world) == sold_here(shop)
    assert violations(world) == {}
    world.engine.dispose()
