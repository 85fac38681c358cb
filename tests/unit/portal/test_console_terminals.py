"""The console's page of terminals: what waits for a person, and the worst offline loss."""

import msgspec
import pytest

from protocol.documents import DocumentKind, SignedDocument
from protocol.issuers import KeyList
from protocol.messages import OutcomeKind
from protocol.sales import OrderFulfilled
from server.db import reading, writing
from server.directory.issuers import keep_forgotten
from server.portal import console_terminals
from server.redemption.parked import parked_count
from server.reports.exposure import exposure
from tests.support.shop import NOON
from tests.unit.portal.portal_world import MERCHANT, OPERATOR, PortalWorld, text_of


def test_it_shows_what_the_books_say(portal: PortalWorld) -> None:
    portal.people()
    client = portal.officer(OPERATOR)
    page = client.get("/console/terminals")
    assert page.status_code == 200
    text = text_of(page.text)
    with reading(portal.pool.engine) as tx:
        waiting = parked_count(tx, portal.pool.pool)
        worst = exposure(tx, portal.pool.pool)
    assert f"不能入账，待处理 ({waiting})" in text
    assert "流水对不上，待处理 (0)" in text
    assert worst.terminals
    assert all(each.terminal in text for each in worst.terminals)
    english = text_of(client.get("/console/terminals?lang=en").text)
    assert "Worst offline loss" in english


def test_what_waits_is_told_by_what_it_is_and_all_of_it_is_counted(
    portal: PortalWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    portal.people()
    world = portal.pool
    monkeypatch.setattr(console_terminals, "SHOWN_MAX", 1)
    for _ in range(2):
        unknown = OrderFulfilled(
            fulfilment_id=world.new_id(),
            order_id="ab-1",
            business_date=world.now.date(),
            units_milli=1_000,
            confirmation=world.slot(world.now),
        )
        world.record(MERCHANT, unknown, outcome=OutcomeKind.PARKED)
    till = world.tills[MERCHANT]
    text = text_of(portal.officer(OPERATOR).get("/console/terminals").text)
    assert "不能入账，待处理 (2)" in text
    assert "只列出前 1 条，共 2 条。更多的在服务器上运行 huidian-server parked list 查。" in text
    assert f"用券、上门单 · {till.terminal} 1/{till.seq - 1}" in text
    assert f"1/{till.seq} " not in text, "one row alone is shown here"


def test_a_merchant_does_not_see_it(portal: PortalWorld) -> None:
    assert portal.signed_in().get("/console/terminals").status_code != 200


def test_a_newer_key_list_at_the_terminals_is_shown_with_what_to_do(portal: PortalWorld) -> None:
    portal.people()
    world, client = portal.pool, portal.officer(OPERATOR)
    assert "keys take --shown" not in client.get("/console/terminals").text
    newer = KeyList(version=2, made_at=NOON, pool=world.pool, keys=())
    signed = SignedDocument(
        kind=DocumentKind.KEYS, body=msgspec.json.encode(newer), signature=bytes(64)
    )
    with writing(world.engine) as tx:
        keep_forgotten(tx, world.pool, signed, NOON)
    assert "keys take --shown" in text_of(client.get("/console/terminals").text)
    english = text_of(client.get("/console/terminals?lang=en").text)
    assert "The terminals have a newer key list" in english
