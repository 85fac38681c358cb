"""``redemption-terms``, ``over-limits``, ``cover`` and ``expire``: the pool's rules for points."""

from datetime import date, datetime, timedelta

import click
import msgspec

from protocol.business_day import business_date
from protocol.money import BASIS_POINTS_WHOLE, format_yuan
from protocol.redemption import FenRemainder, RedemptionTerms
from server.awards.cover import Cover, CoverState, cover_of
from server.awards.expiry import Expired, ExpirePoints, expiring
from server.commands.context import CommandContext, CommandRefused, pass_context
from server.commands.submitting import submit
from server.db import reading
from server.directory import PoolTerms, pool_terms
from server.directory.commands import SetCover, SetPointsExpiry, SetRedemptionTerms
from server.directory.values import Done
from server.redemption.limits import over_limits

_OFF = 0
"""What an operator writes where a limit shall go."""

_Day = click.DateTime(["%Y-%m-%d"])
_Limit = click.IntRange(min=_OFF)

_WHAT = {
    "per_day": "每人每天 / a person and day",
    "per_household_day": "每户每天 / a household and day",
    "per_resident_item": "每人限量 / an item, a person",
    "per_household_item": "每户限量 / an item, a household",
}
_COVER = {
    CoverState.NO_VALUE: "未设 / not watched",
    CoverState.COVERED: "正常 / covered",
    CoverState.WARNING: "预警：资金低于预警线 / warning: below the warning level",
    CoverState.STOPPED: "停发：资金低于停发线，不能再发放积分 / stopped: nothing is awarded",
}


@click.group("redemption-terms")
def redemption_terms() -> None:
    """积分使用规则 / how far points may pay."""


@redemption_terms.command("set")
@click.option(
    "--from", "valid_from", required=True, type=_Day, metavar="YYYY-MM-DD", help="起 / from"
)
@click.option(
    "--bill-share", type=click.IntRange(0, 100), help="最多付账单的百分之几 / % of the bill"
)
@click.option("--exclude", multiple=True, help="只收现金的类别（可多次）/ money-only category")
@click.option("--exclude-nothing", is_flag=True, help="没有只收现金的类别 / exclude no category")
@click.option("--per-sale", type=_Limit, help="一单最多积分，0 为不限 / points a sale, 0: no limit")
@click.option("--per-day", type=_Limit, help="每人每天最多 / points a resident and day")
@click.option("--per-household-day", type=_Limit, help="每户每天最多 / points a household and day")
@click.option("--minimum", type=_Limit, help="一单最少积分 / least points a sale")
@click.option(
    "--card-no-pin", type=_Limit, help="积分卡免密每天最多 / points a card and day, no PIN"
)
@click.option(
    "--manual",
    type=_Limit,
    help="没带手机和卡、人工核对的，每人每天最多，0 为不许 / points a day without phone and card, 0: none",
)
@click.option(
    "--fen-remainder",
    type=click.Choice([each.value for each in FenRemainder]),
    help="零头：收现金、抹零、进位 / what becomes of fen",
)
@click.option("--reason", default="", help="原因，如居民会议 / why")
@pass_context
def set_terms(context: CommandContext, /, **given: object) -> None:
    """从某个营业日起修改规则；没写的照旧 / change terms from a day on; what is not given stays.

    What was sold before is not looked at again. Terminals get the rules with their next update;
    one that has not heard yet may still use those of the day before.
    """
    valid_from = given["valid_from"]
    assert isinstance(valid_from, datetime)
    day = valid_from.date()
    with reading(context.engine) as tx:
        before = pool_terms(tx, context.pool).redemption_on(day)
    outcome = submit(context, _changed(before, day, given))
    assert isinstance(outcome, Done), outcome
    again = "（此前已设，未作改动 / set before, nothing changed）" if outcome.again else ""
    click.echo(f"积分使用规则从 {day} 起生效 / in force from that day{again}")


