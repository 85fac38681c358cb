"""The files on the second medium: one for each epoch, only ever appended to.

``<mount>/huidian/terminal.txt`` says whose stick it is; ``<terminal>-<epoch>.jsonl`` holds a
line for each record, in order: its place, its hash, its exact bytes and its signature. A line
that a power cut tore is cut off before the next one is written; the journal still has it.
"""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from protocol.journal import MAX_RECORD_BYTES, SignedRecord
from terminal.domain.second_copy import CopyState
from terminal.store.sealer import ChainHead

FOLDER: Final = "huidian"
OWNER_FILE: Final = "terminal.txt"
GIVE_SIGN_EVERY: Final = 50
"""Records between two signs of life while reading: a stick that hangs is told from a long one."""
MAX_LINE_BYTES: Final = MAX_RECORD_BYTES * 4 // 3 + 1024

_STATES: Final = {
    errno.ENOSPC: CopyState.FULL,
    errno.EDQUOT: CopyState.FULL,
    errno.EFBIG: CopyState.FULL,
    errno.EROFS: CopyState.READ_ONLY,
    errno.EACCES: CopyState.READ_ONLY,
    errno.EPERM: CopyState.READ_ONLY,
    errno.ENOENT: CopyState.MISSING,
    errno.ENOTDIR: CopyState.MISSING,
    errno.ENODEV: CopyState.MISSING,
    errno.ENXIO: CopyState.MISSING,
}


class StickFaultError(Exception):
    """The stick did not take or give what was asked; ``state`` says how it is."""

    def __init__(self, state: CopyState, says: str) -> None:
        super().__init__(says)
        self.state = state


class StickLine(Struct, frozen=True, kw_only=True):
    """One record on the stick."""

    epoch: int
    seq: int
    hash: str
    body: bytes
    signature: bytes

    @property
    def record(self) -> SignedRecord:
        return SignedRecord(body=self.body, signature=self.signature)

    @property
    def head(self) -> ChainHead:
        return ChainHead(self.epoch, self.seq, self.hash)


_lines = msgspec.json.Decoder(StickLine)
_encoder = msgspec.json.Encoder()


