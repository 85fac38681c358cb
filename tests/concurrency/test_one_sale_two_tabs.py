"""The same sale on two tabs of the cashier's page, both buttons pressed at once.

First the race is shown with the till's lock off: two receipts for one sale. Then it is won.
Both tabs stop between looking at the sale and writing it down, until the other one got there or
half a second has passed: what a scheduler would do once in a million sales happens every time.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any

import msgspec
import pytest

from protocol.documents import Catalogue
from protocol.journal import Envelope, decode_happening
from protocol.sales import SaleCaptured
from terminal.domain.notice import NoticeCode
from terminal.store.sqlite import SqliteStore, SqliteWork
from tests.support.shop import ITEMS, NOON, Shop, directory, policy, slot_text

WAIT_S = 0.5


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    made.take(policy(), Catalogue(version=1, made_at=NOON, items=ITEMS), directory())
    made.till.start("test")
    yield made
    made.store.close()


@pytest.fixture
def tabs_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is about to write waits for the other one, or gives up waiting."""
    barrier = Barrier(2)
    working = SqliteStore.working

    @contextmanager
    def meet_and_work(store: SqliteStore) -> Iterator[SqliteWork]:
        with suppress(BrokenBarrierError):
            barrier.wait(WAIT_S)
        with working(store) as work:
            yield work

    monkeypatch.setattr(SqliteStore, "working", meet_and_work)


def ready(shop: Shop) -> None:
    """A basket with points approved for it; only the button is left to press."""
    for _ in range(5):
        shop.till.add_item("bun")
    shop.pool.approve(25, 100)
    shop.till.scan(slot_text())


def press_on_both_tabs(shop: Shop) -> None:
    sale_id = shop.till.snapshot()[0].sale_id
    with ThreadPoolExecutor(2) as tabs:
        pressed = [tabs.submit(shop.till.complete, sale_id, 25, 0) for _ in range(2)]
        for each in pressed:
            each.result()


def captured(shop: Shop) -> list[SaleCaptured]:
    envelopes = [
        msgspec.json.decode(x.record.body, type=Envelope) for x in shop.outbox.next_batch()
    ]
    happenings = [decode_happening(each.happening) for each in envelopes]
    return [each for each in happenings if isinstance(each, SaleCaptured)]


def test_with_the_lock_off_one_sale_has_two_receipts(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    ready(shop)
    no_lock: AbstractContextManager[Any] = nullcontext()
    monkeypatch.setattr(shop.till.desk, "lock", no_lock)
    request.getfixturevalue("tabs_meet")
    press_on_both_tabs(shop)
    first, second = captured(shop)
    assert first.sale_id == second.sale_id
    assert first.receipt_no != second.receipt_no, "the resident has paid twice on paper"


def test_with_the_lock_on_it_has_one(shop: Shop, request: pytest.FixtureRequest) -> None:
    ready(shop)
    request.getfixturevalue("tabs_meet")
    press_on_both_tabs(shop)
    (sale,) = captured(shop)
    view = shop.page.view()
    assert view.completed is not None
    assert view.completed.receipt_no == sale.receipt_no == "T0001-000001"
    assert view.notice is not None
    assert view.notice.code == NoticeCode.COMPLETED
