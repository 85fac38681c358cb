"""Starts the project's own programs as processes and leaves none behind."""

import contextlib
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import urllib3

START_WITHIN_S = 30.0
STOP_WITHIN_S = 15.0
COMMAND_WITHIN_S = 120.0
LOOK_EVERY_S = 0.05
# Below those that Linux gives to outgoing connections (net.ipv4.ip_local_port_range).
PORTS = range(20_000, 32_768)
PORT_TRIES = 100


class DemoFailedError(Exception):
    """Something of the demonstration did not work; the message says what and where to look."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses now, and that the kernel gives to nobody by itself:
    a connection that some other program opens meanwhile does not take it.

    Raises:
        DemoFailedError: none was found.
    """
    for _ in range(PORT_TRIES):
        port = PORTS.start + secrets.randbelow(len(PORTS))
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise DemoFailedError(f"没有空闲端口 · no free port from {PORTS.start} to {PORTS.stop - 1}")


def run_command(arguments: Sequence[str], *, standard_input: str = "") -> str:
    """Run one of the project's programs to its end; returns what it printed.

    Raises:
        DemoFailedError: it failed.
    """
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        input=standard_input,
        capture_output=True,
        text=True,
        timeout=COMMAND_WITHIN_S,
        check=False,
    )
    if done.returncode != 0:
        shown = " ".join(arguments[:6])
        raise DemoFailedError(f"{shown} … → {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Program:
    """One of the project's programs while it serves at an address."""

    def __init__(self, name: str, arguments: Sequence[str], *, health_url: str, log: Path) -> None:
        self._name = name
        self._arguments = arguments
        self._health_url = health_url
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            DemoFailedError: it ended, or does not answer in time.
        """
        with self._log.open("ab") as log:
            # A session of its own: Ctrl-C is for the demonstration, which stops its programs.
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline_s = time.monotonic() + START_WITHIN_S
        while time.monotonic() < deadline_s:
            if not self.runs:
                raise DemoFailedError(f"{self._name} 没能启动 · did not start:\n{self._tail()}")
            if self._answers():
                return
            time.sleep(LOOK_EVERY_S)
        raise DemoFailedError(f"{self._name} 没有应答 · does not answer:\n{self._tail()}")

    def stop(self) -> None:
        """Ask it to end, and end it if it does not."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_WITHIN_S)

    def _answers(self) -> bool:
        try:
            response = urllib3.request("GET", self._health_url, retries=False, timeout=2.0)
        except urllib3.exceptions.HTTPError:
            return False
        return response.status == 200  # noqa: PLR2004 - HTTP OK

    def _tail(self) -> str:
        with contextlib.suppress(OSError):
            return "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])
        return ""


class Programs:
    """All programs of the demonstration; on leaving, none of them runs."""

    def __init__(self) -> None:
        self._programs: list[Program] = []

    def add(self, program: Program) -> Program:
        self._programs.append(program)
        return program

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for program in reversed(self._programs):
            program.stop()
