"""A disk that keeps what was synced, and of the rest what it likes: the model of a power cut.

Between two syncs a disk may write sectors of 512 bytes in any order. So after a power cut every
file is what it was at its last sync, with any of the sectors written since. Files are whole
again after a kill of the program alone: the system has all of its writes.
"""

import shutil
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Final

from simulate.vfs import OK, layer

SECTOR_BYTES: Final = 512
IO_WRITE: Final = sqlite3.SQLITE_IOERR_WRITE
IO_SYNC: Final = sqlite3.SQLITE_IOERR_FSYNC
FULL: Final = sqlite3.SQLITE_FULL
_SHARED = "-shm"


class Ends(StrEnum):
    """How a program can be stopped in the middle."""

    KILL = "kill"
    POWER = "power"


class DiskTrouble(StrEnum):
    """What a disk can do to a program that goes on."""

    WRITE_ERROR = "write_error"
    FULL = "full"
    SYNC_ERROR = "sync_error"
    """Nothing of it is kept."""
    SYNC_ERROR_KEPT = "sync_error_kept"
    """It says that it failed, and has written everything all the same."""


class _File:
    """One file: as it was at its last sync, and what was written since.

    ``since``: offset and bytes of each write; None for a truncation to the offset.
    """

    def __init__(self, disk: "Disk", path: Path) -> None:
        self.synced = bytearray(path.read_bytes())
        self.since: list[tuple[int, bytes | None]] = []
        self.number = path.stat().st_ino
        self.is_current = True
        self._disk = disk

    def write(self, offset: int, data: bytes, forward: Callable[[], int]) -> int:
        """See :class:`simulate.vfs.OpenFile`; a file of an earlier life takes nothing."""
        return self._disk.write(self, offset, data, forward) if self.is_current else IO_WRITE

    def truncate(self, size: int, forward: Callable[[], int]) -> int:
        return self._disk.truncate(self, size, forward) if self.is_current else IO_WRITE

    def sync(self, forward: Callable[[], int]) -> int:
        del forward  # what survives is decided here, and the real disk need not be waited for
        return self._disk.sync(self) if self.is_current else IO_SYNC


@dataclass(slots=True)
class DiskCounts:
    """What a disk did since it was made."""

    writes: int = 0
    syncs: int = 0
    troubles: int = 0


