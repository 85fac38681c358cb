"""I12 over the whole application: each route that it has, asked by nobody, by a merchant, by
another terminal, and by the office of another pool in the same database.

The routes are read off the application. One that is added later fails here until it is said who
may ask it (`WHO`) and, where it takes an id, which ids there are of that (`Ids`).
"""

from collections.abc import Iterator
from itertools import product
from typing import Final

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask.testing import FlaskClient
from sqlalchemy import Column, select
from werkzeug.routing import Rule

from config.pool import load_pool
from protocol.http_signing import sign_request
from server.db import reading
from server.facts.tables import fact
from server.ledger.tables import transfer
from server.redemption.order_tables import fulfilment_order
from server.redemption.tables import sale
from server.settlement.states_tables import dispute, payment
from server.settlement.tables import settlement_run, statement
from tests.unit.audit import pool_world
from tests.unit.audit.pool_world import RESIDENT
from tests.unit.portal.portal_world import (
    FINANCE,
    MERCHANT,
    OPERATOR,
    OTHER,
    PortalWorld,
    csrf_of,
)
from tests.unit.settlement import golden_world
from tests.unit.settlement.real_world import RealWorld

HOST = "http://localhost"
ANYBODY, MERCHANTS, OFFICE, SIGNED = "anybody", "merchants", "office", "signed"
WHO: Final = {
    "portal": MERCHANTS,
    "console": OFFICE,
    "api": SIGNED,
    "partners": SIGNED,
    "phone": ANYBODY,
}
"""Who may ask, by blueprint; another blueprint's routes are of nobody that is known here."""
OPEN: Final = {
    "home",
    "portal.sign_in",
    "portal.sign_out",
    "portal.static",
    "console.sign_in",
    "console.sign_out",
    "api.health",
    "api.enrol",  # a code from the office, which is good once
    "partners.openapi",
    "phones.enrol",  # a code from the office
    "phones.refresh",  # what the phone signed
    "receipts.check",  # what stands on the paper
    "receipt.receipt",
}
"""Routes that ask for no sign-in and no terminal: each one is named."""


def who(rule: Rule) -> str:
    """Who may ask a route."""
    if rule.endpoint in OPEN:
        return ANYBODY
    room = rule.endpoint.partition(".")[0]
    assert room in WHO, f"{rule.rule}: say in WHO or OPEN who may ask it"
    return WHO[room]


def rules_of(portal: PortalWorld, whose: str) -> list[Rule]:
    return [each for each in portal.app.url_map.iter_rules() if who(each) == whose]


def methods(rule: Rule) -> list[str]:
    return sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})


def addresses(portal: PortalWorld, rule: Rule, ids: dict[str, list[str]]) -> Iterator[str]:
    """A route's addresses of every combination of ids."""
    names = sorted(rule.arguments)
    for name in names:
        assert ids.get(name), f"{rule.rule} takes {name}: say which ids those are"
    adapter = portal.app.url_map.bind("localhost")
    for chosen in product(*(ids[name] for name in names)):
        yield adapter.build(rule.endpoint, dict(zip(names, chosen, strict=True)))


def ids_of(world: pool_world.PoolWorld) -> dict[str, list[str]]:
    """All ids of a pool that a route may name; line keys and sales' orders among them."""
    with reading(world.engine) as tx:

        def column(of: Column[str]) -> list[str]:
            rows = tx.execute(select(of).where(of.table.c.pool == world.pool))
            return sorted({str(each) for each in rows.scalars()})

        sales = [f"sale:{each}" for each in column(sale.c.sale_id)]
        return {
            "statement": column(statement.c.statement),
            "run": column(settlement_run.c.run),
            "dispute": column(dispute.c.dispute),
            "payment": column(payment.c.payment),
            "order_id": column(fulfilment_order.c.order_id),
            "merchant": sorted(world.tills),
            "account": [RESIDENT, golden_world.LIU],
            "key": sales[:2],
            "kind": ["pdf", "csv"],
        }


def written(portal: PortalWorld) -> tuple[int, int]:
    """How many facts and transfers there are, of all pools."""
    with reading(portal.pool.engine) as tx:
        return (
            len(tx.execute(select(fact.c.fact_no)).all()),
            len(tx.execute(select(transfer.c.transfer_no)).all()),
        )


@pytest.fixture
def neighbour(portal: PortalWorld, monkeypatch: pytest.MonkeyPatch) -> RealWorld:
    """Another pool in the same database, with a statement, run, dispute, payment and order."""
    preset = msgspec.structs.replace(load_pool("guanghui"), id="linjie")
    monkeypatch.setattr(pool_world, "load_pool", lambda _: preset)
    world = RealWorld(portal.pool.engine, now=golden_world.at(2), counter=5_000)
    golden_world.first_period(world)
    golden_world.second_period(world)
    portal.people()
    return world


def secrets_of(world: RealWorld, ids: dict[str, list[str]]) -> set[str]:
    """Words that stand on no page of another pool."""
    return {*ids["statement"], *ids["order_id"], "t-dian", "linjie", "电话回访", "BANK-0001"}


def sign_ins(portal: PortalWorld) -> list[tuple[str, FlaskClient]]:
    return [
        ("nobody", portal.browser()),
        (MERCHANT, portal.signed_in()),
        (OTHER, portal.signed_in(OTHER)),
    ]


