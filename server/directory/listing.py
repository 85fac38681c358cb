"""The directory that terminals have: numbered, told by what changed, in pages of bounded size.

Each account's newest entry stands in the database with the number that changed it last. So what
changed since any number is one question, however long somebody was away, and an account that
changed ten times is told once. Numbers are kept for a while; whoever has an older one, or one
that this server never gave, is given the whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Select, bindparam, delete, func, insert, select, tuple_, update

from protocol.directory_digest import EMPTY_DIGEST, moved_digest
from protocol.documents import (
    DirectoryBase,
    DirectoryEntry,
    DirectoryHead,
    DirectoryPage,
    DirectoryPlace,
    DocumentKind,
    SignedDocument,
    sign_document,
)
from server.db.dialect import insert_or_ignore
from server.directory.listing_tables import directory_entry, directory_version
from server.directory.tables import published_document

DIRECTORY_RENEWED_AFTER = timedelta(hours=6)
KEPT_VERSIONS = 10_000
PAGE_ENTRIES = 4_000
PAGE_BYTES = 1_000_000
"""Of entries: with base64 twice and everything else a page stays well below what is read."""

_TIDIED_EVERY = 500


@dataclass(frozen=True, slots=True)
class Listing:
    """The newest number, and what it is of."""

    version: int
    digest: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class ListingChange:
    """What the next directory says other than the one before.

    Attributes:
        on: the number that this was compared with; 0 before the first.
        new, changed: entries' bytes by account, of accounts that were never listed, and others.
        gone: accounts that are not there any more.
    """

    on: int
    new: Mapping[str, bytes]
    changed: Mapping[str, bytes]
    gone: Sequence[str]
    digest: str


@dataclass(frozen=True, slots=True)
class Held:
    """What a terminal says that it has; ``version`` 0 for nothing, ``after`` amid a whole one."""

    version: int
    digest: str
    after: DirectoryPlace | None = None


@dataclass(frozen=True, slots=True)
class PageSigner:
    """What pages are signed with, for the pool with this tag."""

    key: Ed25519PrivateKey
    tag: bytes


class UnknownListing:
    """The terminal has a number that this server never gave."""


def newest_listing(tx: Connection, pool: str) -> Listing | None:
    """The directory in force; None before the first."""
    return _listing(
        tx,
        select(directory_version)
        .where(directory_version.c.pool == pool)
        .order_by(directory_version.c.version.desc())
        .limit(1),
    )


def _listing(tx: Connection, asked: Select[tuple[object, ...]]) -> Listing | None:
    row = tx.execute(asked).one_or_none()
    return Listing(row.version, row.digest, row.made_at) if row else None


def listed_entries(tx: Connection, pool: str) -> Iterator[DirectoryEntry]:
    """Everybody in the directory in force."""
    bodies = select(directory_entry.c.body).where(
        directory_entry.c.pool == pool, directory_entry.c.body.is_not(None)
    )
    for body in tx.execute(bodies).scalars():
        yield msgspec.json.decode(body, type=DirectoryEntry)


def compare(
    tx: Connection, pool: str, entries: Sequence[DirectoryEntry], at: datetime
) -> ListingChange | None:
    """What is to be published beside the newest directory; None where it says all there is.

    It is made anew after some hours all the same: a terminal in a quiet pool must not take its
    own for an old one. And at once where the newest number's digest is not that of the entries
    (two published at the same moment, from numbers far apart): no terminal could take it.
    """
    newest = newest_listing(tx, pool)
    encoded = {each.account: msgspec.json.encode(each, order="deterministic") for each in entries}
    known: dict[str, bytes | None] = {
        row.account: None if row.body is None else bytes(row.body)
        for row in tx.execute(
            select(directory_entry.c.account, directory_entry.c.body).where(
                directory_entry.c.pool == pool
            )
        )
    }
    new = {account: body for account, body in encoded.items() if account not in known}
    changed = {
        account: body
        for account, body in encoded.items()
        if account in known and known[account] != body
    }
    gone = [
        account for account, body in known.items() if body is not None and account not in encoded
    ]
    # Of all of them, and not moved on from the last one: a digest that is wrong would stay wrong.
    digest = moved_digest(EMPTY_DIGEST, into=encoded.values())
    young = newest is not None and at - newest.made_at < DIRECTORY_RENEWED_AFTER
    if young and newest is not None and newest.digest == digest and not (new or changed or gone):
        return None
    on = newest.version if newest else 0
    return ListingChange(on=on, new=new, changed=changed, gone=gone, digest=digest)


def publish_listing(
    tx: Connection, pool: str, change: ListingChange, *, at: datetime, above: int = 0
) -> int | None:
    """Number the change and keep it; its number, which is above ``above``.

    None if somebody else published since the comparison, or does so at this moment: what this
    one saw may be older than that.
    """
    newest = newest_listing(tx, pool)
    if (newest.version if newest else 0) != change.on:
        return None
    version = max(change.on, above, _documents_of_before(tx, pool)) + 1
    values = {"pool": pool, "version": version, "digest": change.digest, "made_at": at}
    if not insert_or_ignore(tx, directory_version, values):
        return None
    if change.new:
        rows = [
            {"pool": pool, "account": account, "body": body, "changed_in": version}
            for account, body in change.new.items()
        ]
        tx.execute(insert(directory_entry), rows)
    moved = [*change.changed.items(), *((account, None) for account in change.gone)]
    if moved:
        tx.execute(
            update(directory_entry)
            .where(directory_entry.c.pool == pool, directory_entry.c.account == bindparam("of"))
            .values(body=bindparam("now"), changed_in=version),
            [{"of": account, "now": body} for account, body in moved],
        )
    if version % _TIDIED_EVERY == 0:
        _tidy(tx, pool, version - KEPT_VERSIONS)
    return version


def unchanged(listing: Listing) -> ListingChange:
    """The same directory under its next number."""
    return ListingChange(listing.version, {}, {}, (), listing.digest)


def _documents_of_before(tx: Connection, pool: str) -> int:
    """The newest number from the time when a directory was a document like the others."""
    newest = select(func.max(published_document.c.version)).where(
        published_document.c.pool == pool,
        published_document.c.kind == DocumentKind.DIRECTORY.value,
    )
    return tx.execute(newest).scalar() or 0


def _tidy(tx: Connection, pool: str, oldest: int) -> None:
    """Forget numbers before ``oldest``, and who was gone by then."""
    tx.execute(
        delete(directory_version).where(
            directory_version.c.pool == pool, directory_version.c.version < oldest
        )
    )
    tx.execute(
        delete(directory_entry).where(
            directory_entry.c.pool == pool,
            directory_entry.c.body.is_(None),
            directory_entry.c.changed_in <= oldest,
        )
    )


def page_for(
    tx: Connection, pool: str, held: Held, signer: PageSigner
) -> SignedDocument | UnknownListing | None:
    """What a terminal needs next: what changed since its own, or a part of the whole.

    None where it has the newest, or there is none. ``tx`` is one snapshot.
    """
    newest = newest_listing(tx, pool)
    if newest is None:
        return None
    if held.after is None and held.version > 0:
        if (held.version, held.digest) == (newest.version, newest.digest):
            return None
        if held.version >= newest.version:
            return UnknownListing()
        if (changes := _changes_since(tx, pool, held)) is not None:
            entries, gone = changes
            base = DirectoryBase(version=held.version, digest=held.digest)
            return _signed(newest, signer, entries, gone, base=base)
    after = held.after
    if after is not None and after.version > newest.version:
        after = None  # a place in another history, which the database may have no number for
    return _part(tx, pool, newest, after, signer)


def _changes_since(tx: Connection, pool: str, held: Held) -> tuple[list[bytes], list[str]] | None:
    """All that changed, if it fits into one page and the terminal's directory is one of ours."""
    known = _listing(
        tx,
        select(directory_version).where(
            directory_version.c.pool == pool, directory_version.c.version == held.version
        ),
    )
    if known is None or known.digest != held.digest:
        return None
    rows = tx.execute(
        select(directory_entry)
        .where(directory_entry.c.pool == pool, directory_entry.c.changed_in > held.version)
        .limit(PAGE_ENTRIES + 1)
    ).all()
    entries = [bytes(row.body) for row in rows if row.body is not None]
    if len(rows) > PAGE_ENTRIES or sum(map(len, entries)) > PAGE_BYTES:
        return None
    return entries, [row.account for row in rows if row.body is None]


