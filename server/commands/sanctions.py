"""``sanction``: what is decided about a resident, with reason, evidence and who decided."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import click
from msgspec import Struct

from protocol.business_day import SHANGHAI
from protocol.ids import uuid7
from server.commands.context import CommandContext, CommandRefused, pass_context
from server.commands.submitting import operator, submit
from server.db import reading
from server.directory import resident_of
from server.directory.commands import BanRedemption, BlockResident, ChangeCredit, UnblockResident
from server.directory.sanctions import sanctions_of
from server.directory.values import Done, Sanction

F = TypeVar("F", bound=Callable[..., object])

_UUID_BYTES = 10
_WHAT = {
    "block": "停用 / blocked",
    "unblock": "恢复 / unblocked",
    "ban": "暂停兑换 / banned",
    "lift_ban": "解除暂停 / ban lifted",
    "credit": "信用分 / credit",
}


def _decision(command: F) -> F:
    """The options of every decision."""
    for option in (
        click.option("--by", help="谁决定的，默认本机操作员 / who decided, default: the operator"),
        click.option("--evidence", default="", help="依据，如档案编号 / where the evidence is"),
        click.option("--reason", required=True, help="原因 / why"),
        click.argument("account"),
    ):
        command = option(command)
    return command


@click.group()
def sanction() -> None:
    """暂停兑换、停用、信用分 / bans, blocks and credit score."""


@sanction.command()
@_decision
@click.option(
    "--until", required=True, type=click.DateTime(["%Y-%m-%d"]), help="止（含当天）/ last day"
)
@pass_context
def ban(
    context: CommandContext,
    account: str,
    *,
    until: datetime,
    reason: str,
    evidence: str,
    by: str | None,
) -> None:
    """暂停兑换，照常积分 / no redemption until a day; earning goes on."""
    command = BanRedemption(
        account=account,
        until=until.date(),
        reason=reason,
        evidence=evidence,
        decided_by=by or operator(),
    )
    _done(context, command, f"{account} 暂停兑换至 {until.date()} / banned until that day")


@sanction.command()
@_decision
@pass_context
def lift(
    context: CommandContext, account: str, *, reason: str, evidence: str, by: str | None
) -> None:
    """提前解除暂停兑换 / lift a ban early."""
    command = BanRedemption(
        account=account, until=None, reason=reason, evidence=evidence, decided_by=by or operator()
    )
    _done(context, command, f"{account} 可以兑换 / may redeem again")


@sanction.command()
@_decision
@pass_context
def block(
    context: CommandContext, account: str, *, reason: str, evidence: str, by: str | None
) -> None:
    """停用账号 / block an account."""
    command = BlockResident(
        account=account, reason=reason, evidence=evidence, decided_by=by or operator()
    )
    _done(context, command, f"{account} 已停用 / blocked")


@sanction.command()
@_decision
@pass_context
def unblock(
    context: CommandContext, account: str, *, reason: str, evidence: str, by: str | None
) -> None:
    """恢复账号 / unblock an account."""
    command = UnblockResident(
        account=account, reason=reason, evidence=evidence, decided_by=by or operator()
    )
    _done(context, command, f"{account} 已恢复 / unblocked")


@sanction.command()
@_decision
@click.option("--change", required=True, type=int, help="增减多少，如 -10 / by how much")
@click.option("--id", "decision", help="决定编号，重复提交只记一次 / the same id counts once")
@pass_context
def credit(
    context: CommandContext,
    account: str,
    *,
    change: int,
    decision: str | None,
    reason: str,
    evidence: str,
    by: str | None,
) -> None:
    """扣信用分或加信用分，不动积分 / change the credit score; points stay."""
    command = ChangeCredit(
        account=account,
        decision=decision or str(uuid7(context.clock(), context.randomness(_UUID_BYTES))),
        change=change,
        reason=reason,
        evidence=evidence,
        decided_by=by or operator(),
    )
    _done(context, command, f"{account} 信用分 {change:+d} / credit score changed")


@sanction.command("list")
@click.option("--account", help="只看一位居民 / one resident only")
@pass_context
def list_sanctions(context: CommandContext, *, account: str | None) -> None:
    """列出所有决定和现状 / every decision, and how a resident stands."""
    with reading(context.engine) as tx:
        resident = resident_of(tx, context.pool, account) if account else None
        found = sanctions_of(tx, context.pool, account)
    if account is not None and resident is None:
        raise CommandRefused(f"没有这位居民：{account} / not registered: {account}")
    if resident is not None:
        until = (
            f"，暂停兑换至 / banned until {resident.banned_until}" if resident.banned_until else ""
        )
        click.echo(
            f"{resident.account}  {resident.status.value}{until}"
            f"，信用分 / credit {resident.credit_score}"
        )
    for each in found:
        click.echo(_line(each))
    if not found:
        click.echo("没有记录 / nothing was decided")


def _line(each: Sanction) -> str:
    at = each.recorded_at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")
    figures = f" {each.until}" if each.until else ""
    if each.credit_change:
        figures = f" {each.credit_change:+d} = {each.credit_score}"
    evidence = f"，依据 / evidence {each.evidence}" if each.evidence else ""
    return (
        f"{at}  {each.account}  {_WHAT[each.what]}{figures}  {each.reason}{evidence}"
        f"（{each.decided_by or '—'}）"
    )


def _done(context: CommandContext, command: Struct, says: str) -> None:
    outcome = submit(context, command)
    assert isinstance(outcome, Done), outcome
    again = "（此前已办，未作改动 / done before, nothing changed）" if outcome.again else ""
    click.echo(f"{says}{again}")


def register(group: click.Group) -> None:
    """Adds the command to the server's own."""
    group.add_command(sanction)