def test_every_route_says_who_may_ask_it(portal: PortalWorld) -> None:
    found = [who(each) for each in portal.app.url_map.iter_rules()]
    assert {each: found.count(each) > 0 for each in (*WHO.values(), ANYBODY)} == dict.fromkeys(
        (*WHO.values(), ANYBODY), True
    )
    assert {rule.endpoint for rule in portal.app.url_map.iter_rules()} >= OPEN
    stranger = Rule("/letters/<letter>", endpoint="letters.letter")
    with pytest.raises(AssertionError, match="who may ask it"):
        who(stranger)


def test_the_office_and_the_merchants_pages_open_to_nobody_who_is_not_signed_in(
    portal: PortalWorld, neighbour: RealWorld
) -> None:
    ids = ids_of(portal.pool)
    others = ids_of(neighbour)
    ids = {name: values or others[name] for name, values in ids.items()}
    ids = {name: values[:2] for name, values in ids.items()}
    for client_name, client in sign_ins(portal):
        before, walked = written(portal), 0
        token = csrf_of(client)
        rooms = (OFFICE, MERCHANTS) if client_name == "nobody" else (OFFICE,)
        for rule in (each for room in rooms for each in rules_of(portal, room)):
            for address, method in product(addresses(portal, rule, ids), methods(rule)):
                answer = client.open(address, method=method, data={"csrf": token})
                door = rule.endpoint.partition(".")[0]
                assert answer.status_code == 302, f"{client_name}: {method} {address}"
                assert answer.location == f"/{door}/sign-in", address
                walked += 1
        assert walked >= 30
        assert written(portal) == before, client_name


@pytest.mark.parametrize("user", [OPERATOR, FINANCE])
def test_no_page_of_the_office_knows_the_ids_of_another_pool(
    portal: PortalWorld, neighbour: RealWorld, user: str
) -> None:
    own, others = ids_of(portal.pool), ids_of(neighbour)
    # What both pools have by the same name (a resident's number) is the asker's own.
    for name, values in others.items():
        if name not in {"kind", "account"}:
            assert values, name
            assert not set(values) & set(own[name]), name
    others["account"] = [golden_world.LIU]  # a resident of the neighbour's alone
    client, told = portal.officer(user), secrets_of(neighbour, others)
    before, walked = written(portal), 0
    form = {"csrf": csrf_of(client, "console"), "merchant": "dian", "reason": "看看"}
    form |= {"account": golden_world.LIU, "act": "lost", "amount": "1", "direction": "pay"}
    form |= {"payment": "p-9", "first": "2026-03-01", "last": "2026-03-04", "units": "1"}
    for rule in rules_of(portal, OFFICE):
        for address, method in product(addresses(portal, rule, others), methods(rule)):
            data = form if method == "POST" else None
            answer = client.open(address, method=method, data=data)
            page = answer.get_data().decode(errors="replace")
            asked = f"{method} {address}"
            if rule.arguments - {"kind"}:
                assert answer.status_code in {403, 404}, f"{asked}: {answer.status_code}"
            for word in told:
                assert word not in page.replace(address, ""), f"{asked}: {word}"
            walked += 1
    assert walked >= 30
    assert written(portal)[1] == before[1]


def signed(portal: PortalWorld, key: Ed25519PrivateKey, key_id: str, path: str) -> tuple[int, str]:
    body = b"{}"
    headers = sign_request(
        key,
        key_id=key_id,
        method="POST",
        url=HOST + path,
        body=body,
        created_at=portal.pool.now,
        nonce=f"{abs(hash((key_id, path))):032x}",
    )
    answer = portal.browser().post(path, base_url=HOST, data=body, headers=headers)
    return answer.status_code, answer.get_data().decode()


def test_no_route_for_terminals_or_partners_answers_another_or_nobody(
    portal: PortalWorld, neighbour: RealWorld
) -> None:
    own, other = portal.pool.tills[MERCHANT], portal.pool.tills[OTHER]
    theirs = neighbour.tills["dian"]
    ids = {"terminal": [other.terminal, theirs.terminal], "partner_id": [other.terminal]}
    before, walked = written(portal), 0
    for rule in rules_of(portal, SIGNED):
        assert methods(rule) == ["POST"], rule.rule
        assert rule.arguments, f"{rule.rule} names nobody who asks: say it in OPEN"
        for address in addresses(portal, rule, ids):
            unsigned = portal.browser().post(address, base_url=HOST, data=b"{}")
            assert unsigned.status_code == 401, address
            for key_id in (own.terminal, address.split("/")[3]):
                status, says = signed(portal, own.key, key_id, address)
                assert status in {401, 403, 404}, f"{key_id}: {address}: {status} {says}"
            walked += 1
    assert walked >= 14
    # A terminal of another pool is unknown here, with the right key as well.
    for rule in rules_of(portal, SIGNED):
        if "terminal" in rule.arguments:
            address = rule.rule.replace("<terminal>", theirs.terminal)
            status, says = signed(portal, theirs.key, theirs.terminal, address)
            assert status in {401, 403, 404}, f"{address}: {status} {says}"
    assert written(portal) == before
