"""The next list of issuer keys: what the office asks for, and what the root key signs of it.

The request is a file that is carried to the machine with the root key, and the signed list is
carried back. All times in it are the server's: the other machine needs no clock and no network.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection

from protocol.documents import SignedDocument, open_document, sign_document
from protocol.issuers import IssuerRole, KeyList, ListedKey, certify, list_problem
from protocol.keys import KeyTextError, pool_tag, public_key_text, read_public_key
from server.directory.issuers import key_list, signed_key_list
from server.directory.keys import KIDS, PoolKeys, first_kid

Kind = TypeVar("Kind")

MAX_FILE_BYTES = 256 * 1024


class KeyRequest(Struct, frozen=True, kw_only=True):
    """A list to be signed: ``wanted``, without the certificates of new keys. ``known`` is the one
    that it follows, None for a pool's first.
    """

    pool: str
    root_key: str
    known: SignedDocument | None
    wanted: KeyList


def next_list(tx: Connection, pool: str, keys: PoolKeys, now: datetime) -> KeyList:
    """The list as it is, with the next number; a pool's first begins with the keys that it has."""
    known = key_list(tx, pool)
    if known is not None:
        return replace(known, version=known.version + 1, made_at=now)
    first = (
        (keys.card_kid, IssuerRole.CARD, keys.card_issuer),
        (keys.slot_kid, IssuerRole.PHONE, keys.slot_issuer),
    )
    listed = tuple(_unsigned(kid, role, issuer.public_key(), now) for kid, role, issuer in first)
    return KeyList(version=1, made_at=now, pool=pool, keys=listed)


def with_key(
    listed: KeyList,
    role: IssuerRole,
    key: Ed25519PublicKey,
    *,
    signs_from: datetime,
    others_end_at: datetime,
) -> KeyList:
    """With one more key of a role; those there are end when the overlap is over, or before."""
    used = {each.kid for each in listed.keys}
    first = first_kid(key)
    tried = ((first + step) % KIDS for step in range(KIDS))
    kid = next(each for each in tried if each not in used)
    ended = [
        replace(each, ends_at=min(each.ends_at or others_end_at, others_end_at))
        if each.role is role and each.revoked_at is None
        else each
        for each in listed.keys
    ]
    return replace(listed, keys=(*ended, _unsigned(kid, role, key, signs_from)))


def with_revoked(listed: KeyList, kid: int, now: datetime) -> KeyList | None:
    """With a key taken back; None where there is no such key, or it is dead already."""
    if not any(each.kid == kid and each.revoked_at is None for each in listed.keys):
        return None
    keys = tuple(replace(each, revoked_at=now) if each.kid == kid else each for each in listed.keys)
    return replace(listed, keys=keys)


def request_of(tx: Connection, pool: str, keys: PoolKeys, wanted: KeyList) -> KeyRequest:
    """What is carried to the root key."""
    known = signed_key_list(tx, pool)
    return KeyRequest(pool=pool, root_key=keys.root_key_text, known=known, wanted=wanted)


def sign_request(root: Ed25519PrivateKey, request: KeyRequest) -> SignedDocument | str:
    """The signed list, or why this root key does not sign it."""
    public = root.public_key()
    if request.root_key != public_key_text(public):
        return "这不是这个积分池的根密钥 / this is not the root key of that pool"
    known = known_of(request)
    if isinstance(known, str):
        return known
    try:
        certified = tuple(
            replace(
                each,
                certificate=certify(root, each.role, each.kid, read_public_key(each.public_key)),
            )
            for each in request.wanted.keys
        )
    except KeyTextError:
        return "请求里有坏密钥 / a key of the request is no key"
    wanted = replace(request.wanted, keys=certified)
    problem = list_problem(wanted, public, request.pool, known)
    return sign_document(wanted, root, pool_tag(public)) if problem is None else problem


def known_of(request: KeyRequest) -> KeyList | str | None:
    """The list that a request follows; a sentence where it is not what the root key signed."""
    if request.known is None:
        return None
    root = read_public_key(request.root_key)
    opened = open_document(request.known, root, pool_tag(root))
    if not isinstance(opened, KeyList):
        return "请求里的旧密钥表不是根密钥签的 / the root key did not sign the older list"
    return opened


def changes(known: KeyList | None, wanted: KeyList) -> Sequence[tuple[str, ListedKey]]:
    """What a person is to look at before it is signed: ``new``, ``revoked``, ``ends``, ``same``."""
    told = []
    for each in wanted.keys:
        before = known.of(each.role, each.kid) if known is not None else None
        if before is None:
            what = "new"
        elif before.revoked_at != each.revoked_at:
            what = "revoked"
        else:
            what = "same" if before.ends_at == each.ends_at else "ends"
        told.append((what, each))
    return told


def read_request(content: bytes) -> KeyRequest | None:
    """A request from a file; None where it is none."""
    return _decoded(content, KeyRequest)


def read_signed(content: bytes) -> SignedDocument | None:
    """A signed list from a file; None where it is none."""
    return _decoded(content, SignedDocument)


def _decoded(content: bytes, kind: type[Kind]) -> Kind | None:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _unsigned(kid: int, role: IssuerRole, key: Ed25519PublicKey, signs_from: datetime) -> ListedKey:
    return ListedKey(
        kid=kid,
        role=role,
        public_key=public_key_text(key),
        certificate="",
        signs_from=signs_from,
    )
