"""Redemptions over HTTP with every check, from requests that were signed before the clock started.

The caller is as light as can be: ready bytes over kept connections, and the answer is looked at
for what it must say. What is measured is the server.
"""

import socket
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.figures import BenchError
from bench.ledger_pool import LedgerPool, SignedRedemption
from bench.pool import is_healthy
from bench.processes import serving
from demo.running import free_port

APPROVED, POSTED = b'"type":"approved"', b'"outcome":"posted"'
ANSWER_WITHIN_S = 30.0
RECEIVED_BYTES = 65_536
_OK = b"HTTP/1.1 200"
_LENGTH = b"content-length:"
_END = b"\r\n\r\n"


class Caller:
    """One kept connection to one server."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), ANSWER_WITHIN_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        self._socket.close()

    def redeem(self, signed: SignedRedemption) -> None:
        """Ask for the points, then tell that they were taken.

        Raises:
            BenchError: the server did not approve, or did not post.
        """
        self._expect(signed.authorise, APPROVED)
        self._expect(signed.journal, POSTED)

    def ask(self, request: bytes) -> bytes:
        """The whole answer to a request, head and body."""
        self._socket.sendall(request)
        return self._answer()

    def _expect(self, request: bytes, says: bytes) -> None:
        answer = self.ask(request)
        if not answer.startswith(_OK) or says not in answer:
            raise BenchError(f"the server said {answer.decode(errors='replace')}")

    def _answer(self) -> bytes:
        answer = bytearray()
        while (end := answer.find(_END)) < 0:
            self._receive(answer)
        length = length_of(bytes(answer[:end]))
        while len(answer) < end + len(_END) + length:
            self._receive(answer)
        return bytes(answer)

    def _receive(self, answer: bytearray) -> None:
        some = self._socket.recv(RECEIVED_BYTES)
        if not some:
            raise BenchError("the server hung up")
        answer += some


def length_of(head: bytes) -> int:
    """The length of the body that an answer's head tells.

    Raises:
        BenchError: it tells none.
    """
    for line in head.lower().split(b"\r\n"):
        if line.startswith(_LENGTH):
            return int(line[len(_LENGTH) :])
    raise BenchError(f"an answer without its length: {head.decode(errors='replace')}")


@contextmanager
def ledger_servers(
    pool: LedgerPool, folder: Path, workers: Sequence[int]
) -> Iterator[tuple[tuple[int, int], ...]]:
    """Servers of so many processes each on the pool's database; gives (process number, port) of
    each.

    Raises:
        BenchError: one did not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        running: list[tuple[int, int]] = []
        for number, processes in enumerate(workers):
            port, config = free_port(), folder / f"server-{number}.toml"
            config.write_text(
                f'data_dir = "{pool.settings.data_dir}"\n'
                f'database_url = "{pool.settings.database}"\n'
                f"listen_port = {port}\n"
            )
            url = f"http://127.0.0.1:{port}"
            pid = stack.enter_context(
                serving(
                    [
                        *(sys.executable, "-m", "server", "--config", str(config)),
                        *("serve", "--workers", str(processes)),
                    ],
                    is_up=lambda url=url: is_healthy(url),  # type: ignore[misc] # mypy cannot infer a lambda with a default
                    log=folder / f"server-{number}.log",
                )
            )
            running.append((pid, port))
        yield tuple(running)


def call_together(ports: Sequence[int], work: Sequence[Sequence[SignedRedemption]]) -> None:
    """Each caller redeems what is his, one after the other; all callers at once.

    ``ports[i]`` is where the i-th caller's requests were signed for.
    """

    def redeem(caller: Caller, signed: Sequence[SignedRedemption]) -> None:
        for each in signed:
            caller.redeem(each)

    callers = [Caller(port) for port in ports]
    try:
        with ThreadPoolExecutor(len(callers)) as threads:
            pairs = zip(callers, work, strict=True)
            for done in [threads.submit(redeem, *pair) for pair in pairs]:
                done.result()
    finally:
        for caller in callers:
            caller.close()
