"""``serve --workers 2``: two processes at one port, one pool, and one end."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.ledger_http import Caller
from bench.ledger_pool import POINTS_EACH, POOL, LedgerPool, ledger_pool
from bench.pool import is_healthy
from bench.processes import PPID, ROOT, run_module
from demo.running import free_port
from server.bootstrap.main import huidian_server
from server.db import reading
from server.directory.accounts import resident_account
from server.ledger import Asset, balance

WITHIN_S = 60.0
SALES = 12
HEALTH = b"GET /v1/health HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n"


class Served:
    """A server of two processes, and who they are."""

    def __init__(self, pool: LedgerPool, config: Path, port: int) -> None:
        self.pool, self.config, self.port = pool, config, port
        self.log = config.with_suffix(".log")
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "server", "--config", str(config), "serve", "--workers=2"],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self.workers: list[int] = []

    def wait_until_up(self) -> None:
        url = f"http://127.0.0.1:{self.port}"
        wait_for(lambda: is_healthy(url) and len(children(self.process.pid)) == 2, self.log)
        self.workers = children(self.process.pid)

    def caller_at(self, worker: int) -> Caller:
        """A connection that this one of them took: the other sleeps meanwhile."""
        (other,) = set(self.workers) - {worker}
        os.kill(other, signal.SIGSTOP)
        try:
            caller = Caller(self.port)
            answer = caller.ask(HEALTH % self.port)
            assert b'"ok":true' in answer.replace(b" ", b""), answer
            return caller
        finally:
            os.kill(other, signal.SIGCONT)

    def end(self) -> None:
        for pid in (self.process.pid, *self.workers):
            if is_running(pid):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(WITHIN_S)


def children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # ended while we looked
            continue
        if fields[PPID] == str(pid):
            found.append(int(stat.parent.name))
    return sorted(found)


def is_running(pid: int) -> bool:
    """Whether it is there, and not only waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def is_free(port: int) -> bool:
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_for(what: object, log: Path) -> None:
    assert callable(what)
    deadline_s = time.monotonic() + WITHIN_S
    while not what():
        assert time.monotonic() < deadline_s, log.read_text()[-2000:]
        time.sleep(0.02)


@contextmanager
def served(folder: Path, url: str) -> Iterator[Served]:
    with ExitStack() as stack:
        pool = stack.enter_context(
            ledger_pool(folder / "pool", url, sellers=2, redemptions_each=SALES)
        )
        port, config = free_port(), folder / "server.toml"
        config.write_text(
            f'data_dir = "{pool.settings.data_dir}"\ndatabase_url = "{url}"\nlisten_port = {port}\n'
        )
        running = Served(pool, config, port)
        stack.callback(running.end)
        running.wait_until_up()
        yield running


@pytest.fixture
def two(tmp_path: Path, postgres_url: str) -> Iterator[Served]:
    with served(tmp_path, postgres_url) as running:
        yield running


@pytest.mark.postgres
@pytest.mark.timeout(300)
def test_the_same_redemption_at_both_processes_at_once_is_one(two: Served) -> None:
    seller = two.pool.sellers[0]
    account = resident_account(seller.account)
    with reading(two.pool.engine) as tx:
        before = balance(tx, POOL, account, Asset.POINTS)
    callers = [two.caller_at(worker) for worker in two.workers]
    told = []
    with ThreadPoolExecutor(len(callers)) as threads:
        for redemption in seller.prepare(SALES):
            # Signed twice, as by a till that asks again: each is a request of its own.
            signed = [seller.sign(redemption, two.port) for _ in callers]
            asked = threads.map(lambda caller, each: caller.ask(each.authorise), callers, signed)
            holds = {re.sub(rb"(?s).*\r\n\r\n", b"", each) for each in asked}
            assert len(holds) == 1, holds
            assert b'"type":"approved"' in holds.pop()
            answers = threads.map(lambda caller, each: caller.ask(each.journal), callers, signed)
            told.append(re.findall(rb'"outcome":"(\w+)"', b"".join(answers)))
    for caller in callers:
        caller.close()
    # A record told again has the outcome that it had; it was booked once.
    assert told == [[b"posted", b"posted"]] * SALES
    with reading(two.pool.engine) as tx:
        left = balance(tx, POOL, account, Asset.POINTS)
    assert left == before - SALES * POINTS_EACH
    run_module("server", "--config", str(two.config), "audit")


@pytest.mark.postgres
@pytest.mark.timeout(300)
def test_what_one_process_was_told_the_other_knows_at_once(two: Served) -> None:
    """A request is good for one of them: nonces are the database's."""
    seller = two.pool.sellers[1]
    (signed,) = [seller.sign(each, two.port) for each in seller.prepare(1)]
    first, second = (two.caller_at(worker) for worker in two.workers)
    assert b'"type":"approved"' in first.ask(signed.authorise)
    assert b'"replay' in second.ask(signed.authorise)
    assert b'"outcome":"posted"' in second.ask(signed.journal)
    for caller in (first, second):
        caller.close()


@pytest.mark.postgres
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("which", "how", "code"),
    [
        ("all", signal.SIGTERM, 0),
        ("one worker", signal.SIGKILL, 1),
        ("all", signal.SIGKILL, -signal.SIGKILL),
    ],
)
def test_they_end_together_and_let_the_port_go(
    two: Served, which: str, how: signal.Signals, code: int
) -> None:
    os.kill(two.process.pid if which == "all" else two.workers[0], how)
    assert two.process.wait(WITHIN_S) == code
    wait_for(lambda: not any(is_running(each) for each in two.workers), two.log)
    # A killed process counts as ended a moment before the last of its threads lets the port go.
    wait_for(lambda: is_free(two.port), two.log)
    if code == 1:
        assert "一个服务进程意外结束" in two.log.read_text()


def test_on_sqlite_there_is_one_process(tmp_path: Path) -> None:
    data = ["--data", str(tmp_path / "data")]
    made = CliRunner().invoke(huidian_server, [*data, "init", "--pool", "guanghui"])
    assert made.exit_code == 0, made.output
    refused = CliRunner().invoke(huidian_server, [*data, "serve", "--workers", "2"])
    assert refused.exit_code == 1
    assert "SQLite 请用一个进程" in refused.output
