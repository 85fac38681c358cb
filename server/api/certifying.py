"""Certificates, made when they are asked for: the same bytes all day, and nothing is stored."""

from datetime import UTC, datetime, timedelta

from protocol.codes.challenge import make_terminal_certificate
from protocol.codes.phone import FLAG_EXTRACTABLE, make_certificate
from protocol.keys import read_public_key
from protocol.money import Points
from server.directory import PoolTerms, Terminal
from server.directory.issuers import Issuer
from server.directory.phones import PHONE_DAYS, Phone

TERMINAL_DAYS = 400
_MOST_POINTS = 65_535


def phone_certificate(
    issuer: Issuer, tag: bytes, terms: PoolTerms, phone: Phone, now: datetime
) -> tuple[bytes, datetime]:
    """A phone's certificate and when it ends, no later than the key that signs it. A phone's key
    that can be read may give half as much where nobody can be asked.
    """
    cap = min(terms.stand_in.per_sale_points, _MOST_POINTS)
    if phone.flags & FLAG_EXTRACTABLE:
        cap //= 2
    expires_at = _day(now) + timedelta(days=PHONE_DAYS)
    if issuer.ends_at is not None:
        expires_at = min(expires_at, issuer.ends_at)
    signed = make_certificate(
        issuer.key,
        tag,
        kid=issuer.kid,
        account=bytes.fromhex(phone.account),
        key=phone.key,
        expires_at=expires_at,
        cap=Points(cap),
        flags=phone.flags,
        seq=phone.seq,
    )
    return signed, expires_at


def terminal_certificate(
    issuer: Issuer, tag: bytes, terminal: Terminal, shop_name: str, now: datetime
) -> bytes | None:
    """By which an offline phone knows the terminal; None before it has a key."""
    if terminal.public_key is None:
        return None
    return make_terminal_certificate(
        issuer.key,
        tag,
        kid=issuer.kid,
        key=read_public_key(terminal.public_key),
        expires_at=_day(now).replace(day=1) + timedelta(days=TERMINAL_DAYS),
        shop_name=shop_name,
    )


def _day(now: datetime) -> datetime:
    return datetime(now.year, now.month, now.day, tzinfo=UTC)
