"""The second medium: every record is on it before success is shown, and no stick stops the till.

The stick is a folder on another file system than the terminal's data, as a real one is.
"""

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from protocol.journal import Envelope, open_record
from terminal.domain.notice import NoticeCode
from terminal.domain.second_copy import CopyState, NoSecondCopy
from terminal.store.chain_check import Mark, set_mark
from terminal.store.sealer import ChainHead
from terminal.store.second_medium import SecondMedium
from terminal.store.stick import FOLDER, Stick
from terminal.store.stick_copier import CHUNK_RECORDS
from terminal.store.tables import journal, outbox, sale
from tests.support.shop import TERMINAL_KEY, Shop

LIMIT_S = 5.0
"""Long enough that a busy machine does not fail what should work."""
SHORT_S = 0.05
NEVER_S = 3600.0
OTHER_FILE_SYSTEM = Path("/dev/shm")


@pytest.fixture
def mount(shop: Shop) -> Iterator[Path]:
    """Where the stick is mounted."""
    folder = Path(tempfile.mkdtemp(dir=OTHER_FILE_SYSTEM, prefix="huidian-stick-"))
    if folder.stat().st_dev == shop.path.stat().st_dev:
        pytest.skip("there is one file system only")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def plug(shop: Shop, mount: Path) -> Iterator[Callable[..., SecondMedium]]:
    """Put a stick into the shop's terminal."""
    made: list[SecondMedium] = []

    def plug_in(
        limit_s: float = LIMIT_S,
        look_again_s: float = NEVER_S,
        sync: Callable[[int], None] = os.fsync,
        differing: Callable[[str], None] = lambda _says: None,
    ) -> SecondMedium:
        stick = Stick(mount, terminal="T0001", own_storage=shop.path, sync=sync)
        second = SecondMedium(
            stick, shop.store, limit_s=limit_s, look_again_s=look_again_s, differing=differing
        )
        shop.store.use_second_copy(second)
        made.append(second)
        return second

    yield plug_in
    for each in made:
        each.close()


def sell(shop: Shop, times: int = 1) -> str | None:
    """Sell buns; what the page says at the end."""
    for _ in range(times):
        shop.till.add_item("bun")
        shop.till.complete(shop.till.snapshot()[0].sale_id)
    shown = shop.page.view().notice
    return shown.code if shown else None


def on_stick(shop: Shop, mount: Path) -> list[tuple[int, int]]:
    """The records on the stick, each authentic and linked to the one before."""
    stick = Stick(mount, terminal="T0001", own_storage=shop.path)
    places, before = [], None
    for line in stick.lines_after(None):
        envelope = open_record(line.record, TERMINAL_KEY.public_key(), "T0001")
        assert isinstance(envelope, Envelope)
        assert before is None or envelope.prev_hash == before
        before = line.hash
        places.append((envelope.epoch, envelope.seq))
    return places


def in_journal(shop: Shop) -> list[tuple[int, int]]:
    with shop.store.reading() as connection:
        rows = connection.execute(select(journal.c.epoch, journal.c.seq)).all()
    return sorted((row.epoch, row.seq) for row in rows)


def until_good(second: SecondMedium) -> None:
    """While it is stuck nobody waits, so the test looks again until the stuck try has ended."""
    for _ in range(500):
        if second.copy() is CopyState.GOOD:
            return
        threading.Event().wait(0.01)
    pytest.fail(f"still {second.state}")


def completed(shop: Shop) -> int:
    return len(shop.store.recent_sales(99))


def test_a_record_is_on_the_stick_before_success_is_shown(
    shop: Shop, mount: Path, plug: Callable[..., SecondMedium]
) -> None:
    synced: list[bytes] = []
    journal_file = mount / FOLDER / "T0001-0001.jsonl"

    def sync(descriptor: int) -> None:
        os.fsync(descriptor)
        if journal_file.exists():
            synced.append(journal_file.read_bytes())

    plug(sync=sync)
    assert sell(shop, 3) == NoticeCode.COMPLETED
    assert on_stick(shop, mount) == in_journal(shop) == [(1, n) for n in range(1, 5)]
    assert synced[-1] == journal_file.read_bytes(), "what is shown was synced"


