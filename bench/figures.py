"""Figures as a benchmark reports them: quantiles of durations, ratios, and the machine."""

import math
import os
import platform
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

CPU_FILE = Path("/proc/cpuinfo")
SYNCED_BYTES = 4096
SYNCS_MEASURED = 50
STAT_WITHIN_S = 10


class Spread(Struct, frozen=True, kw_only=True):
    """How long something took, over ``count`` times, in milliseconds."""

    count: int
    p50_ms: float
    p99_ms: float
    mean_ms: float


class Held(Struct, frozen=True, kw_only=True):
    """A ratio, and the least or the most it should be; both are None where nothing is asked."""

    ratio: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def verdict(self) -> str:
        """For people: whether it is what was asked for."""
        if self.at_least is not None:
            asked, reached = f"≥ {self.at_least:.2f}", self.ratio >= self.at_least
        elif self.at_most is not None:
            asked, reached = f"≤ {self.at_most:.2f}", self.ratio <= self.at_most
        else:
            return "没有要求 · nothing asked"
        return f"要求 · asked {asked}: {'达到 · reached' if reached else '没有达到 · missed'}"


class Machine(Struct, frozen=True, kw_only=True):
    """Where the figures come from. ``sync_p50_ms``: one page appended and synced, by itself."""

    cpu: str
    cores: int
    load_1_min: float
    system: str
    python: str
    sqlite: str
    file_system: str
    sync_p50_ms: float


class BenchError(Exception):
    """A benchmark could not be run, or what it measured was not the same on both sides."""


def quantile(sorted_values: Sequence[float], share: float) -> float:
    """The nearest-rank quantile; ``share`` 0.5 is the median.

    Raises:
        ValueError: there are no values.
    """
    if not sorted_values:
        raise ValueError("no values")
    rank = math.ceil(share * len(sorted_values))
    return sorted_values[max(rank, 1) - 1]


def spread(durations_s: Sequence[float]) -> Spread:
    """Summary of durations in seconds."""
    ordered = sorted(durations_s)
    return Spread(
        count=len(ordered),
        p50_ms=round(quantile(ordered, 0.50) * 1000, 4),
        p99_ms=round(quantile(ordered, 0.99) * 1000, 4),
        mean_ms=round(sum(ordered) / len(ordered) * 1000, 4),
    )


@contextmanager
def timed_into(durations_s: list[float]) -> Iterator[None]:
    """Append how long the block took, in seconds; a block that raises counts for nothing."""
    began_s = time.perf_counter()
    yield
    durations_s.append(time.perf_counter() - began_s)


def machine(folder: Path) -> Machine:
    """Facts of this machine, and of the disk that ``folder`` is on."""
    return Machine(
        cpu=_cpu_name(),
        cores=len(os.sched_getaffinity(0)),
        load_1_min=round(os.getloadavg()[0], 2),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        sqlite=sqlite3.sqlite_version,
        file_system=_file_system(folder),
        sync_p50_ms=_sync_p50_ms(folder),
    )


def as_json(report: Struct) -> bytes:
    """The report for ``--json``: indented, so that two runs can be compared by eye."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def _cpu_name() -> str:
    if CPU_FILE.exists():
        for line in CPU_FILE.read_text(errors="replace").splitlines():
            name, found, value = line.partition(":")
            if found and name.strip() in {"model name", "Model"}:
                return value.strip()
    return platform.processor() or "unknown"


def _file_system(folder: Path) -> str:
    asked = ["stat", "--file-system", "--format=%T", str(folder)]
    try:
        told = subprocess.run(
            asked, capture_output=True, text=True, timeout=STAT_WITHIN_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return told.stdout.strip()


def _sync_p50_ms(folder: Path) -> float:
    """What one sync costs here: nearly nothing in memory, much on an SD card."""
    page, durations_s = b"\0" * SYNCED_BYTES, list[float]()
    file = folder / "sync"
    with file.open("wb", buffering=0) as out:
        for _ in range(SYNCS_MEASURED):
            with timed_into(durations_s):
                out.write(page)
                os.fdatasync(out.fileno())
    file.unlink()
    return spread(durations_s).p50_ms
