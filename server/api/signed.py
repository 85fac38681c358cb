"""Who asks: the signature, its time, and a nonce that was never used before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, delete

from protocol.http_signing import TAG, SignatureProblem, claimed_key_id, verify_request
from protocol.keys import KeyTextError, public_key_text, read_public_key
from protocol.messages import ProblemKind
from server.api.replies import NotDealt
from server.api.tables import used_nonce
from server.db.bulk import add_new


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came in. ``url`` is the whole address, ``body`` the exact bytes."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def claimed_key_id(self) -> str | None:
        """Who the request says it is from, unproven."""
        return claimed_key_id(self.headers)


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that holds and is near in time; whether its nonce is new is still to be seen.

    ``seen_at`` is when the request came in.
    """

    key_id: str
    nonce: str
    seen_at: datetime


def is_key_text(text: str) -> bool:
    """Whether this is a public key as we write it: base64 has many spellings, a key has one."""
    try:
        return public_key_text(read_public_key(text)) == text
    except KeyTextError:
        return False


def check_signature(
    asked: Asked,
    *,
    key_id: str,
    public_key: Ed25519PublicKey,
    now: datetime,
    request_age_s: int,
    tag: str = TAG,
) -> Signature | NotDealt:
    """Whether this key signed this request, body included, at about this time."""
    if asked.claimed_key_id is None:
        return NotDealt(ProblemKind.UNSIGNED)
    if asked.claimed_key_id != key_id:
        return NotDealt(ProblemKind.BAD_SIGNATURE)
    try:
        signature = verify_request(
            public_key,
            method=asked.method,
            url=asked.url,
            headers=asked.headers,
            body=asked.body,
            tag=tag,
        )
    except SignatureProblem:
        return NotDealt(ProblemKind.BAD_SIGNATURE)
    if signature.key_id != key_id:
        return NotDealt(ProblemKind.BAD_SIGNATURE)
    if abs(now - signature.created_at) > timedelta(seconds=request_age_s):
        return NotDealt(ProblemKind.CLOCK_SKEW, server_time=now)
    return Signature(key_id, signature.nonce, now)


def use_nonces(tx: Connection, pool: str, signatures: Sequence[Signature]) -> list[bool]:
    """Remember the requests; False for each that came before, here or earlier in the list."""
    first: dict[tuple[str, str], Signature] = {}
    for each in signatures:
        first.setdefault((each.key_id, each.nonce), each)
    rows = [
        {"pool": pool, "key_id": key_id, "nonce": nonce, "seen_at": first[key_id, nonce].seen_at}
        for key_id, nonce in sorted(first)
    ]
    new = add_new(tx, used_nonce, rows)
    return [
        first[each.key_id, each.nonce] is each and (pool, each.key_id, each.nonce) in new
        for each in signatures
    ]


def forget_nonces(tx: Connection, pool: str, *, now: datetime, request_age_s: int) -> None:
    """Forget the requests that are too old to come again.

    A request may be signed up to its age ahead of us, so it can come again for twice as long;
    the third part is for those that wait for their turn with the ``now`` of their arrival.
    """
    too_old = now - timedelta(seconds=3 * request_age_s)
    tx.execute(delete(used_nonce).where(used_nonce.c.pool == pool, used_nonce.c.seen_at < too_old))


def free_nonces(tx: Connection, pool: str, signatures: Sequence[Signature]) -> None:
    """Requests that came to nothing by our fault may come again as they are."""
    for signature in signatures:
        tx.execute(
            delete(used_nonce).where(
                used_nonce.c.pool == pool,
                used_nonce.c.key_id == signature.key_id,
                used_nonce.c.nonce == signature.nonce,
            )
        )
