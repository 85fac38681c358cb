"""``order``: vouchers and work orders: what is open, what was done, what will not be done."""

import json
from datetime import date, datetime

import click

from protocol.business_day import business_date
from protocol.ids import uuid7
from protocol.money import format_yuan
from server.commands.context import CommandContext, CommandRefused, pass_context
from server.commands.csv_text import csv_text
from server.commands.stock import milli_of, units_of
from server.commands.submitting import submit
from server.db import reading
from server.directory import pool_terms
from server.redemption import CancelOrder, ExpireOrders, FulfilOrder, SetVoucherDays
from server.redemption.order_states import OrderState
from server.redemption.order_values import OrderMoved, OrdersExpired, VoucherDaysSet
from server.redemption.orders import Order, orders_after
from server.settlement.assigning import AssignOrder, assigned_merchants
from server.settlement.states_values import SettlingDone

_UUID_BYTES = 10
_PAGE = 500
_COLUMNS = (
    "order",
    "kind",
    "item",
    "name",
    "account",
    "sold",
    "units",
    "open",
    "until",
    "state",
    "assigned",
)
_STATES = {
    OrderState.OPEN: "未兑现 open",
    OrderState.FULFILLED: "已兑现 fulfilled",
    OrderState.CANCELLED: "已取消 cancelled",
    OrderState.EXPIRED: "已过期 expired",
}
_day_option = click.option(
    "--on",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    help="营业日，缺省为今天 / business date, today if left out",
)
_units_option = click.option(
    "--units", help="数量，缺省为全部未兑现的 / how many, all that is open if left out"
)
_id_option = click.option(
    "--id", "move_id", help="编号，重复提交只记一次 / the same id is booked once"
)


@click.group()
def order() -> None:
    """兑换券与工单 / Vouchers and work orders."""


@order.command("list")
@click.option("--all", "with_ended", is_flag=True, help="连同已了结的 / also those that ended")
@click.option("--json", "as_json", is_flag=True, help="输出 JSON / print JSON")
@click.option("--csv", "as_csv", is_flag=True, help="输出表格文件 / print CSV")
@pass_context
def list_orders(context: CommandContext, *, with_ended: bool, as_json: bool, as_csv: bool) -> None:
    """未兑现的券与工单 / What was sold and is still to be done."""
    if as_json and as_csv:
        raise CommandRefused("--json 和 --csv 只能写一个 / give --json or --csv, not both")
    with reading(context.engine) as tx:
        assigned = assigned_merchants(tx, context.pool)
    rows = [
        _row(each, assigned)
        for each in _orders(context)
        if with_ended or each.state is OrderState.OPEN
    ]
    if as_json:
        told = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
    elif as_csv:
        click.echo(csv_text(list(_COLUMNS), rows), nl=False)
    elif not rows:
        click.echo("没有未兑现的券或工单 / nothing is open")
    else:
        for row in rows:
            name, account, sold, units, left, until, state, merchant = row[3:]
            ends = f"  有效至 until {until}" if until else ""
            ends += f"  已派给 assigned to {merchant}" if merchant else ""
            click.echo(
                f"{row[0]}  {name}  {account}  {sold}"
                f"  未兑现 open {left}/{units}{ends}  {_STATES[OrderState(state)]}"
            )


@order.command()
@click.argument("order_id", metavar="ORDER")
@click.option(
    "--to", "merchant", required=True, help="请哪个商户去做 / the merchant who is to do it"
)
@click.option("--says", default="", help="要告诉他的话 / what he must know")
@pass_context
def assign(context: CommandContext, order_id: str, *, merchant: str, says: str) -> None:
    """派给一个商户，他登录后看得到 / Ask a merchant to do it; he sees it when he signs in."""
    outcome = submit(context, AssignOrder(order_id=order_id, merchant=merchant, says=says))
    assert isinstance(outcome, SettlingDone), outcome
    again = "（此前已派，未作改动 / done before, nothing changed）" if outcome.again else ""
    click.echo(f"{outcome.what}  已派给 assigned to {outcome.state}{again}")


