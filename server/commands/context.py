"""What every command is given: the pool's books, opened when a command first needs them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import click
from sqlalchemy import Engine

from config.pool import PoolPreset
from config.server import ServerSettings
from server.directory.keys import PoolKeys
from server.facts import FactDesk


@dataclass(frozen=True, slots=True)
class OpenedPool:
    """One pool with its database and its keys."""

    pool: str
    engine: Engine
    keys: PoolKeys


class CommandRefused(click.ClickException):
    """A command cannot be done; the message says why, Chinese first. Exit status 1."""

    def format_message(self) -> str:
        return self.message


def _nobody_upgrades() -> str | None:
    raise CommandRefused("这里不能升级数据库 / the database cannot be upgraded from here")


@dataclass(slots=True)
class CommandContext:
    """The way from a command to the books; ``ctx.obj`` of every command.

    Attributes:
        clock: the server's time, aware UTC.
        randomness: n random bytes.
        make_desk: a desk that knows every command; also for replaying into another database.
        open_pool: opens what ``init`` made; raises :class:`CommandRefused` if there is nothing.
        create_pool: makes keys and database and adopts the preset.
        serve: answers requests with so many processes until it is told to stop.
        upgrade_database: brings the database to this version, as its owner; answers the role
            that was given its rights, None where one URL serves both.
    """

    settings: ServerSettings
    clock: Callable[[], datetime]
    randomness: Callable[[int], bytes]
    make_desk: Callable[[], FactDesk]
    open_pool: Callable[[], OpenedPool]
    create_pool: Callable[[PoolPreset], OpenedPool]
    serve: Callable[[OpenedPool, int], None]
    upgrade_database: Callable[[], str | None] = _nobody_upgrades
    _opened: OpenedPool | None = None

    @property
    def opened(self) -> OpenedPool:
        if self._opened is None:
            self._opened = self.open_pool()
        return self._opened

    @property
    def engine(self) -> Engine:
        return self.opened.engine

    @property
    def pool(self) -> str:
        return self.opened.pool

    @property
    def keys(self) -> PoolKeys:
        return self.opened.keys

    def close(self) -> None:
        """Lets the database go; called when the command is over."""
        if self._opened is not None:
            self._opened.engine.dispose()
            self._opened = None


pass_context = click.make_pass_decorator(CommandContext)
"""Hands the :class:`CommandContext` to a command as its first argument."""
