from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ViewportSize
from sqlalchemy import Engine

from protocol.documents import Catalogue
from server.db import create_all, metadata, open_engine
from tests.support.serving import listening
from tests.support.shop import ITEMS, NOON, Shop, directory, policy
from tests.support.till_web import app_of, served
from tests.unit.server.world import ZHANG, World

PHONE: ViewportSize = {"width": 390, "height": 844}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    made.take(policy(), Catalogue(version=1, made_at=NOON, items=ITEMS), directory())
    made.till.start("test")
    yield made
    made.store.close()


@pytest.fixture
def till_url(shop: Shop) -> Iterator[str]:
    """The cashier's page of this shop on a real server."""
    with served(app_of(shop)) as url:
        yield url


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Zhang has 1,000 points, and the server's clock is the machine's."""
    engine: Engine = open_engine(f"sqlite:///{tmp_path}/pool.sqlite3")
    create_all(engine, metadata)
    made = World(engine, tmp_path, "guanghui")
    made.furnish()
    for _ in range(10):
        made.award(ZHANG, "river-patrol")
    made.clock.now = datetime.now(UTC)
    yield made
    engine.dispose()


@pytest.fixture
def address(world: World) -> Iterator[str]:
    with listening(world.app) as url:
        yield f"{url}/phone/"


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport=PHONE, device_scale_factor=2, locale="zh-CN")
    yield opened
    opened.close()
