"""``counter``: where points are registered at a counter, by whom, and what came of it."""

import json
import sys

import click
from argon2 import PasswordHasher, Type

from protocol.messages import OutcomeKind
from server.awards.counter import AllowCounterAwards, SetAwarderPin, SetProxyRules
from server.commands.context import CommandContext, CommandRefused, pass_context
from server.commands.submitting import submit
from server.db import reading
from server.redemption.counter_list import CounterAward, counter_awards

PIN_DIGITS = 6
_RANDOM_BYTES = 16
TOO_EASY = frozenset({"123456", "654321", *(str(digit) * PIN_DIGITS for digit in range(10))})
MEMORY_KIB = 19 * 1024
PASSES = 2
"""What a terminal's small machine can check while somebody waits."""

_WORDS = {
    OutcomeKind.POSTED: "已登记 / awarded",
    OutcomeKind.OVERDRAFT: "已登记 / awarded",
    OutcomeKind.DUPLICATE: "没有再登记 / not awarded again",
    OutcomeKind.PARKED: "待处理 / waits",
}


@click.group()
def counter() -> None:
    """柜台登记积分 / Points registered at shops' terminals."""


@counter.command("shop")
@click.argument("shop")
@click.option("--off", is_flag=True, help="停止 / no longer")
@pass_context
def counter_shop(context: CommandContext, shop: str, *, off: bool) -> None:
    """让一个门店的终端可以登记积分 / Let a shop's terminals register points, or no longer."""
    submit(context, AllowCounterAwards(shop=shop, allowed=not off))
    click.echo(f"{shop} 已停止登记积分 / stopped" if off else f"{shop} 可以登记积分 / allowed")


@counter.command("pin")
@click.argument("awarder")
@click.option("--pin-stdin", is_flag=True, help="从标准输入读 / read it from stdin")
@pass_context
def counter_pin(context: CommandContext, awarder: str, *, pin_stdin: bool) -> None:
    """给登记人一个终端 PIN 码 / Give somebody who awards a PIN for terminals."""
    pin = _given() if pin_stdin else _generated(context)
    hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=1, type=Type.ID)
    submit(context, SetAwarderPin(awarder=awarder, pin_hash=hasher.hash(pin)))
    if pin_stdin:
        click.echo(f"{awarder} 的 PIN 码已设 / set")
    else:
        click.echo(f"{awarder} 的 PIN 码，只显示这一次 / shown only this once: {pin}")


@counter.command("proxy-rules")
@click.option("--residents-a-day", type=int, required=True, help="每人每天代几位，0 停止 / 0: none")
@click.option("--points-a-day", type=int, help="每人每天最多多少积分 / points a day, a worker")
@click.option("--deliver-within-days", type=int, default=2, show_default=True, help="几天内送到")
@pass_context
def counter_proxy_rules(
    context: CommandContext,
    *,
    residents_a_day: int,
    points_a_day: int | None,
    deliver_within_days: int,
) -> None:
    """工作人员代兑换的上限和送达期限 / How far workers redeem for others, and by when."""
    submit(
        context,
        SetProxyRules(
            residents_a_day=residents_a_day,
            points_a_day=points_a_day,
            deliver_within_days=deliver_within_days,
        ),
    )
    click.echo("代兑换规则已设 / set" if residents_a_day else "代兑换已停止 / stopped")


@counter.command("list")
@click.option("--event", help="只看一次活动 / one event alone")
@click.option("--json", "as_json", is_flag=True, help="输出 JSON / as JSON")
@pass_context
def counter_list(context: CommandContext, *, event: str | None, as_json: bool) -> None:
    """终端登记了什么，结果如何 / What terminals registered, and what became of it."""
    with reading(context.engine) as tx:
        found = counter_awards(tx, context.pool, event=event)
    for each in found:
        click.echo(json.dumps(_row(each), ensure_ascii=False) if as_json else _line(each))
    if not found and not as_json:
        click.echo("没有登记 / nothing was registered")


def _line(each: CounterAward) -> str:
    told = f"{each.terminal} {each.epoch}/{each.seq}\t{each.performed_on}\t{each.worker_name}"
    what = f"{each.account}\t{each.rule_id}\t+{each.points}\t{each.event}"
    return f"{told}\t{what}\t{_WORDS[each.outcome]}\t{each.says}{each.closed}".rstrip()


def _row(each: CounterAward) -> dict[str, str | int]:
    return {
        "terminal": each.terminal,
        "epoch": each.epoch,
        "seq": each.seq,
        "performed_on": each.performed_on.isoformat(),
        "worker": each.worker,
        "account": each.account,
        "rule": each.rule_id,
        "points": each.points,
        "event": each.event,
        "outcome": each.outcome.value,
        "says": each.says,
        "closed": each.closed,
    }


def _given() -> str:
    pin = sys.stdin.readline(PIN_DIGITS + 2).rstrip("\r\n")
    if len(pin) != PIN_DIGITS or not (pin.isascii() and pin.isdigit()) or pin in TOO_EASY:
        raise CommandRefused(
            f"PIN 码是 {PIN_DIGITS} 位数字，不要太简单 / a PIN is {PIN_DIGITS} digits, no easy ones"
        )
    return pin


def _generated(context: CommandContext) -> str:
    while True:
        number = int.from_bytes(context.randomness(_RANDOM_BYTES))
        pin = f"{number % 10**PIN_DIGITS:0{PIN_DIGITS}}"
        if pin not in TOO_EASY:
            return pin
