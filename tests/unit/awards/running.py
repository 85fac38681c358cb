"""Commands of the server, run on a test's own pool and clock."""

from typing import NoReturn

import click
import pytest
from click.testing import CliRunner, Result

from config.server import ServerSettings
from server.bootstrap.desk import make_desk
from server.bootstrap.main import huidian_server
from server.commands.context import CommandContext, OpenedPool
from tests.unit.server.world import World


def command_context(world: World) -> CommandContext:
    """What a command is given, with the world's database, keys and clock."""
    return CommandContext(
        settings=ServerSettings(data_dir=world.folder),
        clock=world.clock,
        randomness=world.random.randbytes,
        make_desk=make_desk,
        open_pool=lambda: OpenedPool(world.pool, world.engine, world.keys),
        create_pool=_nobody,
        serve=lambda _opened, _workers: pytest.fail("nobody serves here"),
    )


def run(world: World, *arguments: str) -> Result:
    """One command of ``huidian-server``."""
    group: click.Group = huidian_server
    name, *rest = arguments
    return CliRunner().invoke(group.commands[name], rest, obj=command_context(world))


def _nobody(given: object) -> NoReturn:
    raise AssertionError(given)
