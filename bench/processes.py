"""Starts what a benchmark measures as processes of their own, and ends each by its number."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.figures import BenchError

ROOT = Path(__file__).resolve().parent.parent
COMMAND_WITHIN_S = 120.0
START_WITHIN_S = 60.0
STOP_WITHIN_S = 30.0
LOOK_EVERY_S = 0.05
LOG_LINES_SHOWN = 15
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
# In /proc/PID/stat, counted behind the name: time in the program and in the kernel for it.
PPID, UTIME, STIME, CUTIME, CSTIME = 1, 11, 12, 13, 14


def run_module(*arguments: str, standard_input: str = "") -> str:
    """Run one of the project's programs to its end; returns what it printed.

    Raises:
        BenchError: it failed.
    """
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        input=standard_input,
        capture_output=True,
        text=True,
        timeout=COMMAND_WITHIN_S,
        check=False,
    )
    if done.returncode != 0:
        shown = " ".join(arguments)
        raise BenchError(f"{shown} → {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


@contextmanager
def serving(
    command: Sequence[str],
    *,
    is_up: Callable[[], bool],
    log: Path,
    user: str | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
    environment: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """A process that is up for the block, and gone after it; gives its number.

    ``is_up`` says whether it answers yet. ``user`` is as whom it runs, None for whoever runs
    the benchmark. It is asked to end with ``stop_signal``, and made to 30 s later.
    ``environment``: all of its variables; None for the benchmark's own.

    Raises:
        BenchError: it ended, or did not answer in time.
    """
    with log.open("ab") as out:
        # A session of its own: Ctrl-C is for the benchmark, which ends its processes.
        process = subprocess.Popen(
            command,
            cwd=ROOT if user is None else log.parent,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        _wait_until(is_up, process)
        yield process.pid
    except BenchError as error:
        raise BenchError(f"{error}\n{_tail(log)}") from error
    finally:
        _stop(process, stop_signal)


def cpu_s(pid: int) -> float:
    """Seconds of processor time that a process has used, all its threads together."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    fields = stat.rpartition(")")[2].split()
    return (int(fields[UTIME]) + int(fields[STIME])) / TICKS_A_SECOND


def fine_cpu_s(pid: int) -> float:
    """As :func:`cpu_s`, to the nanosecond and not to the tick; threads that ended are left out.

    Raises:
        BenchError: the kernel does not count so.
    """
    files = list(Path(f"/proc/{pid}/task").glob("*/schedstat"))
    if not files:
        raise BenchError("the system does not tell a thread's processor time")
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


def family_cpu_s(pid: int) -> float:
    """As :func:`cpu_s`, with all its children, those included that have ended."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # ended while we looked
            continue
        if stat.parent.name == str(pid):
            ticks += sum(int(fields[place]) for place in (UTIME, STIME, CUTIME, CSTIME))
        elif fields[PPID] == str(pid):
            ticks += int(fields[UTIME]) + int(fields[STIME])
    return ticks / TICKS_A_SECOND


def _wait_until(is_up: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + START_WITHIN_S
    while not is_up():
        if process.poll() is not None or time.monotonic() > deadline_s:
            raise BenchError("没能启动 · did not start")
        time.sleep(LOOK_EVERY_S)


def _tail(log: Path) -> str:
    """The process's own last words, for whoever looks for the cause."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:])


def _stop(process: subprocess.Popen[bytes], stop_signal: signal.Signals) -> None:
    if process.poll() is not None:
        return
    process.send_signal(stop_signal)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_WITHIN_S)
        return
    process.kill()
    process.wait(STOP_WITHIN_S)
