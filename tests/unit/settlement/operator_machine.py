"""The machine at which an operator agrees contracts, books what waits, and settles."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from config.server import ServerSettings
from server.bootstrap.desk import make_desk
from server.commands import books, chains, contracts, counter_awards
from server.commands.context import CommandContext, OpenedPool
from server.commands.importing import import_commands
from server.commands.proxies import proxies
from server.directory.keys import PoolKeys
from tests.unit.audit.pool_world import PoolWorld


class Machine:
    def __init__(self, world: PoolWorld, folder: Path) -> None:
        self.world = world
        self._settings = ServerSettings(data_dir=folder)
        self._group = click.Group()
        books.register(self._group)
        contracts.register(self._group)
        self._group.add_command(import_commands)
        self._group.add_command(chains.parked)
        self._group.add_command(counter_awards.counter)
        self._group.add_command(proxies)

    def run(self, *arguments: str, told: str = "") -> Result:
        world = self.world
        keys = PoolKeys(world.root, world.issuer, world.issuer, b"m" * 32, b"s" * 32)
        context = CommandContext(
            settings=self._settings,
            clock=lambda: world.now,
            randomness=bytes,
            make_desk=make_desk,
            open_pool=lambda: OpenedPool(world.pool, world.engine, keys),
            create_pool=lambda _: pytest.fail("nobody creates a pool here"),
            serve=lambda _opened, _workers: pytest.fail("nobody serves here"),
        )
        return CliRunner().invoke(self._group, list(arguments), obj=context, input=told)

    def says(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.exit_code == 0, done.output
        return done.output

    def refused(self, *arguments: str, told: str = "") -> str:
        done = self.run(*arguments, told=told)
        assert done.exit_code == 1, done.output
        assert "Traceback" not in done.output
        assert " / " in done.output
        return done.output
