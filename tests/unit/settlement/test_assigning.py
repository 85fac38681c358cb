"""An order is given to a merchant, who sees it when he signs in; and nobody else does."""

from pathlib import Path

import pytest
from argon2 import PasswordHasher
from flask.testing import FlaskClient
from sqlalchemy import Engine

from server.directory.commands import RegisterSignIn
from server.directory.values import SignInRole
from server.facts.refused import Refused
from server.redemption.orders import order_id_of
from server.settlement import assigning
from server.settlement.assigning import AssignOrder
from tests.unit.portal.portal_world import sign_in, text_of
from tests.unit.server.test_catalogue import run
from tests.unit.server.world import World
from tests.unit.settlement.orders_world import (
    CENTRE,
    SHOP,
    assert_clean,
    give,
    open_street,
    sell,
    visits,
)

PASSWORD = "p-of-a-test"


@pytest.fixture
def street(engine: Engine, tmp_path: Path) -> World:
    return open_street(engine, tmp_path)


@pytest.fixture
def order_id(street: World, tmp_path: Path) -> str:
    give(street, 50)
    sale = sell(street, street.till(), visits(street, 3))
    return order_id_of(sale.sale_id, 1)


def page_of(street: World, merchant: str) -> str:
    client: FlaskClient = street.client
    assert sign_in(client, merchant, PASSWORD).status_code == 303
    return text_of(client.get("/portal/orders").text)


def people(street: World) -> None:
    for merchant in (CENTRE, SHOP):
        street.do(
            RegisterSignIn(
                user=merchant,
                role=SignInRole.MERCHANT,
                merchant=merchant,
                password_hash=PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(
                    PASSWORD
                ),
            )
        )


def test_an_order_is_given_to_a_merchant_who_alone_sees_it(street: World, order_id: str) -> None:
    people(street)
    empty = page_of(street, CENTRE)
    assert "现在没有派给您的券或工单" in empty
    gave = run(street, "order", "assign", order_id, "--to", SHOP)
    assert gave.exit_code == 0, gave.output
    gave = run(street, "order", "assign", order_id, "--to", CENTRE, "--says", "周三下午，敬老院")
    assert f"assigned to {CENTRE}" in gave.stdout
    again = run(street, "order", "assign", order_id, "--to", CENTRE, "--says", "周三下午，敬老院")
    assert "此前已派" in again.stdout
    assert f"assigned to {CENTRE}" in run(street, "order", "list").stdout
    seen = page_of(street, CENTRE)
    assert "visit 3" in seen
    assert "周三下午，敬老院" in seen
    assert "visit" not in page_of(street, SHOP)
    did = run(street, "order", "fulfil", order_id, "--by", CENTRE, "--confirmed", "电话回访")
    assert did.exit_code == 0, did.output
    after = page_of(street, CENTRE)
    assert "现在没有派给您的券或工单" in after
    assert "+90.00 元" in after
    assert "+90.00 元" not in page_of(street, SHOP)
    assert_clean(street)


def test_what_cannot_be_given_is_refused_in_words(
    street: World, order_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wrong in (("0-1", "--to", CENTRE), (order_id, "--to", "nobody")):
        refused = run(street, "order", "assign", *wrong)
        assert refused.exit_code == 1
        assert " / " in refused.output
    merchant_says = AssignOrder(order_id=order_id, merchant=CENTRE)
    assert isinstance(street.submit(merchant_says), Refused), "only the pool's people assign"
    monkeypatch.setattr(assigning, "ASSIGNMENTS_MAX", 1)
    assert run(street, "order", "assign", order_id, "--to", CENTRE).exit_code == 0
    assert run(street, "order", "assign", order_id, "--to", SHOP).exit_code == 1
    run(street, "order", "cancel", order_id, "--reason", "不需要了")
    assert run(street, "order", "assign", order_id, "--to", CENTRE).exit_code == 1


def test_what_was_done_takes_no_place_of_what_is_still_to_do(street: World, order_id: str) -> None:
    till, visit = street.till(terminal="t-2"), visits(street, 1)
    others = [order_id_of(sell(street, till, visit).sale_id, 1) for _ in range(2)]
    for each in (order_id, *others):
        gave = run(street, "order", "assign", each, "--to", CENTRE)
        assert gave.exit_code == 0, gave.output
    for each in others:
        did = run(street, "order", "fulfil", each, "--by", CENTRE, "--confirmed", "电话回访")
        assert did.exit_code == 0, did.output
    found = street.read(lambda tx: assigning.assigned_to(tx, street.pool, CENTRE, limit=2))
    assert [each.order.order_id for each in found] == [order_id]
