"""A file is there wholly or not at all, wherever the process is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from server.exports.writing import write_whole

ROOT = Path(__file__).resolve().parents[3]
OLD, NEW = b"old" * 10, b"new" * 2_000_000

# The child dies by itself at the very step that is named, as in a power cut.
KILLED_AT = """
import os, pathlib, signal, sys
from server.exports import writing
step, path = sys.argv[1:]
def die(*_args, **_named):
    os.kill(os.getpid(), signal.SIGKILL)
if step == "fsync":
    os.fsync = die
elif step == "replace":
    pathlib.Path.replace = die
elif step == "folder":
    writing._sync_folder = die
writing.write_whole(pathlib.Path(path), b"new" * 2_000_000)
"""
WRITES_FOR_EVER = """
import pathlib, sys
from server.exports.writing import write_whole
how, path = sys.argv[1], pathlib.Path(sys.argv[2])
write = write_whole if how == "whole" else pathlib.Path.write_bytes
print("begins", flush=True)
while True:
    for letter in (b"a", b"b"):
        write(path, letter * 4_000_000)
"""


@pytest.mark.parametrize("before", [None, OLD])
@pytest.mark.parametrize("step", ["fsync", "replace", "folder"])
def test_killed_at_any_step_the_file_is_the_old_or_the_new_one(
    tmp_path: Path, step: str, before: bytes | None
) -> None:
    path = tmp_path / "statement.pdf"
    if before is not None:
        path.write_bytes(before)
    ran = subprocess.run([sys.executable, "-c", KILLED_AT, step, path], cwd=ROOT, check=False)
    assert ran.returncode == -signal.SIGKILL
    there = path.read_bytes() if path.exists() else None
    assert there == (NEW if step == "folder" else before)
    left = [each.name for each in tmp_path.iterdir() if each != path]
    assert all(name.startswith(".statement.pdf.") for name in left)
    assert all(name.endswith(".unfinished") for name in left)
    write_whole(path, NEW)
    assert path.read_bytes() == NEW


def broken_files(tmp_path: Path, how: str, kills: int) -> int:
    """How many of the files that a killed writer left were neither of the two contents."""
    broken = 0
    for attempt in range(kills):
        path = tmp_path / f"{how}-{attempt}"
        path.write_bytes(b"a" * 4_000_000)
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITES_FOR_EVER, how, path], cwd=ROOT, stdout=subprocess.PIPE
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.02 + attempt * 0.0037)
        writer.kill()
        writer.wait()
        writer.stdout.close()
        content = path.read_bytes()
        broken += content not in {b"a" * 4_000_000, b"b" * 4_000_000}
        for each in tmp_path.iterdir():
            each.unlink()
    return broken


def test_a_plain_write_leaves_half_files_and_ours_none(tmp_path: Path) -> None:
    assert broken_files(tmp_path, "plain", 12) > 0
    assert broken_files(tmp_path, "whole", 12) == 0


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "statement.pdf"
    path.write_bytes(OLD)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, NEW)
    assert path.read_bytes() == OLD
    assert [each.name for each in tmp_path.iterdir()] == ["statement.pdf"]
