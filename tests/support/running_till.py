"""A terminal as a real process on real files, with no pool server: it stands in by itself."""

import json
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import urllib3

from demo.running import free_port
from protocol.documents import Catalogue
from protocol.keys import public_key_text
from terminal.domain.ports import TerminalIdentity
from terminal.store.identity import save_identity, save_key
from terminal.store.sealer import Sealer
from terminal.store.sqlite import SqliteStore
from tests.support.shop import ITEMS, ROOT, TERMINAL_KEY, directory, policy, take_documents

STARTS_WITHIN_S = 30.0
STOPS_WITHIN_S = 15.0
IDENTITY = TerminalIdentity(
    terminal="T0001",
    epoch=1,
    pool="guanghui",
    root_key=public_key_text(ROOT.public_key()),
    shop="s-1",
    shop_name="广惠小店一号",
    merchant_name="社区合伙人一号",
)
HEADERS = {"Content-Type": "application/json", "X-Huidian": "1"}

Screen = dict[str, Any]


def open_store(data_dir: Path) -> SqliteStore:
    """The terminal's store as another program may read it."""
    sealer = Sealer(identity=IDENTITY, key=TERMINAL_KEY, boot_id="boot")
    return SqliteStore(data_dir / "terminal.db", sealer)


class RunningTill:
    """One enrolled terminal. Nobody listens at its server's address."""

    def __init__(self, folder: Path, **settings: str | int) -> None:
        self.data_dir = folder / "data"
        self.data_dir.mkdir(mode=0o700)
        self.config = folder / "terminal.toml"
        self.log = folder / "terminal.log"
        self.port = free_port()
        given: dict[str, str | int] = {
            "data_dir": "data",
            "listen_port": self.port,
            "server_url": f"http://127.0.0.1:{free_port()}",
            **settings,
        }
        lines = (f"{name} = {json.dumps(value)}\n" for name, value in given.items())
        self.config.write_text("".join(lines))
        self.process: subprocess.Popen[bytes] | None = None

    def enrol(self) -> None:
        """Put identity and documents where enrolment and the first fetch put them."""
        save_key(self.data_dir, TERMINAL_KEY)
        save_identity(self.data_dir, IDENTITY)
        now = datetime.now(UTC)
        store = open_store(self.data_dir)
        take_documents(
            store,
            (
                policy(),
                Catalogue(version=1, made_at=now - timedelta(hours=1), items=ITEMS),
                directory(made_at=now - timedelta(minutes=10)),
            ),
        )
        store.close()

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "terminal", "--config", str(self.config), *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of the terminal's commands to its end."""
        return subprocess.run(
            self.command(*arguments), capture_output=True, text=True, timeout=60, check=False
        )

    def start(self) -> None:
        """Start serving and wait until it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command("serve"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline_s = time.monotonic() + STARTS_WITHIN_S
        while True:
            try:
                self.ask("GET", "/health")
            except (urllib3.exceptions.HTTPError, OSError):
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline_s, self.log.read_text()
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        """As a power cut is to the program: nothing of it runs any further."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(STOPS_WITHIN_S)

    def stop(self) -> int:
        """Stop it in good order; returns its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOPS_WITHIN_S)

    def end(self) -> None:
        """Leave no process behind, whatever state it is in."""
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def ask(self, method: str, path: str, **body: object) -> Screen:
        """One request of a page.

        Raises:
            urllib3.exceptions.HTTPError: nobody answered, or not to the end.
        """
        with urllib3.HTTPConnectionPool("127.0.0.1", self.port, retries=False, timeout=10) as pool:
            answer = pool.request(
                method, path, body=json.dumps(body).encode() if body else b"{}", headers=HEADERS
            )
            assert answer.status == 200, (path, answer.status, answer.data)
            screen: Screen = json.loads(answer.data)
            return screen
