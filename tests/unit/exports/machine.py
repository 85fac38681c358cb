"""The machine that a server stands on: somebody types commands about statements at it."""

from pathlib import Path

import click
from click.testing import CliRunner, Result

from config.server import ServerSettings
from server.bootstrap.clock import system_clock
from server.bootstrap.desk import make_desk
from server.commands import books, statement_files
from server.commands.context import CommandContext, CommandRefused, OpenedPool
from server.directory.keys import PoolKeys
from tests.unit.audit.pool_world import PoolWorld


class Machine:
    """Runs a command against a pool; a folder without one says so."""

    def __init__(self, world: PoolWorld | None, folder: Path) -> None:
        self.world = world
        self._settings = ServerSettings(data_dir=folder)
        self._group = click.Group()
        books.register(self._group)
        assert isinstance(self._group.commands["statement"], click.Group)
        statement_files.register(self._group.commands["statement"])

    def run(self, *arguments: str | Path) -> Result:
        context = CommandContext(
            settings=self._settings,
            clock=system_clock,
            randomness=bytes,
            make_desk=make_desk,
            open_pool=self._open,
            create_pool=_never,
            serve=lambda _opened, _workers: None,
        )
        return CliRunner().invoke(self._group, ["statement", *map(str, arguments)], obj=context)

    def _open(self) -> OpenedPool:
        if self.world is None:
            raise CommandRefused("没有积分池 / no pool here")
        root = self.world.root
        keys = PoolKeys(root, self.world.issuer, self.world.issuer, b"m" * 32, b"s" * 32)
        return OpenedPool(self.world.pool, self.world.engine, keys)


def _never(*_arguments: object) -> OpenedPool:
    raise AssertionError
