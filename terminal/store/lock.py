"""One program at a time on a terminal's data: a second one would reverse the first one's sale."""

import fcntl
import os
from pathlib import Path

from terminal.domain.ports import StoreFaultError


class DataInUseError(StoreFaultError):
    """Another program has this data open: most likely this one, started twice."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(
            f"{data_dir} 正被别的程序使用：终端可能已在运行；请先停掉它 · "
            f"{data_dir} is in use: the terminal may be running already; stop it first"
        )


class DataLock:
    """Holds a data folder until closed, or until the program ends, however it ends.

    The lock is on the folder itself, so that no file is left behind to be misunderstood.
    """

    def __init__(self, data_dir: Path) -> None:
        """Take it, or say at once who cannot.

        Raises:
            DataInUseError: another program has it.
            OSError: there is no such folder.
        """
        self._descriptor = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise DataInUseError(data_dir) from None

    def close(self) -> None:
        os.close(self._descriptor)
