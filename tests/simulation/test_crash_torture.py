"""kill -9 at any moment of real sales, real programs and a real network between them.

What a page acknowledged is what the pool's server holds in the end, once and with the same
figures; and after each start the page tells the truth about the sale that was cut off.
A hundred cuts in every run of the tests; ``--cuts 10000`` for as many as one likes.
"""

import json
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import urllib3

from bench.processes import run_module
from demo.running import free_port
from demo.world import Resident, World, guanghui
from tests.support.real_pool import Codes
from tests.support.zygote import Forked, Zygote

DEEDS = 40
SERVER_EVERY = 12
"""Every so many cuts the server is killed as well."""

MOST_ANSWERS = 24
"""Two sales at each till, about."""

ANSWERS_WITHIN_S = 60.0
TOLD_WITHIN_S = 120.0
HEADERS = {"Content-Type": "application/json", "X-Huidian": "1"}
RESIDENTS = tuple(
    Resident(
        f"r{n}", f"{0xBE << 56 | n:016x}", f"居民{n}", "tinghoujie-1", ("keeping-order",) * DEEDS
    )
    for n in range(1, 4)
)

Screen = dict[str, Any]


@dataclass
class Shown:
    """What one page has said: sales by receipt, and the sale whose button had no answer.

    ``told_at_start``: receipts that the first page after a start named as completed.
    """

    sales: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    in_doubt: str | None = None
    asked: str | None = None
    told_at_start: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)


class Till:
    """A real terminal, its cashier, and what its page has shown."""

    def __init__(self, program: Forked, port: int, code: "Codes", seed: int) -> None:
        self.program = program
        self.shown = Shown()
        self.answers = 0
        self._port = port
        self._code = code
        self._random = random.Random(seed)

    def ask(self, method: str, path: str, **body: object) -> Screen:
        with urllib3.HTTPConnectionPool("127.0.0.1", self._port, retries=False, timeout=20) as pool:
            answer = pool.request(
                method, path, body=json.dumps(body).encode() if body else b"{}", headers=HEADERS
            )
            assert answer.status == 200, (path, answer.status, answer.data)
            self.answers += 1
            screen: Screen = json.loads(answer.data)
            return screen

    def sell(self) -> None:
        """Sell until nobody answers any more."""
        try:
            while True:
                self._one_sale()
        except (urllib3.exceptions.HTTPError, OSError):
            return
        except AssertionError as wrong:
            self.shown.problems.append(str(wrong))

    def _one_sale(self) -> None:
        shown, chance = self.shown, self._random
        screen = self.ask("POST", "/api/clear")
        for _ in range(chance.randint(1, 3)):
            screen = self.ask("POST", "/api/item", item_id="bun")
        if chance.random() < 0.7:
            shown.asked = str(screen["sale_id"])
            screen = self.ask("POST", "/api/scan", text=self._code.text(chance.choice(RESIDENTS)))
        sale_id = str(screen["sale_id"])
        shown.in_doubt = sale_id
        for _ in range(chance.choice((1, 2))):
            self._look(self.ask("POST", "/api/complete", sale_id=sale_id))
        shown.in_doubt = shown.asked = None

    def _look(self, screen: Screen) -> None:
        done = screen["completed"]
        assert done is not None, screen["notice"]
        facts = (str(screen["sale_id"]), int(done["points"]), int(done["cash_fen"]))
        assert self.shown.sales.setdefault(done["receipt_no"], facts) == facts

    def check_first_page(self) -> None:
        """What the page says after a start, of the sale whose button had no answer."""
        notice = self.ask("GET", "/api/view")["notice"] or {"code": "", "figures": {}}
        newest: Screen | None = next(iter(self.ask("GET", "/api/sales")["sales"]), None)
        known = {*self.shown.sales, *self.shown.told_at_start}
        if newest is not None and newest["receipt_no"] not in known:
            assert self.shown.in_doubt is not None, f"nobody pressed a button for {newest}"
            assert notice["code"] == "last_completed", notice
            assert notice["figures"]["receipt_no"] == newest["receipt_no"]
            self.shown.told_at_start.add(newest["receipt_no"])
        elif notice["code"] == "interrupted":
            assert self.shown.asked is not None, "nobody was asked for"
        elif self.shown.in_doubt is not None and newest is not None:
            assert notice["code"] == "last_completed"
            assert notice["figures"]["receipt_no"] == newest["receipt_no"], "an older one counts"
        self.shown.in_doubt = self.shown.asked = None

    def wait_until_told(self) -> None:
        deadline_s = time.monotonic() + TOLD_WITHIN_S
        while self.ask("GET", "/api/view")["untold"]:
            assert time.monotonic() < deadline_s, "the server never heard of it all"
            time.sleep(0.1)


