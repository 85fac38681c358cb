"""``card-pin`` and ``card-lost``: a resident's card, its PIN, and what happens when it is lost."""

import sys

import click

from protocol.card_pin_hash import ArgonPinMaker
from protocol.card_pins import MOST_TRIES, PIN_DIGITS, is_pin, is_too_easy
from server.commands.context import CommandContext, CommandRefused, pass_context
from server.commands.submitting import submit
from server.db import reading
from server.directory import Card, card_of, cards, resident_of
from server.directory.card_pin_making import set_pin_command
from server.directory.card_pins import locked_pins, pin_of
from server.directory.commands import RevokeCard, UnlockCardPin

_PIN_ID_BYTES = 16
_account = click.option(
    "--account", required=True, help="居民账号（16 位）/ the resident's account"
)
_reason = click.option("--reason", required=True, help="原因 / why")


@click.group("card-pin")
def card_pin() -> None:
    """积分卡的密码 / the PINs of residents' cards."""


@card_pin.command("set")
@_account
@click.option("--reason", default="本人设置", help="原因 / why")
@click.option("--pin-stdin", is_flag=True, help="从标准输入读 / read the PIN from standard input")
@pass_context
def set_pin(context: CommandContext, account: str, reason: str, *, pin_stdin: bool) -> None:
    """居民本人输入新密码 / the resident types a new PIN, twice; it is not shown and not kept."""
    card = _card(context, account)
    pin = _typed(from_stdin=pin_stdin)
    pin_id = context.randomness(_PIN_ID_BYTES).hex()
    maker = ArgonPinMaker()
    submit(
        context, set_pin_command(context.keys, maker, card, pin=pin, pin_id=pin_id, reason=reason)
    )
    click.echo(f"积分卡 {card.card_id} 的密码已设置 / the card's PIN is set")


@card_pin.command()
@_account
@_reason
@pass_context
def unlock(context: CommandContext, account: str, reason: str) -> None:
    """解锁密码，密码不变 / unlock the PIN, which stays what it was."""
    card = _card(context, account)
    pin_id = context.randomness(_PIN_ID_BYTES).hex()
    submit(context, UnlockCardPin(pin_id=pin_id, card_id=card.card_id, reason=reason))
    click.echo(f"积分卡 {card.card_id} 的密码已解锁 / the card's PIN is unlocked")


@card_pin.command()
@_account
@pass_context
def show(context: CommandContext, account: str) -> None:
    """密码有没有设、错了几次、锁没锁 / whether there is a PIN, wrong ones, and whether it is locked."""
    card = _card(context, account)
    with reading(context.engine) as tx:
        pin = pin_of(tx, context.pool, card.card_id, card.seq, context.clock())
    if pin is None:
        click.echo(f"积分卡 {card.card_id} 没有设密码 / no PIN is set")
        return
    state = "已锁定 / locked" if pin.is_locked else "可用 / good"
    click.echo(
        f"积分卡 {card.card_id}：{state}，30 天内输错 {pin.wrong} 次（{MOST_TRIES} 次锁定）"
        f" / {pin.wrong} wrong within 30 days, locked at {MOST_TRIES}"
    )


@card_pin.command("locked")
@pass_context
def list_locked(context: CommandContext) -> None:
    """密码已锁定的积分卡 / cards whose PIN is locked, the newest first."""
    with reading(context.engine) as tx:
        found = [
            (pin, card_of(tx, context.pool, pin.card_id))
            for pin in locked_pins(tx, context.pool, context.clock())
        ]
    for pin, card in found:
        account = card.account if card is not None else ""
        click.echo(f"{pin.card_id}  居民 / resident {account}  输错 / wrong {pin.wrong}")
    if not found:
        click.echo("没有锁定的密码 / no PIN is locked")


@click.command("card-lost")
@_account
@_reason
@pass_context
def card_lost(context: CommandContext, account: str, reason: str) -> None:
    """挂失：旧卡作废，积分不动 / the card is lost: no till takes it, the points stay.

    A new one is made by ``card --account … --replace``.
    """
    card = _card(context, account)
    submit(context, RevokeCard(card_id=card.card_id, reason=reason))
    click.echo(
        f"积分卡 {card.card_id} 已挂失，积分不变。补卡：card --account {account} --replace"
        " / the card is blocked, the points stay; replace it when the resident comes"
    )


def _card(context: CommandContext, account: str) -> Card:
    with reading(context.engine) as tx:
        if resident_of(tx, context.pool, account) is None:
            raise CommandRefused(f"没有这位居民：{account}，请先登记 / not registered: {account}")
        found = [each for each in cards(tx, context.pool) if each.account == account]
    if not found:
        raise CommandRefused(
            f"居民 {account} 没有可用的积分卡，请先发卡或补卡 / has no live card; issue one first"
        )
    return found[-1]


def _typed(*, from_stdin: bool) -> str:
    if from_stdin:
        pin = sys.stdin.readline(PIN_DIGITS + 2).rstrip("\r\n")
    else:
        pin = click.prompt(
            f"请输入 {PIN_DIGITS} 位新密码 / new PIN", hide_input=True, confirmation_prompt=True
        )
    if not is_pin(pin):
        raise CommandRefused(f"密码要 {PIN_DIGITS} 位数字，请重输 / a PIN has {PIN_DIGITS} digits")
    if is_too_easy(pin):
        raise CommandRefused(
            "密码太简单（如 123456、888888），请换一个 / too easy to guess; choose another"
        )
    return str(pin)
