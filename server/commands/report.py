"""``report``: points awarded, redeemed and returned, by place, rule, role or shop."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import date, datetime

import click
from sqlalchemy import Connection

from server.commands.context import CommandContext, CommandRefused, pass_context
from server.commands.csv_text import csv_text
from server.commands.report_figures import (
    CARD_ROLE,
    NOTHING,
    RESIDENT_ROLE,
    Figures,
    Period,
    PlaceRow,
    RoleRow,
    RuleRow,
    ShopRow,
    by_place,
    by_role,
    by_rule,
    by_shop,
)
from server.db import reading
from server.directory import pool_terms

_FIGURES = ("awarded", "opening", "redeemed", "returned")
_WORDS = {"awarded": "登记", "opening": "期初", "redeemed": "抵扣", "returned": "退还"}

_ROLE_WORDS = {
    RESIDENT_ROLE: "居民",
    CARD_ROLE: "面值积分卡",
    "office": "街道工作人员",
    "community": "社区工作者",
    "grid_worker": "网格员",
    "partner": "渠道",
}

_Row = PlaceRow | RuleRow | RoleRow | ShopRow
_BY: dict[str, Callable[[Connection, str, Period], Sequence[_Row]]] = {
    "place": by_place,
    "rule": by_rule,
    "role": by_role,
    "shop": by_shop,
}
_Day = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.option("--by", type=click.Choice(list(_BY)), required=True, help="区域、标准、角色或门店")
@click.option("--from", "first", type=_Day, metavar="YYYY-MM-DD", help="从这一天起 / first day")
@click.option("--to", "last", type=_Day, metavar="YYYY-MM-DD", help="到这一天止 / last day")
@click.option("--json", "as_json", is_flag=True, help="输出 JSON / print JSON")
@click.option("--csv", "as_csv", is_flag=True, help="输出表格文件 / print CSV")
@pass_context
def report(
    context: CommandContext,
    *,
    by: str,
    first: datetime | None,
    last: datetime | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """积分按区域、标准、角色或门店汇总 / Points by place, rule, role or shop, up to the ledger.

    Days are business dates and both included; an award belongs to the day of its deed.
    """
    if as_json and as_csv:
        raise CommandRefused("--json 和 --csv 只能写一个 / give --json or --csv, not both")
    period = Period(_day(first), _day(last))
    if period.first and period.last and period.last < period.first:
        raise CommandRefused("--to 早于 --from，请改日期 / --to is before --from; change a date")
    with reading(context.engine) as tx:
        unit = pool_terms(tx, context.pool).unit_name
        rows = _rows(tx, context.pool, by, period)
    if as_json:
        told = {
            "by": by,
            "from": period.first and period.first.isoformat(),
            "to": period.last and period.last.isoformat(),
            "rows": [asdict(row) for row in rows],
            "total": asdict(_total(rows)),
        }
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
    elif as_csv:
        click.echo(_csv(by, rows), nl=False)
    else:
        _print(rows, unit)


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


def _rows(tx: Connection, pool: str, by: str, period: Period) -> list[_Row]:
    return list(_BY[by](tx, pool, period))


def _total(rows: list[_Row]) -> Figures:
    """Of everything; the tree's root has it all."""
    if rows and isinstance(rows[0], PlaceRow):
        return rows[0].total
    return sum((row.figures for row in rows if not isinstance(row, PlaceRow)), NOTHING)


def _amounts(figures: Figures) -> list[int]:
    return [getattr(figures, name) for name in _FIGURES]


def _csv(by: str, rows: list[_Row]) -> str:
    own = [f"own_{name}_points" for name in _FIGURES]
    total = [f"total_{name}_points" for name in _FIGURES]
    figures = [f"{name}_points" for name in _FIGURES]
    header = {
        "place": ["place", "kind", "name", "parent", *own, *total],
        "rule": ["rule", "category", *figures],
        "role": ["role", "name", "holders", *figures],
        "shop": ["shop", "name", "merchant", "place", *figures],
    }
    return csv_text(header[by], [_cells(row) for row in rows])


def _cells(row: _Row) -> list[str | int | None]:
    if isinstance(row, PlaceRow):
        names = [row.place, row.kind, row.name, row.parent]
        return [*names, *_amounts(row.own), *_amounts(row.total)]
    if isinstance(row, RuleRow):
        return [row.rule_id, row.category, *_amounts(row.figures)]
    if isinstance(row, RoleRow):
        name = _ROLE_WORDS.get(row.role, row.role)
        return [row.role, name, row.holders, *_amounts(row.figures)]
    return [row.shop, row.name, row.merchant, row.place, *_amounts(row.figures)]


def _print(rows: list[_Row], unit: str) -> None:
    for row in rows:
        if isinstance(row, PlaceRow):
            click.echo(f"{'  ' * row.depth}{row.name}（{row.place}）{_told(row.total)}")
            if row.own not in {row.total, NOTHING}:
                click.echo(f"{'  ' * row.depth}  其中本级 of it its own{_told(row.own)}")
        elif isinstance(row, RuleRow):
            name = f"{row.category}（{row.rule_id}）" if row.rule_id else "无标准 no rule"
            click.echo(f"{name}{_told(row.figures)}")
        elif isinstance(row, RoleRow):
            name = f"{_ROLE_WORDS.get(row.role, row.role)}（{row.role}）{row.holders} 人 people"
            click.echo(f"{name}{_told(row.figures)}")
        else:
            click.echo(f"{row.name}（{row.shop}）{_told(row.figures)}")
    click.echo(f"合计 total（{unit}）{_told(_total(rows))}")


def _told(figures: Figures) -> str:
    parts = [
        f"  {_WORDS[name]} {name} {points}"
        for name, points in zip(_FIGURES, _amounts(figures), strict=True)
        if points or name != "opening"
    ]
    return "".join(parts)
