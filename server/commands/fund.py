"""``fund``, ``sponsor``, ``gift``, ``set-aside`` and ``write-off``: the fund beside trade."""

import json
from dataclasses import asdict
from decimal import Decimal, InvalidOperation

import click

from protocol.ids import uuid7
from protocol.money import format_yuan
from server.awards.cover import cover_of
from server.commands.context import CommandContext, CommandRefused, pass_context
from server.commands.stock import milli_of
from server.commands.submitting import submit
from server.commands.terms import told_cover
from server.db import reading
from server.directory import pool_terms
from server.settlement.fund import fund_figures
from server.settlement.fund_values import (
    MAX_FUND_FEN,
    ApproveWriteOff,
    FundDone,
    FundFigures,
    ProposeWriteOff,
    ReceiveGift,
    ReceiveGoods,
    RegisterSponsor,
    SetAside,
)

_UUID_BYTES = 10
_FEN_A_YUAN = 100


@click.command()
@click.option("--json", "as_json", is_flag=True, help="输出 JSON / print JSON")
@pass_context
def fund(context: CommandContext, *, as_json: bool) -> None:
    """积分池的资金、准备金、赞助和透支 / How the fund stands: reserve, gifts, overdrafts."""
    with reading(context.engine) as tx:
        figures = fund_figures(tx, context.pool)
        unit = pool_terms(tx, context.pool).unit_name
        covered = cover_of(tx, context.pool)
    if as_json:
        told = asdict(figures) | {"cover": asdict(covered)}
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return
    _print(figures, unit)
    click.echo(told_cover(covered))


@click.command()
@click.argument("sponsor_id", metavar="SPONSOR")
@click.option("--name", required=True, help="名称 / name")
@pass_context
def sponsor(context: CommandContext, sponsor_id: str, *, name: str) -> None:
    """登记赞助方 / Register somebody who gives money."""
    _done(submit(context, RegisterSponsor(sponsor=sponsor_id, name=name)), "已登记 / registered")


@click.command()
@click.argument("sponsor_id", metavar="SPONSOR")
@click.argument("amount", metavar="YUAN")
@click.option("--id", "gift_id", help="编号，重复提交只记一次 / the same id gives once")
@click.option("--note", default="", help="说明 / what for")
@pass_context
def gift(
    context: CommandContext, sponsor_id: str, amount: str, *, gift_id: str | None, note: str
) -> None:
    """收到赞助款 / A sponsor gave money to the pool."""
    command = ReceiveGift(
        gift_id=gift_id or _new_id(context),
        sponsor=sponsor_id,
        amount_fen=_fen(amount),
        note=note,
    )
    _done(submit(context, command), f"收到 {format_yuan(command.amount_fen)} 元 / received")


@click.command("gift-goods")
@click.argument("sponsor_id", metavar="SPONSOR")
@click.argument("item_id", metavar="ITEM")
@click.argument("quantity")
@click.option("--worth", required=True, metavar="YUAN", help="全部值多少元 / worth of all of it")
@click.option("--id", "gift_id", help="编号，重复提交只记一次 / the same id gives once")
@click.option("--note", default="", help="说明 / what for")
@pass_context
def gift_goods(
    context: CommandContext,
    sponsor_id: str,
    item_id: str,
    quantity: str,
    *,
    worth: str,
    gift_id: str | None,
    note: str,
) -> None:
    """收到赞助物资 / A sponsor gave goods: onto the shelf, their worth beside the fund."""
    quantity_milli = milli_of(quantity)
    if quantity_milli == 0:
        raise CommandRefused("数量要大于 0 / the quantity is above 0")
    command = ReceiveGoods(
        gift_id=gift_id or _new_id(context),
        sponsor=sponsor_id,
        item_id=item_id,
        quantity_milli=quantity_milli,
        worth_fen=_fen(worth),
        note=note,
    )
    says = f"收到 {item_id} {quantity}，值 {format_yuan(command.worth_fen)} 元 / received"
    _done(submit(context, command), says)


