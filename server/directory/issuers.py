"""The pool's list of issuer keys: taken in where the root key signed it, and signed with."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import Connection, insert, select

from protocol.documents import DocumentKind, SignedDocument, open_document
from protocol.issuers import IssuerRole, KeyList, list_problem
from protocol.keys import pool_tag, read_public_key
from server.db.dialect import insert_or_ignore
from server.db.working_set import standing
from server.directory import tables as t
from server.directory.commands import TakeKeyList
from server.directory.keys import DocumentSigner, KeysRefused, PoolKeys
from server.directory.queries import adopted_keys, pool_terms
from server.directory.values import Answer, DirectoryProblem, Done, Refused


@dataclass(frozen=True, slots=True)
class Issuer:
    """A key to sign with now. ``ends_at``: nothing that it signs is good from then on."""

    kid: int
    key: Ed25519PrivateKey
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    """A key by which codes are judged: until ``ends_at``, or until ``revoked_at``, with some leeway
    for terminals that could not know yet. ``role`` None: a pool without a list tells none.
    """

    kid: int
    role: IssuerRole | None
    key: Ed25519PublicKey
    ends_at: datetime | None = None
    revoked_at: datetime | None = None

    def judges(self, role: IssuerRole, at: datetime, known_late: timedelta) -> bool:
        if self.role not in {None, role}:
            return False
        if self.ends_at is not None and at >= self.ends_at:
            return False
        return self.revoked_at is None or (bool(known_late) and at < self.revoked_at + known_late)


def take_key_list(tx: Connection, pool: str, command: TakeKeyList, at: datetime) -> Answer:
    """Keep a list that the root key signed, if it follows the one there is."""
    root = pool_terms(tx, pool).root_key
    signed = SignedDocument(kind=DocumentKind.KEYS, body=command.body, signature=command.signature)
    opened = open_document(signed, root, pool_tag(root))
    if not isinstance(opened, KeyList):
        return Refused(
            DirectoryProblem.BAD_KEY,
            "这份密钥表不是根密钥签的 / the root key did not sign this list",
        )
    problem = list_problem(opened, root, pool, key_list(tx, pool)) or _nothing_signs(opened, at)
    if problem is not None:
        return Refused(DirectoryProblem.CONFLICT, f"密钥表不能用：{problem}")
    tx.execute(
        insert(t.key_list).values(
            pool=pool,
            version=opened.version,
            body=command.body,
            signature=command.signature,
            taken_at=at,
        )
    )
    return Done(str(opened.version))


def _nothing_signs(listed: KeyList, at: datetime) -> str | None:
    for role in (IssuerRole.CARD, IssuerRole.PHONE):
        if not any(
            each.role is role and each.is_live(at) and each.signs_from <= at for each in listed.keys
        ):
            return f"没有已生效的 {role} 密钥 / no key for {role} has begun"
    return None


@standing
def signed_key_list(tx: Connection, pool: str) -> SignedDocument | None:
    """The newest list as the root key signed it."""
    row = tx.execute(
        select(t.key_list.c.body, t.key_list.c.signature)
        .where(t.key_list.c.pool == pool)
        .order_by(t.key_list.c.version.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    return SignedDocument(
        kind=DocumentKind.KEYS, body=bytes(row.body), signature=bytes(row.signature)
    )


@standing
def key_list(tx: Connection, pool: str) -> KeyList | None:
    """The newest list; None in a pool whose root key signs by itself."""
    signed = signed_key_list(tx, pool)
    if signed is None:
        return None
    root = pool_terms(tx, pool).root_key
    opened = open_document(signed, root, pool_tag(root))
    assert isinstance(opened, KeyList), pool
    return opened


def keep_forgotten(tx: Connection, pool: str, signed: SignedDocument, at: datetime) -> None:
    """Keep a list that the root key signed and this database does not have: a terminal showed it,
    for the database was restored from a backup. It counts only once it was taken in
    (:func:`take_key_list`): the private halves may be lost with what the backup lacks.
    """
    insert_or_ignore(
        tx,
        t.published_document,
        {
            "pool": pool,
            "kind": DocumentKind.KEYS.value,
            "version": msgspec.json.decode(signed.body, type=KeyList).version,
            "content_hash": hashlib.sha256(signed.body).hexdigest(),
            "body": signed.body,
            "signature": signed.signature,
            "made_at": at,
        },
    )


def forgotten_key_list(tx: Connection, pool: str) -> SignedDocument | None:
    """The newest list that terminals have and this database has not, as they showed it."""
    kept = t.published_document.c
    listed = key_list(tx, pool)
    row = tx.execute(
        select(kept.body, kept.signature)
        .where(
            kept.pool == pool,
            kept.kind == DocumentKind.KEYS.value,
            kept.version > (listed.version if listed is not None else 0),
        )
        .order_by(kept.version.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    return SignedDocument(
        kind=DocumentKind.KEYS, body=bytes(row.body), signature=bytes(row.signature)
    )


def newer_key_list(tx: Connection, pool: str, version: int) -> SignedDocument | None:
    """The newest list, if a terminal that has ``version`` does not know it."""
    listed = key_list(tx, pool)
    return signed_key_list(tx, pool) if listed is not None and listed.version > version else None


@standing
def _known_issuers(tx: Connection, pool: str) -> tuple[_Known, ...]:
    listed = key_list(tx, pool)
    if listed is None:
        return tuple(_Known(kid, None, key) for kid, key in adopted_keys(tx, pool).items())
    return tuple(
        _Known(
            each.kid,
            each.role,
            read_public_key(each.public_key),
            each.ends_at,
            each.revoked_at,
        )
        for each in listed.keys
    )


def keys_at(
    tx: Connection,
    pool: str,
    role: IssuerRole,
    at: datetime,
    *,
    known_late: timedelta = timedelta(0),
) -> dict[int, Ed25519PublicKey]:
    """The keys whose signatures were good at a time, by number. ``known_late``: how long after a
    key was revoked a terminal may still not have known it.
    """
    known = _known_issuers(tx, pool)
    return {each.kid: each.key for each in known if each.judges(role, at, known_late)}


def issuer_keys(tx: Connection, pool: str) -> dict[int, Ed25519PublicKey]:
    """All keys of codes that are not revoked, as the policy names them."""
    return {
        each.kid: each.key
        for each in _known_issuers(tx, pool)
        if each.role is not IssuerRole.DOCUMENT and each.revoked_at is None
    }


def issuer_of(tx: Connection, pool: str, keys: PoolKeys, role: IssuerRole, now: datetime) -> Issuer:
    """The key that codes of this role are signed with now: the newest that has begun.

    Raises:
        KeysRefused: the private half of none of them is here.
    """
    return issuers_of(tx, pool, keys, role, now)[0]


def issuers_of(
    tx: Connection, pool: str, keys: PoolKeys, role: IssuerRole, now: datetime
) -> list[Issuer]:
    """Every key of this role that is live and here, the one to sign with first.

    Raises:
        KeysRefused: there is none.
    """
    listed = key_list(tx, pool)
    if listed is None:
        is_card = role is IssuerRole.CARD
        return [
            Issuer(keys.card_kid, keys.card_issuer)
            if is_card
            else Issuer(keys.slot_kid, keys.slot_issuer)
        ]
    begun = [
        each
        for each in listed.keys
        if each.role is role and each.is_live(now) and each.signs_from <= now
    ]
    # Of two that begin together, the one that was listed later.
    begun.reverse()
    begun.sort(key=lambda each: each.signs_from, reverse=True)
    found = [
        Issuer(each.kid, private, each.ends_at)
        for each in begun
        for private in [keys.private_half(each.public_key)]
        if private is not None
    ]
    if not found:
        raise KeysRefused(
            f"没有可用的 {role} 签发密钥，请运行 keys list 查看"
            f" / no live key for {role} is here; look with keys list"
        )
    return found


def listed_signers(tx: Connection, pool: str) -> list[Ed25519PublicKey]:
    """Every key that the pool's documents were ever signed with, beside the root key: those that
    have ended or were taken back among them.
    """
    listed = key_list(tx, pool)
    return signers_in(listed) if listed is not None else []


def signers_in(listed: KeyList) -> list[Ed25519PublicKey]:
    """The keys of a list that sign documents, whether they are live or not."""
    return [
        read_public_key(each.public_key) for each in listed.keys if each.role is IssuerRole.DOCUMENT
    ]


def document_signer(tx: Connection, pool: str, keys: PoolKeys, now: datetime) -> DocumentSigner:
    """What documents and exports are signed with: a listed key that has begun, else the root key,
    which terminals always believe.

    Raises:
        KeysRefused: neither is here.
    """
    listed = key_list(tx, pool)
    begun = listed is not None and any(
        each.role is IssuerRole.DOCUMENT and each.is_live(now) and each.signs_from <= now
        for each in listed.keys
    )
    if listed is not None and begun:
        found = issuers_of(tx, pool, keys, IssuerRole.DOCUMENT, now)[0]
        entry = listed.of(IssuerRole.DOCUMENT, found.kid)
        assert entry is not None
        return DocumentSigner(found.key, found.kid, entry.certificate)
    if keys.root is None:
        raise KeysRefused(
            "根密钥不在这里，也没有签文件的密钥 / the root key is away, and no key for documents is listed"
        )
    return DocumentSigner(keys.root)