def _part(
    tx: Connection,
    pool: str,
    newest: Listing,
    after: DirectoryPlace | None,
    signer: PageSigner,
) -> SignedDocument:
    """The part of the whole behind ``after``, in the order in which entries changed."""
    place = tuple_(directory_entry.c.changed_in, directory_entry.c.account)
    asked = select(directory_entry).where(directory_entry.c.pool == pool)
    if after is not None:
        asked = asked.where(place > tuple_(after.version, after.account))
    rows = tx.execute(
        asked.order_by(directory_entry.c.changed_in, directory_entry.c.account).limit(
            PAGE_ENTRIES + 1
        )
    ).all()
    size, taken = 0, 0
    for row in rows[:PAGE_ENTRIES]:
        size += len(row.body or b"")
        if taken and size > PAGE_BYTES:
            break
        taken += 1
    last = rows[taken - 1] if taken < len(rows) else None
    upto = DirectoryPlace(version=last.changed_in, account=last.account) if last else None
    part = rows[:taken]
    return _signed(
        newest,
        signer,
        [bytes(row.body) for row in part if row.body is not None],
        [row.account for row in part if row.body is None],
        after=after,
        upto=upto,
    )


def _signed(
    newest: Listing,
    signer: PageSigner,
    entries: Sequence[bytes],
    gone: Sequence[str],
    *,
    base: DirectoryBase | None = None,
    after: DirectoryPlace | None = None,
    upto: DirectoryPlace | None = None,
) -> SignedDocument:
    key, tag = signer.key, signer.tag
    head = DirectoryHead(version=newest.version, made_at=newest.made_at, digest=newest.digest)
    page = DirectoryPage(
        head=sign_document(head, key, tag),
        entries=tuple(msgspec.Raw(each) for each in entries),
        gone=tuple(gone),
        base=base,
        after=after,
        upto=upto,
    )
    return sign_document(page, key, tag)
