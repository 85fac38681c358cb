"""``award`` and ``claw-back``: points for one resident by one rule, and taking them back."""

from datetime import date, datetime

import click
from sqlalchemy import Connection

from protocol.business_day import business_date
from protocol.ids import uuid7
from server.awards import Awarded, AwardPoints, ClawBackAward, ClawedBack
from server.awards.claims import unnamed_fact
from server.commands.context import CommandContext, CommandRefused, pass_context
from server.commands.submitting import operator, submit
from server.db import reading
from server.directory import cut_off_hour

_UUID_BYTES = 10


@click.command()
@click.option("--account", required=True, help="居民账号（16 位）/ the resident's account")
@click.option("--rule", "rule_id", required=True, help="积分标准编号 / the award rule's id")
@click.option("--on", "performed_on", metavar="YYYY-MM-DD", help="日期，默认今天 / default: today")
@click.option("--id", "award_id", help="奖励编号，重复提交只记一次 / the same id awards once")
@click.option("--memo", default="", help="事项 / what was done")
@click.option("--by", help="登记人，默认本机操作员 / who awards, default: the operator")
@click.option("--event", help="活动名称，每人一次 / the event, each person once")
@click.option("--fact", "fact_ref", help="事实编号（如上报单号），只付一次 / the fact, paid once")
@pass_context
def award(
    context: CommandContext,
    *,
    account: str,
    rule_id: str,
    performed_on: str | None,
    award_id: str | None,
    memo: str,
    by: str | None,
    event: str | None,
    fact_ref: str | None,
) -> None:
    """登记积分 / award points by a rule."""
    now = context.clock()
    command = AwardPoints(
        award_id=award_id or new_id(context, now),
        account=account,
        rule_id=rule_id,
        performed_on=read_day(context, performed_on),
        awarded_by=by or operator(),
        memo=memo,
        event=event,
        fact_ref=fact_ref,
    )
    with reading(context.engine) as tx:
        _refuse_unnamed(tx, context.pool, command)
    outcome = submit(context, command)
    assert isinstance(outcome, Awarded), outcome
    again = "（已登记过 / awarded before）" if outcome.again else ""
    click.echo(f"+{outcome.points}{again}")


@click.command("claw-back")
@click.argument("award_id")
@click.option("--reason", required=True, help="原因 / why")
@click.option("--by", help="撤回人，默认本机操作员 / who does it, default: the operator")
@pass_context
def claw_back(context: CommandContext, award_id: str, *, reason: str, by: str | None) -> None:
    """撤回一笔登记；已花掉的从以后的积分里扣 / take an award back, even when it is spent."""
    outcome = submit(
        context,
        ClawBackAward(award_id=award_id, clawed_back_by=by or operator(), reason=reason),
    )
    assert isinstance(outcome, ClawedBack), outcome
    click.echo(
        f"已撤回 {outcome.points}：扣余额 {outcome.taken_points}，欠 {outcome.owed_points}"
        f" / clawed back: {outcome.taken_points} from the balance, {outcome.owed_points} owed"
    )


def new_id(context: CommandContext, now: datetime) -> str:
    """An id for something new."""
    return str(uuid7(now, context.randomness(_UUID_BYTES)))


def read_day(context: CommandContext, text: str | None) -> date:
    """The day that somebody typed, or today's business date.

    Raises:
        CommandRefused: it is no day.
    """
    if text is None:
        with reading(context.engine) as tx:
            return business_date(context.clock(), cut_off_hour(tx, context.pool))
    try:
        return date.fromisoformat(text)
    except ValueError as fault:
        raise CommandRefused(f"日期要写成 2026-03-01 这样：{text} / no date: {text}") from fault


def _refuse_unnamed(tx: Connection, pool: str, command: AwardPoints) -> None:
    refusal = unnamed_fact(tx, pool, command)
    if refusal is not None:
        raise CommandRefused(refusal.says)