@order.command()
@click.argument("order_id", metavar="ORDER")
@click.option("--by", "provider", required=True, help="完成的商户 / the merchant who did it")
@click.option("--shop", help="其门店，门店有单独合约时写 / his shop, where it has its own contract")
@click.option("--confirmed", required=True, help="居民如何确认 / how the resident confirmed")
@_units_option
@_day_option
@_id_option
@pass_context
def fulfil(
    context: CommandContext,
    order_id: str,
    *,
    provider: str,
    shop: str | None,
    confirmed: str,
    units: str | None,
    day: datetime | None,
    move_id: str | None,
) -> None:
    """已完成，付给商户 / It is done: the pool pays the merchant who did it."""
    outcome = submit(
        context,
        FulfilOrder(
            fulfilment_id=move_id or _new_id(context),
            order_id=order_id,
            provider=provider,
            shop=shop,
            units_milli=milli_of(units) if units is not None else None,
            business_date=_day(context, day),
            confirmed_by=confirmed,
        ),
    )
    _print_moved(outcome)


@order.command()
@click.argument("order_id", metavar="ORDER")
@click.option("--reason", required=True, help="原因 / why")
@_units_option
@_day_option
@_id_option
@pass_context
def cancel(
    context: CommandContext,
    order_id: str,
    *,
    reason: str,
    units: str | None,
    day: datetime | None,
    move_id: str | None,
) -> None:
    """取消，积分退回居民 / It will not be done: the points go back to the resident."""
    outcome = submit(
        context,
        CancelOrder(
            cancel_id=move_id or _new_id(context),
            order_id=order_id,
            units_milli=milli_of(units) if units is not None else None,
            business_date=_day(context, day),
            reason=reason,
        ),
    )
    _print_moved(outcome)


@order.command()
@pass_context
def expire(context: CommandContext) -> None:
    """让过期的券失效 / Vouchers that were good until yesterday or before end."""
    expired, more, today = 0, True, _day(context, None)
    while more:
        outcome = submit(context, ExpireOrders(today=today))
        assert isinstance(outcome, OrdersExpired), outcome
        expired, more = expired + outcome.expired, outcome.more
    click.echo(f"已过期 {expired} 张 / {expired} expired")


@order.command()
@click.argument("item_id", metavar="ITEM")
@click.argument("days", type=click.IntRange(min=0))
@click.option("--reason", required=True, help="依据 / on what grounds")
@pass_context
def validity(context: CommandContext, item_id: str, days: int, *, reason: str) -> None:
    """券的有效天数，0 为长期有效 / Days that vouchers are good for; 0: for good."""
    outcome = submit(context, SetVoucherDays(item_id=item_id, days=days or None, reason=reason))
    assert isinstance(outcome, VoucherDaysSet), outcome
    good = f"{outcome.days} 天 days" if outcome.days else "长期 for good"
    click.echo(f"{outcome.item_id}  此后售出的有效 / sold from now on, good for: {good}")


def _orders(context: CommandContext) -> list[Order]:
    found: list[Order] = []
    with reading(context.engine) as tx:
        after = ""
        while page := orders_after(tx, context.pool, after, limit=_PAGE):
            found += page
            after = page[-1].order_id
    return found


def _row(each: Order, assigned: dict[str, str]) -> tuple[str, ...]:
    return (
        each.order_id,
        each.kind.value,
        each.item_id,
        each.name,
        each.account,
        f"{each.business_date}",
        units_of(each.units_milli),
        units_of(each.units.open_milli),
        f"{each.valid_until or ''}",
        each.state.value,
        assigned.get(each.order_id, ""),
    )


def _print_moved(outcome: object) -> None:
    assert isinstance(outcome, OrderMoved), outcome
    again = "（已记过 / booked before）" if outcome.again else ""
    moved = f"退回积分 points back {outcome.points}"
    if not outcome.points:
        moved = f"付给 paid to {outcome.merchant} {format_yuan(outcome.amount_fen)} 元"
    if outcome.state is OrderState.OPEN:
        again += "，其余未兑现 / the rest is open"
    click.echo(f"{outcome.order_id}  {_STATES[outcome.state]}  {moved}{again}")


def _day(context: CommandContext, day: datetime | None) -> date:
    if day is not None:
        return day.date()
    with reading(context.engine) as tx:
        hour = pool_terms(tx, context.pool).cut_off_hour
    return business_date(context.clock(), hour)


def _new_id(context: CommandContext) -> str:
    return str(uuid7(context.clock(), context.randomness(_UUID_BYTES)))
