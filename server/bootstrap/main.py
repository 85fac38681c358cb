"""``huidian-server``: settings in, one command out."""

import os
from pathlib import Path

import click
from sqlalchemy.exc import DBAPIError

from config.load import ConfigError, load
from config.server import ServerSettings
from server.bootstrap.clock import choose_clock
from server.bootstrap.desk import make_desk
from server.bootstrap.opening import create_pool, open_pool
from server.bootstrap.schema import upgrade_database
from server.bootstrap.serving import serve
from server.commands.context import CommandContext, CommandRefused
from server.commands.group import register_all
from server.db import TryAgain
from server.db.dialect import has_no_room, is_damaged, may_not_be_used, may_pass_by_waiting


class _Commands(click.Group):
    """Says in one line what a busy or absent database would say in a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except TryAgain as fault:
            raise _busy(fault) from fault
        except DBAPIError as fault:
            if has_no_room(fault):
                raise CommandRefused(
                    "数据库磁盘已满，没有改动，请腾出空间再试"
                    " / the database's disk is full, nothing was changed: make room and try again"
                ) from fault
            if is_damaged(fault):
                raise CommandRefused(
                    "数据库文件已损坏：不要再用它，留一份拷贝，从备份恢复（docs/operating.md）"
                    " / the database's file is damaged: keep a copy, restore the backup"
                    f" (docs/operating.md): {_first_line(fault)}"
                ) from fault
            if may_not_be_used(fault):
                raise CommandRefused(_not_this_user(_first_line(fault))) from fault
            if not may_pass_by_waiting(fault):
                raise
            raise _busy(fault) from fault
        except PermissionError as fault:
            if fault.filename is None:
                raise
            raise CommandRefused(_not_this_user(str(fault.filename))) from fault


def _first_line(fault: Exception) -> str:
    return str(fault).splitlines()[0]


def _not_this_user(what: str) -> str:
    return (
        "这个用户不能用数据目录，请用服务的用户运行（sudo -u huidian-server …）"
        f" / this user may not use the data folder, run it as the service's user: {what}"
    )


def _busy(fault: Exception) -> CommandRefused:
    return CommandRefused(
        "数据库忙或连不上，没有改动，请稍后再试"
        f" / the database is busy or away, try again: {_first_line(fault)}"
    )


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="设置文件 (TOML) / settings file",
)
@click.option(
    "--data",
    "data_dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="数据目录，其余用默认设置 / data folder, everything else as by default",
)
@click.pass_context
def huidian_server(context: click.Context, config_file: Path | None, data_dir: Path | None) -> None:
    """惠点积分池服务器 / the pool server of Huidian."""
    settings = _settings(config_file, data_dir)
    clock = choose_clock(settings.simulated_clock_file)
    commands = CommandContext(
        settings=settings,
        clock=clock,
        randomness=os.urandom,
        make_desk=make_desk,
        open_pool=lambda: open_pool(settings),
        create_pool=lambda preset: create_pool(
            settings, preset, clock=clock, randomness=os.urandom
        ),
        serve=lambda opened, workers: serve(settings, opened, workers),
        upgrade_database=lambda: upgrade_database(settings),
    )
    context.obj = commands
    context.call_on_close(commands.close)


register_all(huidian_server)


def main() -> None:
    """The console script."""
    huidian_server(prog_name="huidian-server")


def _settings(config_file: Path | None, data_dir: Path | None) -> ServerSettings:
    if config_file is not None and data_dir is not None:
        raise CommandRefused("--config 和 --data 只能写一个 / give --config or --data, not both")
    if config_file is not None:
        try:
            return load(config_file, ServerSettings)
        except ConfigError as fault:
            raise CommandRefused(str(fault)) from fault
    if data_dir is not None:
        return ServerSettings(data_dir=data_dir.absolute())
    raise CommandRefused("请写 --data 目录 或 --config 文件 / give --data FOLDER or --config FILE")
