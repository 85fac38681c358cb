"""Several processes at one port: together they allow strangers no more than one would, and none
of them publishes what another has overtaken.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import Engine

from protocol.documents import Catalogue, DocumentKind, open_document
from server.api import publishing
from server.api.phones import create_phone_blueprint
from server.api.publishing import DocumentPublisher
from server.api.receipts import create_receipt_blueprint
from server.api.wrong_tries import ALL_TRIES, PEER_TRIES, WrongTries
from server.db import run_writing
from server.directory import commands as c
from server.directory.documents import newer_than
from tests.unit.server.test_phones import knock
from tests.unit.server.world import HOST, TODAY, World

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize(("peer", "most"), [("203.0.113.7", PEER_TRIES), ("127.0.0.1", ALL_TRIES)])
def test_all_processes_together_give_a_stranger_the_tries_of_one(
    workers: int, peer: str, most: int
) -> None:
    each = [WrongTries(workers) for _ in range(workers)]

    def tried(now: datetime) -> int:
        count = 0
        for one in each:
            while not one.must_wait(peer, now):
                one.failed(peer, now)
                count += 1
        return count

    assert tried(NOON) == most
    # And they grow back no faster: so many rests, so many tries.
    rest = timedelta(seconds=10 if most == PEER_TRIES else 1)
    assert tried(NOON + 4 * rest) == 4


@pytest.mark.parametrize("path", ["phones", "receipts"])
def test_each_process_allows_its_part_at_both_doors(world: World, path: str) -> None:
    services = replace(world.api, workers=2)
    world.app = Flask(__name__)
    world.app.register_blueprint(create_phone_blueprint(services))
    world.app.register_blueprint(create_receipt_blueprint(services))

    def try_once() -> bool:
        """Whether the guess was looked at."""
        if path == "phones":
            told = knock(world, "203.0.113.7", "BCDFGH-JKLMNP")
            return told is not None and told.value == "wrong_code"
        answer = world.client.post(
            "/v1/receipts/check",
            base_url=HOST,
            json={"receipt_no": "t-1-000001", "check": "0000000000"},
            environ_overrides={"REMOTE_ADDR": "203.0.113.7"},
        )
        return answer.status_code == 200

    assert [try_once() for _ in range(PEER_TRIES // 2 + 1)] == [True] * (PEER_TRIES // 2) + [False]


def price(points: int) -> c.ChangePrice:
    return c.ChangePrice(item_id="rice", valid_from=TODAY, price_points=points)


def published_price(world: World) -> int | None:
    newest = world.read(lambda tx: newer_than(tx, world.pool, DocumentKind.CATALOGUE, 0))
    assert newest is not None
    opened = open_document(newest, world.signer().key.public_key(), world.keys.tag)
    assert isinstance(opened, Catalogue)
    (rice,) = [each for each in opened.items if each.item_id == "rice"]
    return rice.price_points


def test_who_looked_earlier_does_not_publish_over_who_saw_more(
    counter: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, quick = DocumentPublisher(counter.api), DocumentPublisher(counter.api)
    counter.do(price(14))

    def overtaken(engine: Engine, write: object, **limits: object) -> object:
        """The slow one has looked; before it writes, a price changes and is published."""
        monkeypatch.setattr(publishing, "run_writing", run_writing)
        counter.do(price(13))
        quick.refresh(counter.clock())
        return run_writing(engine, write, **limits)  # type: ignore[arg-type] # handed on as given

    monkeypatch.setattr(publishing, "run_writing", overtaken)
    slow.refresh(counter.clock())
    assert published_price(counter) == 13
    counter.do(price(12))
    counter.clock.move(seconds=1)
    slow.refresh(counter.clock())
    assert published_price(counter) == 12, "and it goes on publishing"