@click.command("set-aside")
@click.argument("amount", metavar="YUAN")
@click.option("--id", "set_aside_id", help="编号，重复提交只记一次 / the same id sets aside once")
@click.option("--note", default="", help="说明 / what for")
@pass_context
def set_aside(context: CommandContext, amount: str, *, set_aside_id: str | None, note: str) -> None:
    """转入风险准备金 / Keep money of the fund for losses."""
    command = SetAside(
        set_aside_id=set_aside_id or _new_id(context), amount_fen=_fen(amount), note=note
    )
    _done(submit(context, command), f"转入 {format_yuan(command.amount_fen)} 元 / set aside")


@click.group("write-off")
def write_off() -> None:
    """核销离线透支，要两个人 / Write an offline overdraft off: one proposes, another approves."""


@write_off.command()
@click.argument("account")
@click.argument("points", type=click.IntRange(min=1))
@click.option("--reason", required=True, help="原因 / why")
@click.option("--id", "write_off_id", help="编号 / id")
@pass_context
def propose(
    context: CommandContext, account: str, points: int, *, reason: str, write_off_id: str | None
) -> None:
    """提出核销 / Propose to write points off."""
    command = ProposeWriteOff(
        write_off=write_off_id or _new_id(context), account=account, points=points, reason=reason
    )
    _done(submit(context, command), "已提出，请另一个人批准 / proposed; somebody else approves")


@write_off.command()
@click.argument("write_off_id", metavar="ID")
@pass_context
def approve(context: CommandContext, write_off_id: str) -> None:
    """批准核销 / Approve what somebody else proposed."""
    _done(submit(context, ApproveWriteOff(write_off=write_off_id)), "已批准 / approved")


def register(group: click.Group) -> None:
    """Adds the commands to the server's own."""
    for command in (fund, sponsor, gift, gift_goods, set_aside, write_off):
        group.add_command(command)


def _print(figures: FundFigures, unit: str) -> None:
    worth = figures.spendable_worth_fen
    told = f" = {format_yuan(worth)} 元" if worth is not None else ""
    click.echo(f"积分池 fund          {format_yuan(figures.fund_fen)} 元")
    click.echo(f"风险准备金 reserve   {format_yuan(figures.reserve_fen)} 元")
    click.echo(f"未用{unit} outstanding {figures.spendable_points}{told}")
    click.echo(
        f"离线透支 overdraft   {figures.overdraft_points}"
        f"（{figures.overdrawn_count} 人 / residents）"
    )
    for who in figures.overdrawn:
        click.echo(f"  居民 resident      {who.account}  {who.points}")
    click.echo(f"已核销 written off   {figures.written_off_points}")
    for each in figures.gifts:
        goods = f"  物资 goods {format_yuan(each.goods_fen)} 元" if each.goods_fen else ""
        given = f"{format_yuan(each.given_fen)} 元{goods}"
        click.echo(f"赞助 gifts  {each.name}（{each.sponsor}）  {given}")
    for waiting in figures.write_offs:
        if waiting.approved_by is None:
            click.echo(
                f"待批准 to approve  {waiting.write_off}  {waiting.account}  {waiting.points}"
                f"  {waiting.reason}（{waiting.proposed_by}）"
            )


def _done(outcome: object, says: str) -> None:
    assert isinstance(outcome, FundDone), outcome
    again = "（此前已办，未作改动 / done before, nothing changed）" if outcome.again else ""
    click.echo(f"{outcome.what}  {says}{again}")


def _new_id(context: CommandContext) -> str:
    return str(uuid7(context.clock(), context.randomness(_UUID_BYTES)))


def _fen(text: str) -> int:
    """Fen from an amount in yuan; a gift may be more than a basket ever is."""
    try:
        amount_fen = Decimal(text) * _FEN_A_YUAN
    except InvalidOperation:
        amount_fen = Decimal(0)
    whole = amount_fen.is_finite() and amount_fen == amount_fen.to_integral_value()
    if not whole or not 1 <= amount_fen <= MAX_FUND_FEN:
        raise CommandRefused(
            f"金额要写成 5000 或 0.50 这样：{text} / an amount in yuan such as 5000, not {text}"
        )
    return int(amount_fen)