@dataclass
class Town:
    """Two shops and their pool, all of them real programs."""

    server: Forked
    tills: tuple[Till, Till]
    config: Path
    database: Path

    def sell_and_cut(self, after_answers: int, after_s: float, *, with_server: bool) -> None:
        """Sell at both tills, kill everything in the middle of it, and start it again.

        The cut comes so long after so many answers of both, however slow the machine is.
        """
        hands = [threading.Thread(target=till.sell) for till in self.tills]
        before = self._answers()
        for hand in hands:
            hand.start()
        deadline_s = time.monotonic() + ANSWERS_WITHIN_S
        while self._answers() < before + after_answers and time.monotonic() < deadline_s:
            time.sleep(0.001)
        time.sleep(after_s)
        if with_server:
            self.server.end()
        for till in self.tills:
            till.program.end()
        for hand in hands:
            hand.join(60)
            assert not hand.is_alive()
        if with_server:
            self.server.start()
        for till in self.tills:
            till.program.start()
            till.check_first_page()

    def _answers(self) -> int:
        return sum(till.answers for till in self.tills)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    config, port = tmp_path / "server.toml", free_port()
    config.write_text(f'data_dir = "server"\nlisten_port = {port}\n')
    server_command = ("server", "--config", str(config))
    run_module(*server_command, "init", "--pool", "guanghui")
    merchants = guanghui(2026).merchants
    today = datetime.now(UTC).date()
    world = World(pool="guanghui", residents=RESIDENTS, merchants=merchants)
    rows = "\n".join(json.dumps(row, ensure_ascii=False) for row in world.commands(today))
    run_module(*server_command, "import", "-", standard_input=rows)
    codes = Codes(tmp_path / "server" / "keys" / "guanghui")
    url = f"http://127.0.0.1:{port}"
    with Zygote() as zygote:
        server = Forked(zygote, "server", config, f"{url}/v1/health")
        server.start()
        tills = []
        for number, merchant in enumerate(merchants, 1):
            asked = ("--shop", merchant.shop, "--terminal", f"t{number}", "--json")
            code = json.loads(run_module(*server_command, "invite-terminal", *asked))["code"]
            till_port, till_config = free_port(), tmp_path / f"t{number}.toml"
            till_config.write_text(
                f'data_dir = "t{number}"\nlisten_port = {till_port}\nserver_url = "{url}"\n'
            )
            run_module("terminal", "--config", str(till_config), "enrol", "--code", code)
            health = f"http://127.0.0.1:{till_port}/health"
            program = Forked(zygote, "terminal", till_config, health)
            tills.append(Till(program, till_port, codes, number))
        try:
            yield Town(
                server, (tills[0], tills[1]), config, tmp_path / "server" / "huidian.sqlite3"
            )
        finally:
            for each in (*(till.program for till in tills), server):
                each.end()


def wait_for_documents(till: Till) -> None:
    deadline_s = time.monotonic() + TOLD_WITHIN_S
    while till.ask("GET", "/api/view")["directory_age_min"] is None:
        assert time.monotonic() < deadline_s, "the pool's documents never came"
        time.sleep(0.05)


@pytest.mark.timeout(0)  # as long as the number of cuts that was asked for; every wait has its end
def test_what_the_pages_acknowledged_is_what_the_server_holds(
    town: Town, request: pytest.FixtureRequest
) -> None:
    cuts = int(request.config.getoption("--cuts"))
    chance = random.Random(20260301)
    for till in town.tills:
        till.program.start()
        wait_for_documents(till)
    for cut in range(1, cuts + 1):
        answers, after_s = chance.randint(0, MOST_ANSWERS), chance.uniform(0, 0.05)
        town.sell_and_cut(answers, after_s, with_server=cut % SERVER_EVERY == 0)
        assert [till.shown.problems for till in town.tills] == [[], []], f"cut {cut}"
    for till in town.tills:
        till.wait_until_told()
        till.program.end(signal.SIGTERM)
    town.server.end(signal.SIGTERM)
    for number, till in enumerate(town.tills, 1):
        booked = sales_of(town.database, f"t{number}")
        assert till.shown.told_at_start <= set(booked)
        assert {no: booked.get(no) for no in till.shown.sales} == till.shown.sales
        assert len(till.shown.sales) > cuts / 4, "people bought something between the cuts"
        assert any(points for _, points, _ in till.shown.sales.values())
    run_module("server", "--config", str(town.config), "audit")


def sales_of(database: Path, terminal: str) -> dict[str, tuple[str, int, int]]:
    """What the server has booked, by receipt."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        rows = connection.execute(
            "SELECT receipt_no, sale_id, points_for_goods + points_for_money, cash_fen FROM sale"
            " WHERE terminal = ? AND state = 'captured'",
            (terminal,),
        ).fetchall()
    found = {row[0]: (row[1], row[2], row[3]) for row in rows}
    assert len(found) == len(rows), "a receipt's number is given once"
    return found
