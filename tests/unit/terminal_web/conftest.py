from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from protocol.documents import Catalogue
from tests.support.shop import ITEMS, NOON, Shop, directory, policy
from tests.support.till_web import app_of


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    made.take(policy(), Catalogue(version=1, made_at=NOON, items=ITEMS), directory())
    made.till.start("test")
    yield made
    made.store.close()


@pytest.fixture
def client(shop: Shop) -> FlaskClient:
    """Speaks as the page does, in Chinese."""
    return app_of(shop).test_client()
