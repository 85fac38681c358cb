"""The directory on the terminal's disk: entries as rows, so that nobody holds a town in memory.

Changes since the directory in force are applied in one commit with the head that they make. A
whole one is read page by page into a generation of its own, beside the one in force, and comes
into force with its last page. Nothing does whose entries are not exactly those of its signed
head: what was lost, doubled, altered or belongs to another history is found by the digest.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import Enum, auto

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, delete, func, select, tuple_
from sqlalchemy.dialects.sqlite import insert as upsert

from protocol.directory_digest import EMPTY_DIGEST, moved_digest
from protocol.documents import (
    DirectoryEntry,
    DirectoryHead,
    DirectoryPage,
    DirectoryPlace,
    SignedDocument,
)
from terminal.store.documents import keep_document
from terminal.store.reads import Reads
from terminal.store.tables import counter, directory_card, directory_entry

GENERATION_COUNTER = "directory"
CLEARED_ROWS = 5_000
"""Old entries go in pieces: a sale waits for one of them at most."""
MAX_HOLDERS = 100
"""Of one card's number: there is one, unless the office gave it twice."""

# Thousands of rows at once: as the driver takes them.
_DELETE_CARDS = "DELETE FROM directory_card WHERE generation = ? AND card_id = ? AND account = ?"
_DELETE_ENTRIES = "DELETE FROM directory_entry WHERE generation = ? AND account = ?"
_INSERT_CARDS = (
    "INSERT OR IGNORE INTO directory_card (generation, card_id, account) VALUES (?, ?, ?)"
)
_INSERT_ENTRIES = "INSERT INTO directory_entry (generation, account, body) VALUES (?, ?, ?)"

_LIVE = select(counter.c.value).where(counter.c.name == GENERATION_COUNTER).scalar_subquery()


class Taken(Enum):
    """What became of a page."""

    IN_FORCE = auto()
    MORE = auto()
    """A part of a whole directory; the next one is to be asked for."""
    NOT_NEWER = auto()
    """The directory in force is as new, or newer: nothing goes back."""
    MISFIT = auto()
    """It does not follow on what is here: the whole is to be asked for."""


class DirectoryAsked(Struct, frozen=True):
    """What to ask the server for: changes since, or the whole (version 0) behind ``after``."""

    version: int
    digest: str
    after: DirectoryPlace | None


class _Reading(Struct, frozen=True):
    """A whole directory, as far as it has been read."""

    generation: int
    digest: str
    upto: DirectoryPlace | None


class ResidentsReads(Reads):
    """Who is in the directory; mixed into the store."""

    def resident(self, account: str) -> DirectoryEntry | None:
        with self.reading() as connection:
            body = connection.execute(
                select(directory_entry.c.body).where(
                    directory_entry.c.generation == _LIVE, directory_entry.c.account == account
                )
            ).scalar()
        return msgspec.json.decode(body, type=DirectoryEntry) if body is not None else None

    def holder_of_card(self, card_id: str, seq: int) -> DirectoryEntry | None:
        for entry in self._holders(directory_card.c.card_id == card_id, MAX_HOLDERS):
            if any(card.card_id == card_id and card.seq == seq for card in entry.cards):
                return entry
        return None

    def holders_of_cards(self, ending: str) -> Sequence[DirectoryEntry]:
        return self._holders(directory_card.c.card_id.endswith(ending), 2)

    def _holders(self, which: ColumnElement[bool], at_most: int) -> list[DirectoryEntry]:
        asked = (
            select(directory_entry.c.body)
            .distinct()
            .join(
                directory_card,
                (directory_card.c.generation == directory_entry.c.generation)
                & (directory_card.c.account == directory_entry.c.account),
            )
            .where(directory_card.c.generation == _LIVE, which)
            .limit(at_most)
        )
        with self.reading() as connection:
            bodies = connection.execute(asked).scalars().all()
        return [msgspec.json.decode(body, type=DirectoryEntry) for body in bodies]


