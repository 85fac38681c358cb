"""A pool's server and its terminals as real programs on real files, and their commands."""

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import urllib3

from bench.processes import run_module
from demo.running import free_port
from demo.world import Resident, guanghui
from protocol.codes import make_slot, to_digits
from protocol.money import Points
from server.directory.keys import load_keys
from tests.support.running_till import HEADERS
from tests.support.zygote import Forked, Zygote

WITHIN_S = 60.0

Sales = dict[str, tuple[int, int]]
"""Receipt number: points and fen."""


class Codes:
    """Residents' phone codes, made with the pool's keys."""

    def __init__(self, keys_folder: Path) -> None:
        self._keys = load_keys(keys_folder)

    def text(self, resident: Resident) -> str:
        return to_digits(
            make_slot(
                self._keys.slot_issuer,
                self._keys.tag,
                kid=self._keys.slot_kid,
                account=bytes.fromhex(resident.account),
                starts_at=datetime.now(UTC),
                minutes=30,
                cap=Points(400),
                batch=0,
                index=0,
            )
        )


class Pool:
    """A server with two merchants, one shop each, on SQLite or where ``database_url`` says."""

    def __init__(
        self, folder: Path, zygote: Zygote, *, database_url: str = "", program: str = "server"
    ) -> None:
        self.folder, self.zygote = folder, zygote
        self._database = f'database_url = "{database_url}"\n' if database_url else ""
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.config = folder / "server.toml"
        self.config.write_text(f'data_dir = "server"\nlisten_port = {port}\n{self._database}')
        self.command("init", "--pool", "guanghui")
        world = guanghui(2026)
        self.shops = [each.shop for each in world.merchants]
        self.residents = {each.key: each for each in world.residents}
        rows = world.commands(datetime.now(UTC).date())
        lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        self.command("import", "-", given=lines)
        self.program = Forked(zygote, program, self.config, f"{self.url}/v1/health")
        self.program.start()

    def second_server(self, program: str = "server") -> tuple[str, Forked]:
        """Another process on the same database, started; its address first."""
        port = free_port()
        config = self.folder / f"server-{port}.toml"
        config.write_text(f'data_dir = "server"\nlisten_port = {port}\n{self._database}')
        url = f"http://127.0.0.1:{port}"
        started = Forked(self.zygote, program, config, f"{url}/v1/health")
        started.start()
        return url, started

    def command(self, *arguments: str, given: str = "") -> str:
        return run_module("server", "--config", str(self.config), *arguments, standard_input=given)

    def terminal(
        self,
        name: str,
        shop: int = 0,
        stick: Path | None = None,
        *,
        url: str = "",
        program: str = "terminal",
    ) -> "Terminal":
        return Terminal(self, name, self.shops[shop], stick, url=url or self.url, program=program)

    def sales_of(self, terminal: str) -> Sales:
        path = self.folder / "server" / "huidian.sqlite3"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            rows = database.execute(
                "select receipt_no, points_for_goods + points_for_money, cash_fen from sale"
                " where terminal = ? and state = 'captured'",
                (terminal,),
            ).fetchall()
        assert len({row[0] for row in rows}) == len(rows), "a sale counts once"
        return {row[0]: (row[1], row[2]) for row in rows}

    def every_sale_of(self, terminal: str) -> list[tuple[str, str]]:
        """Id and receipt number of each sale in the books: two may have one number."""
        path = self.folder / "server" / "huidian.sqlite3"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return database.execute(
                "select sale_id, receipt_no from sale where terminal = ? and state = 'captured'",
                (terminal,),
            ).fetchall()

    def recoveries(self) -> list[dict[str, Any]]:
        return self.waiting("terminal", "recoveries")

    def waiting(self, *command: str) -> list[dict[str, Any]]:
        """What a command lists, whose exit status says whether somebody should look."""
        done = subprocess.run(
            [sys.executable, "-m", "server", "--config", str(self.config), *command, "--json"],
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
        return [json.loads(line) for line in done.stdout.splitlines()]


class Terminal:
    """One real terminal, and what its page has acknowledged."""

    def __init__(
        self, pool: Pool, name: str, shop: str, stick: Path | None, *, url: str, program: str
    ) -> None:
        self.pool, self.name = pool, name
        self.data = pool.folder / name
        self.config = pool.folder / f"{name}.toml"
        self.port = free_port()
        medium = "" if stick is None else f'second_medium = "{stick}"\n'
        self.config.write_text(
            f'data_dir = "{name}"\nlisten_port = {self.port}\nserver_url = "{url}"\n{medium}'
        )
        asked = ("--shop", shop, "--terminal", name, "--json")
        code = json.loads(pool.command("invite-terminal", *asked))["code"]
        run_module("terminal", "--config", str(self.config), "enrol", "--code", code)
        health = f"http://127.0.0.1:{self.port}/health"
        self.program = Forked(pool.zygote, program, self.config, health)
        self.shown: Sales = {}

    def ask(self, method: str, path: str, **body: object) -> dict[str, Any]:
        with urllib3.HTTPConnectionPool("127.0.0.1", self.port, retries=False, timeout=20) as pool:
            answer = pool.request(
                method, path, body=json.dumps(body).encode() if body else b"{}", headers=HEADERS
            )
            assert answer.status == 200, (path, answer.status, answer.data)
            screen: dict[str, Any] = json.loads(answer.data)
            return screen

    def start(self) -> None:
        self.program.start()
        self.wait(lambda: self.ask("GET", "/api/view")["directory_age_min"] is not None)

    def sell(self, times: int) -> None:
        for _ in range(times):
            screen = self.ask("POST", "/api/item", item_id="bun")
            done = self.ask("POST", "/api/complete", sale_id=screen["sale_id"])["completed"]
            self.shown[done["receipt_no"]] = (done["points"], done["cash_fen"])

    def wait_until_told(self) -> None:
        self.wait(lambda: self.ask("GET", "/api/view")["untold"] == 0)

    @staticmethod
    def wait(is_so: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + WITHIN_S
        while not is_so():
            assert time.monotonic() < deadline_s
            time.sleep(0.05)

    def recover(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.recover_command(*arguments),
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )

    def recover_command(self, *arguments: str) -> list[str]:
        start = [sys.executable, "-m", "terminal", "--config", str(self.config)]
        return [*start, "recover", *arguments]

    def report(self, *arguments: str, status: int = 0) -> dict[str, Any]:
        done = self.recover(*arguments, "--json")
        assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
        row: dict[str, Any] = json.loads(done.stdout)
        return row
