"""``bearer-cards``: a batch of denominated cards, one picture each."""

from datetime import timedelta
from pathlib import Path

import click
import qrcode.constants

from protocol.business_day import business_date
from protocol.codes import make_card, to_digits
from protocol.ids import uuid7
from protocol.money import Points
from server.awards.bearer_cards import BATCH_MAX, BearerCardsIssued, IssueBearerCards
from server.commands.codes import show_code
from server.commands.context import CommandContext, CommandRefused, pass_context
from server.commands.submitting import submit
from server.db import reading
from server.directory import pool_terms
from server.directory.bearer import BEARER_SEQ, BearerCard, Spend, bearer_cards

_CARD_ID_BYTES = 8
_UUID_BYTES = 10
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
    payload = make_card(
        context.keys.card_issuer,
        context.keys.tag,
        kid=context.keys.card_kid,
        card_id=bytes.fromhex(card.card_id),
        secret=context.keys.card_secret(card.card_id, BEARER_SEQ),
        seq=BEARER_SEQ,
        expires_on=card.expires_on,
        cap=Points(card.value_points),
    )
    return to_digits(payload)
