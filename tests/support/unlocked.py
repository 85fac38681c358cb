"""The programs with a lock taken off: a race is shown before it is said that the lock stops it.

Each is the program's own main function in a process that does nothing else, so nothing is put
back. A pause stands where two must meet; it is there with the lock on as well.
"""

import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest

import server.ledger.accounts as accounts_module
import server.ledger.holds as holds_module
from server.bootstrap.main import main as server_main
from server.ledger.live import live_holds_sum
from terminal.bootstrap import main as terminal_main
from terminal.checkout.sale_desk import SaleDesk
from tests.concurrency.racing import take_the_lock_off

PAUSE_S = 0.25


def terminal_without_lock() -> None:
    """A till whose page is served by threads that do not wait for each other."""
    patch, make = pytest.MonkeyPatch(), SaleDesk.__init__

    def without(desk: SaleDesk, **given: Any) -> None:
        make(desk, **given)
        desk.lock = nullcontext()  # type: ignore[assignment] # the lock is what is taken off

    patch.setattr(SaleDesk, "__init__", without)
    terminal_main()


def server_with_pause() -> None:
    """The server as it is, slow between reading what is held and holding more."""
    _pause_after(live_holds_sum)
    server_main()


def server_without_lock() -> None:
    """The same, and no fact waits for another one of its pool, nor an account's row."""
    _pause_after(live_holds_sum)
    take_the_lock_off(pytest.MonkeyPatch(), first=os.getpid() * 1_000_000)
    pytest.MonkeyPatch().setattr(accounts_module, "kept_locked", lambda statement: statement)
    server_main()


def _pause_after(read: Callable[..., int]) -> None:
    def read_and_pause(*args: Any, **options: Any) -> int:
        found = read(*args, **options)
        time.sleep(PAUSE_S)
        return found

    pytest.MonkeyPatch().setattr(holds_module, "live_holds_sum", read_and_pause)