class DirectoryShelf:
    """Takes pages, one after the other; for the one thread that fetches.

    ``writing`` opens one durable step of the store; ``in_force`` reads the head in force.
    """

    def __init__(
        self,
        writing: Callable[[], AbstractContextManager[Connection]],
        in_force: Callable[[], DirectoryHead | None],
    ) -> None:
        self._writing = writing
        self._in_force = in_force
        self._reading: _Reading | None = None
        self._misfit = False

    def asked(self) -> DirectoryAsked:
        """What is wanted next."""
        if self._reading is not None:
            return DirectoryAsked(0, "", self._reading.upto)
        head = self._in_force()
        if head is None or self._misfit:
            return DirectoryAsked(0, "", None)
        return DirectoryAsked(head.version, head.digest, None)

    def take(self, page: DirectoryPage) -> Taken:
        """Take a page whose signature holds; it is in force, whole, or not at all.

        Raises:
            StoreFaultError: the disk did not do what was asked; nothing came into force.
            msgspec.DecodeError: an entry or the head is none.
        """
        head, old = page.opened_head(), self._in_force()
        if old is not None and head.version <= old.version:
            self._reading = None
            return Taken.NOT_NEWER
        entries = dict(zip((each.account for each in page.residents()), page.entries, strict=True))
        if page.base is None:
            taken = self._take_part(page, head, entries)
        else:
            self._reading = None
            taken = self._take_changes(page, head, old, entries)
        self._misfit = taken is Taken.MISFIT
        return taken

    def _take_changes(
        self,
        page: DirectoryPage,
        head: DirectoryHead,
        old: DirectoryHead | None,
        entries: Mapping[str, msgspec.Raw],
    ) -> Taken:
        assert page.base is not None
        if old is None or (page.base.version, page.base.digest) != (old.version, old.digest):
            return Taken.MISFIT
        with self._writing() as connection:
            generation = _live(connection)
            before = _bodies(connection, generation, (*entries, *page.gone))
            made = moved_digest(old.digest, out=before.values(), into=map(bytes, entries.values()))
            if made != head.digest:
                return Taken.MISFIT
            _replace(connection, generation, before, entries)
            _put_in_force(connection, page.head, head, generation)
        return Taken.IN_FORCE

    def _take_part(
        self, page: DirectoryPage, head: DirectoryHead, entries: Mapping[str, msgspec.Raw]
    ) -> Taken:
        reading = self._reading
        if page.after is None:
            self._clear()
            with self._writing() as connection:
                reading = _Reading(_live(connection) + 1, EMPTY_DIGEST, None)
        self._reading = None
        if reading is None or page.after != reading.upto:
            return Taken.MISFIT
        with self._writing() as connection:
            before = _bodies(connection, reading.generation, (*entries, *page.gone))
            made = moved_digest(
                reading.digest, out=before.values(), into=map(bytes, entries.values())
            )
            if page.upto is None and made != head.digest:
                return Taken.MISFIT
            _replace(connection, reading.generation, before, entries)
            if page.upto is None:
                _put_in_force(connection, page.head, head, reading.generation)
        if page.upto is not None:
            self._reading = _Reading(reading.generation, made, page.upto)
            return Taken.MORE
        self._clear()
        return Taken.IN_FORCE

    def _clear(self) -> None:
        """Forget entries of any generation but the one in force, a piece at a time."""
        for table in (directory_entry, directory_card):
            key = tuple_(*table.primary_key)
            old = select(*table.primary_key).where(table.c.generation != func.coalesce(_LIVE, 0))
            cleared = CLEARED_ROWS
            while cleared == CLEARED_ROWS:
                with self._writing() as connection:
                    piece = delete(table).where(key.in_(old.limit(CLEARED_ROWS)))
                    cleared = connection.execute(piece).rowcount


def _live(connection: Connection) -> int:
    live = connection.execute(
        select(counter.c.value).where(counter.c.name == GENERATION_COUNTER)
    ).scalar()
    return int(live or 0)


def _bodies(connection: Connection, generation: int, accounts: Iterable[str]) -> dict[str, bytes]:
    """The entries that there are of these accounts."""
    wanted = func.json_each(msgspec.json.encode(tuple(accounts)).decode()).table_valued("value")
    rows = connection.execute(
        select(directory_entry.c.account, directory_entry.c.body).where(
            directory_entry.c.generation == generation,
            directory_entry.c.account.in_(select(wanted.c.value)),
        )
    )
    return {row.account: row.body for row in rows}


def _replace(
    connection: Connection,
    generation: int,
    before: Mapping[str, bytes],
    entries: Mapping[str, msgspec.Raw],
) -> None:
    """Put entries in the place of ``before``, those of accounts that are gone among them."""
    for statement, rows in (
        (_DELETE_CARDS, _cards(generation, before)),
        (_DELETE_ENTRIES, [(generation, account) for account in before]),
        (
            _INSERT_ENTRIES,
            [(generation, account, bytes(body)) for account, body in entries.items()],
        ),
        (_INSERT_CARDS, _cards(generation, entries)),
    ):
        if rows:
            connection.exec_driver_sql(statement, rows)


def _cards(
    generation: int, entries: Mapping[str, bytes] | Mapping[str, msgspec.Raw]
) -> list[tuple[int, str, str]]:
    opened = [msgspec.json.decode(body, type=DirectoryEntry) for body in entries.values()]
    return [(generation, card.card_id, entry.account) for entry in opened for card in entry.cards]


def _put_in_force(
    connection: Connection, signed: SignedDocument, head: DirectoryHead, generation: int
) -> None:
    keep_document(connection, signed, head.version)
    connection.execute(
        upsert(counter)
        .values(name=GENERATION_COUNTER, value=generation)
        .on_conflict_do_update(index_elements=[counter.c.name], set_={"value": generation})
    )
