"""A USB stick in a simulated terminal: real files in a folder, and what can happen to a stick.

The copying is the program's own (:class:`terminal.store.stick_copier.StickCopier` and
:class:`terminal.store.stick.Stick`); only the thread around it is left out, for a seed must do the
same every time. A stick that hangs is one to which nothing gets until it is let go.
"""

import errno
import os
import shutil
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Final

from terminal.domain.second_copy import CopyState
from terminal.store.sqlite import SqliteStore
from terminal.store.stick import FOLDER, Stick
from terminal.store.stick_copier import StickCopier

OTHER_STORAGE: Final = Path("/proc")
"""A file system that the stick's folder is not on, as a card is not the stick."""

PIECES_AT_ONCE: Final = 20
"""How often the program looks again at once while it is behind."""


class StickTrouble(StrEnum):
    """What a stick does once, when it is next written."""

    FULL = "full"
    TORN = "torn"
    """It is pulled out while it writes: a part of the line is there."""
    POWER = "power"
    """The power goes while it writes, the machine's too."""
    IO_ERROR = "io_error"


class SimulatedStick:
    """See :class:`terminal.domain.second_copy.SecondCopy`.

    Attributes:
        is_plugged: it is in the machine.
        hangs: it takes nothing, and the till waits no longer than it must.
        state: how the copies are.
        troubles: what happened to it so far.
    """

    def __init__(self, mount: Path, terminal: str, chance: Random) -> None:
        self.mount = mount
        mount.mkdir(parents=True)
        self.is_plugged = True
        self.hangs = False
        self.state = CopyState.BEHIND
        self.troubles = 0
        self._terminal = terminal
        self._chance = chance
        self._trouble: StickTrouble | None = None
        self._synced: dict[str, int] = {}
        self._cut_power: Callable[[], None] = lambda: None
        self._copier: StickCopier | None = None

    def put_into(
        self,
        store: SqliteStore,
        *,
        differing: Callable[[str], None],
        cut_power: Callable[[], None],
    ) -> None:
        """The machine has started: copy to it, and take back what it has beyond the journal."""
        self._cut_power = cut_power
        stick = Stick(
            self.mount, terminal=self._terminal, own_storage=OTHER_STORAGE, sync=self._sync
        )
        self._copier = StickCopier(stick, store, differing=differing)
        self.state = CopyState.BEHIND
        self.copy()
        store.use_second_copy(self)

    def copy(self) -> CopyState:
        """Have the journal copied, unless it hangs."""
        if self.hangs:
            self.state = CopyState.STUCK
            return self.state
        assert self._copier is not None
        for _ in range(PIECES_AT_ONCE):
            self.state = self._copier.copy_once()
            if self.state is not CopyState.BEHIND:
                break
        return self.state

    def fail_once(self, trouble: StickTrouble) -> None:
        """It happens at the next write."""
        self._trouble = trouble

    def move(self, *, plugged: bool) -> None:
        """Pull it out, or put it in."""
        if plugged is not self.is_plugged:
            self.is_plugged = plugged
            away = self._away()
            source, target = (away, self.mount) if plugged else (self.mount, away)
            source.rename(target)
            self.troubles += 1

    def calm_down(self) -> None:
        """It is in the machine, and nothing that was planned happens."""
        self.move(plugged=True)
        self.hangs = False
        self._trouble = None

    def is_whole(self) -> bool:
        """Whether it is in the machine and has everything that the journal had."""
        return self.is_plugged and not self.hangs and self.state is CopyState.GOOD

    def content(self) -> dict[str, bytes]:
        """What is on it, by name."""
        folder = (self.mount if self.is_plugged else self._away()) / FOLDER
        return {each.name: each.read_bytes() for each in folder.glob("*")}

    def put_back(self, content: dict[str, bytes]) -> None:
        """Somebody wrote an older copy over it."""
        self.calm_down()
        shutil.rmtree(self.mount / FOLDER, ignore_errors=True)
        (self.mount / FOLDER).mkdir()
        for name, data in content.items():
            (self.mount / FOLDER / name).write_bytes(data)
        self._synced = {name: len(data) for name, data in content.items()}

    def _away(self) -> Path:
        return self.mount.with_name(self.mount.name + "-away")

    def _sync(self, descriptor: int) -> None:
        """What was written is kept from now on, if nothing happens. No disk is waited for."""
        trouble, self._trouble = self._trouble, None
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        size = path.stat().st_size if path.is_file() else 0
        if trouble is None:
            self._synced[path.name] = size
            return
        self.troubles += 1
        if path.is_file():
            line = len(path.read_bytes()[: size - 1].rpartition(b"\n")[2]) + 1 if size else 0
            # What an earlier sync had is not torn: a torn end may just have been cut off.
            kept = min(size, self._synced.get(path.name, 0))
            os.truncate(path, self._chance.randint(max(kept, size - line), size))
        if trouble is StickTrouble.POWER:
            self._cut_power()
        if trouble in {StickTrouble.TORN, StickTrouble.POWER}:
            raise OSError(errno.ENODEV, "pulled out")
        raise OSError(errno.ENOSPC if trouble is StickTrouble.FULL else errno.EIO, "stick")
