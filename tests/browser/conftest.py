from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol.documents import Catalogue
from tests.support.shop import ITEMS, NOON, Shop, directory, policy
from tests.support.till_web import app_of, served


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
