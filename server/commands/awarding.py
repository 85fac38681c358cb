"""``award``: points for one resident by one rule."""

from datetime import date

import click

from protocol.business_day import business_date
from protocol.ids import uuid7
from server.awards import Awarded, AwardPoints
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
@pass_context
def award(
    context: CommandContext,
    *,
    account: str,
    rule_id: str,
    performed_on: str | None,
    award_id: str | None,
    memo: str,
) -> None:
    """登记积分 / award points by a rule."""
    now = context.clock()
    outcome = submit(
        context,
        AwardPoints(
            award_id=award_id or str(uuid7(now, context.randomness(_UUID_BYTES))),
            account=account,
            rule_id=rule_id,
            performed_on=_day(context, performed_on),
            awarded_by=operator(),
            memo=memo,
        ),
    )
    assert isinstance(outcome, Awarded), outcome
    again = "（已登记过 / awarded before）" if outcome.again else ""
    click.echo(f"+{outcome.points}{again}")


def _day(context: CommandContext, text: str | None) -> date:
    if text is None:
        with reading(context.engine) as tx:
            return business_date(context.clock(), cut_off_hour(tx, context.pool))
    try:
        return date.fromisoformat(text)
    except ValueError as fault:
        raise CommandRefused(f"日期要写成 2026-03-01 这样：{text} / no date: {text}") from fault
