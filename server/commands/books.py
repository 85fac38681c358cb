"""Commands about the books: settle, statement."""

import json
from dataclasses import asdict, dataclass
from datetime import date, datetime

import click
from msgspec import Struct
from sqlalchemy import Connection

from protocol.business_day import SHANGHAI
from protocol.ids import uuid7
from protocol.money import format_yuan
from server.commands.context import CommandContext, CommandRefused, pass_context
from server.commands.submitting import operator
from server.db import reading, run_writing
from server.directory import merchant_of, merchants, pool_terms
from server.facts import Outcome
from server.settlement import SettleRefused, Share, Statement, StatementLine
from server.settlement.day_sums import sum_up
from server.settlement.lines import lines_of
from server.settlement.runs import Progress, drive, merchants_due
from server.settlement.runs import preview as preview_run
from server.settlement.statements import late_count, shares_of, statements_of
from server.settlement.values import (
    DOCUMENT_VERSION,
    CloseRun,
    MerchantSettled,
    OpenRun,
    RunClosed,
    RunOpened,
)

_DEADLINE_S = 60.0
"""Settling waits its turn behind the shops' sales."""


def register(group: click.Group) -> None:
    """Adds the commands to the server's own."""
    for command in (settle, statement):
        group.add_command(command)


@click.command()
@click.option(
    "--through",
    required=True,
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="最后一个要结算的营业日 / the last business date to settle",
)
@click.option("--preview", is_flag=True, help="只看不结算 / show what a run would make")
@click.option("--json", "as_json", is_flag=True, help="输出 JSON / print JSON")
@pass_context
def settle(context: CommandContext, through: datetime, preview: bool, as_json: bool) -> None:
    """结算到某一天，给每个商户出对账单 / Close the books through a day.

    Settling the same day again goes on where it stopped, and changes nothing that is made.
    A merchant who traded without a contract is named and left open; exit status 1.
    """
    if preview:
        _preview(context, through.date(), as_json=as_json)
        return
    now = context.clock()
    opened = _submit(
        context,
        OpenRun(
            run=str(uuid7(now, context.randomness(10))),
            through=through.date(),
            opened_by=operator(),
            document_version=DOCUMENT_VERSION,
        ),
    )
    assert isinstance(opened, RunOpened)
    names: list[str] = []
    with reading(context.engine) as tx:
        due = merchants_due(tx, context.pool, opened.run)
    for step in drive(lambda command: _answer(context, command), opened.run, due):
        click.echo(_progress(step), err=True)
        if isinstance(step.outcome, MerchantSettled):
            names += step.outcome.statements
    closed = _submit(context, CloseRun(run=opened.run, closed_by=operator()))
    assert isinstance(closed, RunClosed)
    with reading(context.engine) as tx:
        made = _told(tx, context.pool, statements_of(tx, context.pool, run=opened.run))
        unit = pool_terms(tx, context.pool).unit_name
        left = [each for each in closed.left_open if not _has(made, each.merchant)]
    again = opened.again and not names
    if as_json:
        head = {"run": opened.run, "through": opened.through, "again": again}
        head["left_open"] = [asdict(each) for each in left]
        _print_json(head | {"statements": [each.data() for each in made]})
    else:
        note = "（此前已结算，未作改动 / settled before, nothing changed）" if again else ""
        click.echo(f"结算到 {opened.through}：{len(made)} 份对账单{note}")
        for each in made:
            _print_told(each, unit)
    if left:
        told = "、".join(f"{each.merchant}（{each.day}）" for each in left)
        raise CommandRefused(
            f"没有合约、未能结算的商户：{told}，请补签合约后再结算一次"
            f" / left open for want of a contract: {told}; agree one and settle again"
        )


def _answer(context: CommandContext, command: Struct) -> Outcome:
    """Hands one command in, in a transaction of its own, behind the shops' sales."""
    desk, pool, now = context.make_desk(), context.pool, context.clock()
    return run_writing(
        context.engine,
        lambda tx: desk.submit(tx, pool, command, actor=operator(), recorded_at=now),
        deadline_s=_DEADLINE_S,
    )


def _submit(context: CommandContext, command: Struct) -> Outcome:
    outcome = _answer(context, command)
    if isinstance(outcome, SettleRefused):
        raise CommandRefused(outcome.says)
    return outcome


def _progress(step: Progress) -> str:
    outcome = step.outcome
    became = "、".join(outcome.statements) if isinstance(outcome, MerchantSettled) else outcome.says
    return f"{step.number}/{step.of} {step.merchant}: {became}"


def _has(made: list["_Told"], merchant: str) -> bool:
    return any(each.statement.merchant == merchant for each in made)


def _preview(context: CommandContext, through: date, *, as_json: bool) -> None:
    sum_up(context.engine, context.pool)
    with reading(context.engine) as tx:
        seen = list(preview_run(tx, context.pool, through))
    rows = [
        {
            "statement": draft.statement,
            "merchant": draft.merchant,
            "period_from": draft.period_from,
            "period_through": draft.period_through,
            **asdict(draft.totals),
            "net_fen": draft.totals.net_fen,
            "closing_fen": draft.closing_fen,
        }
        for each in seen
        for draft in each.drafts
    ]
    left = [asdict(each.left) for each in seen if each.left is not None]
    if as_json:
        _print_json({"through": through, "drafts": rows, "left_open": left})
        return
    click.echo(f"试算到 {through}（没有写入）/ a preview, nothing is written")
    for row in rows:
        click.echo(
            f"  {row['statement']}  {row['period_from']} – {row['period_through']}"
            f"  净额 net {format_yuan(int(str(row['net_fen'])))} 元"
            f"  期末 closing {format_yuan(int(str(row['closing_fen'])))} 元"
        )
    for each in left:
        click.echo(f"  {each['merchant']}：{each['day']} 没有合约 / no contract")


