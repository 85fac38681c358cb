"""A terminal that must not sell, as a real process: its page says what to do, over restarts."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from terminal.domain.stopped import Stop, StopCause
from terminal.store.quarantine import Quarantine
from tests.support.running_till import RunningTill

WITHIN_S = 30.0


@pytest.fixture
def till(tmp_path: Path) -> Iterator[RunningTill]:
    made = RunningTill(tmp_path)
    made.enrol()
    yield made
    made.end()


def page_of(till: RunningTill) -> str:
    """The page of a terminal that does not sell."""
    deadline_s = time.monotonic() + WITHIN_S
    url = f"http://127.0.0.1:{till.port}/"
    while True:
        try:
            answer = urllib3.request("GET", url, retries=False, timeout=5)
        except (urllib3.exceptions.HTTPError, OSError):
            assert time.monotonic() < deadline_s, till.log.read_text()
            time.sleep(0.05)
        else:
            assert answer.status == 503
            return answer.data.decode()


def start_stopped(till: RunningTill) -> str:
    with pytest.raises(AssertionError):  # it waits for a till that is fit to sell
        till.start()
    return page_of(till)


def test_an_altered_record_stops_the_terminal_until_somebody_has_looked(
    till: RunningTill,
) -> None:
    till.start()
    till.ask("POST", "/api/item", item_id="bun")
    till.kill()
    with sqlite3.connect(till.data_dir / "terminal.db") as db:
        db.execute("update journal set body = cast(replace(body, 'started', 'starved') as blob)")
    db.close()
    page = start_stopped(till)
    assert "这台终端已停止收款" in page
    assert "流水缺了一段，或者被改过" in page
    assert "请联系技术员" in page
    assert "1/1" in page
    assert till.stop() == 0
    told = till.run("diagnose")
    assert told.returncode == 1
    assert "chain_broken" in told.stdout
    assert "请这样做" in told.stdout
    assert Quarantine(till.data_dir).read() is not None


def test_a_file_that_is_no_database_stops_the_terminal(till: RunningTill) -> None:
    (till.data_dir / "terminal.db").write_bytes(b"rubbish" * 4096)
    for left in ("terminal.db-wal", "terminal.db-shm"):
        (till.data_dir / left).unlink(missing_ok=True)
    assert "存储卡坏了" in start_stopped(till)
    assert till.stop() == 0
    assert "storage_damaged" in till.run("diagnose").stdout


def test_a_terminal_that_was_stopped_stays_so_over_a_restart(till: RunningTill) -> None:
    Quarantine(till.data_dir).enter(Stop(StopCause.FORKED, "1/7: fork"))
    assert "可能被还原或复制过" in start_stopped(till)
    assert till.stop() == 0


def test_a_sound_terminal_is_told_so(till: RunningTill) -> None:
    till.start()
    assert till.stop() == 0
    told = till.run("diagnose")
    assert told.returncode == 0
    assert "没有发现问题" in told.stdout
