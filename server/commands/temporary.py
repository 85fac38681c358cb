"""``temporary-card``: a household's card, issued and handed on to the next household."""

from datetime import timedelta
from pathlib import Path

import click
import qrcode.constants

from protocol.business_day import business_date
from protocol.codes import to_digits
from protocol.ids import uuid7
from server.awards.temporary_cards import (
    HandedOver,
    HandOverTemporaryCard,
    Household,
    IssueTemporaryCard,
    MoveTemporaryRest,
)
from server.commands.codes import card_payload, show_code
from server.commands.context import CommandContext, CommandRefused, pass_context
from server.commands.submitting import submit
from server.db import reading
from server.directory import card_of, pool_terms
from server.directory.temporary import temporary_card_of, temporary_cards

_ID_BYTES = 8
_UUID_BYTES = 10

_out = click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="图片文件 .png 或 .svg / picture file, .png or .svg",
)
_household = click.option("--household", required=True, help="户（门牌）/ the household's address")
_name = click.option("--name", help="卡上的名字，默认“临时积分卡” / the name on the card")


@click.group("temporary-card")
def temporary_card() -> None:
    """临时积分卡 / Temporary cards, which belong to a household."""


@temporary_card.command()
@_household
@click.option("--place", required=True, help="区域 / the place")
@_name
@_out
@pass_context
def issue(
    context: CommandContext, household: str, place: str, name: str | None, out: Path | None
) -> None:
    """给一户发临时积分卡 / issue a card to a household."""
    to = _to(context, household, place, name)
    submit(context, IssueTemporaryCard(to=to))
    _show(context, to.card_id, out)
    click.echo(f"{household}  账号 / account {to.account}")


@temporary_card.command("hand-over")
@click.option("--account", required=True, help="原户的账号（16 位）/ the old household's account")
@_household
@_name
@click.option("--reason", required=True, help="原因 / why")
@click.option("--id", "move", help="编号（UUID），重复提交只转一次 / the same id moves once")
@_out
@pass_context
def hand_over(
    context: CommandContext,
    account: str,
    household: str,
    name: str | None,
    *,
    reason: str,
    move: str | None,
    out: Path | None,
) -> None:
    """转给下一户：积分转到新卡，旧码作废 / Hand a card on: the points go over, the old code is dead."""
    with reading(context.engine) as tx:
        card = temporary_card_of(tx, context.pool, account)
    if card is None:
        raise CommandRefused(
            f"没有这张临时积分卡：{account}，请核对 / no temporary card: {account}"
        )
    to = _to(context, household, card.place, name)
    if move is not None and card.to_account is not None:  # the same once more: to the same one
        with reading(context.engine) as tx:
            again = temporary_card_of(tx, context.pool, card.to_account)
        if again is not None:
            to = _as_before(to, again.account, again.card_id)
    command = HandOverTemporaryCard(
        move=move or _new_move(context), account=account, to=to, reason=reason
    )
    outcome = submit(context, command)
    assert isinstance(outcome, HandedOver), outcome
    _show(context, to.card_id, out)
    click.echo(f"{_told(outcome)}  编号 id {command.move}")


@temporary_card.command("move-rest")
@click.option("--account", required=True, help="原户的账号（16 位）/ the old household's account")
@pass_context
def move_rest(context: CommandContext, account: str) -> None:
    """把转卡时被占用、后来退回的积分也转过去 / what was reserved or came back since goes over too."""
    outcome = submit(context, MoveTemporaryRest(move=_new_move(context), account=account))
    assert isinstance(outcome, HandedOver), outcome
    click.echo(_told(outcome))


@temporary_card.command("list")
@pass_context
def list_cards(context: CommandContext) -> None:
    """全部临时积分卡，新的在前 / all temporary cards, the newest first."""
    with reading(context.engine) as tx:
        found = temporary_cards(tx, context.pool)
    for each in found:
        state = f"已转给 / handed on to {each.to_account}" if each.to_account else "在用 / in use"
        click.echo(f"{each.account}  {each.household}  {state}")
    if not found:
        click.echo("没有临时积分卡 / no temporary cards")


def _told(outcome: HandedOver) -> str:
    says = [f"已转给 / handed on to {outcome.to_account}：{outcome.points}"]
    if outcome.debts_points:
        says.append(f"先还欠的积分 / debts paid first {outcome.debts_points}")
    if outcome.left_points:
        says.append(
            f"还有 {outcome.left_points} 正被收银台使用，过后用 move-rest 再转"
            f" / {outcome.left_points} are reserved; move the rest later"
        )
    if outcome.overdraft_points:
        says.append(
            f"原户还透支 {outcome.overdraft_points}，不由下一户承担"
            f" / {outcome.overdraft_points} stay owed by the old household"
        )
    if outcome.again:
        says.append("此前已转 / before")
    return "；".join(says)


def _to(context: CommandContext, household: str, place: str, name: str | None) -> Household:
    with reading(context.engine) as tx:
        terms = pool_terms(tx, context.pool)
    today = business_date(context.clock(), terms.cut_off_hour)
    return Household(
        account=context.randomness(_ID_BYTES).hex(),
        card_id=context.randomness(_ID_BYTES).hex(),
        name=name or "临时积分卡",
        household=household,
        place=place,
        expires_on=today + timedelta(days=terms.card_valid_days),
        cap_points=terms.card_cap_points,
    )


def _as_before(to: Household, account: str, card_id: str) -> Household:
    return Household(
        account=account,
        card_id=card_id,
        name=to.name,
        household=to.household,
        place=to.place,
        expires_on=to.expires_on,
        cap_points=to.cap_points,
    )


def _show(context: CommandContext, card_id: str, out: Path | None) -> None:
    with reading(context.engine) as tx:
        card = card_of(tx, context.pool, card_id)
    assert card is not None
    show_code(to_digits(card_payload(context, card)), out, qrcode.constants.ERROR_CORRECT_M)


def _new_move(context: CommandContext) -> str:
    return str(uuid7(context.clock(), context.randomness(_UUID_BYTES)))
