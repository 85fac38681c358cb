"""``award-rules``, ``amend-rule``, ``awarder``, ``claim``, ``claims``, ``review``, ``partner``."""

import json

import click
import msgspec

from server.awards import (
    AmendAwardRule,
    AwarderRole,
    ClaimAward,
    Claimed,
    ClosePartner,
    RegisterAwarder,
    RegisterPartner,
    RetireAwarder,
    ReviewAward,
    Reviewed,
    RuleTerms,
    rules_on,
    waiting_claims,
)
from server.awards.checks import check_fact_named
from server.awards.claims import claim_of, deed_of_claim
from server.commands.awarding import new_id, read_day
from server.commands.context import CommandContext, CommandRefused, pass_context
from server.commands.submitting import operator, submit
from server.db import reading

_ROLES = click.Choice([role.value for role in AwarderRole])
_on = click.option(
    "--on", "day", metavar="YYYY-MM-DD", help="日期，默认今天 / the day, default: today"
)


@click.command("award-rules")
@_on
@click.option("--json", "as_json", is_flag=True, help="输出 JSON / as JSON")
@pass_context
def award_rules(context: CommandContext, *, day: str | None, as_json: bool) -> None:
    """某天生效的积分评定标准 / the award rules in force on a day."""
    on = read_day(context, day)
    with reading(context.engine) as tx:
        rules = rules_on(tx, context.pool, on)
    if as_json:
        click.echo(json.dumps([msgspec.to_builtins(rule) for rule in rules], ensure_ascii=False))
        return
    for rule in rules:
        click.echo(f"{rule.rule_id}  {rule.category}  {rule.points}{_told_limits(rule)}")


@click.command("amend-rule")
@click.argument("rule_id")
@click.option("--from", "valid_from", required=True, metavar="YYYY-MM-DD", help="起 / from")
@click.option("--until", "last_day", metavar="YYYY-MM-DD", help="止（含当天）/ last day")
@click.option("--category", required=True, help="事项名称 / what is done, as printed")
@click.option("--points", required=True, type=int, help="每次积分 / points each time")
@click.option("--same-fact-as", help="与哪条标准是同一事实 / the rule that pays the same facts")
@click.option("--per-person-a-day", type=int, help="每人每天最多几次 / at most, a person and day")
@click.option("--per-person-a-month", type=int, help="每人每月最多几次 / a person and month")
@click.option("--per-day", type=int, help="每天最多几次 / a day, everybody together")
@click.option("--per-event", type=int, help="每次活动最多几人 / an event, everybody together")
@click.option("--may-award", multiple=True, type=_ROLES, help="谁可登记（可多次）/ roles")
@click.option("--review", is_flag=True, help="须由他人审核 / somebody else reviews it")
@pass_context
def amend_rule(context: CommandContext, /, **given: object) -> None:
    """修改或新增一条积分评定标准，从某天起 / amend or add an award rule from a day on."""
    fields = {"kind": "amend_award_rule"} | {
        name: value for name, value in given.items() if value is not None
    }
    try:
        command = msgspec.convert(fields, AmendAwardRule)
    except msgspec.ValidationError as fault:
        raise CommandRefused(f"内容不对，请检查 / cannot be read: {fault}") from fault
    submit(context, command)
    click.echo(f"标准 {command.rule_id} 从 {command.valid_from} 起生效 / in force from that day")


@click.command("awarder")
@click.argument("awarder_id")
@click.option("--name", help="姓名 / name")
@click.option("--role", type=_ROLES, help="角色 / role")
@click.option("--account", help="本人的居民账号 / his own account, if he earns too")
@click.option("--retire", "reason", metavar="REASON", help="停用，写原因 / he no longer awards")
@pass_context
def awarder(
    context: CommandContext,
    awarder_id: str,
    *,
    name: str | None,
    role: str | None,
    account: str | None,
    reason: str | None,
) -> None:
    """登记或停用一位登记人、审核人 / register or retire somebody who awards and reviews."""
    if reason is not None:
        submit(context, RetireAwarder(awarder=awarder_id, reason=reason))
        click.echo(f"{awarder_id} 已停用 / retired")
        return
    if name is None or role is None:
        raise CommandRefused("请写 --name 和 --role / give --name and --role")
    command = RegisterAwarder(
        awarder=awarder_id, name=name, role=AwarderRole(role), account=account
    )
    submit(context, command)
    click.echo(f"{awarder_id} 已登记 / registered")


