"""A file that is there with all of its content, or not at all, whenever the power goes."""

import os
from pathlib import Path

UNFINISHED = ".unfinished"


def write_whole(path: Path, content: bytes) -> None:
    """Put `content` at `path`, in place of what stands there.

    Killed at any moment, `path` is what it was or has all of the content. What a killed write
    leaves is a hidden file beside it whose name ends in ``.unfinished``.

    Raises:
        OSError: it cannot be written; then `path` is what it was and nothing is left.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}{UNFINISHED}")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)  # only there if something went wrong
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Makes the new name last as well; a folder that cannot be synced (a stick's) is let be."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError:
        return
    finally:
        os.close(descriptor)
