"""``health``: whether the loop closes; what flows into the pool and out of it."""

import json
from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path

import click

from protocol.business_day import business_date
from protocol.money import format_yuan
from server.commands.context import CommandContext, CommandRefused, pass_context
from server.db import reading
from server.directory import pool_terms
from server.reports.health import pool_health
from server.reports.health_picture import loop_picture
from server.reports.health_values import Health

WARNED = 1
"""The exit status where somebody should look."""

_Day = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.option(
    "--from", "first", type=_Day, metavar="YYYY-MM-DD", help="默认今年一月一日 / first day"
)
@click.option("--to", "last", type=_Day, metavar="YYYY-MM-DD", help="默认昨天 / last day")
@click.option("--json", "as_json", is_flag=True, help="输出 JSON / print JSON")
@click.option(
    "--svg",
    type=click.Path(dir_okay=False, path_type=Path),
    help="把循环图写成 SVG 文件 / draw the loop into a file",
)
@pass_context
def health(
    context: CommandContext,
    *,
    first: datetime | None,
    last: datetime | None,
    as_json: bool,
    svg: Path | None,
) -> None:
    """积分池是否健康：流入、流出、未用积分 / Whether the loop closes, by month and place.

    The exit status is 1 where there is a warning.
    """
    with reading(context.engine) as tx:
        hour = pool_terms(tx, context.pool).cut_off_hour
        until = last.date() if last else business_date(context.clock(), hour) - timedelta(days=1)
        since = first.date() if first else date(until.year, 1, 1)
        if until < since:
            raise CommandRefused(
                "--to 早于 --from，请改日期 / --to is before --from; change a date"
            )
        found = pool_health(tx, context.pool, since, until)
    if svg is not None:
        try:
            svg.write_text(loop_picture(found), encoding="utf-8")
        except OSError as fault:
            raise CommandRefused(f"写不了 {svg} / cannot write it: {fault.strerror}") from fault
    if as_json:
        click.echo(json.dumps(_data(found), ensure_ascii=False, indent=2, default=str))
    else:
        _print(found)
    if found.warnings:
        raise SystemExit(WARNED)


def _data(found: Health) -> dict[str, object]:
    """The figures, with the sums that follow from them."""
    told = asdict(found)
    for row, each in zip(told["months"], found.months, strict=True):
        row["inflow_fen"], row["outflow_fen"] = each.flow.inflow_fen, each.flow.outflow_fen
    return told


def _print(found: Health) -> None:
    unit = found.unit_name
    worth = found.outstanding_worth_fen
    told = f" = {format_yuan(worth)} 元" if worth is not None else ""
    click.echo(f"{found.pool_name}  {found.first} – {found.last}")
    click.echo(f"资金 fund              {format_yuan(found.fund_fen)} 元")
    click.echo(f"未用{unit} outstanding   {found.outstanding_points}{told}")
    if found.cover_bp is not None:
        click.echo(f"资金占未用{unit}价值 cover  {found.cover_bp / 100:.1f} %")
    click.echo(
        "月份      流入 in         流出 out        结余 net    兑换 redeemed  流入可支付 covered"
    )
    for each in found.months:
        covered = "" if each.covered_points is None else str(each.covered_points)
        flow = each.flow
        click.echo(
            f"{each.month}  {format_yuan(flow.inflow_fen):>12}  {format_yuan(flow.outflow_fen):>12}"
            f"  {format_yuan(flow.net_fen):>12}  {flow.redeemed_points:>10}  {covered:>10}"
        )
    for place in found.places:
        flow = place.total
        click.echo(
            f"{'  ' * place.depth}{place.name}  流入 {format_yuan(flow.inflow_fen)}"
            f"  流出 {format_yuan(flow.outflow_fen)}  登记 {flow.awarded_points}"
            f"  兑换 {flow.redeemed_points}"
        )
    for warned in found.warnings:
        click.echo(f"注意 WARNING  {warned.says} / {warned.says_en}")


def register(group: click.Group) -> None:
    """Adds the command to the server's own."""
    group.add_command(health)