def _changed(before: RedemptionTerms, day: date, given: dict[str, object]) -> SetRedemptionTerms:
    limits = before.limits

    def points(name: str, old: int | None) -> int | None:
        asked = given[name]
        assert asked is None or isinstance(asked, int)
        return old if asked is None else asked or None

    share, exclude = given["bill_share"], given["exclude"]
    assert isinstance(exclude, tuple)
    assert share is None or isinstance(share, int)
    if exclude and given["exclude_nothing"]:
        raise CommandRefused(
            "--exclude 和 --exclude-nothing 只能写一个 / give --exclude or --exclude-nothing"
        )
    excluded = () if given["exclude_nothing"] else exclude or limits.excluded_categories
    return SetRedemptionTerms(
        valid_from=day,
        fen_remainder=FenRemainder(str(given["fen_remainder"] or before.fen_remainder.value)),
        bill_share_bp=limits.bill_share_bp if share is None else share * BASIS_POINTS_WHOLE // 100,
        excluded_categories=tuple(dict.fromkeys(excluded)),
        per_sale_points=points("per_sale", limits.per_sale_points),
        per_day_points=points("per_day", limits.per_day_points),
        per_household_day_points=points("per_household_day", limits.per_household_day_points),
        minimum_points=points("minimum", limits.minimum_points),
        card_no_pin_day_points=points("card_no_pin", limits.card_no_pin_day_points),
        manual_day_points=points("manual", limits.manual_day_points) or 0,
        reason=str(given["reason"]),
    )


@redemption_terms.command("list")
@click.option("--json", "as_json", is_flag=True, help="输出 JSON / as JSON")
@pass_context
def list_terms(context: CommandContext, *, as_json: bool) -> None:
    """列出各时期的规则 / every period's terms, oldest first."""
    with reading(context.engine) as tx:
        terms = pool_terms(tx, context.pool)
    if as_json:
        click.echo(msgspec.json.encode(terms.periods).decode())
        return
    if not terms.periods:
        click.echo("没有限制 / no limits")
    for each in terms.periods:
        shown = _told(terms, each.valid_from)
        reason = f"（{each.reason}）" if each.reason else ""
        click.echo(f"{each.valid_from} 起 / from  {shown}{reason}")


def _told(terms: PoolTerms, day: date) -> str:
    in_force = terms.redemption_on(day)
    limits = in_force.limits
    told = [f"零头 / fen: {in_force.fen_remainder.value}"]
    if limits.bill_share_bp != BASIS_POINTS_WHOLE:
        told.append(f"账单 / bill {format_yuan(limits.bill_share_bp)}%")
    if limits.excluded_categories:
        told.append(f"只收现金 / money only: {'、'.join(limits.excluded_categories)}")
    for name, points in (
        ("一单最多 / a sale", limits.per_sale_points),
        ("每人每天 / a person and day", limits.per_day_points),
        ("每户每天 / a household and day", limits.per_household_day_points),
        ("一单最少 / at least", limits.minimum_points),
        ("积分卡免密每天 / a card without its PIN and day", limits.card_no_pin_day_points),
        ("人工核对每人每天 / a day without phone and card", limits.manual_day_points or None),
    ):
        if points is not None:
            told.append(f"{name} {points}")
    return "；".join(told)


@click.command("over-limits")
@click.option("--from", "first", type=_Day, metavar="YYYY-MM-DD", help="从这一天起 / first day")
@click.option("--to", "last", type=_Day, metavar="YYYY-MM-DD", help="到这一天止 / last day")
@pass_context
def over_limits_command(
    context: CommandContext, *, first: datetime | None, last: datetime | None
) -> None:
    """离线等原因超出限量的销售 / sales beyond a limit that their terminal could not know."""
    since = first.date() if first else date.min
    with reading(context.engine) as tx:
        found = over_limits(tx, context.pool, since, last.date() if last else date.max)
    for each in found:
        item = f"  {each.item_id}" if each.item_id else ""
        click.echo(
            f"{each.business_date}  {each.account}  {_WHAT[each.what]}{item}"
            f"  {each.used} > {each.allowed}  {each.sale_id}"
        )
    if not found:
        click.echo("没有超出限量的销售 / no sale went over a limit")


