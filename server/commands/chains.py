"""``parked`` and ``terminal``: records that wait for a person, and chains that differ."""

import json
from collections.abc import Callable
from datetime import datetime

import click

from protocol.business_day import SHANGHAI
from server.commands.context import CommandContext, CommandRefused, pass_context
from server.commands.submitting import submit
from server.db import reading
from server.redemption.differences import Difference, differences, highest_epoch_there
from server.redemption.differing import (
    LEFT,
    BookDiffering,
    DifferenceBooked,
    LeaveDiffering,
)
from server.redemption.epochs import EpochOpened, ReopenTerminal, is_in_its_own_epoch
from server.redemption.gaps import recoveries
from server.redemption.parked import BookParked, LeaveParked, ParkedBooked, parked_records

HASH_SHOWN = 12
HASH_HEX = 64
WAITING = 1
"""The exit status where somebody should look."""


@click.group()
def parked() -> None:
    """不能入账、等人处理的记录 / Records that could not be booked and wait for a person."""


@parked.command("list")
@click.option("--json", "as_json", is_flag=True, help="输出 JSON / print JSON")
@pass_context
def parked_list(context: CommandContext, *, as_json: bool) -> None:
    """列出等人处理的记录 / What waits. The exit status is 1 where something does."""
    with reading(context.engine) as tx:
        found = parked_records(tx, context.pool)
    for each in found:
        if as_json:
            row = {
                "terminal": each.terminal,
                "shop": each.shop,
                "epoch": each.epoch,
                "seq": each.seq,
                "kind": each.kind,
                "sale_id": each.sale_id,
                "occurred_at": each.occurred_at.isoformat(),
                "recorded_at": each.recorded_at.isoformat(),
                "says": each.says,
            }
            click.echo(json.dumps(row, ensure_ascii=False))
        else:
            click.echo(
                f"{each.terminal} {each.epoch}/{each.seq}\t{_when(each.occurred_at)}\t"
                f"{each.kind}\t{each.says}"
            )
    if not as_json:
        click.echo(f"共 {len(found)} 条待处理 / waiting")
    if found:
        raise SystemExit(WAITING)


@parked.command("book")
@click.argument("terminal")
@click.argument("place", metavar="EPOCH/SEQ")
@click.option("--reason", required=True, help="已处理了什么 / what was done about it")
@pass_context
def parked_book(context: CommandContext, terminal: str, place: str, reason: str) -> None:
    """原因已排除，补记入账 / Book it now that its cause is gone; by the rules of its own day."""
    epoch, seq = _epoch_and_seq(place)
    outcome = submit(
        context, BookParked(terminal=terminal, epoch=epoch, seq=seq, reason=reason[:200])
    )
    assert isinstance(outcome, ParkedBooked), outcome
    more = f"，透支 {outcome.overdraft_points}" if outcome.overdraft_points else ""
    click.echo(f"已入账 {terminal} {place}：{outcome.outcome.value}{more} / booked")


@parked.command("leave")
@click.argument("terminal")
@click.argument("place", metavar="EPOCH/SEQ")
@click.option("--reason", required=True, help="为什么不登记 / why it is not booked")
@pass_context
def parked_leave(context: CommandContext, terminal: str, place: str, reason: str) -> None:
    """登记积分核实后不入账，写原因 / Do not book a parked award; it stays on record."""
    epoch, seq = _epoch_and_seq(place)
    submit(context, LeaveParked(terminal=terminal, epoch=epoch, seq=seq, reason=reason[:200]))
    click.echo(f"不入账 {terminal} {place} / left unbooked")


def _epoch_and_seq(place: str) -> tuple[int, int]:
    epoch, _, seq = place.partition("/")
    if not (epoch.isdigit() and seq.isdigit()):
        raise click.BadParameter("应像 1/57 / such as 1/57", param_hint="EPOCH/SEQ")
    return int(epoch), int(seq)


@click.group("terminal")
def terminal_group() -> None:
    """终端的流水对不上时 / Terminals whose records are not ours."""


@terminal_group.command("differs")
@click.argument("terminal", required=False)
@click.option("--json", "as_json", is_flag=True, help="输出 JSON / print JSON")
@pass_context
def differs(context: CommandContext, terminal: str | None, *, as_json: bool) -> None:
    """列出两边不同的流水 / What differed. The exit status is 1 where a terminal is stopped, or a
    record that was handed over waits to be booked or left.
    """
    with reading(context.engine) as tx:
        found = differences(tx, context.pool, terminal)
    for each in found:
        if as_json:
            row = {
                "terminal": each.terminal,
                "epoch": each.epoch,
                "seq": each.seq,
                "here_hash": each.here_hash,
                "there_hash": each.there_hash,
                "there": each.there_body.decode(errors="replace") if each.there_body else None,
                "found_at": each.found_at.isoformat(),
                "open": each.open,
                "handed_over": each.handed_over,
                "decided": each.decided,
                "says": each.says,
            }
            click.echo(json.dumps(row, ensure_ascii=False))
        else:
            click.echo(
                f"{each.terminal} {each.epoch}/{each.seq}\t{each.there_hash[:HASH_SHOWN]}\t"
                f"{_when(each.found_at)}\t{_state(each)}\t{each.says}"
            )
    if not as_json:
        click.echo(f"共 {len(found)} 处不同 / differences")
    if any(each.open for each in found):
        raise SystemExit(WAITING)


