"""Commands about the books: settle, statement, audit, replay."""

import json
from dataclasses import asdict, dataclass
from datetime import date, datetime

import click
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from protocol.business_day import SHANGHAI
from protocol.ids import uuid7
from protocol.money import format_yuan
from server.commands.audit import run_audit
from server.commands.audit_values import Finding
from server.commands.context import CommandContext, CommandRefused, pass_context
from server.commands.submitting import operator
from server.db import EngineRefused, metadata, open_engine, reading, run_writing
from server.db.migrate import upgrade
from server.directory import merchant_of, merchants, pool_terms
from server.facts import FactFault, ReplayDiverged, Replayed, replay
from server.settlement import (
    Settle,
    Settled,
    SettleRefused,
    Share,
    Statement,
    StatementLine,
    lines_of,
    shares_of,
    statements_of,
)

_DEADLINE_S = 60.0
"""Settling waits its turn behind the shops' sales."""

_SHOWN = 20
"""Violations of one invariant that are printed; ``--json`` has up to 200."""


def register(group: click.Group) -> None:
    """Adds the commands to the server's own."""
    for command in (settle, statement, audit, replay_into):
        group.add_command(command)


@click.command()
@click.option(
    "--through",
    required=True,
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="最后一个要结算的营业日 / the last business date to settle",
)
@click.option("--json", "as_json", is_flag=True, help="输出 JSON / print JSON")
@pass_context
def settle(context: CommandContext, through: datetime, as_json: bool) -> None:
    """结算到某一天，给每个商户出对账单 / Close the books through a day.

    Settling the same day again answers the same statements and changes nothing.
    """
    now = context.clock()
    command = Settle(
        run=str(uuid7(now, context.randomness(10))), through=through.date(), settled_by=operator()
    )
    desk, pool = context.make_desk(), context.pool
    outcome = run_writing(
        context.engine,
        lambda tx: desk.submit(tx, pool, command, actor=operator(), recorded_at=now),
        deadline_s=_DEADLINE_S,
    )
    if isinstance(outcome, SettleRefused):
        raise CommandRefused(outcome.says)
    assert isinstance(outcome, Settled)
    with reading(context.engine) as tx:
        made = _told(tx, pool, statements_of(tx, pool, run=outcome.run))
        unit = pool_terms(tx, pool).unit_name
    if as_json:
        head = {"run": outcome.run, "through": outcome.through, "again": outcome.again}
        _print_json(head | {"statements": [each.data(with_lines=False) for each in made]})
        return
    again = "（此前已结算，未作改动 / settled before, nothing changed）" if outcome.again else ""
    click.echo(f"结算到 {outcome.through}：{len(made)} 份对账单{again}")
    for each in made:
        _print_told(each, unit)


@click.command()
@click.option("--merchant", help="只看一个商户 / one merchant only")
@click.option("--lines", "with_lines", is_flag=True, help="逐笔列出 / with every line")
@click.option("--json", "as_json", is_flag=True, help="输出 JSON / print JSON")
@pass_context
def statement(
    context: CommandContext, merchant: str | None, with_lines: bool, as_json: bool
) -> None:
    """打印对账单的数字 / Print the figures of statements, the newest first."""
    with reading(context.engine) as tx:
        if merchant is not None and merchant_of(tx, context.pool, merchant) is None:
            raise CommandRefused(f"没有这个商户：{merchant} / no such merchant: {merchant}")
        unit = pool_terms(tx, context.pool).unit_name
        made = _told(tx, context.pool, statements_of(tx, context.pool, merchant=merchant))
    if as_json:
        _print_json([each.data(with_lines=with_lines) for each in made])
        return
    if not made:
        click.echo("还没有对账单，请先结算 / no statements yet; settle first")
    for each in made:
        _print_told(each, unit)
        for line in each.lines if with_lines else ():
            _print_line(line)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="输出 JSON / print JSON")
@pass_context
def audit(context: CommandContext, as_json: bool) -> None:
    """核对全部账目 / Check every invariant of the books; exit status 1 if one is broken."""
    with reading(context.engine) as tx:
        findings = run_audit(tx, context.pool, context.make_desk)
    clean = all(each.broken == 0 for each in findings)
    if as_json:
        told = [asdict(each) for each in findings]
        _print_json({"pool": context.pool, "clean": clean, "findings": told})
    else:
        for each in findings:
            _print_finding(each)
        click.echo("账目无误 / the books are clean" if clean else "账目有误 / the books are broken")
    if not clean:
        raise SystemExit(1)


@click.command("replay")
@click.option("--into", "url", required=True, metavar="URL", help="空数据库 / an empty database")
@pass_context
def replay_into(context: CommandContext, url: str) -> None:
    """把事实日志重放到空数据库 / Replay the fact log into an empty database."""
    try:
        target = open_engine(url)
    except (EngineRefused, SQLAlchemyError) as fault:
        raise CommandRefused(f"打不开目标数据库 / cannot open the target: {fault}") from fault
    try:
        upgrade(target, metadata)
        with reading(context.engine) as tx:
            done = replay(tx, target, context.make_desk(), context.pool, _print_progress)
    except (FactFault, ReplayDiverged) as fault:
        raise CommandRefused(f"重放停下了 / the replay stopped: {fault}") from fault
    finally:
        target.dispose()
    click.echo(f"已重放 {done.facts} 条事实 / {done.facts} facts replayed")


def _print_progress(done: Replayed) -> None:
    click.echo(f"… {done.facts}", err=True)


@dataclass(frozen=True, slots=True)
class _Told:
    """A statement with what is told about it: fen and points as whole numbers."""

    statement: Statement
    merchant_name: str
    shares: tuple[Share, ...]
    lines: tuple[StatementLine, ...]

    @property
    def late_count(self) -> int:
        return sum(line.late for line in self.lines)

    def data(self, *, with_lines: bool) -> dict[str, object]:
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
            "late_count": self.late_count,
            "shares": [asdict(share) for share in self.shares],
        }
        if with_lines:
            figures["lines"] = [asdict(line) for line in self.lines]
        return figures


def _told(tx: Connection, pool: str, made: list[Statement]) -> list[_Told]:
    names = {each.merchant: each.name for each in merchants(tx, pool)}
    return [
        _Told(
            statement=each,
            merchant_name=names[each.merchant],
            shares=tuple(shares_of(tx, pool, each.statement)),
            lines=tuple(lines_of(tx, pool, each)),
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
        ("本期净额 net        ", totals.net_fen),
    ):
        click.echo(f"  {label} {format_yuan(amount_fen):>12} 元")


def _print_line(line: StatementLine) -> None:
    late = f"  迟到 late {line.business_date}" if line.late else ""
    click.echo(
        f"    {line.occurred_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M} {line.key}"
        f"  现金 {format_yuan(line.takings_fen)}  积分 {line.points}"
        f"  补偿 {format_yuan(line.reimbursement_fen)}  纳入 {format_yuan(line.share_fen)}{late}"
    )


def _print_finding(each: Finding) -> None:
    mark = "✓" if each.broken == 0 else "✗"
    click.echo(f"{mark} {each.invariant:<4} {each.checked:>8}  {each.says}")
    for violation in each.violations[:_SHOWN]:
        click.echo(f"      {violation.where}: {violation.says}")
    if each.broken > _SHOWN:
        click.echo(f"      … {each.broken} 处 / {each.broken} in all")
