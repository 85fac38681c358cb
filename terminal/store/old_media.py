"""What is left of a dead terminal: the records on its stick or on its old card, read only.

Nothing is written to either, and nothing is believed: whether a record is authentic and in its
place is for the caller to see.
"""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from protocol.recovery import RecoverySource
from terminal.store.identity import IDENTITY_FILE
from terminal.store.sqlite import DATABASE_FILE
from terminal.store.stick import FOLDER, MAX_LINE_BYTES, OWNER_FILE, StickLine

COPIED_FILES: Final = (DATABASE_FILE, f"{DATABASE_FILE}-wal")
DATA_FOLDERS: Final = ("", "data", "var/lib/huidian-terminal")
"""Where a terminal's data is on what was named: the folder itself, or a whole mounted card."""

OWNER_MAX_CHARS: Final = 64


class OldMediumError(Exception):
    """There is nothing of a terminal, or it cannot be read at all; the message says what to do."""


class Unreadable(Struct, frozen=True):
    """A place of the source that holds no whole record. ``epoch`` is its file's.

    ``at_end``: it is the last line, as a power cut tears it.
    """

    epoch: int
    says: str
    at_end: bool = False


class OldMedium(Struct, frozen=True):
    """One source. ``lines`` reads it from the beginning each time it is called, in order."""

    source: RecoverySource
    terminal: str
    lines: Callable[[], Iterator[StickLine | Unreadable]]


class _Identity(msgspec.Struct):
    """What of an identity file matters here."""

    terminal: str = ""


_stick_lines = msgspec.json.Decoder(StickLine)


def open_old_medium(path: Path, scratch: Path) -> OldMedium:
    """The stick or card at ``path``; a card's database is copied into the folder ``scratch`` first.

    Raises:
        OldMediumError: it is neither.
    """
    try:
        for folder in (path / FOLDER, path):
            if (folder / OWNER_FILE).is_file():
                return _stick(folder)
        for name in DATA_FOLDERS:
            folder = path / name
            if (folder / DATABASE_FILE).is_file():
                return _card(folder, scratch)
    except OSError as error:
        raise OldMediumError(
            f"{path} 读不出来，换一个插口或读卡器再试 · it cannot be read: {error}"
        ) from error
    raise OldMediumError(
        f"{path} 里没有惠点的流水：U盘上应有 huidian/terminal.txt，旧卡上应有 terminal.db"
        " · there are no records here: a stick has huidian/terminal.txt, an old card terminal.db"
    )


def _stick(folder: Path) -> OldMedium:
    owner = (folder / OWNER_FILE).read_text(errors="replace").strip()[:OWNER_MAX_CHARS]
    if not owner:
        raise OldMediumError(
            f"{folder / OWNER_FILE} 是空的：这个U盘还没有用过 · an empty name: it was never used"
        )

    def lines() -> Iterator[StickLine | Unreadable]:
        files = ((_epoch_of(each), each) for each in folder.glob(f"{owner}-*.jsonl"))
        for epoch, file in sorted(each for each in files if each[0] > 0):
            yield from _lines_of(file, epoch)

    return OldMedium(RecoverySource.STICK, owner, lines)


def _epoch_of(file: Path) -> int:
    number = file.stem.rpartition("-")[2]
    return int(number) if number.isascii() and number.isdigit() else 0


def _lines_of(path: Path, epoch: int) -> Iterator[StickLine | Unreadable]:
    try:
        with path.open("rb") as file:
            while line := file.readline(MAX_LINE_BYTES):
                if not line.endswith(b"\n"):
                    at_end = not file.readline(MAX_LINE_BYTES)
                    yield Unreadable(epoch, "a torn line", at_end=at_end)
                    if not at_end:
                        return  # longer than any record: there is no telling where the next begins
                    continue
                yield _line(line, epoch)
    except OSError as error:
        yield Unreadable(epoch, f"{path.name}: {error}")


def _line(line: bytes, epoch: int) -> StickLine | Unreadable:
    try:
        read = _stick_lines.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Unreadable(epoch, f"a line cannot be read: {error}")
    if read.record.hash_hex != read.hash:
        return Unreadable(epoch, f"{read.epoch}/{read.seq}: its bytes were altered")
    return read


def _card(folder: Path, scratch: Path) -> OldMedium:
    try:
        terminal = msgspec.json.decode((folder / IDENTITY_FILE).read_bytes(), type=_Identity)
    except (OSError, ValueError) as error:
        raise OldMediumError(
            f"{folder / IDENTITY_FILE} 读不出来，不知道是哪台终端"
            f" · it cannot be read, so whose card it is is not known: {type(error).__name__}"
        ) from error
    for name in COPIED_FILES:
        if (folder / name).exists():
            shutil.copyfile(folder / name, scratch / name)

    def lines() -> Iterator[StickLine | Unreadable]:
        with closing(sqlite3.connect(scratch / DATABASE_FILE)) as database:
            yield from _rows_of(database)

    return OldMedium(RecoverySource.CARD, terminal.terminal[:OWNER_MAX_CHARS], lines)


def _rows_of(database: sqlite3.Connection) -> Iterator[StickLine | Unreadable]:
    epoch = 1
    try:
        rows = database.execute(
            "SELECT epoch, seq, hash, body, signature FROM journal ORDER BY epoch, seq"
        )
        for row in rows:
            epoch = row[0]
            line = StickLine(epoch=row[0], seq=row[1], hash=row[2], body=row[3], signature=row[4])
            if line.record.hash_hex == line.hash:
                yield line
            else:
                yield Unreadable(epoch, f"{line.epoch}/{line.seq}: its bytes were altered")
    except (sqlite3.Error, TypeError) as error:
        yield Unreadable(epoch, f"the rest of {DATABASE_FILE} cannot be read: {error}")
