"""Keeps over a restart that this terminal sells nothing: a file beside the journal.

A file, not a row: the journal is what is not to be trusted, and may not open at all.
"""

import logging
import shutil
from pathlib import Path
from typing import Final

import msgspec

from terminal.domain.stopped import Stop, StopCause
from terminal.store.identity import write_durably

LOG = logging.getLogger(__name__)

STOP_FILE: Final = "stopped.json"
MAX_DETAIL_CHARS: Final = 400
_ROOM_TO_OPEN_BYTES: Final = 1024 * 1024
"""The journal's write-ahead log and its index take some hundred KiB."""


def stop_of(fault: str, folder: Path) -> Stop:
    """What it means that a start could not open or read the file in ``folder``.

    Without room SQLite says "disk I/O error", as it does of a card that is broken. Where both are
    so, the next start finds the other, once there is room.
    """
    try:
        is_full = shutil.disk_usage(folder).free < _ROOM_TO_OPEN_BYTES
    except OSError:  # a folder that cannot be looked at is not merely full
        is_full = False
    return Stop(StopCause.DISK_FULL if is_full else StopCause.STORAGE_DAMAGED, fault)


class Quarantine:
    """The note of one data folder."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / STOP_FILE

    def read(self) -> Stop | None:
        """Why the terminal is stopped; None where it is not."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Stop)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            return Stop(StopCause.STORAGE_DAMAGED, f"{self._path.name}: {type(error).__name__}")

    def enter(self, stop: Stop) -> None:
        """Stop, for good. The first cause stays: what follows from it explains less."""
        LOG.error("this terminal is stopped: %s: %s", stop.cause, stop.detail)
        if self.read() is not None:
            return
        kept = Stop(stop.cause, stop.detail[:MAX_DETAIL_CHARS])
        try:
            write_durably(self._path, msgspec.json.encode(kept))
        except OSError:  # a storage that takes nothing: the next start finds the same again
            LOG.exception("the note that this terminal is stopped cannot be kept")

    def lift(self) -> None:
        """Sell again. Only where the cause is known to be over."""
        self._path.unlink(missing_ok=True)
