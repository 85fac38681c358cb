"""``bearer-cards`` makes denominated cards; ``bearer-card`` blocks, replaces or pays one in."""

import sys
from datetime import timedelta
from pathlib import Path

import click
import qrcode.constants

from protocol.business_day import business_date
from protocol.codes import CardCode, make_card, parse_code, to_digits, verify_code
from protocol.ids import uuid7
from protocol.issuers import IssuerRole
from protocol.money import Points
from server.awards.bearer_cards import BATCH_MAX, BearerCardsIssued, IssueBearerCards
from server.awards.bearer_moves import (
    BearerMoved,
    BlockBearerCard,
    PayInBearerCard,
    ReplaceBearerCard,
    moved_to,
)
from server.commands.codes import card_issuer, show_code
from server.commands.context import CommandContext, CommandRefused, pass_context
from server.commands.submitting import submit
from server.db import reading
from server.directory import PoolTerms, keys_at, pool_terms
from server.directory.bearer import BEARER_SEQ, BearerCard, Spend, bearer_cards, bearer_of

_CARD_ID_BYTES = 8
_UUID_BYTES = 10
_MAX_CODE_CHARS = 1_000
# Printed, and bent: as a resident's card.
_CORRECTION = qrcode.constants.ERROR_CORRECT_M


@click.command("bearer-cards")
@click.option("--count", type=click.IntRange(1, BATCH_MAX), help="新发多少张 / how many new ones")
@click.option("--points", "value_points", type=click.IntRange(1, 65_535), help="面值 / worth each")
@click.option("--place", help="发放区域编号 / the place where they are given out")
@click.option(
    "--spend",
    type=click.Choice([each.value for each in Spend]),
    default=Spend.DOWN_TO_ZERO.value,
    show_default=True,
    help="用到零，或一次用完 / down to zero, or in one go",
)
@click.option("--batch", help="批号；再写一次可重新输出 / its number; prints the same cards again")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="图片目录 / folder for the pictures",
)
@pass_context
def issue(
    context: CommandContext,
    *,
    count: int | None,
    value_points: int | None,
    place: str | None,
    spend: str,
    batch: str | None,
    out: Path,
) -> None:
    """面值积分卡 / Denominated cards: as good as their points to whoever holds them.

    The pictures are worth points: keep them as cash, and delete them once they are printed.
    """
    batch = batch or str(uuid7(context.clock(), context.randomness(_UUID_BYTES)))
    cards = _of_batch(context, batch)
    if not cards:
        if count is None or value_points is None or place is None:
            raise CommandRefused(
                "新发卡要写 --count、--points 和 --place / new cards need --count, --points, --place"
            )
        _issue(
            context,
            batch,
            count=count,
            value_points=value_points,
            spend=Spend(spend),
            place=place,
        )
        cards = _of_batch(context, batch)
    out.mkdir(parents=True, exist_ok=True, mode=0o700)
    for each in cards:
        show_code(_digits(context, each), out / f"{each.card_id}.png", _CORRECTION)
    click.echo(f"批号 batch {batch}  {len(cards)} × {cards[0].value_points}")


@click.group("bearer-card")
def bearer_card() -> None:
    """一张面值积分卡 / One denominated card: block it, replace it, or pay it in."""


_card_id = click.argument("card_id", metavar="CARD")
_move = click.option("--id", "move", help="编号（UUID），重复提交只转一次 / the same id moves once")
_reason = click.option("--reason", required=True, help="原因 / why")


@bearer_card.command()
@_card_id
@_reason
@pass_context
def block(context: CommandContext, card_id: str, reason: str) -> None:
    """停用，不能恢复 / Block a card for good; what is on it stays until it is replaced."""
    outcome = submit(context, BlockBearerCard(card_id=card_id, reason=reason))
    assert isinstance(outcome, BearerMoved), outcome
    again = "（此前已停用 / before）" if outcome.again else ""
    click.echo(f"{card_id}  已停用 / blocked{again}")


