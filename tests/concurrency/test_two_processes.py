"""Races between processes, over HTTP and on real files: one sale on two tabs, one resident at two
tills. Each is shown with the lock off first.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bench.processes import run_module
from tests.support.real_pool import Codes, Pool, Terminal
from tests.support.tab import Tab, press_at_once
from tests.support.zygote import Zygote

ROUNDS_OF_TABS, ROUNDS_OF_TILLS = 40, 4
ROUNDS_TO_GO_WRONG = 40
"""Within so many the race is there, where nothing stops it."""

HAS_POINTS = 100
BASKET_YUAN, BASKET_POINTS = "6.00", 60


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote() as running:
        yield running


@pytest.fixture
def ending() -> Iterator[ExitStack]:
    """Programs that a test has started, ended whatever happens."""
    with ExitStack() as stack:
        yield stack


def till_of(pool: Pool, name: str, ending: ExitStack, **given: Any) -> Terminal:
    made = pool.terminal(name, **given)
    ending.callback(made.program.end)
    return made


# One sale, two tabs


@pytest.mark.timeout(300)
def test_one_sale_from_two_tabs_in_two_processes(
    tmp_path: Path, zygote: Zygote, ending: ExitStack
) -> None:
    pool = Pool(tmp_path, zygote)
    ending.callback(pool.program.end)
    till = till_of(pool, "t1", ending)
    till.start()
    with Tab(till.port) as one, Tab(till.port) as other:
        for _ in range(ROUNDS_OF_TABS):
            sale_id = till.ask("POST", "/api/item", item_id="bun")["sale_id"]
            screens = press_at_once((one, other), "/api/complete", [{"sale_id": sale_id}] * 2)
            first, second = (each["completed"]["receipt_no"] for each in screens)
            assert first == second, "both tabs show the one receipt"
            till.shown[first] = (0, 50)
    till.wait_until_told()
    assert pool.sales_of("t1") == till.shown
    assert len(till.shown) == ROUNDS_OF_TABS


@pytest.mark.timeout(300)
def test_without_the_tills_lock_two_tabs_make_two_receipts(
    tmp_path: Path, zygote: Zygote, ending: ExitStack
) -> None:
    pool = Pool(tmp_path, zygote)
    ending.callback(pool.program.end)
    till = till_of(pool, "t1", ending, program="terminal-without-lock")
    till.start()
    with Tab(till.port) as one, Tab(till.port) as other:
        for pressed in range(1, ROUNDS_TO_GO_WRONG + 1):
            sale_id = till.ask("POST", "/api/item", item_id="bun")["sale_id"]
            press_at_once((one, other), "/api/complete", [{"sale_id": sale_id}] * 2)
            newest = till.ask("GET", "/api/view")["completed"]["receipt_no"]
            if int(newest.rpartition("-")[2]) > pressed:
                break
        else:
            pytest.fail("the lock is not what keeps them apart")
    till.wait_until_told()
    assert len(pool.sales_of("t1")) == pressed, (
        "the sale's id: the server counts it once all the same"
    )


# One resident, two tills


class TwoTills:
    """Two tills with the same basket, and one resident who can pay for one of them."""

    def __init__(self, pool: Pool, ending: ExitStack, urls: tuple[str, str]) -> None:
        self.pool = pool
        self.tills = tuple(
            till_of(pool, f"t{n + 1}", ending, shop=n, url=url) for n, url in enumerate(urls)
        )
        for till in self.tills:
            till.start()
        self._codes = Codes(pool.folder / "server" / "keys" / "guanghui")
        self._tabs = [ending.enter_context(Tab(till.port)) for till in self.tills]

    def ask(self) -> list[int]:
        """The points that each till was approved for; both ask at one moment."""
        for till in self.tills:
            till.ask("POST", "/api/clear")
            till.wait_until_told()  # what the round before held is let go
            till.ask("POST", "/api/amount", text=BASKET_YUAN)
        code = self._codes.text(self.pool.residents["zhao"])
        screens = press_at_once(self._tabs, "/api/scan", [{"text": code}] * 2)
        return [
            each["payment"]["points"] if each["state"] == "authorised" else 0 for each in screens
        ]

    def complete(self) -> list[int]:
        """The points that each till's page shows as taken."""
        taken = []
        for till in self.tills:
            screen = till.ask("GET", "/api/view")
            done = till.ask("POST", "/api/complete", sale_id=screen["sale_id"])["completed"]
            taken.append(done["points"])
            till.wait_until_told()
        return taken


def two_tills(
    folder: Path, zygote: Zygote, ending: ExitStack, *, database_url: str = "", program: str
) -> TwoTills:
    """On PostgreSQL each till has a server process of its own."""
    pool = Pool(folder, zygote, database_url=database_url, program=program)
    ending.callback(pool.program.end)
    urls = pool.url, pool.url
    if database_url:
        url, second = pool.second_server(program)
        ending.callback(second.end)
        urls = pool.url, url
    return TwoTills(pool, ending, urls)


@pytest.mark.postgres
@pytest.mark.timeout(300)
def test_without_the_servers_locks_two_tills_are_given_the_same_points(
    tmp_path: Path, zygote: Zygote, ending: ExitStack, postgres_url: str
) -> None:
    shops = two_tills(
        tmp_path, zygote, ending, database_url=postgres_url, program="server-without-lock"
    )
    for _ in range(ROUNDS_TO_GO_WRONG):
        if sum(shops.ask()) == 2 * BASKET_POINTS:
            return
    pytest.fail("the locks are not what keeps them apart")


@pytest.mark.parametrize("where", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
@pytest.mark.timeout(300)
def test_a_resident_at_two_tills_spends_the_points_once(
    tmp_path: Path,
    zygote: Zygote,
    ending: ExitStack,
    where: str,
    request: pytest.FixtureRequest,
) -> None:
    url = request.getfixturevalue("postgres_url") if where == "postgres" else ""
    shops = two_tills(tmp_path, zygote, ending, database_url=url, program="server-with-pause")
    for _ in range(ROUNDS_OF_TILLS):
        assert sorted(shops.ask()) == [HAS_POINTS - BASKET_POINTS, BASKET_POINTS]
    assert sum(shops.complete()) == HAS_POINTS
    run_module("server", "--config", str(shops.pool.config), "audit")
