"""``award-event``, ``award-file`` and ``open-balances``: points for many at once."""

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TextIO

import click
import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from protocol.codes import CardCode, SlotCode, parse_code, verify_code
from protocol.issuers import role_of
from server.awards.batch import MAX_PERSONS, EventAwarded, EventList, EventRefused, award_event
from server.awards.files import (
    AWARD_COLUMNS,
    OPENING_COLUMNS,
    Plan,
    Planned,
    plan_awards,
    plan_openings,
)
from server.awards.sheet import BadCell, Column, SheetRefused, SheetRow, read_sheet
from server.commands.awarding import read_day
from server.commands.context import CommandContext, CommandRefused, pass_context
from server.commands.submitting import operator
from server.db import TryAgain, reading, run_writing, writing
from server.directory import CardState, card_of, keys_at, pool_terms
from server.facts import FactDesk, Refusal, moment_of_next
from server.facts.refused import Refused

ROWS_A_COMMIT = 50
"""Tills wait while a commit is under way: so many rows take about half a second."""

_MAX_LINE_CHARS = 400
_COMMIT_DEADLINE_S = 30.0

_dry_run = click.option(
    "--dry-run", is_flag=True, help="只检查，不登记 / check only, write nothing"
)
_by = click.option("--by", help="登记人，默认本机操作员 / who awards, default: the operator")
_file = click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))


@click.command("award-event")
@click.option("--event", required=True, help="活动名称 / the event's name")
@click.option("--rule", "rule_id", required=True, help="积分标准编号 / the award rule's id")
@click.option("--on", "performed_on", metavar="YYYY-MM-DD", help="日期，默认今天 / default: today")
@click.option("--memo", default="", help="事项 / what was done")
@_by
@click.argument("file", type=click.File("r", encoding="utf-8"), metavar="LIST|-")
@pass_context
def award_event_command(
    context: CommandContext,
    file: TextIO,
    *,
    event: str,
    rule_id: str,
    performed_on: str | None,
    memo: str,
    by: str | None,
) -> None:
    """一次活动的积分：每行一个居民账号或扫到的居民码 / an event: one account or code a line.

    Everybody on the list is awarded once, however often he is named; if somebody cannot be
    awarded, nobody is.
    """
    now = context.clock()
    accounts = _read_people(context, file, now)
    people = EventList(
        event=event,
        rule_id=rule_id,
        performed_on=read_day(context, performed_on),
        awarded_by=by or operator(),
        accounts=accounts,
        memo=memo,
    )
    desk = context.make_desk()
    try:
        with writing(context.engine) as tx:
            outcome = award_event(tx, desk, context.pool, people, actor=operator(), at=now)
            if isinstance(outcome, EventRefused):
                raise CommandRefused(_told_refusals(outcome))
    except msgspec.ValidationError as fault:
        raise CommandRefused(f"内容不对，请检查 / cannot be read: {fault}") from fault
    click.echo(_told_event(outcome))


@click.command("award-file")
@_file
@_dry_run
@_by
@pass_context
def award_file(context: CommandContext, file: Path, *, dry_run: bool, by: str | None) -> None:
    """从表格登记积分（.csv 或 .xlsx）/ awards from a spreadsheet.

    Columns: 居民账号, 积分标准, 日期, and if wanted 编号, 事项, 活动, 事实编号 (or account, rule,
    date, award_id, memo, event, fact_ref). The same file twice is booked once.
    """

    def plan(tx: Connection, rows: Iterable[SheetRow]) -> Plan:
        at = moment_of_next(tx, context.pool, context.clock())
        return plan_awards(tx, context.pool, rows, by=by or operator(), at=at)

    _from_file(context, _Source(file, AWARD_COLUMNS), plan, dry_run=dry_run)


@click.command("open-balances")
@_file
@_dry_run
@_by
@pass_context
def open_balances(context: CommandContext, file: Path, *, dry_run: bool, by: str | None) -> None:
    """从表格转入纸卡上的积分（.csv 或 .xlsx）/ opening balances from a spreadsheet.

    Columns: 卡号, 居民账号, 积分, 日期, and if wanted 备注 (or id, account, points, date, memo).
    """

    def plan(tx: Connection, rows: Iterable[SheetRow]) -> Plan:
        at = moment_of_next(tx, context.pool, context.clock())
        return plan_openings(tx, context.pool, rows, by=by or operator(), at=at)

    _from_file(context, _Source(file, OPENING_COLUMNS), plan, dry_run=dry_run)


@dataclass(frozen=True, slots=True)
class _Source:
    file: Path
    columns: Sequence[Column]


def _from_file(
    context: CommandContext,
    source: _Source,
    make_plan: Callable[[Connection, Iterable[SheetRow]], Plan],
    *,
    dry_run: bool,
) -> None:
    try:
        # All rows first, which are few by then: a file that is too long costs no question.
        rows = list(read_sheet(source.file, source.columns))
    except SheetRefused as fault:
        raise CommandRefused(f"{fault}\n没有登记任何内容 / nothing was booked") from fault
    with reading(context.engine) as tx:
        plan = make_plan(tx, rows)
    if plan.bad:
        raise CommandRefused(_told_bad(plan.bad))
    if not dry_run:
        _book(context, plan.rows)
    done = "检查通过，没有登记 / checked, nothing booked" if dry_run else "已登记 / booked"
    click.echo(
        f"{done}：{len(plan.rows)} 行，{plan.points} 积分；以前登记过 {plan.already} 行"
        f" / {len(plan.rows)} rows, {plan.points} points; {plan.already} booked before"
    )


