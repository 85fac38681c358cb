"""A resident's phone in front of a till of :mod:`tests.support.shop`."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.codes import to_digits
from protocol.codes.challenge import make_terminal_certificate
from protocol.codes.key import public_half
from protocol.codes.phone import make_certificate, make_confirm, make_show
from protocol.codes.text import from_digits
from protocol.money import Points
from tests.support.shop import NOON, SLOT_ISSUER, TAG, TERMINAL_KEY, ZHANG, Shop

PHONE_KEY = Ed25519PrivateKey.from_private_bytes(b"p" * 32)


def certify(shop: Shop) -> None:
    """The pool gives the till its certificate."""
    shop.certificate.keep([terminal_certificate(shop)])


def terminal_certificate(
    shop: Shop, kid: int = 2, issuer: Ed25519PrivateKey = SLOT_ISSUER
) -> bytes:
    """What the pool certifies of the till, by one of its keys."""
    return make_terminal_certificate(
        issuer,
        TAG,
        kid=kid,
        key=TERMINAL_KEY.public_key(),
        expires_at=NOON + timedelta(days=400),
        shop_name=shop.identity.shop_name,
    )


@dataclass
class ShopPhone:
    """Zhang's phone, or another one."""

    account: str = ZHANG
    seq: int = 1
    cap: int = 300
    counter: int = 0
    expires_at: datetime = NOON + timedelta(days=90)
    key: Ed25519PrivateKey = field(default_factory=lambda: PHONE_KEY)

    def show(self, at: datetime = NOON, counter: int | None = None) -> str:
        self.counter += 1
        certificate = make_certificate(
            SLOT_ISSUER,
            TAG,
            kid=2,
            account=bytes.fromhex(self.account),
            key=public_half(self.key),
            expires_at=self.expires_at,
            cap=Points(self.cap),
            flags=0,
            seq=self.seq,
        )
        used = self.counter if counter is None else counter
        return to_digits(make_show(self.key, TAG, certificate, shown_at=at, counter=used))

    def confirm(self, digits: str) -> str:
        """Its yes to the challenge with these digits."""
        self.counter += 1
        challenge = from_digits(digits)
        assert challenge is not None
        return to_digits(
            make_confirm(
                self.key,
                TAG,
                challenge,
                account=bytes.fromhex(self.account),
                seq=self.seq,
                counter=self.counter,
            )
        )
