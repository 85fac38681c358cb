"""``stock``, ``stock-in`` and ``stock-count``: what is there of the goods that are counted."""

import json
from dataclasses import asdict
from decimal import Decimal, InvalidOperation

import click

from protocol.ids import uuid7
from server.commands.context import CommandContext, CommandRefused, pass_context
from server.commands.csv_text import csv_text
from server.commands.submitting import submit
from server.db import reading
from server.redemption import CountStock, ReceiveStock
from server.redemption.stock import MAX_MILLI, MILLI, StockMoved, stock_lines

_UUID_BYTES = 10


@click.command()
@click.option("--json", "as_json", is_flag=True, help="输出 JSON / print JSON")
@click.option("--csv", "as_csv", is_flag=True, help="输出表格文件 / print CSV")
@pass_context
def stock(context: CommandContext, *, as_json: bool, as_csv: bool) -> None:
    """库存 / What is there of the goods that are counted."""
    if as_json and as_csv:
        raise CommandRefused("--json 和 --csv 只能写一个 / give --json or --csv, not both")
    with reading(context.engine) as tx:
        lines = stock_lines(tx, context.pool)
    if as_json:
        click.echo(json.dumps([asdict(each) for each in lines], ensure_ascii=False, indent=2))
        return
    if as_csv:
        rows = [(each.item_id, each.name, each.unit, units_of(each.level_milli)) for each in lines]
        click.echo(csv_text(["item", "name", "unit", "stock"], rows), nl=False)
        return
    if not lines:
        click.echo(
            "没有盘点库存的商品，先用 stock-in 收货 / nothing is counted; begin with stock-in"
        )
    for each in lines:
        hint = "  请盘点 count it" if each.level_milli < 0 else ""
        name = f"{each.name}（{each.item_id}）"
        click.echo(f"{name}  {units_of(each.level_milli)} {each.unit}{hint}")


@click.command("stock-in")
@click.argument("item_id", metavar="ITEM")
@click.argument("quantity")
@click.option("--id", "receipt_id", help="收货单号，重复提交只记一次 / the same id receives once")
@click.option("--note", default="", help="来源等 / where from")
@pass_context
def stock_in(
    context: CommandContext, item_id: str, quantity: str, *, receipt_id: str | None, note: str
) -> None:
    """收货 / Goods came in: so many units of an item."""
    quantity_milli = milli_of(quantity)
    if quantity_milli == 0:
        raise CommandRefused("数量要大于 0 / the quantity is above 0")
    outcome = submit(
        context,
        ReceiveStock(
            receipt_id=receipt_id or _new_id(context),
            item_id=item_id,
            quantity_milli=quantity_milli,
            note=note,
        ),
    )
    _print_moved(outcome)


@click.command("stock-count")
@click.argument("item_id", metavar="ITEM")
@click.argument("counted")
@click.option("--reason", required=True, help="差异原因 / why it differs")
@click.option("--id", "count_id", help="盘点单号，重复提交只记一次 / the same id counts once")
@pass_context
def stock_count(
    context: CommandContext, item_id: str, counted: str, *, reason: str, count_id: str | None
) -> None:
    """盘点 / So many units of an item were counted; the difference is written with its reason."""
    outcome = submit(
        context,
        CountStock(
            count_id=count_id or _new_id(context),
            item_id=item_id,
            counted_milli=milli_of(counted),
            reason=reason,
        ),
    )
    _print_moved(outcome)


def register(group: click.Group) -> None:
    """Adds the commands to the server's own."""
    for command in (stock, stock_in, stock_count):
        group.add_command(command)


def _print_moved(outcome: object) -> None:
    assert isinstance(outcome, StockMoved), outcome
    again = "（已记过 / written before）" if outcome.again else ""
    sign = "+" if outcome.moved_milli > 0 else ""
    moved, level = units_of(outcome.moved_milli), units_of(outcome.level_milli)
    click.echo(f"{outcome.item_id}  {sign}{moved}  库存 stock {level}{again}")


def _new_id(context: CommandContext) -> str:
    return str(uuid7(context.clock(), context.randomness(_UUID_BYTES)))


def milli_of(text: str) -> int:
    """Thousandths of a unit from a number such as 60 or 2.5."""
    try:
        milli = Decimal(text) * MILLI
    except InvalidOperation:
        milli = Decimal(-1)
    if not milli.is_finite() or milli != milli.to_integral_value() or not 0 <= milli <= MAX_MILLI:
        raise CommandRefused(
            f"数量要写成 60 或 2.5 这样：{text} / a number such as 60 or 2.5, not {text}"
        )
    return int(milli)


def units_of(milli: int) -> str:
    """Units as people write them, from thousandths."""
    return f"{Decimal(milli) / MILLI:f}"