@bearer_card.command()
@_card_id
@_reason
@_move
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="图片目录 / folder for the picture",
)
@pass_context
def replace(
    context: CommandContext, card_id: str, *, reason: str, move: str | None, out: Path
) -> None:
    """换新卡，余额转到新卡 / Replace a card: the old one is blocked, what is left goes over."""
    terms = _terms(context)
    today = business_date(context.clock(), terms.cut_off_hour)
    with reading(context.engine) as tx:
        before = moved_to(tx, context.pool, move) if move is not None else None
    new_id = before or context.randomness(_CARD_ID_BYTES).hex()
    command = ReplaceBearerCard(
        move=move or _new_move(context),
        card_id=card_id,
        new_card_id=new_id,
        expires_on=today + timedelta(days=terms.card_valid_days),
        reason=reason,
    )
    outcome = submit(context, command)
    assert isinstance(outcome, BearerMoved), outcome
    with reading(context.engine) as tx:
        made = bearer_of(tx, context.pool, new_id)
    assert made is not None
    out.mkdir(parents=True, exist_ok=True, mode=0o700)
    show_code(_digits(context, made), out / f"{new_id}.png", _CORRECTION)
    click.echo(f"{card_id} → {new_id}  {outcome.points}  编号 id {command.move}")


@bearer_card.command("pay-in")
@click.argument("code", metavar="CODE|-")
@click.option("--account", required=True, help="居民账号（16 位）/ the resident's account")
@_move
@pass_context
def pay_in(context: CommandContext, code: str, *, account: str, move: str | None) -> None:
    """扫卡，积分转入居民余额 / Scan a card: what is left on it goes to a resident's balance.

    CODE is what the scanner read, or - to read it from standard input. Only whoever holds the
    card has its code.
    """
    text = sys.stdin.readline(_MAX_CODE_CHARS) if code == "-" else code
    command = PayInBearerCard(
        move=move or _new_move(context), card_id=_shown(context, text.strip()), account=account
    )
    outcome = submit(context, command)
    assert isinstance(outcome, BearerMoved), outcome
    again = "（此前已转 / before）" if outcome.again else ""
    click.echo(f"{account}  +{outcome.points}{again}  编号 id {command.move}")


def _shown(context: CommandContext, text: str) -> str:
    """The id of the card whose code this is; a code must be one that a till would take."""
    code = parse_code(text)
    terms = _terms(context)
    with reading(context.engine) as tx:
        keys = keys_at(tx, context.pool, IssuerRole.CARD, context.clock())
    if not isinstance(code, CardCode) or code.seq != BEARER_SEQ:
        raise CommandRefused(
            "这不是面值积分卡的码，请重扫 / no denominated card's code, scan it again"
        )
    if verify_code(code, keys, terms.tag, context.clock()) is not None:
        raise CommandRefused(
            "这张卡的码无效或已过期 / this card's code is not valid, or out of date"
        )
    return code.card_id.hex()


def _terms(context: CommandContext) -> PoolTerms:
    with reading(context.engine) as tx:
        return pool_terms(tx, context.pool)


def _new_move(context: CommandContext) -> str:
    return str(uuid7(context.clock(), context.randomness(_UUID_BYTES)))


def _of_batch(context: CommandContext, batch: str) -> list[BearerCard]:
    with reading(context.engine) as tx:
        return bearer_cards(tx, context.pool, batch=batch)


def _issue(
    context: CommandContext,
    batch: str,
    *,
    count: int,
    value_points: int,
    spend: Spend,
    place: str,
) -> None:
    with reading(context.engine) as tx:
        terms = pool_terms(tx, context.pool)
    today = business_date(context.clock(), terms.cut_off_hour)
    outcome = submit(
        context,
        IssueBearerCards(
            batch=batch,
            card_ids=tuple(context.randomness(_CARD_ID_BYTES).hex() for _ in range(count)),
            value_points=value_points,
            expires_on=today + timedelta(days=terms.card_valid_days),
            spend=spend,
            place=place,
        ),
    )
    assert isinstance(outcome, BearerCardsIssued), outcome


def _digits(context: CommandContext, card: BearerCard) -> str:
    issuer = card_issuer(context)
    payload = make_card(
        issuer.key,
        context.keys.tag,
        kid=issuer.kid,
        card_id=bytes.fromhex(card.card_id),
        secret=context.keys.card_secret(card.card_id, BEARER_SEQ),
        seq=BEARER_SEQ,
        expires_on=card.expires_on,
        cap=Points(card.value_points),
    )
    return to_digits(payload)
