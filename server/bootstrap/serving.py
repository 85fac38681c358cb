"""Answering requests: one process, or several at one port.

Several are for machines with several cores: checking signatures, reading and writing messages
then happen side by side. A pool's books still have one writer at a time, by the database's locks.
What the processes share is the database, the keys, and the listening socket. What each remembers
by itself is either never old (it is held against the database in the transaction that uses it) or
a stranger's share of wrong tries, which is divided among them.
"""

import contextlib
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess

import click
import waitress

from config.server import ServerSettings
from protocol.messages import MAX_BODY_BYTES
from server.app import create_app
from server.bootstrap.clock import choose_clock
from server.bootstrap.opening import app_services
from server.bootstrap.schema import warnings
from server.commands.context import CommandRefused, OpenedPool

# Those who wait for a common commit wait each in a thread of its own; fewer than the database's
# connections, so that pages being read never keep the writer from its own.
THREADS = 24
_BODY_MARGIN_BYTES = 64 * 1024
_BACKLOG = 1024
_END_WITHIN_S = 20.0
"""Below the time that systemd gives the whole service."""

logger = logging.getLogger(__name__)


def serve(settings: ServerSettings, opened: OpenedPool, workers: int = 1) -> None:
    """Answer at the settings' address until SIGTERM or Ctrl-C, with so many processes.

    With several of them this process answers nothing itself: it ends them when it is told to, and
    when one of them ends by itself, so that whoever started it starts all of them anew. They end
    as well when it is killed.

    Raises:
        CommandRefused: the port is taken, several processes are asked for on SQLite, or one of
            them ended by itself.
    """
    if workers > 1 and opened.engine.dialect.name != "postgresql":
        raise CommandRefused(
            "多个进程只用于 PostgreSQL；SQLite 请用一个进程"
            " / several processes are for PostgreSQL; use one with SQLite"
        )
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for warning in warnings(opened.engine):
        click.echo(warning, err=True)
    listening = _listen(settings)
    where = f"http://{settings.listen_host}:{settings.listen_port}"
    several = f" ({workers} 个进程 processes)" if workers > 1 else ""
    says = f"积分池 {opened.pool} 服务中 / serving {where}{several}"
    if workers == 1:
        _answer(settings, opened, listening, says=says)
        return
    # A connection must not be known to two processes: each makes its own.
    opened.engine.dispose()
    _watch(_start(settings, opened, listening, workers), says)


def _answer(
    settings: ServerSettings,
    opened: OpenedPool,
    listening: socket.socket,
    *,
    workers: int = 1,
    says: str = "",
) -> None:
    clock = choose_clock(settings.simulated_clock_file)
    services = app_services(settings, opened, clock=clock, randomness=os.urandom, workers=workers)
    server = waitress.create_server(
        create_app(services),
        sockets=[listening],
        threads=THREADS,
        clear_untrusted_proxy_headers=True,
        # What is longer is not even received; the application answers what is a little too long.
        max_request_body_size=max(MAX_BODY_BYTES, settings.max_body_bytes) + _BODY_MARGIN_BYTES,
    )
    if says:
        click.echo(says)
    # As Ctrl-C does: the loop ends, requests under way are answered, the port is let go.
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(0))
    try:
        server.run()
    finally:
        server.close()


def _start(
    settings: ServerSettings, opened: OpenedPool, listening: socket.socket, workers: int
) -> list[ForkProcess]:
    """The processes, started. Forked while this process has one thread and no connection."""

    def answer() -> None:
        threading.Thread(target=_end_with_parent, daemon=True).start()
        _answer(settings, opened, listening, workers=workers)

    forking = multiprocessing.get_context("fork")
    started = [forking.Process(target=answer, name=f"server-{n + 1}") for n in range(workers)]
    for each in started:
        each.start()
    return started


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _watch(workers: list[ForkProcess], says: str) -> None:
    """Wait until told to end, or until one ends; then end all of them."""
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(0))
    try:
        click.echo(says)
        wait([each.sentinel for each in workers])
    except KeyboardInterrupt:
        return
    finally:
        ended = [each for each in workers if not each.is_alive()]
        _end(workers)
    for each in ended:
        logger.error("process %s (%s) ended with %s", each.name, each.pid, each.exitcode)
    raise CommandRefused(
        "一个服务进程意外结束，全部停止，请看日志；systemd 会重新启动"
        " / a server process ended by itself; all were stopped, see the log"
    )


def _end(workers: list[ForkProcess]) -> None:
    for each in workers:
        with contextlib.suppress(ProcessLookupError):
            each.terminate()
    for each in workers:
        each.join(_END_WITHIN_S)
        if each.is_alive():
            each.kill()
            each.join()


def _listen(settings: ServerSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.listen_host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.listen_host, settings.listen_port))
        # Who calls before the first process is ready waits, and is not turned away.
        listening.listen(_BACKLOG)
    except OSError as fault:
        listening.close()
        raise CommandRefused(
            f"端口 {settings.listen_port} 被占用或不能用，请停掉另一个程序或换端口"
            f" / cannot listen on {settings.listen_host}:{settings.listen_port}: {fault.strerror}"
        ) from fault
    return listening
