"""``payment``: money to and from merchants. One proposes, another approves, then it is recorded."""

from datetime import datetime
from decimal import Decimal, InvalidOperation

import click

from protocol.ids import uuid7
from protocol.money import FEN_PER_YUAN, format_yuan
from server.commands.context import CommandContext, CommandRefused, pass_context
from server.commands.submitting import submit
from server.db import reading
from server.settlement.payments import PAYMENT_WORDS
from server.settlement.payments_store import payments_of_merchant, pending_payments
from server.settlement.payments_values import (
    MAX_PAYMENT_FEN,
    ApprovePayment,
    BouncePayment,
    Direction,
    ProposePayment,
    RecordPaid,
    WithdrawPayment,
)
from server.settlement.states_values import SettlingDone

_UUID_BYTES = 10

PAID_WHICH_WAY = {Direction.PAY: "付款 pay", Direction.RECEIVE: "收款 receive"}


@click.group()
def payment() -> None:
    """给商户付款、向商户收款 / Pay merchants and receive from them; two people for each."""


@payment.command()
@click.argument("statement")
@click.argument("amount", metavar="YUAN")
@click.option(
    "--receive", is_flag=True, help="向商户收款，不写是付款 / from the merchant instead of to him"
)
@click.option("--note", default="", help="说明 / what for")
@click.option("--id", "payment_id", help="编号，重复提交只记一次 / the same id proposes once")
@pass_context
def propose(
    context: CommandContext,
    statement: str,
    amount: str,
    *,
    receive: bool,
    note: str,
    payment_id: str | None,
) -> None:
    """提出一笔收付款 / Propose to pay, or to receive, for a confirmed statement."""
    command = ProposePayment(
        payment=payment_id or new_id(context),
        statement=statement,
        direction=Direction.RECEIVE if receive else Direction.PAY,
        amount_fen=fen_of(amount),
        note=note,
    )
    _done(submit(context, command), "请另一个人批准 / somebody else approves")


@payment.command()
@click.argument("payment_id", metavar="ID")
@pass_context
def approve(context: CommandContext, payment_id: str) -> None:
    """批准别人提出的收付款 / Approve what somebody else proposed."""
    outcome = submit(context, ApprovePayment(payment=payment_id))
    _done(outcome, "请到银行办理，办好后记账 / let the bank move it, then record it")


@payment.command()
@click.argument("payment_id", metavar="ID")
@click.option("--reason", required=True, help="原因 / why")
@pass_context
def withdraw(context: CommandContext, payment_id: str, *, reason: str) -> None:
    """撤回还没付的 / Give up a payment that the bank has not made."""
    _done(submit(context, WithdrawPayment(payment=payment_id, reason=reason)), "")


@payment.command()
@click.argument("payment_id", metavar="ID")
@click.argument("bank_ref")
@click.option(
    "--on",
    "paid_on",
    required=True,
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="银行回单上的日期 / the day on the bank's slip",
)
@pass_context
def record(context: CommandContext, payment_id: str, bank_ref: str, *, paid_on: datetime) -> None:
    """银行已办，记账 / Book what the bank has moved, under its reference."""
    command = RecordPaid(payment=payment_id, bank_ref=bank_ref, paid_on=paid_on.date())
    _done(submit(context, command), "")


@payment.command()
@click.argument("payment_id", metavar="ID")
@click.option("--reason", required=True, help="退票原因 / why it came back")
@pass_context
def bounce(context: CommandContext, payment_id: str, *, reason: str) -> None:
    """银行退回 / A recorded payment came back; propose another one then."""
    outcome = submit(context, BouncePayment(payment=payment_id, reason=reason))
    _done(outcome, "请重新提出 / propose another one")


@payment.command("list")
@click.option("--merchant", help="一个商户的全部；不写是所有待办的 / all of one, or what waits")
@pass_context
def show(context: CommandContext, *, merchant: str | None) -> None:
    """列出收付款 / List payments."""
    with reading(context.engine) as tx:
        found = (
            pending_payments(tx, context.pool)
            if merchant is None
            else payments_of_merchant(tx, context.pool, merchant)
        )
    for each in found:
        click.echo(
            f"{each.payment}  {each.merchant}  {each.statement}  {PAID_WHICH_WAY[each.direction]}"
            f" {format_yuan(each.amount_fen)} 元  {PAYMENT_WORDS[each.state]}"
            f"  {each.bank_ref or ''}"
        )
    if not found:
        click.echo("没有收付款 / no payments")


def new_id(context: CommandContext) -> str:
    """An id for something that the operator gave none."""
    return str(uuid7(context.clock(), context.randomness(_UUID_BYTES)))


def fen_of(text: str, *, below_zero: bool = False) -> int:
    """Fen from an amount in yuan; never 0, and below 0 only where that has a meaning.

    Raises:
        CommandRefused: it is no such amount.
    """
    try:
        amount_fen = Decimal(text) * FEN_PER_YUAN
    except InvalidOperation:
        amount_fen = Decimal(0)
    fits = amount_fen.is_finite() and amount_fen == amount_fen.to_integral_value()
    if (
        not fits
        or not 0 < abs(amount_fen) <= MAX_PAYMENT_FEN
        or (amount_fen < 0 and not below_zero)
    ):
        raise CommandRefused(
            f"金额要写成 5000 或 0.50 这样：{text} / an amount in yuan such as 5000, not {text}"
        )
    return int(amount_fen)


def _done(outcome: object, then: str) -> None:
    assert isinstance(outcome, SettlingDone), outcome
    again = "（此前已办，未作改动 / done before, nothing changed）" if outcome.again else ""
    click.echo(f"{outcome.what}  {outcome.state}{again}")
    if then and not outcome.again:
        click.echo(then)
