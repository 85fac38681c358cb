"""``record-card``: a resident's personal record (积分量化管理个人记录卡), as text or as a table."""

from datetime import datetime

import click

from protocol.business_day import SHANGHAI
from server.commands.context import CommandContext, CommandRefused, pass_context
from server.commands.csv_text import csv_text
from server.db import reading
from server.directory import pool_terms, resident_of
from server.reports.record import record_lines


@click.command("record-card")
@click.option("--account", required=True, help="居民账号（16 位）/ the resident's account")
@click.option("--csv", "as_csv", is_flag=True, help="输出表格文件 / print CSV")
@pass_context
def record_card(context: CommandContext, account: str, *, as_csv: bool) -> None:
    """个人积分记录卡：事项、登记时间、积分 / A resident's record: what, when, points."""
    with reading(context.engine) as tx:
        resident = resident_of(tx, context.pool, account)
        if resident is None:
            raise CommandRefused(f"没有这位居民：{account}，请核对 / not registered: {account}")
        lines = record_lines(tx, context.pool, account)
        unit = pool_terms(tx, context.pool).unit_name
    if as_csv:
        rows = [(each.what, _moment(each.registered_at), each.points) for each in lines]
        click.echo(csv_text(["事项", "登记时间", unit], rows), nl=False)
        return
    click.echo(f"{resident.name}（{account}）个人记录卡 / record card")
    click.echo(f"事项  登记时间  {unit}")
    for each in lines:
        click.echo(f"{each.what}  {_moment(each.registered_at)}  {each.points:+d}")
    click.echo(f"合计 total  {sum(each.points for each in lines)}")


def _moment(at: datetime) -> str:
    return f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
