"""Writers of one server process take turns at SQLite."""

import threading
from pathlib import Path

import pytest

from server.api.services import Turns
from server.db import TryAgain, open_engine


def test_one_at_a_time_and_nobody_waits_for_ever(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'turns.sqlite3'}")
    turns, inside, most = Turns(), [0], [0]

    def write() -> None:
        with turns.taken(engine, 10.0):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            threading.Event().wait(0.01)
            inside[0] -= 1

    writers = [threading.Thread(target=write) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert most == [1]
    with turns.taken(engine, 1.0), pytest.raises(TryAgain), turns.taken(engine, 0.01):
        pytest.fail("two had the turn at once")
    with turns.taken(engine, 0.01):
        pass  # a writer that failed gave the turn back
    engine.dispose()
