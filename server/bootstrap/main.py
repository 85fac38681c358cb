"""``huidian-server``: settings in, one command out."""

import logging
import os
import signal
import socket
import sys
from pathlib import Path

import click
import waitress
from sqlalchemy.exc import DBAPIError

from config.load import ConfigError, load
from config.server import ServerSettings
from protocol.messages import MAX_BODY_BYTES
from server.app import create_app
from server.bootstrap.clock import choose_clock
from server.bootstrap.desk import make_desk
from server.bootstrap.opening import app_services, create_pool, open_pool
from server.bootstrap.schema import upgrade_database, warnings
from server.commands.context import CommandContext, CommandRefused, OpenedPool
from server.commands.group import register_all
from server.db import TryAgain
from server.db.dialect import has_no_room, may_pass_by_waiting

# Those who wait for a common commit wait each in a thread of its own; fewer than the database's
# connections, so that pages being read never keep the writer from its own.
THREADS = 24
_BODY_MARGIN_BYTES = 64 * 1024


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
            if not may_pass_by_waiting(fault):
                raise
            raise _busy(fault) from fault


def _busy(fault: Exception) -> CommandRefused:
    why = str(fault).splitlines()[0]
    return CommandRefused(
        f"数据库忙或连不上，没有改动，请稍后再试 / the database is busy or away, try again: {why}"
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
        serve=lambda opened: _serve(settings, opened),
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


def _serve(settings: ServerSettings, opened: OpenedPool) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for warning in warnings(opened.engine):
        click.echo(warning, err=True)
    clock = choose_clock(settings.simulated_clock_file)
    app = create_app(app_services(settings, opened, clock=clock, randomness=os.urandom))
    listening = _listen(settings)
    server = waitress.create_server(
        app,
        sockets=[listening],
        threads=THREADS,
        clear_untrusted_proxy_headers=True,
        # What is longer is not even received; the application answers what is a little too long.
        max_request_body_size=max(MAX_BODY_BYTES, settings.max_body_bytes) + _BODY_MARGIN_BYTES,
    )
    click.echo(
        f"积分池 {opened.pool} 服务中 / serving http://{settings.listen_host}:{settings.listen_port}"
    )
    # As Ctrl-C does: the loop ends, requests under way are answered, the port is let go.
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(0))
    try:
        server.run()
    finally:
        server.close()


def _listen(settings: ServerSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.listen_host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.listen_host, settings.listen_port))
    except OSError as fault:
        listening.close()
        raise CommandRefused(
            f"端口 {settings.listen_port} 被占用或不能用，请停掉另一个程序或换端口"
            f" / cannot listen on {settings.listen_host}:{settings.listen_port}: {fault.strerror}"
        ) from fault
    return listening