def _book(context: CommandContext, rows: Sequence[Planned]) -> None:
    """Book the rows in commits of 50, so that tills hardly wait. A row has one id for ever:
    what stopped half way is finished by handing the same file in again.
    """
    desk = context.make_desk()
    for first in range(0, len(rows), ROWS_A_COMMIT):
        part = rows[first : first + ROWS_A_COMMIT]
        try:
            run_writing(
                context.engine,
                functools.partial(_book_part, context, desk, part),
                deadline_s=_COMMIT_DEADLINE_S,
            )
        except _RowRefused as refused:
            raise CommandRefused(f"{refused}\n{_half_way(first)}") from refused
        except (TryAgain, DBAPIError) as fault:
            raise CommandRefused(
                f"数据库写不进去，请检查磁盘和数据库 / the database cannot be written\n"
                f"{_half_way(first)}"
            ) from fault


class _RowRefused(Exception):  # noqa: N818 - named as the sentence it states
    """Somebody else's fact came between the check and this row; its commit is taken back."""


def _book_part(
    context: CommandContext, desk: FactDesk, part: Sequence[Planned], tx: Connection
) -> None:
    at, by = context.clock(), operator()
    for row in part:
        outcome = desk.submit(tx, context.pool, row.command, actor=by, recorded_at=at)
        if isinstance(outcome, Refusal):
            says = outcome.says if isinstance(outcome, Refused) else str(outcome)
            raise _RowRefused(f"第 {row.line} 行 / line {row.line}：{says}")


def _half_way(booked: int) -> str:
    return (
        f"已登记 {booked} 行；排除问题后再导入同一文件，已登记的不会重复"
        f" / {booked} rows are booked; hand the same file in again, no row is booked twice"
    )


def _told_bad(bad: Sequence[BadCell]) -> str:
    lines = [
        f"第 {each.line} 行 / line {each.line}"
        + (f"，{each.column}：{each.says}" if each.column else f"：{each.says}")
        for each in bad
    ]
    lines.append(
        f"共 {len(bad)} 处要改，没有登记任何内容 / {len(bad)} to correct, nothing was booked"
    )
    return "\n".join(lines)


def _told_refusals(refused: EventRefused) -> str:
    lines = [f"{account}：{refusal.says}" for account, refusal in refused.refusals]
    lines.append("没有登记任何人 / nobody was awarded")
    return "\n".join(lines)


def _told_event(outcome: EventAwarded) -> str:
    points = sum(each.points for each in outcome.awarded)
    return (
        f"+{points}：登记 {len(outcome.awarded)} 人，以前登记过 {outcome.already} 人，"
        f"名单里重复 {outcome.twice} 次 / {len(outcome.awarded)} awarded,"
        f" {outcome.already} before, {outcome.twice} named twice"
    )


def _read_people(context: CommandContext, file: TextIO, now: datetime) -> list[str]:
    accounts: list[str] = []
    bad: list[str] = []
    line_no = 0
    try:
        while line := file.readline(_MAX_LINE_CHARS + 1):
            line_no += 1
            if len(accounts) + len(bad) >= MAX_PERSONS:
                raise CommandRefused(
                    f"名单太长：一次最多 {MAX_PERSONS} 人，请分几次 / at most {MAX_PERSONS} persons"
                )
            text = line.strip()
            if not text:
                continue
            account = _account_of(context, text, now)
            if account is None:
                bad.append(
                    f"第 {line_no} 行：不是居民账号，也不是有效的居民码，请重扫或重填"
                    f" / line {line_no} is neither an account nor a valid code"
                )
            else:
                accounts.append(account)
    except UnicodeDecodeError as fault:
        raise CommandRefused("名单不是 UTF-8 文本 / the list is not UTF-8 text") from fault
    if bad:
        raise CommandRefused("\n".join([*bad, "没有登记任何人 / nobody was awarded"]))
    if not accounts:
        raise CommandRefused("名单是空的 / the list is empty")
    return accounts


def _account_of(context: CommandContext, text: str, now: datetime) -> str | None:
    """Whose account or scanned code this is; a code must be one that a till would take."""
    lowered = text.lower()
    if len(lowered) == 16 and set(lowered) <= set("0123456789abcdef"):  # noqa: PLR2004 - 16 hex digits
        return lowered
    code = parse_code(text)
    if code is None:
        return None
    with reading(context.engine) as tx:
        tag = pool_terms(tx, context.pool).tag
        if verify_code(code, keys_at(tx, context.pool, role_of(code), now), tag, now) is not None:
            return None
        if isinstance(code, SlotCode):
            return code.account.hex()
        assert isinstance(code, CardCode)
        card = card_of(tx, context.pool, code.card_id.hex())
    if card is None or card.state is not CardState.LIVE or card.seq != code.seq:
        return None
    return card.account
