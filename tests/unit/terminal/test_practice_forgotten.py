"""A practice that everybody forgot ends by itself: the next customer is a real one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.test import Client

from config.terminal import TerminalSettings
from terminal.app import create_app
from terminal.domain.notice import NoticeCode
from terminal.domain.practising import SHOP
from terminal.practising.switch import FORGOTTEN_MS, PracticeSwitch
from terminal.practising.world import FromShop
from tests.support.shop import Shop
from tests.support.till_web import desk_of


@pytest.fixture
def switch(shop: Shop, tmp_path: Path) -> Iterator[PracticeSwitch]:
    desk = desk_of(shop)
    made = PracticeSwitch(
        FromShop(
            settings=TerminalSettings(data_dir=tmp_path),
            identity=shop.identity,
            store=shop.store,
            clock=shop.clock,
            streams=desk.streams,
        )
    )
    made.connect(desk, create_app(desk))
    assert made.enter().code is NoticeCode.PRACTICE_BEGUN
    yield made
    made.close()


def test_nobody_presses_for_a_quarter_of_an_hour(switch: PracticeSwitch, shop: Shop) -> None:
    shop.wall.monotonic_ms += FORGOTTEN_MS - 1
    switch.end_if_forgotten()
    assert switch.mode() != SHOP
    shop.wall.monotonic_ms += 1
    switch.end_if_forgotten()
    assert switch.mode() == SHOP
    _, notice = shop.till.snapshot()
    assert notice is not None
    assert notice.code is NoticeCode.PRACTICE_FORGOTTEN
    switch.scan("6901234567892")  # the shop's till is the one that hears it
    _, notice = shop.till.snapshot()
    assert notice is not None
    assert notice.code is not NoticeCode.PRACTICE_FORGOTTEN


@pytest.mark.parametrize("way", ["scan", "press"])
def test_whoever_goes_on_practising_is_left_at_it(
    switch: PracticeSwitch, shop: Shop, way: str
) -> None:
    for _ in range(3):
        shop.wall.monotonic_ms += FORGOTTEN_MS - 1
        if way == "scan":
            switch.scan("6901234567892")
        else:
            Client(switch).post("/api/item", json={"item_id": "bun"})
        switch.end_if_forgotten()
        assert switch.mode() != SHOP


def test_a_page_that_only_lies_open_is_nobody_pressing(switch: PracticeSwitch, shop: Shop) -> None:
    shop.wall.monotonic_ms += FORGOTTEN_MS
    assert Client(switch).get("/").status_code == 200
    switch.end_if_forgotten()
    assert switch.mode() == SHOP