@click.command("cover")
@click.option(
    "--warning", type=click.IntRange(0, 1000), help="预警线，百分之几，0 为不设 / warning, %"
)
@click.option(
    "--hard", type=click.IntRange(0, 1000), help="停发线，百分之几，0 为不设 / hard level, %"
)
@pass_context
def cover(context: CommandContext, *, warning: int | None, hard: int | None) -> None:
    """积分池资金与未用积分的比例；可设预警线和停发线 / the fund against what points are worth."""
    if warning is not None or hard is not None:
        with reading(context.engine) as tx:
            levels = pool_terms(tx, context.pool).cover
        old = (levels.warning_bp, levels.hard_bp) if levels else (None, None)
        new = [
            was if percent is None else percent * 100 or None
            for was, percent in zip(old, (warning, hard), strict=True)
        ]
        submit(context, SetCover(warning_bp=new[0], hard_bp=new[1]))
    with reading(context.engine) as tx:
        click.echo(told_cover(cover_of(tx, context.pool)))


def told_cover(found: Cover) -> str:
    """One line about cover; for ``fund`` as well."""
    if found.state is CoverState.NO_VALUE:
        return f"覆盖 cover           {_COVER[found.state]}"
    share = "—" if found.cover_bp is None else f"{format_yuan(found.cover_bp)}%"
    levels = f"预警 / warning {format_yuan(found.warning_bp or 0)}%"
    if found.hard_bp is not None:
        levels += f"，停发 / hard {format_yuan(found.hard_bp)}%"
    return f"覆盖 cover           {share}（{levels}）  {_COVER[found.state]}"


@click.command("expire")
@click.option("--through", type=_Day, metavar="YYYY-MM-DD", help="到哪个营业日，默认昨天 / through")
@click.option("--dry-run", is_flag=True, help="只看会过期多少 / only tell what would go")
@click.option(
    "--after-days", type=click.IntRange(1, 36_500), help="启用：几天后过期 / switch it on"
)
@click.option("--off", is_flag=True, help="停用 / switch it off")
@pass_context
def expire(
    context: CommandContext,
    *,
    through: datetime | None,
    dry_run: bool,
    after_days: int | None,
    off: bool,
) -> None:
    """让到期未用的积分过期，先得先用；默认不过期 / let points go that nobody used in time."""
    if off or after_days is not None:
        submit(context, SetPointsExpiry(after_days=None if off else after_days))
        click.echo("积分不过期 / points never expire" if off else f"{after_days} 天后过期 / days")
        return
    with reading(context.engine) as tx:
        hour = pool_terms(tx, context.pool).cut_off_hour
        yesterday = business_date(context.clock(), hour) - timedelta(days=1)
        day = through.date() if through else yesterday
        going = expiring(tx, context.pool, day, context.clock()) if dry_run else {}
    if dry_run:
        for account, points in going.items():
            click.echo(f"{account.partition(':')[2]}  {points}")
        click.echo(f"会过期 {sum(going.values())} / would go; {len(going)} 人 / residents")
        return
    outcome = submit(context, ExpirePoints(through=day))
    assert isinstance(outcome, Expired), outcome
    again = "（此前已办 / done before）" if outcome.again else ""
    click.echo(
        f"{day}：过期 {outcome.points} 积分，{outcome.residents} 人"
        f" / {outcome.points} points of {outcome.residents} residents expired{again}"
    )


def register(group: click.Group) -> None:
    """Adds the commands to the server's own."""
    for command in (redemption_terms, over_limits_command, cover, expire):
        group.add_command(command)
