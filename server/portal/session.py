"""Who is signed in: a signed cookie that names a user, checked against the database each time."""

import hashlib
import hmac
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, Engine

from server.db import reading
from server.directory.queries import sign_in_of
from server.directory.values import SignIn, SignInRole
from server.portal.throttle import Throttle

NAME_MAX = 64
PASSWORD_MAX = 128
_CSRF_BYTES = 16
_NOBODY_BYTES = 16

Cookie = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody at the pages. `merchant` bounds every query of a merchant's person; the pool's
    own people have none.
    """

    user: str
    role: SignInRole
    merchant: str | None


@dataclass(frozen=True, slots=True)
class WrongPassword:
    """No such user, or not this password: which of them is not said."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Too many tries under this name; `wait_s` until the next."""

    wait_s: int


@dataclass(frozen=True, slots=True)
class NoBusinessHere:
    """The right password of somebody whose pages are others."""


SignInOutcome = SignedIn | WrongPassword | Wait | NoBusinessHere


class Doorkeeper:
    """Signs people in, knows them again, and lets them go; merchants and the pool's own alike.

    A session ends after `idle_s` without a page, after `lifetime_s` in any case, and at once
    when the password changes.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        pool: str,
        idle_s: int,
        lifetime_s: int,
        randomness: Callable[[int], bytes],
    ) -> None:
        self._engine = engine
        self._pool = pool
        self._idle = timedelta(seconds=idle_s)
        self._lifetime = timedelta(seconds=lifetime_s)
        self._randomness = randomness
        self._throttle = Throttle(engine, pool)
        self._hasher = PasswordHasher()
        # Checked when the user is unknown, so that this takes as long as a wrong password. Made at
        # the first sign-in, whoever it is: most programs that open the books never see one.
        self._nobodys_hash = ""

    def sign_in(
        self,
        cookie: Cookie,
        user: str,
        password: str,
        now: datetime,
        *,
        roles: frozenset[SignInRole],
    ) -> SignInOutcome:
        """Check a password; on success the cookie is made anew and names the user. ``roles``:
        whose pages these are. Takes transactions of its own, none of them while it hashes.

        Raises:
            TryAgain: the database stayed busy.
        """
        user, password = user[:NAME_MAX], password[: PASSWORD_MAX + 1]
        wait_s = self._throttle.try_now(user, now)
        if wait_s:
            return Wait(wait_s)
        # PostgreSQL keeps no text with NUL, and takes none in a question.
        known = None
        if "\0" not in user:
            with reading(self._engine) as tx:
                known = sign_in_of(tx, self._pool, user)
        if not self._password_holds(known, password) or known is None:
            return WrongPassword()
        self._throttle.succeeded(user)
        if known.role not in roles:
            return NoBusinessHere()
        language = cookie.get("language")
        cookie.clear()
        cookie["user"] = user
        cookie["password"] = _fingerprint(known)
        cookie["since"] = cookie["seen"] = now.timestamp()
        if language is not None:
            cookie["language"] = language
        return _signed_in(known)

    def recognise(self, tx: Connection, cookie: Cookie, now: datetime) -> SignedIn | None:
        """Who this cookie stands for, or None; being seen keeps the session alive."""
        user = cookie.get("user")
        if user is None:
            return None
        known = sign_in_of(tx, self._pool, user)
        since = datetime.fromtimestamp(cookie["since"], UTC)
        seen = datetime.fromtimestamp(cookie["seen"], UTC)
        if (
            known is None
            or not hmac.compare_digest(cookie["password"], _fingerprint(known))
            or now - since > self._lifetime
            or now - seen > self._idle
        ):
            self.sign_out(cookie)
            return None
        cookie["seen"] = now.timestamp()
        return _signed_in(known)

    def sign_out(self, cookie: Cookie) -> None:
        language = cookie.get("language")
        cookie.clear()
        if language is not None:
            cookie["language"] = language

    def csrf_token(self, cookie: Cookie) -> str:
        """The token that this session's forms carry; made when the first form is shown."""
        if "csrf" not in cookie:
            cookie["csrf"] = self._randomness(_CSRF_BYTES).hex()
        return str(cookie["csrf"])

    def form_is_ours(self, cookie: Cookie, token: str) -> bool:
        """Whether a form came from a page of this session."""
        expected = cookie.get("csrf")
        return expected is not None and hmac.compare_digest(str(expected).encode(), token.encode())

    def _password_holds(self, known: SignIn | None, password: str) -> bool:
        if not self._nobodys_hash:
            self._nobodys_hash = self._hasher.hash(self._randomness(_NOBODY_BYTES).hex())
        if len(password) > PASSWORD_MAX:
            return False
        try:
            self._hasher.verify(known.password_hash if known else self._nobodys_hash, password)
        except (VerificationError, InvalidHashError):
            return False
        return True


def _signed_in(known: SignIn) -> SignedIn:
    merchant = known.merchant if known.role is SignInRole.MERCHANT else None
    return SignedIn(known.user, known.role, merchant)


def _fingerprint(known: SignIn) -> str:
    return hashlib.sha256(known.password_hash.encode()).hexdigest()[:16]