def test_an_unplugged_stick_leaves_the_sale_and_says_so(
    shop: Shop, mount: Path, plug: Callable[..., SecondMedium]
) -> None:
    assert plug().copy() is CopyState.GOOD
    shutil.rmtree(mount)
    assert sell(shop) == NoticeCode.COMPLETED_UNCOPIED
    assert shop.store.second_copy() is CopyState.MISSING
    assert completed(shop) == 1
    assert shop.page.view().completed is not None
    mount.mkdir()
    assert sell(shop) == NoticeCode.COMPLETED, "plugged in again, the missing ones were copied"
    assert on_stick(shop, mount) == in_journal(shop)


def test_an_empty_mount_point_is_no_stick(shop: Shop, tmp_path: Path, mount: Path) -> None:
    mount_point = tmp_path / "mount-point"
    mount_point.mkdir()
    stick = Stick(mount_point, terminal="T0001", own_storage=shop.path)
    second = SecondMedium(stick, shop.store, limit_s=LIMIT_S)
    assert second.copy() is CopyState.MISSING
    assert list(mount_point.iterdir()) == [], "nothing is written on the terminal's own storage"
    second.close()
    assert mount.exists()


def test_a_full_stick(shop: Shop, mount: Path, plug: Callable[..., SecondMedium]) -> None:
    second = plug()
    assert second.copy() is CopyState.GOOD
    file = mount / FOLDER / "T0001-0001.jsonl"
    kept = file.read_bytes()
    file.unlink()
    file.symlink_to("/dev/full")
    assert sell(shop) == NoticeCode.COMPLETED_UNCOPIED
    assert shop.store.second_copy() is CopyState.FULL
    file.unlink()
    file.write_bytes(kept + b'{"epoch":1,"se')  # a part of the line found room
    assert sell(shop) == NoticeCode.COMPLETED
    assert on_stick(shop, mount) == in_journal(shop)


def test_a_stick_that_hangs_costs_one_wait_and_not_one_for_each_customer(
    shop: Shop, mount: Path, plug: Callable[..., SecondMedium]
) -> None:
    plug().copy()
    second = plug(limit_s=SHORT_S)
    file = mount / FOLDER / "T0001-0001.jsonl"
    kept = file.read_bytes()
    file.unlink()
    os.mkfifo(file)  # opening it waits for somebody to read, for ever
    assert sell(shop) == NoticeCode.COMPLETED_UNCOPIED
    assert shop.store.second_copy() is CopyState.STUCK
    second._limit_s = NEVER_S
    assert sell(shop, 20) == NoticeCode.COMPLETED_UNCOPIED
    assert completed(shop) == 21
    second._limit_s = LIMIT_S
    with os.fdopen(os.open(file, os.O_RDWR | os.O_NONBLOCK), "wb", buffering=0):
        file.unlink()
        file.write_bytes(kept)
    until_good(second)
    assert sell(shop) == NoticeCode.COMPLETED
    assert on_stick(shop, mount) == in_journal(shop)


def test_a_slow_stick_is_waited_for_up_to_the_limit_and_copies_late(
    shop: Shop, mount: Path, plug: Callable[..., SecondMedium]
) -> None:
    go_on = threading.Event()

    def slow(descriptor: int) -> None:
        go_on.wait()
        os.fsync(descriptor)

    second = plug(limit_s=SHORT_S, sync=slow)
    assert sell(shop) == NoticeCode.COMPLETED_UNCOPIED
    go_on.set()
    second._limit_s = LIMIT_S
    until_good(second)
    assert sell(shop) == NoticeCode.COMPLETED
    assert on_stick(shop, mount) == in_journal(shop)


@pytest.mark.parametrize("error", ["read-only", "broken"])
def test_a_stick_that_refuses(
    shop: Shop, mount: Path, plug: Callable[..., SecondMedium], error: str
) -> None:
    wrong = OSError(30, "Read-only file system") if error == "read-only" else OSError(5, "I/O")

    def refuse(_descriptor: int) -> None:
        raise wrong

    plug(sync=refuse)
    assert sell(shop) == NoticeCode.COMPLETED_UNCOPIED
    found = CopyState.READ_ONLY if error == "read-only" else CopyState.DAMAGED
    assert shop.store.second_copy() is found
    assert completed(shop) == 1
    assert mount.exists()