class Disk:
    """The databases of one machine. See :class:`simulate.vfs.Medium`.

    Each life of the machine has a folder of its own, so that a file which an earlier life still
    holds open cannot get into the way of the next one's.

    Attributes:
        folder: where this life's files are.
        dead: the machine is off; every call fails until :meth:`put_back`.
        lies: syncs are answered and not done.
    """

    def __init__(self, root: Path, chance: Random) -> None:
        self._root = root
        self._chance = chance
        self._lives = 0
        self._ends: tuple[Ends, int] | None = None
        self._trouble: tuple[DiskTrouble, int] | None = None
        self.lies = False
        self.counts = DiskCounts()
        self._files: dict[Path, _File] = {}
        self.dead: Ends | None = None
        self._begin_life({})

    def is_off(self) -> bool:
        """Whether the machine is off, or was stopped under its program just now."""
        return self.dead is not None

    def close(self) -> None:
        """Nothing is opened here any more."""
        layer().unmount(self.folder)

    def end_at(self, how: Ends, operation: int) -> None:
        """Stop the program at its n-th write or sync from now, counted from 1."""
        self._ends = how, operation

    def trouble_at(self, trouble: DiskTrouble, operation: int) -> None:
        """Fail once, at the n-th write (or sync, for a trouble of syncs) from now."""
        self._trouble = trouble, operation

    def calm_down(self) -> None:
        """Nothing that was planned happens any more."""
        self._ends = self._trouble = None

    def end_now(self, how: Ends) -> None:
        """Stop the program where it is."""
        self.dead = how

    def opened(self, path: Path) -> _File:
        known = self._files.get(path)
        if known is None or known.number != path.stat().st_ino:
            known = self._files[path] = _File(self, path)
        return known

    def write(self, file: _File, offset: int, data: bytes, forward: Callable[[], int]) -> int:
        self.counts.writes += 1
        if self.is_off():
            return IO_WRITE
        if (ended := self._ended()) is not None:
            if ended is Ends.POWER:
                file.since.append((offset, data))  # some of it may be on the disk
            return IO_WRITE
        trouble = self._troubled({DiskTrouble.WRITE_ERROR, DiskTrouble.FULL})
        if trouble is not None:
            return FULL if trouble is DiskTrouble.FULL else IO_WRITE
        file.since.append((offset, data))
        return forward()

    def truncate(self, file: _File, size: int, forward: Callable[[], int]) -> int:
        if self.is_off():
            return IO_WRITE
        file.since.append((size, None))
        return forward()

    def sync(self, file: _File) -> int:
        self.counts.syncs += 1
        if self.is_off() or self._ended() is not None:
            return IO_SYNC
        trouble = self._troubled({DiskTrouble.SYNC_ERROR, DiskTrouble.SYNC_ERROR_KEPT})
        if trouble is DiskTrouble.SYNC_ERROR:
            return IO_SYNC
        if not self.lies:
            apply(file.synced, file.since)
            file.since.clear()
        return IO_SYNC if trouble is DiskTrouble.SYNC_ERROR_KEPT else OK

    def images(self) -> dict[str, bytes]:
        """What the files are, by name, when the machine is switched on again."""
        there = {path: file for path, file in self._files.items() if path.exists()}
        if self.dead is not Ends.POWER:
            return {path.name: path.read_bytes() for path in there}
        kept_share = self._chance.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        return {
            path.name: after_power_cut(file.synced, file.since, kept_share, self._chance)
            for path, file in there.items()
        }

    def put_back(self, images: dict[str, bytes]) -> None:
        """Begin a life with these files."""
        for file in self._files.values():
            file.is_current = False
        self.close()
        shutil.rmtree(self.folder)
        self._begin_life(images)

    def _begin_life(self, images: dict[str, bytes]) -> None:
        self._lives += 1
        self.folder = self._root / str(self._lives)
        self.folder.mkdir(parents=True)
        for name, content in images.items():
            (self.folder / name).write_bytes(content)
        self._files = {}
        self.dead = None
        self.calm_down()
        layer().mount(self.folder, self)

    def _ended(self) -> Ends | None:
        """How the machine was stopped by this operation; None where it goes on."""
        if self._ends is None:
            return None
        how, left = self._ends
        if left > 1:
            self._ends = how, left - 1
            return None
        self._ends, self.dead = None, how
        return how

    def _troubled(self, troubles: set[DiskTrouble]) -> DiskTrouble | None:
        if self._trouble is None or self._trouble[0] not in troubles:
            return None
        trouble, left = self._trouble
        if left > 1:
            self._trouble = trouble, left - 1
            return None
        self._trouble = None
        self.counts.troubles += 1
        return trouble


Write = tuple[int, bytes | None]
"""Offset and bytes of a write; None for a truncation to the offset."""


def after_power_cut(
    synced: bytes | bytearray, since: Sequence[Write], kept_share: float, chance: Random
) -> bytes:
    """A file after a power cut: as it was synced, with some of the sectors written since.

    ``kept_share`` is how likely each of them is there, 0 to 1.
    """
    kept: list[Write] = []
    for offset, data in since:
        if data is None:
            kept.append((offset, data))
            continue
        for start, piece in _sectors(offset, data):
            if chance.random() < kept_share:
                kept.append((start, piece))
    image = bytearray(synced)
    apply(image, kept)
    return bytes(image)


def _sectors(offset: int, data: bytes) -> list[tuple[int, bytes]]:
    """A write, cut where sectors of the disk begin."""
    cuts = [
        offset,
        *range(
            offset // SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES, offset + len(data), SECTOR_BYTES
        ),
    ]
    ends = [*cuts[1:], offset + len(data)]
    return [
        (start, data[start - offset : end - offset]) for start, end in zip(cuts, ends, strict=True)
    ]


def apply(image: bytearray, writes: Sequence[Write]) -> None:
    """Do the writes to a file, in this order."""
    for offset, data in writes:
        if data is None:
            del image[offset:]
            continue
        if len(image) < offset:
            image.extend(bytes(offset - len(image)))
        image[offset : offset + len(data)] = data
