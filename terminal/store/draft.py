"""The open basket in a file beside the journal: after a crash the page can say what lay in it.

It is no record. It is written without a sync, so that it costs a sale nothing: the system has it
on the disk some seconds later. Whether a sale happened is the journal's to say, never this file's.
"""

import logging
import os
from pathlib import Path
from typing import Final

import msgspec

from terminal.domain.last_run import Draft

LOG = logging.getLogger(__name__)

DRAFT_FILE: Final = "basket.json"
MAX_BYTES: Final = 256 * 1024


class DraftFile:
    """See :class:`terminal.domain.last_run.DraftKeeper`."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / DRAFT_FILE

    def read(self) -> Draft | None:
        try:
            with self._path.open("rb") as file:
                return msgspec.json.decode(file.read(MAX_BYTES), type=Draft)
        except (OSError, ValueError):  # lost, torn or altered: then the journal alone speaks
            return None

    def keep(self, draft: Draft) -> None:
        new = self._path.with_name(f"{self._path.name}.new")
        try:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(draft))
            new.replace(self._path)
        except OSError as error:
            LOG.warning("the open basket was not kept: %s", error)