def test_another_terminals_stick_is_left_alone(
    shop: Shop, mount: Path, plug: Callable[..., SecondMedium]
) -> None:
    (mount / FOLDER).mkdir()
    (mount / FOLDER / "terminal.txt").write_text("T0002\n")
    theirs = mount / FOLDER / "T0002-0001.jsonl"
    theirs.write_text("theirs\n")
    plug()
    assert sell(shop) == NoticeCode.COMPLETED_UNCOPIED
    assert shop.store.second_copy() is CopyState.FOREIGN
    assert sorted(x.name for x in (mount / FOLDER).iterdir()) == [theirs.name, "terminal.txt"]


def test_a_terminal_set_to_refuse_takes_no_further_sale_until_the_stick_is_back(
    shop: Shop, mount: Path, plug: Callable[..., SecondMedium]
) -> None:
    shop.till.desk._refuses_uncopied = True
    second = plug()
    assert second.copy() is CopyState.GOOD
    shutil.rmtree(mount)
    assert sell(shop) == NoticeCode.COMPLETED_UNCOPIED, "the one under way stands"
    assert sell(shop) == NoticeCode.NO_SECOND_COPY
    assert completed(shop) == 1
    mount.mkdir()
    second.copy()
    assert sell(shop) == NoticeCode.COMPLETED


def test_many_missing_records_are_copied_in_pieces(
    shop: Shop, mount: Path, plug: Callable[..., SecondMedium]
) -> None:
    sell(shop, CHUNK_RECORDS + 20)
    second = plug()
    states = [second.copy()]
    while states[-1] is CopyState.BEHIND and len(states) < 99:
        states.append(second.copy())
    assert states[-1] is CopyState.GOOD
    assert on_stick(shop, mount) == in_journal(shop)


def test_a_stick_that_knows_other_records_stops_the_terminal(
    shop: Shop, mount: Path, plug: Callable[..., SecondMedium]
) -> None:
    said: list[str] = []
    plug()
    sell(shop, 2)
    shop.store.use_second_copy(NoSecondCopy())
    with shop.store.writing() as connection:  # an old image: the newest records are not in it
        for table in ("outbox", "sale", "journal"):
            connection.exec_driver_sql(f"delete from {table} where seq >= 2")
        connection.exec_driver_sql("delete from counter")
    sell(shop, 1)  # and it sold before anybody saw the stick
    second = plug(differing=said.append)
    assert second.copy() is CopyState.DIFFERS
    assert "1/3" in said[0]
    sell(shop, 1)  # now another record stands where the stick ends
    assert second.copy() is CopyState.DIFFERS
    assert "another" in said[-1]


@pytest.mark.parametrize("kept", [0, 1])
def test_a_stick_whose_newest_record_was_deleted_here_as_too_old_is_known(
    shop: Shop, plug: Callable[..., SecondMedium], kept: int
) -> None:
    """``kept`` 0: an earlier version deleted all of a chain, the newest record with it."""
    said: list[str] = []
    sell(shop, 3)
    assert plug(differing=said.append).copy() is CopyState.GOOD  # ends at 1/4
    shop.store.use_second_copy(NoSecondCopy())
    sell(shop, kept)
    with shop.store.writing() as connection:
        connection.execute(delete(outbox))
        connection.execute(delete(sale).where(sale.c.seq <= 4))
        last = connection.execute(select(journal.c.hash).where(journal.c.seq == 4)).scalar_one()
        connection.execute(delete(journal).where(journal.c.seq <= 4))
        set_mark(connection, Mark.PRUNED, ChainHead(1, 4, last))
    assert plug(differing=said.append).copy() is not CopyState.DIFFERS
    assert said == []
    if kept:
        return  # the stick ends with what is kept now
    with shop.store.writing() as connection:
        set_mark(connection, Mark.PRUNED, ChainHead(1, 4, "ff" * 32))
    assert plug(differing=said.append).copy() is CopyState.DIFFERS
    assert "1/4" in said[0]
