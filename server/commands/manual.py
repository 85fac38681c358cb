"""``manual``: points of residents who showed neither phone nor card (人工核对)."""

from datetime import date, datetime, timedelta

import click
import msgspec

from protocol.business_day import business_date
from server.commands.context import CommandContext, pass_context
from server.db import reading
from server.directory import cut_off_hour
from server.redemption.manual_list import manual_sales

DAYS_SHOWN = 60
_DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def manual() -> None:
    """人工核对的抵扣 / Redemptions by hand, without phone or card."""


@manual.command("list")
@click.option("--from", "first", type=_DAY, metavar="YYYY-MM-DD", help="默认 60 天前 / 60 days ago")
@click.option("--until", "last", type=_DAY, metavar="YYYY-MM-DD", help="默认今天 / default: today")
@click.option("--json", "as_json", is_flag=True, help="输出 JSON / as JSON")
@pass_context
def manual_list(
    context: CommandContext, *, first: datetime | None, last: datetime | None, as_json: bool
) -> None:
    """谁同意的、为什么；最新的在前，最多 500 条 / Who allowed it and why, newest first, at most 500."""
    with reading(context.engine) as tx:
        today = business_date(context.clock(), cut_off_hour(tx, context.pool))
        begin: date = first.date() if first is not None else today - timedelta(days=DAYS_SHOWN)
        found = manual_sales(tx, context.pool, begin, last.date() if last is not None else today)
    if as_json:
        for each in found:
            click.echo(msgspec.json.encode(each).decode())
        return
    if not found:
        click.echo("没有人工核对的抵扣 / none")
    for each in found:
        click.echo(
            f"{each.business_date}\t{each.terminal}\t{each.receipt_no}\t{each.account}\t"
            f"{each.points}\t{each.allowed_by}\t{each.reason}"
        )