def _state(each: Difference) -> str:
    if not each.handed_over:
        return "已停用 stopped" if each.open else "已放行 reopened"
    if each.open:
        return "待处理 waits"
    return "不入账 left" if each.decided == LEFT else f"已入账 {each.decided}"


def _names_a_difference(command: Callable[..., None]) -> Callable[..., None]:
    """The arguments that say which record is meant, as ``terminal differs`` shows it."""
    for name, shown in (("hash_hex", "HASH"), ("place", "EPOCH/SEQ"), ("terminal", "TERMINAL")):
        command = click.argument(name, metavar=shown)(command)
    return command


@terminal_group.command("book-differing")
@_names_a_difference
@click.option("--reason", required=True, help="查明了什么 / what was found out")
@pass_context
def book_differing_command(
    context: CommandContext, terminal: str, place: str, hash_hex: str, reason: str
) -> None:
    """交来的流水与这里的不同，查明后补记入账 / Book a handed-over record that differs.

    HASH 见 terminal differs / as `terminal differs` shows it.
    """
    epoch, seq = _epoch_and_seq(place)
    command = BookDiffering(
        terminal=terminal, epoch=epoch, seq=seq, hash_hex=_hash(hash_hex), reason=reason[:200]
    )
    outcome = submit(context, command)
    assert isinstance(outcome, DifferenceBooked), outcome
    more = f"，透支 {outcome.overdraft_points}" if outcome.overdraft_points else ""
    click.echo(f"已入账 {terminal} {place}：{outcome.outcome.value}{more} / booked")


@terminal_group.command("leave-differing")
@_names_a_difference
@click.option("--reason", required=True, help="为什么不入账 / why it is not booked")
@pass_context
def leave_differing_command(
    context: CommandContext, terminal: str, place: str, hash_hex: str, reason: str
) -> None:
    """交来的流水核实后不入账，写原因 / Do not book it; it stays on record."""
    epoch, seq = _epoch_and_seq(place)
    command = LeaveDiffering(
        terminal=terminal, epoch=epoch, seq=seq, hash_hex=_hash(hash_hex), reason=reason[:200]
    )
    submit(context, command)
    click.echo(f"不入账 {terminal} {place} / left unbooked")


def _hash(text: str) -> str:
    if not HASH_SHOWN <= len(text) <= HASH_HEX:
        raise click.BadParameter(f"{HASH_SHOWN} … {HASH_HEX}", param_hint="HASH")
    return text.lower()


@terminal_group.command("reopen")
@click.argument("terminal")
@click.option("--reason", required=True, help="查明了什么 / what was found out")
@pass_context
def reopen(context: CommandContext, terminal: str, reason: str) -> None:
    """核对后放行，给新的流水期 / Let it go on, in a new epoch; nothing is booked twice."""
    with reading(context.engine) as tx:
        above = highest_epoch_there(tx, context.pool, terminal)
        goes_on = is_in_its_own_epoch(tx, context.pool, terminal)
    if goes_on:
        raise CommandRefused(
            f"{terminal} 没有停用，不用放行：先让它联网开机，它停下来、列在 terminal differs 里以后再放行"
            f" / {terminal} is not stopped: start it with the network on; let it go on once it"
            " stands in `terminal differs`"
        )
    outcome = submit(context, ReopenTerminal(terminal=terminal, reason=reason[:200], above=above))
    assert isinstance(outcome, EpochOpened), outcome
    click.echo(
        f"{terminal} 可以用第 {outcome.epoch} 流水期继续；请在终端上运行 huidian-terminal rejoin"
        f" / it may go on in epoch {outcome.epoch}; run huidian-terminal rejoin on it"
    )


@terminal_group.command("recoveries")
@click.option("--json", "as_json", is_flag=True, help="输出 JSON / print JSON")
@pass_context
def recovered(context: CommandContext, *, as_json: bool) -> None:
    """列出已更换的终端和仍缺的流水 / Replaced terminals, and what is still missing of them.

    The exit status is 1 where records are missing, or a sale that asked for points is open.
    """
    with reading(context.engine) as tx:
        found = recoveries(tx, context.pool)
    for each in found:
        lost = [f"{x.epoch}/{x.first}-{x.last}" for x in each.missing]
        if as_json:
            row = {
                "terminal": each.terminal,
                "by_terminal": each.by_terminal,
                "source": each.source,
                "records": each.records,
                "noted_at": each.noted_at.isoformat(),
                "missing": lost,
                "missing_records": each.missing_records,
                "open_asks": each.open_asks,
            }
            click.echo(json.dumps(row, ensure_ascii=False))
        else:
            click.echo(
                f"{each.terminal} → {each.by_terminal}\t{_when(each.noted_at)}\t{each.source}\t"
                f"交来 {each.records} 条，仍缺 {each.missing_records} 条 {' '.join(lost)}，"
                f"未决 {each.open_asks} 笔 / handed over, still missing, undecided"
            )
    if not as_json:
        click.echo(f"共 {len(found)} 台 / terminals")
    if any(each.missing_records or each.open_asks for each in found):
        raise SystemExit(WAITING)


def _when(at: datetime) -> str:
    return at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")
