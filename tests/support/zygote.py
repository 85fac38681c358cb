"""Starts the project's programs quickly: everything is imported once, and each start is a fork.

What runs in the fork is the program's own main function, in a process of its own that can be
killed like any other. Run as a module it reads one start a line and answers the process's number.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import urllib3

from server.bootstrap.main import main as server_main
from terminal.bootstrap import main as terminal_main
from tests.support import unlocked

ROOT = Path(__file__).resolve().parents[2]
MAINS = {
    "terminal": terminal_main,
    "server": server_main,
    "terminal-without-lock": unlocked.terminal_without_lock,
    "server-with-pause": unlocked.server_with_pause,
    "server-without-lock": unlocked.server_without_lock,
}
UP_WITHIN_S = 60.0
GONE_WITHIN_S = 30.0


class Zygote:
    """The process that forks. Use as a context manager; what it started must be ended before."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.zygote"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(GONE_WITHIN_S)

    def start(self, program: str, arguments: list[str], log: Path) -> int:
        """Start a program; returns its process number."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([program, arguments, str(log)]) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


class Forked:
    """One program at one address, started and killed again and again."""

    def __init__(self, zygote: Zygote, program: str, config: Path, health_url: str) -> None:
        self._zygote = zygote
        self._start = program, ["--config", str(config), "serve"], config.with_suffix(".log")
        self._health_url = health_url
        self.pid: int | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.start_unwatched()
        deadline_s = time.monotonic() + UP_WITHIN_S
        while not self._is_up():
            assert self._is_there(), self._start[2].read_text()[-2000:]
            assert time.monotonic() < deadline_s, self._start[2].read_text()[-2000:]
            time.sleep(0.01)

    def start_unwatched(self) -> None:
        """Start it, whatever becomes of it."""
        self.pid = self._zygote.start(*self._start)

    def end(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it, if it runs, and wait until it is gone."""
        if self.pid is None:
            return
        if self._is_there():
            os.kill(self.pid, how)
        deadline_s = time.monotonic() + GONE_WITHIN_S
        while self._is_there():
            assert time.monotonic() < deadline_s, f"{self._start[0]} does not end"
            time.sleep(0.002)
        self.pid = None

    def _is_there(self) -> bool:
        assert self.pid is not None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def _is_up(self) -> bool:
        try:
            answer = urllib3.request("GET", self._health_url, retries=False, timeout=2.0)
        except urllib3.exceptions.HTTPError:
            return False
        return answer.status == 200


def fork_programs() -> None:
    """Fork a program for each line that comes in."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for what was killed
    for line in sys.stdin:
        program, arguments, log = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(program, arguments, log)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def _become(program: str, arguments: list[str], log: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for given, wanted in ((nothing, 0), (written, 1), (written, 2)):
        os.dup2(given, wanted)
    sys.argv = [program, *arguments]
    code: object = 1
    try:
        MAINS[program]()
    except SystemExit as ended:
        code = ended.code
    finally:
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    fork_programs()
