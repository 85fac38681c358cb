"""Gadgets for the tests that run in the guest, and a line for the host about each test."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.kernel.guest.gadgets import Gadget, acm_scanner, keyboard, printer

RESULTS: Final = Path("/dev/ttyS1")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Tell the host, the moment it is known: a later test may take the kernel down."""
    if report.when == "call" or report.outcome != "passed":
        name = report.nodeid.rpartition("/")[2]
        line = {"name": name, "outcome": report.outcome, "text": report.longreprtext[-6000:]}
        with RESULTS.open("a", encoding="utf-8") as wire:
            wire.write(json.dumps(line) + "\n")


@pytest.fixture(scope="session")
def printer_gadget() -> Iterator[Gadget]:
    with printer() as gadget:
        yield gadget


@pytest.fixture(scope="session")
def scanner_gadget() -> Iterator[Gadget]:
    with acm_scanner() as gadget:
        yield gadget


@pytest.fixture(scope="session")
def keyboard_gadget() -> Iterator[Gadget]:
    with keyboard() as gadget:
        yield gadget
