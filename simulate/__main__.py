"""``./run simulate``: many seeds, one after the other, and what they found."""

import argparse
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from simulate.many import outcomes
from simulate.run import Outcome
from simulate.vfs import LayerRefusedError

RUNS: Final = 200
MOST_RUNS: Final = 1_000_000
MOST_JOBS: Final = 64
MEMORY_FOLDER: Final = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
TELL_EVERY_S: Final = 10.0


@dataclass(slots=True)
class Totals:
    """What the runs came to so far."""

    runs: int = 0
    sales: int = 0
    faults: int = 0
    violations: int = 0

    def add(self, outcome: Outcome) -> None:
        """One more run."""
        self.runs += 1
        self.sales += outcome.sales
        self.faults += outcome.faults
        self.violations += len(outcome.wrong)

    def __str__(self) -> str:
        return (
            f"{self.runs} 次 runs，{self.sales} 笔销售 sales，"
            f"{self.faults} 个故障 faults injected，{self.violations} 处违规 violations"
        )


def simulate(folder: Path, seeds: Sequence[int], jobs: int = 1) -> Totals:
    """Run each seed once and print what is wrong, with the seed that shows it again."""
    totals, told_at_s = Totals(), time.monotonic()
    for outcome in outcomes(folder, seeds, jobs):
        totals.add(outcome)
        for wrong in outcome.wrong:
            say(f"种子 seed {outcome.seed}: {wrong.rule}: {wrong.says}")
        if outcome.wrong:
            say(f"  重现 · to see it again: ./run simulate --seed {outcome.seed} --runs 1")
        if time.monotonic() - told_at_s >= TELL_EVERY_S:
            told_at_s = time.monotonic()
            say(f"… {totals}（共 of {len(seeds)}）")
    return totals


def say(text: str) -> None:
    """To whoever waits."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """0: nothing wrong. 1: something is. 2: it cannot be simulated here."""
    parser = argparse.ArgumentParser(
        prog="./run simulate",
        description="断网、断电、坏盘、重复和乱序，一个种子一次，核对账目和页面 · "
        "seeded runs of shops and pool with everything that can fail, then every invariant",
    )
    parser.add_argument("--seed", type=int, default=1, help="第一个种子 · first seed")
    parser.add_argument("--runs", type=_runs, default=RUNS, help="多少个种子 · how many seeds")
    parser.add_argument(
        "--jobs", type=_jobs, default=1, help="同时跑几个 · how many at a time, one a processor"
    )
    parser.add_argument("--folder", type=Path, help="在哪里放数据库 · where the files are made")
    parser.add_argument("--log", action="store_true", help="显示程序日志 · show the programs' log")
    options = parser.parse_args(arguments)
    where = options.folder or (MEMORY_FOLDER if os.access(MEMORY_FOLDER, os.W_OK) else None)
    folder = Path(tempfile.mkdtemp(prefix="huidian-simulation-", dir=where))
    # Put back at the end: whoever calls this as a function has a log of his own.
    heard = logging.root.manager.disable
    if not options.log:
        logging.disable(logging.CRITICAL)
    try:
        totals = simulate(folder, range(options.seed, options.seed + options.runs), options.jobs)
    except LayerRefusedError as error:
        say(str(error))
        return 2
    except KeyboardInterrupt:
        say("\n已停止 · stopped")
        return 130
    finally:
        logging.disable(heard)
        shutil.rmtree(folder, ignore_errors=True)
    say(str(totals))
    return 1 if totals.violations else 0


def _runs(text: str) -> int:
    return _up_to(MOST_RUNS, text)


def _jobs(text: str) -> int:
    return _up_to(MOST_JOBS, text)


def _up_to(most: int, text: str) -> int:
    count = int(text)
    if not 1 <= count <= most:
        raise argparse.ArgumentTypeError(f"1 … {most}")
    return count


if __name__ == "__main__":
    sys.exit(main())
