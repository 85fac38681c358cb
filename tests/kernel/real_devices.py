"""The drivers on device nodes that a real kernel made: `./run test --qemu`, never the plain run.

One boot of the machine runs every test of `guest/`; here each is a test of its own. Where QEMU,
the kernel or udev is missing, all of them are skipped and say what to install.
"""

import ast
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.kernel.machine import GUEST, PartMissingError, Told, run_guest

pytestmark = pytest.mark.timeout(1000)


def _names() -> list[str]:
    """Give every test of the guest, as the guest tells it."""
    return [
        f"{file.name}::{node.name}"
        for file in sorted(GUEST.glob("*_on_the_kernel.py"))
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Told]:
    work: Path = tmp_path_factory.mktemp("machine")
    try:
        tests, console = run_guest(work)
    except PartMissingError as missing:
        pytest.skip(f"no machine to boot: {missing}")
    sys.stdout.write(console)  # pytest shows it beside the first failure
    return tests


@pytest.mark.parametrize("name", _names(), ids=[name.rpartition("::test_")[2] for name in _names()])
def test_on_the_kernel(told: Mapping[str, Told], name: str) -> None:
    ended = told.get(name, Told("never told", "the machine stopped before it; see its console"))
    assert ended.outcome == "passed", ended.text
