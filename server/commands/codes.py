"""``card`` and ``code``: a resident's printed card, and a short-lived code for a phone."""

from datetime import timedelta
from pathlib import Path

import click
import qrcode
import qrcode.constants
import qrcode.image.svg

from protocol.business_day import business_date
from protocol.codes import make_card, make_slot, to_digits
from protocol.issuers import IssuerRole
from protocol.money import Points
from server.commands.context import CommandContext, CommandRefused, pass_context
from server.commands.submitting import submit
from server.db import reading
from server.directory import Card, PoolTerms, card_of, cards, pool_terms, resident_of
from server.directory.commands import IssueCard
from server.directory.issuers import Issuer, issuer_of

_CARD_ID_BYTES = 8
_MODULE_PX = 10

_out = click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="图片文件 .png 或 .svg / picture file, .png or .svg",
)


@click.command()
@click.option("--account", required=True, help="居民账号（16 位）/ the resident's account")
@click.option("--replace", is_flag=True, help="换新卡，旧卡作废 / replace it, the old card is void")
@_out
@pass_context
def card(context: CommandContext, account: str, out: Path | None, *, replace: bool) -> None:
    """居民的积分卡 / a resident's card: the one there is, or a new one.

    Without --out the digits of the QR code are printed. The card's secret is in the code and
    nowhere else.
    """
    with reading(context.engine) as tx:
        terms = _terms(context, account)
        found = [each for each in cards(tx, context.pool) if each.account == account]
    current = found[-1] if found else None
    if current is None or replace:
        current = issue_card(context, account, terms, current)
    # A printed code is bent and stained: a little more correction (M).
    show_code(to_digits(card_payload(context, current)), out, qrcode.constants.ERROR_CORRECT_M)


def card_issuer(context: CommandContext) -> Issuer:
    """The key that cards are signed with now."""
    with reading(context.engine) as tx:
        return issuer_of(tx, context.pool, context.keys, IssuerRole.CARD, context.clock())


def card_payload(context: CommandContext, card: Card) -> bytes:
    """The code of a card as it stands in the directory; its secret is in it and nowhere else."""
    issuer = card_issuer(context)
    return make_card(
        issuer.key,
        context.keys.tag,
        kid=issuer.kid,
        card_id=bytes.fromhex(card.card_id),
        secret=context.keys.card_secret(card.card_id, card.seq),
        seq=card.seq,
        expires_on=card.expires_on,
        cap=Points(card.cap_points),
    )


@click.command()
@click.option("--account", required=True, help="居民账号（16 位）/ the resident's account")
@click.option("--text", "as_text", is_flag=True, help="只输出数字 / print the digits only")
@_out
@pass_context
def code(context: CommandContext, account: str, out: Path | None, *, as_text: bool) -> None:
    """居民手机上的短时码 / a code for a resident's phone, good for minutes."""
    terms = _terms(context, account)
    with reading(context.engine) as tx:
        issuer = issuer_of(tx, context.pool, context.keys, IssuerRole.PHONE, context.clock())
    payload = make_slot(
        issuer.key,
        context.keys.tag,
        kid=issuer.kid,
        account=bytes.fromhex(account),
        starts_at=context.clock().replace(microsecond=0),
        minutes=terms.slot_minutes,
        cap=Points(terms.slot_cap_points),
        batch=0,
        index=0,
    )
    # On a screen nothing gets lost: fewer modules are worth more than correction (L).
    show_code(to_digits(payload), None if as_text else out, qrcode.constants.ERROR_CORRECT_L)


def _terms(context: CommandContext, account: str) -> PoolTerms:
    with reading(context.engine) as tx:
        if resident_of(tx, context.pool, account) is None:
            raise CommandRefused(f"没有这位居民：{account}，请先登记 / not registered: {account}")
        return pool_terms(tx, context.pool)


def issue_card(
    context: CommandContext, account: str, terms: PoolTerms, replaces: Card | None
) -> Card:
    """A new card, or the next of a line; the one before is void."""
    card_id = replaces.card_id if replaces else context.randomness(_CARD_ID_BYTES).hex()
    today = business_date(context.clock(), terms.cut_off_hour)
    submit(
        context,
        IssueCard(
            card_id=card_id,
            account=account,
            seq=replaces.seq + 1 if replaces else 1,
            expires_on=today + timedelta(days=terms.card_valid_days),
            cap_points=terms.card_cap_points,
        ),
    )
    with reading(context.engine) as tx:
        issued = card_of(tx, context.pool, card_id)
    assert issued is not None
    return issued


def show_code(digits: str, out: Path | None, correction: int) -> None:
    """Write the digits as a QR picture, or print them where no file is named."""
    if out is None:
        click.echo(digits)
        return
    picture = qrcode.QRCode(error_correction=correction, box_size=_MODULE_PX, border=4)
    picture.add_data(qrcode.util.QRData(digits, mode=qrcode.util.MODE_NUMBER))
    suffix = out.suffix.lower()
    if suffix == ".svg":
        picture.make_image(image_factory=qrcode.image.svg.SvgPathImage).save(str(out))
    elif suffix == ".png":
        picture.make_image().save(str(out))
    else:
        raise CommandRefused("图片文件要以 .png 或 .svg 结尾 / name a .png or a .svg file")
    click.echo(str(out))
