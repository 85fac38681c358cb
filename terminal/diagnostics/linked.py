"""The way to the server for a command that runs once, beside or without the serving program."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from config.terminal import TerminalSettings
from terminal.diagnostics.late_commands import CLOCK_OF
from terminal.domain.clock import ShopClock
from terminal.domain.ports import TerminalIdentity
from terminal.pool.breaker import Breaker
from terminal.pool.link import HttpLink, PoolLink

Wall = Callable[[], datetime]
"""The time of day, aware UTC."""


def wall_of(context: click.Context, settings: TerminalSettings) -> Wall:
    """The clock that the serving program goes by, which ``bootstrap`` chooses."""
    choose: Callable[[TerminalSettings], Wall] = context.meta[CLOCK_OF]
    return choose(settings)


@contextmanager
def linked(
    settings: TerminalSettings, identity: TerminalIdentity, key: Ed25519PrivateKey, wall: Wall
) -> Iterator[PoolLink]:
    """The pool's server as this terminal asks it; the connection ends with the block."""
    clock = ShopClock(wall, lambda: time.monotonic_ns() // 1_000_000)
    link = PoolLink(
        HttpLink(settings.server_url, key, identity.terminal, clock),
        terminal=identity.terminal,
        ask_timeout_s=settings.ask_timeout_s,
        breaker=Breaker(settings.breaker_open_s, time.monotonic),
        note_server=lambda _answered: None,
    )
    try:
        yield link
    finally:
        link.close()