@click.command("claim")
@click.option("--account", required=True, help="居民账号（16 位）/ the resident's account")
@click.option("--rule", "rule_id", required=True, help="积分标准编号 / the award rule's id")
@click.option("--id", "claim_id", help="编号，重复提交只记一次 / the same id claims once")
@click.option("--memo", default="", help="事项 / what was done")
@click.option("--by", help="申报人，默认本机操作员 / who claims, default: the operator")
@click.option("--event", help="活动名称 / the event")
@click.option("--fact", "fact_ref", help="事实编号 / the fact")
@_on
@pass_context
def claim(
    context: CommandContext,
    *,
    account: str,
    rule_id: str,
    claim_id: str | None,
    memo: str,
    by: str | None,
    event: str | None,
    fact_ref: str | None,
    day: str | None,
) -> None:
    """申报一件要审核的事项 / claim a deed that is to be reviewed."""
    command = ClaimAward(
        claim_id=claim_id or new_id(context, context.clock()),
        account=account,
        rule_id=rule_id,
        performed_on=read_day(context, day),
        claimed_by=by or operator(),
        memo=memo,
        event=event,
        fact_ref=fact_ref,
    )
    with reading(context.engine) as tx:
        refusal = check_fact_named(tx, context.pool, deed_of_claim(command))
        if refusal is not None and claim_of(tx, context.pool, command.claim_id) != command:
            raise CommandRefused(refusal.says)
    outcome = submit(context, command)
    assert isinstance(outcome, Claimed), outcome
    click.echo(f"{outcome.claim_id} 待审核 / waits for its review")


@click.command("claims")
@pass_context
def claims(context: CommandContext) -> None:
    """待审核的申报 / claims that wait for their review."""
    with reading(context.engine) as tx:
        waiting = waiting_claims(tx, context.pool)
    for each in waiting:
        click.echo(
            f"{each.claim_id}  {each.performed_on}  {each.account}  {each.rule_id}"
            f"  {each.claimed_by}  {each.memo}"
        )
    if not waiting:
        click.echo("没有待审核的申报 / nothing waits for a review")


@click.command("review")
@click.argument("claim_id")
@click.option("--approve/--refuse", "approve", default=None, help="通过 / 不通过")
@click.option("--by", required=True, help="审核人编号 / the reviewer's id")
@click.option("--reason", default="", help="原因，不通过时必填 / why, for a refusal")
@pass_context
def review(
    context: CommandContext, claim_id: str, *, approve: bool | None, by: str, reason: str
) -> None:
    """审核一件申报，申报人和本人不能审 / review a claim; never one's own."""
    if approve is None:
        raise CommandRefused("请写 --approve 或 --refuse / give --approve or --refuse")
    outcome = submit(
        context, ReviewAward(claim_id=claim_id, approve=approve, reviewed_by=by, reason=reason)
    )
    assert isinstance(outcome, Reviewed), outcome
    told = f"通过 / approved：+{outcome.points}" if outcome.approved else "不通过 / refused"
    click.echo(f"{outcome.claim_id} {told}")


@click.command("partner")
@click.argument("partner_id")
@click.option("--name", help="名称 / name")
@click.option("--key", "public_key", help="公钥 ed25519:… / its public key")
@click.option("--close", "reason", metavar="REASON", help="停用，写原因 / close it")
@pass_context
def partner(
    context: CommandContext,
    partner_id: str,
    *,
    name: str | None,
    public_key: str | None,
    reason: str | None,
) -> None:
    """登记、换钥匙或停用一个登记渠道（小程序）/ a channel that awards over signed HTTP."""
    if reason is not None:
        submit(context, ClosePartner(partner=partner_id, reason=reason))
        click.echo(f"渠道 {partner_id} 已停用 / closed")
        return
    if name is None or public_key is None:
        raise CommandRefused("请写 --name 和 --key / give --name and --key")
    submit(context, RegisterPartner(partner=partner_id, name=name, public_key=public_key))
    click.echo(f"渠道 {partner_id} 已登记 / registered; keyid: partner:{partner_id}")


def _told_limits(rule: RuleTerms) -> str:
    limits = (
        ("每人每天 / a person and day", rule.per_person_a_day),
        ("每人每月 / a person and month", rule.per_person_a_month),
        ("每天 / a day", rule.per_day),
        ("每次活动 / an event", rule.per_event),
    )
    told = [f"{what} {limit}" for what, limit in limits if limit is not None]
    if rule.may_award:
        told.append(", ".join(rule.may_award))
    if rule.review:
        told.append("须审核 / reviewed")
    if rule.last_day is not None:
        told.append(f"至 / until {rule.last_day}")
    return f"  （{'；'.join(told)}）" if told else ""
