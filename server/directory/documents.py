"""What terminals are given: policy, catalogue and directory, built, numbered and signed.

A document gets the next version only when its content changed; the newest version of each kind
stands in the database, as the exact bytes that were signed. The directory is numbered and told
in another way, by what changed (:mod:`server.directory.listing`).
"""

import hashlib
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import Connection, Row, select

from protocol.documents import (
    Catalogue,
    DirectoryCard,
    DirectoryEntry,
    Document,
    DocumentKind,
    IssuerKey,
    Policy,
    SignedDocument,
    is_signed_by,
    kind_of,
    sign_document,
)
from protocol.keys import pool_tag, public_key_text
from server.db.dialect import insert_or_ignore
from server.directory.bearer import BEARER_SEQ, bearer_cards, stopped_cards
from server.directory.card_pins import pin_texts
from server.directory.catalogue import items_on_sale
from server.directory.issuers import issuer_keys
from server.directory.phones import lowest_live_seqs
from server.directory.queries import cards, pool_terms, residents
from server.directory.tables import published_document

_STOCK_STEP = 20
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def allowance(spendable_points: int, buckets_points: Sequence[int]) -> int:
    """The largest bucket that the points cover; ``buckets_points`` rise from 0."""
    return buckets_points[bisect_right(buckets_points, max(0, spendable_points)) - 1]


def build_policy(tx: Connection, pool: str, day: date) -> Policy:
    """The pool's policy on a business date, without a version yet."""
    terms = pool_terms(tx, pool)
    redemption = terms.redemption_on(day)
    return Policy(
        version=0,
        made_at=_NO_TIME,
        pool=pool,
        pool_name=terms.name,
        unit_name=terms.unit_name,
        unit_name_en=terms.unit_name_en,
        fen_per_point=terms.fen_per_point,
        fen_remainder=redemption.fen_remainder,
        cut_off_hour=terms.cut_off_hour,
        hold_s=terms.hold_s,
        card_cap_points=terms.card_cap_points,
        slot_cap_points=terms.slot_cap_points,
        stand_in=terms.stand_in,
        issuer_keys=tuple(
            IssuerKey(kid=kid, public_key=public_key_text(key))
            for kid, key in issuer_keys(tx, pool).items()
        ),
        limits=redemption.limits,
    )


def build_catalogue(
    tx: Connection, pool: str, day: date, stock_units: Mapping[str, int]
) -> Catalogue:
    """What the pool's shops sell on a business date, without a version yet.

    ``stock_units`` by item, for those that are counted. Up to 20 are published as they are,
    more are rounded up to full twenties: not every sale makes a catalogue.
    """
    items = tuple(
        msgspec.structs.replace(each, stock=_published(stock_units.get(each.item_id)))
        for each in items_on_sale(tx, pool, day)
    )
    return Catalogue(version=0, made_at=_NO_TIME, items=items)


def _published(stock_units: int | None) -> int | None:
    if stock_units is None:
        return None
    if stock_units <= _STOCK_STEP:
        return max(0, stock_units)
    return -(-stock_units // _STOCK_STEP) * _STOCK_STEP


def build_directory(
    tx: Connection, pool: str, spendable_points: Mapping[str, int]
) -> tuple[DirectoryEntry, ...]:
    """Everybody who may redeem. ``spendable_points`` by pseudonym.

    A denominated card is an entry of its own; used up, it stays there with nothing allowed, and
    blocked it is not there any more.
    """
    buckets = pool_terms(tx, pool).allowance_buckets_points
    pins = pin_texts(tx, pool)
    by_account: dict[str, list[DirectoryCard]] = defaultdict(list)
    for card in cards(tx, pool):
        by_account[card.account].append(
            DirectoryCard(
                card_id=card.card_id,
                seq=card.seq,
                pin_verifier=pins.get((card.card_id, card.seq)),
            )
        )
    phone_seqs = lowest_live_seqs(tx, pool)
    entries = tuple(
        DirectoryEntry(
            account=each.account,
            allowance_points=allowance(spendable_points.get(each.account, 0), buckets),
            status=each.status,
            banned_until=each.banned_until,
            cards=tuple(by_account[each.account]),
            phone_seq=phone_seqs.get(each.account, 0),
        )
        for each in residents(tx, pool)
    )
    stopped = stopped_cards(tx, pool)
    bearers = tuple(
        DirectoryEntry(
            account=each.card_id,
            allowance_points=allowance(spendable_points.get(each.card_id, 0), buckets),
            cards=(DirectoryCard(card_id=each.card_id, seq=BEARER_SEQ),),
        )
        for each in bearer_cards(tx, pool)
        if each.card_id not in stopped
    )
    return entries + bearers


def publish(
    tx: Connection,
    pool: str,
    kind: DocumentKind,
    document: Document,
    *,
    key: Ed25519PrivateKey,
    tag: bytes | None = None,
    at: datetime,
    above: int = 0,
    on: int | None = None,
) -> int:
    """Sign and keep the document if it says anything new; returns the newest version.

    ``tag``: the pool's; None where ``key`` is the root key itself.

    Two who publish at once make one version: the second sees that its number is taken.
    ``above``: a terminal has this number from before a backup was restored; the newest is above.
    ``on``: the newest version when the document was built. Where another is there by now, nothing
    is kept: somebody else published since, and may have seen more.
    """
    content_hash = _content_hash(document)
    newest = _newest(tx, pool, kind)
    tag = pool_tag(key.public_key()) if tag is None else tag
    signer = key.public_key()
    number = int(newest.version) if newest is not None else 0
    if on is not None and number != on:
        return number
    if (
        newest is not None
        and number > above
        and _still_good(newest, kind, content_hash, signer, tag)
    ):
        return number
    version = max(number, above) + 1
    numbered = msgspec.structs.replace(document, version=version, made_at=at)
    signed = sign_document(numbered, key, tag)
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


def says_something_new(
    tx: Connection, pool: str, document: Document, *, signer: Ed25519PublicKey, tag: bytes
) -> bool:
    """Whether a document, without a version yet, is to be published beside the newest one: it says
    something new, or the newest was signed by a key that has made room for another.
    """
    kind = kind_of(document)
    newest = _newest(tx, pool, kind)
    content_hash = _content_hash(document)
    return newest is None or not _still_good(newest, kind, content_hash, signer, tag)


def _still_good(
    newest: Row[tuple[object, ...]],
    kind: DocumentKind,
    content_hash: str,
    signer: Ed25519PublicKey,
    tag: bytes,
) -> bool:
    signed = SignedDocument(kind=kind, body=bytes(newest.body), signature=bytes(newest.signature))
    return bool(newest.content_hash == content_hash) and is_signed_by(signed, signer, tag)


def newest_version(tx: Connection, pool: str, kind: DocumentKind) -> int:
    """The number of the newest document of a kind; 0 before the first."""
    newest = _newest(tx, pool, kind)
    return int(newest.version) if newest is not None else 0


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
