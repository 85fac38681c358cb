"""Many seeds, one after the other or in several processes at a time.

Apart from the command: a process of its own finds by name what it has to do, and the module of a
command that runs has none.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from simulate.pool import Template
from simulate.run import Outcome, run

SEEDS_AT_ONCE: Final = 4


def outcomes(folder: Path, seeds: Sequence[int], jobs: int) -> Iterator[Outcome]:
    """What each seed came to, in order; it is the same however many run at a time."""
    if jobs == 1:
        template = Template(folder / "template")
        for seed in seeds:
            yield run(template, folder / f"run-{seed}", seed)
        return
    is_silent = logging.root.manager.disable
    with ProcessPoolExecutor(
        jobs, get_context("spawn"), initializer=_begin, initargs=(folder, is_silent)
    ) as pool:
        yield from pool.map(_one, seeds, chunksize=SEEDS_AT_ONCE)


_MINE: list[tuple[Template, Path]] = []
"""What a process of its own has made for all of its seeds."""


def _begin(folder: Path, is_silent: int) -> None:
    logging.disable(is_silent)
    _MINE.append((Template(folder / f"template-{os.getpid()}"), folder))


def _one(seed: int) -> Outcome:
    template, folder = _MINE[0]
    return run(template, folder / f"run-{seed}", seed)