@click.group(invoke_without_command=True)
@click.option("--merchant", help="只看一个商户 / one merchant only")
@click.option("--lines", "with_lines", is_flag=True, help="逐笔列出 / with every line")
@click.option("--json", "as_json", is_flag=True, help="输出 JSON / print JSON")
@pass_context
def statement(
    context: CommandContext, merchant: str | None, with_lines: bool, as_json: bool
) -> None:
    """打印对账单的数字 / Print the figures of statements, the newest first."""
    if click.get_current_context().invoked_subcommand is not None:
        return
    with reading(context.engine) as tx:
        if merchant is not None and merchant_of(tx, context.pool, merchant) is None:
            raise CommandRefused(f"没有这个商户：{merchant} / no such merchant: {merchant}")
        unit = pool_terms(tx, context.pool).unit_name
        found = statements_of(tx, context.pool, merchant=merchant)
        made = _told(tx, context.pool, found, with_lines=with_lines)
    if as_json:
        _print_json([each.data(with_lines=with_lines) for each in made])
        return
    if not made:
        click.echo("还没有对账单，请先结算 / no statements yet; settle first")
    for each in made:
        _print_told(each, unit)
        for line in each.lines if with_lines else ():
            _print_line(line)


@dataclass(frozen=True, slots=True)
class _Told:
    """A statement with what is told about it: fen and points as whole numbers."""

    statement: Statement
    merchant_name: str
    shares: tuple[Share, ...]
    late_count: int
    lines: tuple[StatementLine, ...]

    def data(self, *, with_lines: bool = False) -> dict[str, object]:
        made, totals = self.statement, self.statement.totals
        figures: dict[str, object] = {
            "statement": made.statement,
            "merchant": made.merchant,
            "merchant_name": self.merchant_name,
            "period_from": made.period_from,
            "period_through": made.period_through,
            **asdict(totals),
            "cash_fen": totals.cash_fen,
            "net_fen": totals.net_fen,
            "opening_fen": made.opening_fen,
            "closing_fen": made.closing_fen,
            "late_count": self.late_count,
            "shares": [asdict(share) for share in self.shares],
        }
        if with_lines:
            figures["lines"] = [asdict(line) for line in self.lines]
        return figures


def _told(
    tx: Connection, pool: str, made: list[Statement], *, with_lines: bool = False
) -> list[_Told]:
    names = {each.merchant: each.name for each in merchants(tx, pool)}
    return [
        _Told(
            statement=each,
            merchant_name=names[each.merchant],
            shares=tuple(shares_of(tx, pool, each.statement)),
            late_count=late_count(tx, pool, each.statement),
            lines=tuple(lines_of(tx, pool, each)) if with_lines else (),
        )
        for each in made
    ]


def _print_json(what: object) -> None:
    click.echo(json.dumps(what, ensure_ascii=False, indent=2, default=_plain))


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def _print_told(told: _Told, unit: str) -> None:
    made, totals = told.statement, told.statement.totals
    click.echo("")
    click.echo(f"{told.merchant_name}（{made.merchant}）对账单 {made.statement}")
    click.echo(f"  期间 period           {made.period_from} – {made.period_through}")
    click.echo(f"  销售 sales            {totals.sales_count}")
    click.echo(f"  退货 refunds          {totals.refunds_count}")
    click.echo(f"  迟到 late             {told.late_count}")
    click.echo(f"  收{unit} redeemed     {totals.redeemed_points}")
    click.echo(f"  退{unit} returned     {totals.returned_points}")
    for label, amount_fen in (
        ("实收现金 cash       ", totals.cash_fen),
        ("积分补偿 reimbursed ", totals.reimbursement_fen),
        ("退货收回 taken back ", -totals.reimbursement_returned_fen),
        ("纳入积分池 share    ", -totals.share_fen),
        ("保底补足 minimum    ", -totals.minimum_fen),
        ("租金 rent           ", -totals.rent_fen),
        ("券和服务 fees       ", totals.fee_fen),
        ("调整 adjustments    ", totals.adjustment_fen),
        ("本期净额 net        ", totals.net_fen),
        ("期初余额 opening    ", made.opening_fen),
        ("已付商户 paid       ", -totals.paid_fen),
        ("商户付来 received   ", totals.received_fen),
        ("期末余额 closing    ", made.closing_fen),
    ):
        click.echo(f"  {label} {format_yuan(amount_fen):>12} 元")


def _print_line(line: StatementLine) -> None:
    late = f"  迟到 late {line.business_date}" if line.late else ""
    click.echo(
        f"    {line.occurred_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M} {line.key}"
        f"  现金 {format_yuan(line.takings_fen)}  积分 {line.points}"
        f"  补偿 {format_yuan(line.reimbursement_fen)}  纳入 {format_yuan(line.share_fen)}{late}"
    )
