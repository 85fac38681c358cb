"""``init``, ``upgrade`` and ``serve``."""

from pathlib import Path

import click

from config.load import ConfigError, load
from config.pool import PoolPreset, load_pool, pool_names
from server.commands.context import CommandContext, CommandRefused, pass_context

WORKERS_MAX = 8
"""Each takes up to 32 of the database's connections, and no pool has more than one writer."""


@click.command()
@click.option(
    "--pool",
    "preset_name",
    required=True,
    metavar="NAME|FILE.toml",
    help="预设名称或文件 / a preset's name or file",
)
@pass_context
def init(context: CommandContext, preset_name: str) -> None:
    """建立积分池：数据目录、密钥、数据库 / make a pool: data folder, keys, database."""
    opened = context.create_pool(_preset(preset_name))
    opened.engine.dispose()
    click.echo(
        f"积分池 {opened.pool} 已建立，请备份 {context.settings.data_dir / 'keys'}"
        f" / pool {opened.pool} is ready; keep a copy of its keys"
    )


@click.command()
@pass_context
def upgrade(context: CommandContext) -> None:
    """把数据库升级到这个版本，并重新授权 / bring the database to this version, and grant the
    program's role its rights anew. Again: no effect.
    """
    role = context.upgrade_database()
    click.echo("数据库已是这个版本 / the database is at this version")
    if role is not None:
        click.echo(f"已给角色 {role} 授权 / role {role} has its rights")


@click.command()
@click.option(
    "--workers",
    type=click.IntRange(1, WORKERS_MAX),
    default=1,
    show_default=True,
    help="进程数，多于 1 个须用 PostgreSQL / processes; more than one needs PostgreSQL",
)
@pass_context
def serve(context: CommandContext, workers: int) -> None:
    """回答终端和商户的请求，直到停止 / answer terminals and merchants until stopped."""
    context.serve(context.opened, workers)


def _preset(name: str) -> PoolPreset:
    try:
        if name.endswith(".toml"):
            return load(Path(name), PoolPreset)
        if name not in pool_names():
            known = ", ".join(pool_names())
            raise CommandRefused(
                f"没有预设 {name}，可用的有：{known} / no such preset; there are: {known}"
            )
        return load_pool(name)
    except ConfigError as fault:
        raise CommandRefused(str(fault)) from fault
