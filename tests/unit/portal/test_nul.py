"""A NUL in an address or a form names nothing, and is no fault of the server."""

import logging

import pytest

from server.db import create_all, metadata, open_engine
from tests.unit.audit.pool_world import PoolWorld
from tests.unit.portal.portal_world import OPERATOR, PortalWorld, send


@pytest.mark.parametrize(
    "address",
    ["/portal/statements/%00", "/console/orders/a%00b", "/console/cards/%00", "/phone/%00", "/%00"],
)
def test_an_address_with_a_nul_is_not_found_whoever_asks(
    portal: PortalWorld, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    portal.people()
    for client in (portal.browser(), portal.signed_in(), portal.officer(OPERATOR)):
        with caplog.at_level(logging.ERROR):
            assert client.get(address).status_code == 404
    assert caplog.records == [], "strangers must not fill the log"


def test_an_address_of_the_api_with_a_nul_is_a_problem(portal: PortalWorld) -> None:
    answer = portal.browser().post("/v1/terminals/%00/journal", data=b"{}")
    assert (answer.status_code, answer.get_json()["problem"]) == (404, "not_found")


@pytest.mark.postgres
def test_a_resident_with_a_nul_is_not_looked_for(postgres_url: str) -> None:
    engine = open_engine(postgres_url)
    create_all(engine, metadata)
    portal = PortalWorld.of(PoolWorld(engine))
    portal.people()
    answer = send(portal.officer(OPERATOR), "/console/cards", account="a\0b")
    assert (answer.status_code, "没有这位居民" in answer.text) == (200, True)
    engine.dispose()
