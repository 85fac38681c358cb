"""What terminals are given: policy, catalogue and directory, built, numbered and signed.

A document gets the next version only when its content changed; the newest version of each kind
stands in the database, as the exact bytes that were signed.
"""

import hashlib
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Row, select

from protocol.documents import (
    Catalogue,
    Directory,
    DirectoryCard,
    DirectoryEntry,
    Document,
    DocumentKind,
    IssuerKey,
    Policy,
    SignedDocument,
    sign_document,
)
from protocol.keys import pool_tag, public_key_text
from server.db.dialect import insert_or_ignore
from server.directory.queries import cards, issuer_keys, items_on_sale, pool_terms, residents
from server.directory.tables import published_document

_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def allowance(spendable_points: int, buckets_points: Sequence[int]) -> int:
    """The largest bucket that the points cover; ``buckets_points`` rise from 0."""
    return buckets_points[bisect_right(buckets_points, max(0, spendable_points)) - 1]


def build_policy(tx: Connection, pool: str) -> Policy:
    """The pool's policy, without a version yet."""
    terms = pool_terms(tx, pool)
    return Policy(
        version=0,
        made_at=_NO_TIME,
        pool=pool,
        pool_name=terms.name,
        unit_name=terms.unit_name,
        unit_name_en=terms.unit_name_en,
        fen_per_point=terms.fen_per_point,
        fen_remainder=terms.fen_remainder,
        cut_off_hour=terms.cut_off_hour,
        hold_s=terms.hold_s,
        card_cap_points=terms.card_cap_points,
        slot_cap_points=terms.slot_cap_points,
        stand_in=terms.stand_in,
        issuer_keys=tuple(
            IssuerKey(kid=kid, public_key=public_key_text(key))
            for kid, key in issuer_keys(tx, pool).items()
        ),
    )


def build_catalogue(tx: Connection, pool: str) -> Catalogue:
    """What the pool's shops sell, without a version yet."""
    return Catalogue(version=0, made_at=_NO_TIME, items=tuple(items_on_sale(tx, pool)))


def build_directory(tx: Connection, pool: str, spendable_points: Mapping[str, int]) -> Directory:
    """Everybody who may redeem, without a version yet. ``spendable_points`` by pseudonym."""
    buckets = pool_terms(tx, pool).allowance_buckets_points
    by_account: dict[str, list[DirectoryCard]] = defaultdict(list)
    for card in cards(tx, pool):
        by_account[card.account].append(DirectoryCard(card_id=card.card_id, seq=card.seq))
    entries = tuple(
        DirectoryEntry(
            account=each.account,
            allowance_points=allowance(spendable_points.get(each.account, 0), buckets),
            status=each.status,
            banned_until=each.banned_until,
            cards=tuple(by_account[each.account]),
        )
        for each in residents(tx, pool)
    )
    return Directory(version=0, made_at=_NO_TIME, entries=entries)


def publish(
    tx: Connection,
    pool: str,
    kind: DocumentKind,
    document: Document,
    *,
    key: Ed25519PrivateKey,
    at: datetime,
) -> int:
    """Sign and keep the document if it says anything new; returns the newest version.

    Two who publish at once make one version: the second sees that its number is taken.
    """
    content_hash = _content_hash(document)
    newest = _newest(tx, pool, kind)
    if newest is not None and newest.content_hash == content_hash:
        return int(newest.version)
    version = int(newest.version) + 1 if newest is not None else 1
    numbered = msgspec.structs.replace(document, version=version, made_at=at)
    signed = sign_document(numbered, key, pool_tag(key.public_key()))
    insert_or_ignore(
        tx,
        published_document,
        {
            "pool": pool,
            "kind": kind.value,
            "version": version,
            "content_hash": content_hash,
            "body": signed.body,
            "signature": signed.signature,
            "made_at": at,
        },
    )
    return version


def says_something_new(tx: Connection, pool: str, kind: DocumentKind, document: Document) -> bool:
    """Whether a document, without a version yet, differs from the newest that is published."""
    newest = _newest(tx, pool, kind)
    return newest is None or newest.content_hash != _content_hash(document)


def newer_than(
    tx: Connection, pool: str, kind: DocumentKind, version: int
) -> SignedDocument | None:
    """The newest version of a document, if it is newer than ``version``."""
    newest = _newest(tx, pool, kind)
    if newest is None or newest.version <= version:
        return None
    return SignedDocument(kind=kind, body=bytes(newest.body), signature=bytes(newest.signature))


def _content_hash(document: Document) -> str:
    return hashlib.sha256(msgspec.json.encode(document, order="deterministic")).hexdigest()


def _newest(tx: Connection, pool: str, kind: DocumentKind) -> Row[tuple[object, ...]] | None:
    return tx.execute(
        select(published_document)
        .where(published_document.c.pool == pool, published_document.c.kind == kind.value)
        .order_by(published_document.c.version.desc())
        .limit(1)
    ).one_or_none()
