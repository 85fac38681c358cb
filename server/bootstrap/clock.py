"""The server's clock: the machine's, or for demo and tests one that can be moved."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Now, aware UTC."""
    return datetime.now(UTC)


def simulated_clock(file: Path) -> Clock:
    """The machine's time plus the seconds that the file holds, read anew at every call.

    A file that is missing or holds no number adds nothing.
    """

    def now() -> datetime:
        return system_clock() + timedelta(seconds=_offset_s(file))

    return now


def choose_clock(simulated_file: Path | None) -> Clock:
    """The clock that the settings ask for."""
    return system_clock if simulated_file is None else simulated_clock(simulated_file)


def _offset_s(file: Path) -> float:
    try:
        return float(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0.0
