"""The office asks a merchant to do an order, on a page; he sees it, and nobody else does."""

import re
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from flask.testing import FlaskClient
from sqlalchemy import Engine

from server.db import create_all, metadata, open_engine
from server.directory.commands import RegisterSignIn
from server.directory.values import SignInRole
from server.redemption.orders import order_id_of
from tests.unit.portal.portal_world import csrf_of, send, sign_in, text_of
from tests.unit.server.test_catalogue import run
from tests.unit.server.world import ZHANG, World
from tests.unit.settlement.orders_world import CENTRE, SHOP, give, open_street, sell, visits

PASSWORD = "p-of-a-test"
OFFICE = "office"


@pytest.fixture
def street(tmp_path: Path) -> World:
    engine: Engine = open_engine(f"sqlite:///{tmp_path}/pool.db")
    create_all(engine, metadata)
    world = open_street(engine, tmp_path)
    hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    for user, role, merchant in (
        (OFFICE, SignInRole.OPERATOR, None),
        (CENTRE, SignInRole.MERCHANT, CENTRE),
        (SHOP, SignInRole.MERCHANT, SHOP),
    ):
        world.do(RegisterSignIn(user=user, role=role, merchant=merchant, password_hash=hashed))
    return world


@pytest.fixture
def order_id(street: World) -> str:
    give(street, 50)
    return order_id_of(sell(street, street.till(), visits(street, 3)).sale_id, 1)


def at(street: World, user: str, door: str) -> FlaskClient:
    client: FlaskClient = street.app.test_client()
    assert sign_in(client, user, PASSWORD, door).status_code == 303
    return client


def test_the_office_gives_an_order_to_a_merchant_who_alone_sees_it(
    street: World, order_id: str
) -> None:
    office = at(street, OFFICE, "console")
    listed = text_of(office.get("/console/orders").text)
    assert "还没有做完的 1 张，其中没有派人的 1 张" in listed
    assert "visit 3 还没有派人" in listed
    address = f"/console/orders/{order_id}"
    gave = send(office, address, merchant=CENTRE, says="周三下午，敬老院")
    assert gave.status_code == 200
    assert "已派给商户，他登录后看得到" in text_of(gave.text)
    assert "其中没有派人的 0 张" in text_of(gave.text)
    mine = text_of(at(street, CENTRE, "portal").get("/portal/orders").text)
    assert "周三下午，敬老院" in mine
    others = text_of(at(street, SHOP, "portal").get("/portal/orders").text)
    assert "visit" not in others
    send(office, address, merchant=SHOP)
    assert "visit" not in text_of(at(street, CENTRE, "portal").get("/portal/orders").text)
    history = text_of(office.get(address).text)
    assert history.index("现在归他做") < history.index("周三下午，敬老院")
    english = text_of(office.get(f"{address}?lang=en").text)
    assert "Assign to this merchant" in english


def test_what_cannot_be_given_is_told_in_words(street: World, order_id: str) -> None:
    office = at(street, OFFICE, "console")
    address = f"/console/orders/{order_id}"
    for typed in ({}, {"merchant": CENTRE, "says": "长" * 201}):
        page = send(office, address, **typed)
        assert page.status_code == 400
        assert 'role="alert"' in page.text
    nobody = send(office, address, merchant="nobody")
    assert nobody.status_code == 409
    assert "没有这个商户：nobody" in text_of(nobody.text)
    assert run(street, "order", "cancel", order_id, "--reason", "不需要了").exit_code == 0
    assert send(office, address, merchant=CENTRE).status_code == 409
    assert "这张单已经了结" in text_of(office.get(address).text)
    assert "没有等着做的兑换券或工单" in text_of(office.get("/console/orders").text)
    for method in (office.get, office.post):
        data = {"csrf": csrf_of(office, "console"), "merchant": CENTRE}
        assert method("/console/orders/0-1", data=data).status_code == 404


def test_a_merchant_gives_nothing_to_anybody(street: World, order_id: str) -> None:
    mine = at(street, CENTRE, "portal")
    for address in ("/console/orders", f"/console/orders/{order_id}"):
        page = mine.get(address)
        assert page.status_code == 302
        assert "sign-in" in page.location
    form = {"csrf": csrf_of(mine, "portal"), "merchant": CENTRE}
    assert mine.post(f"/console/orders/{order_id}", data=form).status_code in {302, 400}
    assert mine.post(f"/portal/orders/{order_id}", data=form).status_code == 404
    assert "现在没有派给您的" in text_of(mine.get("/portal/orders").text)


def test_the_office_cancels_some_and_the_same_form_again_cancels_nothing_more(
    street: World, order_id: str
) -> None:
    office = at(street, OFFICE, "console")
    address = f"/console/orders/{order_id}"
    before = street.points(f"resident:{ZHANG}")
    shown = office.get(address).text
    form = {"cancel_id": field(shown, "cancel_id"), "units": " ２", "reason": "居民搬走了"}
    for status, wrong in (
        (400, {"reason": ""}),
        (400, {"units": "0"}),
        (400, {"units": "1.5"}),
        (400, {"units": "²"}),
        (409, {"units": "4"}),
    ):
        refused = send(office, f"{address}/cancel", **(form | wrong))
        assert refused.status_code == status, wrong
        assert 'role="alert"' in refused.text
    assert street.points(f"resident:{ZHANG}") == before
    for _ in range(2):
        told = text_of(send(office, f"{address}/cancel", **form).text)
        assert "已取消，退给居民" in told
    back = street.points(f"resident:{ZHANG}") - before
    assert back == 2 * 10
    rest = office.get(address).text
    assert field(rest, "units") == "1"
    new = form | {"cancel_id": field(rest, "cancel_id"), "units": "1"}
    assert "这张单已经了结" in text_of(send(office, f"{address}/cancel", **new).text)
    assert send(office, f"{address}/cancel", **(new | {"cancel_id": "x-9"})).status_code == 409
    assert street.points(f"resident:{ZHANG}") == before + 3 * 10


def test_a_merchant_cancels_nothing(street: World, order_id: str) -> None:
    mine = at(street, CENTRE, "portal")
    form = {"csrf": csrf_of(mine, "portal"), "cancel_id": "x-1", "units": "1", "reason": "不做"}
    answer = mine.post(f"/console/orders/{order_id}/cancel", data=form)
    assert answer.status_code in {302, 400}
    assert street.points(f"resident:{ZHANG}") == 50 - 3 * 10


def field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}"[^>]* value="([^"]*)"', page)
    assert found is not None, name
    return found[1]