class Stick:
    """One stick at its mount point. Not thread-safe: :class:`SecondMedium` has one thread for it.

    Args:
        mount: where the system mounts it. Without a stick the folder may be there all the
            same, empty, on the terminal's own storage: a copy there would be none.
        own_storage: a folder of the terminal's own storage, to tell the two apart.
        sync: asks the device to keep what was written.

    Raises:
        StickFaultError: from every method.
    """

    def __init__(
        self,
        mount: Path,
        *,
        terminal: str,
        own_storage: Path,
        sync: Callable[[int], None] = os.fsync,
    ) -> None:
        self._mount = mount
        self._terminal = terminal
        self._own_storage = own_storage
        self._sync = sync
        self._seen: tuple[tuple[int, int, int], ChainHead] | None = None

    def head(self) -> ChainHead | None:
        """The newest record on it; None on one that has none of this terminal's yet."""
        with _faults():
            self._check_owner()
            files = self._files()
            return self._head_of(files[-1]) if files else None

    def append(self, lines: Sequence[StickLine]) -> None:
        """Write records behind the newest one, all of one epoch, and have them on the device."""
        with _faults():
            self._check_owner()
            path = self._path(lines[0].epoch)
            is_new = not path.exists()
            content = b"".join(_encoder.encode(line) + b"\n" for line in lines)
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                self._check_same(os.fstat(descriptor))
                while content:  # a stick that is nearly full takes a part of it
                    content = content[os.write(descriptor, content) :]
                self._sync(descriptor)
                stat = os.fstat(descriptor)
            finally:
                os.close(descriptor)
            if is_new:
                self._sync_folder(path.parent)
            self._seen = (stat.st_dev, stat.st_ino, stat.st_size), lines[-1].head

    def lines_after(
        self, head: ChainHead | None, alive: Callable[[], None] = lambda: None
    ) -> Iterator[StickLine]:
        """What it holds beyond a place, oldest first; a torn line at the end is left out.

        ``alive`` is called every few records that lie before the place.
        """
        skipped = 0
        with _faults():
            self._check_owner()
            files = [path for path in self._files() if head is None or _epoch(path) >= head.epoch]
        for path in files:
            with _faults(), path.open("rb") as file:
                while line := file.readline(MAX_LINE_BYTES):
                    if not line.endswith(b"\n"):
                        break
                    read = _read_line(line)
                    if head is None or (read.epoch, read.seq) > (head.epoch, head.seq):
                        yield read
                    else:
                        skipped += 1
                        if skipped % GIVE_SIGN_EVERY == 0:
                            alive()

    def set_aside(self, name: str) -> Path:
        """Keep what is on it under another name, and begin anew; where it is now."""
        with _faults():
            self._check_owner()
            kept = self._mount / f"{FOLDER}-{name}"
            (self._mount / FOLDER).rename(kept)
            self._sync_folder(self._mount)
            self._seen = None
        return kept

    def _check_owner(self) -> None:
        folder = self._mount / FOLDER
        if self._mount.stat().st_dev == self._own_storage.stat().st_dev:
            raise StickFaultError(CopyState.MISSING, f"{self._mount} is the terminal's own storage")
        owner = folder / OWNER_FILE
        try:
            found = owner.read_text(errors="replace").strip()
        except FileNotFoundError:
            found = ""
        if not found:
            self._introduce(folder, owner)
        elif found != self._terminal:
            raise StickFaultError(CopyState.FOREIGN, f"{self._mount} belongs to {found[:32]}")

    def _check_same(self, stat: os.stat_result) -> None:
        """Another stick may have come between looking and writing."""
        found = stat.st_dev, stat.st_ino, stat.st_size
        if stat.st_size and (self._seen is None or self._seen[0] != found):
            raise StickFaultError(CopyState.MISSING, "the stick was changed meanwhile")

    def _introduce(self, folder: Path, owner: Path) -> None:
        """The first use of a stick: it becomes this terminal's."""
        folder.mkdir(exist_ok=True)
        descriptor = os.open(owner, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, self._terminal.encode() + b"\n")
            self._sync(descriptor)
        finally:
            os.close(descriptor)
        self._sync_folder(folder)
        self._sync_folder(self._mount)

    def _sync_folder(self, folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._sync(descriptor)
        finally:
            os.close(descriptor)

    def _files(self) -> list[Path]:
        found = (self._mount / FOLDER).glob(f"{self._terminal}-*.jsonl")
        return sorted((path for path in found if _epoch(path) > 0), key=_epoch)

    def _path(self, epoch: int) -> Path:
        return self._mount / FOLDER / f"{self._terminal}-{epoch:04d}.jsonl"

    def _head_of(self, path: Path) -> ChainHead | None:
        with path.open("rb", buffering=0) as file:
            stat = os.fstat(file.fileno())
            known = stat.st_dev, stat.st_ino, stat.st_size
            if self._seen is not None and self._seen[0] == known:
                return self._seen[1]
            if stat.st_size == 0:
                return self._head_before(path)
            start = max(0, stat.st_size - 2 * MAX_LINE_BYTES)
            file.seek(start)
            tail = file.read(stat.st_size - start)
        whole = tail.rfind(b"\n") + 1
        if whole < len(tail):  # torn by a power cut, or by a stick that was pulled out
            self._cut(path, start + whole)
        if whole == 0:
            return self._head_before(path)
        line = tail[tail.rfind(b"\n", 0, whole - 1) + 1 : whole]
        head = _read_line(line).head
        self._seen = (stat.st_dev, stat.st_ino, start + whole), head
        return head

    def _cut(self, path: Path, size: int) -> None:
        with path.open("r+b", buffering=0) as file:
            file.truncate(size)
            self._sync(file.fileno())

    def _head_before(self, path: Path) -> ChainHead | None:
        earlier = [each for each in self._files() if _epoch(each) < _epoch(path)]
        return self._head_of(earlier[-1]) if earlier else None


def _epoch(path: Path) -> int:
    number = path.stem.rpartition("-")[2]
    return int(number) if number.isascii() and number.isdigit() else 0


def _read_line(line: bytes) -> StickLine:
    try:
        read = _lines.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StickFaultError(CopyState.DAMAGED, f"a line cannot be read: {error}") from error
    if read.record.hash_hex != read.hash:
        raise StickFaultError(CopyState.DAMAGED, f"record {read.epoch}/{read.seq} was altered")
    return read


class _faults:  # noqa: N801 - reads as a statement: with _faults()
    """Turns what the operating system raises into the stick's own fault."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            state = _STATES.get(error.errno or 0, CopyState.DAMAGED)
            raise StickFaultError(state, str(error)) from error
