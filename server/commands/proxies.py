"""``proxies``: what workers redeemed for residents, and whether it came to the door."""

import json

import click

from protocol.business_day import business_date
from server.commands.awarding import read_day
from server.commands.context import CommandContext, pass_context
from server.commands.submitting import operator, submit
from server.db import reading
from server.directory import cut_off_hour
from server.redemption import ConfirmDelivery
from server.redemption.proxies import DeliveryConfirmed, proxy_sales

LATE = 1
"""The exit status where something should have been delivered."""


@click.group()
def proxies() -> None:
    """代兑换 / What workers redeemed for residents."""


@proxies.command("list")
@click.option("--open", "undelivered", is_flag=True, help="只看没有送到的 / not delivered yet")
@click.option("--json", "as_json", is_flag=True, help="输出 JSON / as JSON")
@pass_context
def proxies_list(context: CommandContext, *, undelivered: bool, as_json: bool) -> None:
    """代兑换和送达情况；有超期的退出码为 1 / The exit status is 1 where something is late."""
    with reading(context.engine) as tx:
        today = business_date(context.clock(), cut_off_hour(tx, context.pool))
        found = proxy_sales(tx, context.pool, today, undelivered=undelivered)
    for each in found:
        state = f"已送达 {each.delivered_on} {each.how}" if each.delivered_on else "未送达"
        if each.came_back:
            state = "已退货"
        late = "，超期 / late" if each.overdue else ""
        if as_json:
            row = {
                "sale_id": each.sale_id,
                "receipt_no": each.receipt_no,
                "worker": each.worker,
                "account": each.account,
                "beneficiary": each.beneficiary,
                "consent": each.consent,
                "place": each.place,
                "points": each.points,
                "deliver_by": each.deliver_by.isoformat(),
                "delivered_on": each.delivered_on.isoformat() if each.delivered_on else None,
                "came_back": each.came_back,
                "overdue": each.overdue,
            }
            click.echo(json.dumps(row, ensure_ascii=False))
        else:
            click.echo(
                f"{each.sale_id}\t{each.receipt_no}\t{each.worker_name}\t{each.account}\t"
                f"{each.place}\t{each.points}\t{each.deliver_by}\t{state}{late}"
            )
    if not found and not as_json:
        click.echo("没有代兑换 / no such sales")
    if any(each.overdue for each in found):
        raise SystemExit(LATE)


@proxies.command("delivered")
@click.argument("sale_id")
@click.option("--on", "day", metavar="YYYY-MM-DD", help="哪天，默认今天 / default: today")
@click.option("--how", required=True, help="怎么知道的，如“电话问过本人” / how it is known")
@pass_context
def proxies_delivered(context: CommandContext, sale_id: str, *, day: str | None, how: str) -> None:
    """确认已送到 / It came to the door."""
    outcome = submit(
        context,
        ConfirmDelivery(
            sale_id=sale_id, delivered_on=read_day(context, day), said_by=operator(), how=how[:40]
        ),
    )
    assert isinstance(outcome, DeliveryConfirmed), outcome
    click.echo(f"{sale_id} {'早已确认 / known' if outcome.again else '已确认送达 / delivered'}")
