"""An old image of the card, and the stick that knows more: what is missing comes back, once."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from sqlalchemy import select

from protocol.sales import SaleCaptured
from terminal.domain.notice import NoticeCode
from terminal.domain.second_copy import CopyState, NoSecondCopy
from terminal.pool.link import PoolLink
from terminal.shifts.shifts import Counted
from terminal.store.chain_check import ChainCheck, Mark, set_mark
from terminal.store.epochs import enter_epoch, head_in
from terminal.store.quarantine import Quarantine
from terminal.store.sealer import ChainHead
from terminal.store.second_medium import SecondMedium
from terminal.store.stick import FOLDER, Stick, StickLine
from terminal.store.tables import journal, outbox, print_job, refund, sale, z_report
from terminal.workers.sync import IDLE_S, SyncRound
from tests.support.running_till import RunningTill, open_store
from tests.support.shop import NOON, ROOT, TAG, TERMINAL_KEY, Shop, card_text, slot_text
from tests.unit.terminal.test_awarding import PIN, awards, given
from tests.unit.terminal.test_new_epoch import Server, sell

OTHER_FILE_SYSTEM = Path("/dev/shm")
LIMIT_S = 5.0
NEVER_S = 3600.0
REMADE = {
    "sale": {"opened_at", "approved_at", "balance_points", "decline_reason"},
    "journal": {"told_at", "outcome", "says"},
}
"""What no record holds, or the server says anew."""


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(dir=OTHER_FILE_SYSTEM, prefix="huidian-stick-"))
    if folder.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one file system only")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


class Machine:
    """The shop's terminal with its stick, and images of its card."""

    def __init__(self, shop: Shop, mount: Path, images: Path) -> None:
        self.shop, self.mount, self.images = shop, mount, images
        self.said: list[str] = []
        self.came_back: list[int] = []
        self._second: SecondMedium | None = None

    def plug(self) -> CopyState:
        stick = Stick(self.mount, terminal="T0001", own_storage=self.shop.path)
        self._second = SecondMedium(
            stick,
            self.shop.store,
            limit_s=LIMIT_S,
            look_again_s=NEVER_S,
            differing=self.said.append,
            read_back=self.came_back.append,
        )
        state = self._second.copy()
        while state is CopyState.BEHIND:
            state = self._second.copy()
        self.shop.store.use_second_copy(self._second)
        return state

    def unplug(self) -> None:
        if self._second is not None:
            self._second.close()
            self._second = None
        self.shop.store.use_second_copy(NoSecondCopy())

    def take_image(self) -> None:
        with self.shop.store.engine.connect() as connection:
            connection.exec_driver_sql("pragma wal_checkpoint(truncate)")
        shutil.copy(self.shop.path / "terminal.db", self.images)

    def put_image_back(self) -> None:
        self.unplug()
        self.shop.store.close()
        for name in ("terminal.db-wal", "terminal.db-shm"):
            (self.shop.path / name).unlink(missing_ok=True)
        shutil.copy(self.images, self.shop.path / "terminal.db")
        self.shop.open()

    def rows(self) -> dict[str, list[dict[str, object]]]:
        """What the terminal knows, but for what cannot be known from records."""
        found = {}
        with self.shop.store.reading() as connection:
            for table in (journal, sale, refund, z_report):
                skipped = REMADE.get(table.name, set())
                columns = [each for each in table.c if each.name not in skipped]
                order = table.primary_key.columns
                rows = connection.execute(select(*columns).order_by(*order)).mappings()
                found[table.name] = [dict(row) for row in rows]
        return found

    def untold(self) -> list[tuple[int, int]]:
        with self.shop.store.reading() as connection:
            found = connection.execute(select(outbox.c.epoch, outbox.c.seq)).all()
        return sorted((row.epoch, row.seq) for row in found)

    def is_whole(self) -> bool:
        check = ChainCheck(self.shop.store, TERMINAL_KEY.public_key(), "T0001")
        return check.whole().broken is None


@pytest.fixture
def machine(shop: Shop, mount: Path, tmp_path: Path) -> Iterator[Machine]:
    made = Machine(shop, mount, tmp_path / "image.db")
    assert made.plug() is CopyState.GOOD
    yield made
    made.unplug()


def sync_with(shop: Shop, server: Server) -> None:
    sync = SyncRound(
        store=shop.store,
        outbox=shop.outbox,
        link=cast("PoolLink", server),
        clock=shop.clock,
        changes=shop.changes,
        root_key=ROOT.public_key(),
        tag=TAG,
        pool=shop.identity.pool,
        stop_selling=pytest.fail,
    )
    assert sync() == IDLE_S


def bring_back_and_close(shop: Shop) -> None:
    """A refund of a part, one of a whole sale, and a Z report."""
    newest, one_before = (each.row.receipt_no for each in shop.store.recent_sales(2))
    assert newest is not None
    assert one_before is not None
    shop.returns.refund(newest, wanted={1: 1000}, reason="不要了")
    shop.returns.refund(one_before, wanted={1: 1000}, reason="不要了")
    shop.shifts.close(shop.shifts.next_z_no(), Counted(cash_fen=None, others_fen={}))


def test_what_the_card_lost_comes_back_from_the_stick(machine: Machine) -> None:
    shop = machine.shop
    sell(shop, 2)
    machine.take_image()
    shop.till.add_item("bun")
    shop.till.add_item("bun")
    shop.till.complete(shop.till.snapshot()[0].sale_id)
    sell(shop)
    bring_back_and_close(shop)
    sell(shop)
    before = machine.rows()
    machine.put_image_back()
    assert machine.rows() != before
    assert machine.plug() is CopyState.GOOD
    assert machine.said == []
    assert machine.rows() == before
    assert machine.came_back == [len(before["journal"]) - 3]
    assert machine.is_whole()
    assert machine.untold() == [(row["epoch"], row["seq"]) for row in before["journal"]]
    # And it goes on: no number is given twice, the next Z report follows the last.
    sell(shop)
    newest = shop.store.recent_sales(1)[0].row.receipt_no
    assert newest == "T0001-000008"
    assert shop.shifts.next_z_no() == 2
    assert shop.shifts.now().figures.sales == 2


def test_the_server_is_told_what_came_back_and_nothing_twice(machine: Machine) -> None:
    shop, server = machine.shop, Server()
    sell(shop, 2)
    machine.take_image()
    sell(shop, 2)
    ids = {each.row.sale_id for each in shop.store.recent_sales(9)}
    machine.put_image_back()
    machine.plug()
    sync_with(shop, server)
    assert sorted(server.sales()) == sorted(str(each) for each in ids)
    assert machine.untold() == []


def test_an_image_from_before_the_last_start_takes_back_both_epochs(machine: Machine) -> None:
    """What was never told stands in both epochs, and counts once."""
    shop = machine.shop
    sell(shop, 3)
    machine.take_image()
    sell(shop)
    told = head_in(shop.store)
    with shop.store.writing() as connection:  # the server has the first three records of them
        connection.exec_driver_sql("delete from outbox where seq <= 2")
        connection.exec_driver_sql("update journal set told_at='x', outcome='posted' where seq<=2")
        closed = connection.execute(select(journal.c.hash).where(journal.c.seq == 2)).scalar_one()
    assert enter_epoch(shop.store, 2, type(told)(1, 2, closed), NOON, anew=False) == ""
    sell(shop)
    bring_back_and_close(shop)
    before, figures = machine.rows(), shop.shifts.now().figures
    moved = _moved(machine)
    assert moved == [(1, 3), (1, 4), (1, 5)]
    machine.put_image_back()
    assert machine.plug() is CopyState.GOOD, machine.said
    assert machine.rows() == before
    assert _moved(machine) == moved
    assert shop.store.epoch == 2
    assert shop.shifts.now().figures == figures
    untold = machine.untold()
    assert set(moved) & set(untold) == set()
    assert untold[-1][0] == 2
    assert machine.is_whole()


def _moved(machine: Machine) -> list[tuple[int, int]]:
    with machine.shop.store.reading() as connection:
        rows = connection.execute(
            select(journal.c.epoch, journal.c.seq).where(journal.c.outcome == "moved")
        ).all()
    return sorted((row.epoch, row.seq) for row in rows)


def alter(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"seq":5', b'"seq":6'))


def swap(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:4], lines[5], lines[4], *lines[6:]]))


def lose_one(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:4], *lines[5:]]))


@pytest.mark.parametrize("spoil", [alter, swap, lose_one])
def test_a_stick_that_was_spoilt_changes_nothing_and_stops_the_till(
    machine: Machine, mount: Path, spoil: Callable[[Path], None]
) -> None:
    sell(machine.shop, 2)
    machine.take_image()
    sell(machine.shop, 4)
    machine.put_image_back()
    before = machine.rows()
    spoil(mount / FOLDER / "T0001-0001.jsonl")
    assert machine.plug() is CopyState.DIFFERS
    assert machine.said
    assert machine.came_back == []
    assert machine.rows() == before
    assert machine.shop.store.epoch == 1


def test_a_torn_last_line_leaves_what_is_whole(machine: Machine, mount: Path) -> None:
    sell(machine.shop, 2)
    machine.take_image()
    sell(machine.shop, 4)
    machine.put_image_back()
    path = mount / FOLDER / "T0001-0001.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    assert machine.plug() is CopyState.GOOD
    assert machine.came_back == [3]
    assert machine.is_whole()


def test_a_card_that_sold_meanwhile_is_not_mixed_with_the_stick(machine: Machine) -> None:
    sell(machine.shop, 2)
    machine.take_image()
    sell(machine.shop, 2)
    machine.put_image_back()
    sell(machine.shop)
    before = machine.rows()
    assert machine.plug() is CopyState.DIFFERS
    assert machine.rows() == before


def test_a_chain_whose_records_are_all_deleted_goes_on_where_it_ended(shop: Shop) -> None:
    """An earlier version deleted the newest record too, as old as the others."""
    sell(shop, 2)
    head = head_in(shop.store)
    with shop.store.writing() as connection:
        for table in (outbox, sale, print_job, journal):
            connection.execute(table.delete())
        set_mark(connection, Mark.PRUNED, head)
    sell(shop)
    assert head_in(shop.store).seq == head.seq + 1
    check = ChainCheck(shop.store, TERMINAL_KEY.public_key(), "T0001")
    assert check.whole().broken is None
    assert check.at_boot() is None


def test_a_real_terminal_with_an_old_card_starts_with_everything_it_sold(
    tmp_path: Path, mount: Path
) -> None:
    till = RunningTill(tmp_path, second_medium=str(mount))
    till.enrol()
    try:
        till.start()
        _sell_at(till, 2)
        till.stop()
        image = tmp_path / "image"
        shutil.copytree(till.data_dir, image)
        till.start()
        _sell_at(till, 3)
        shown = till.ask("GET", "/api/sales")["sales"]
        till.kill()
        shutil.rmtree(till.data_dir)
        shutil.copytree(image, till.data_dir)
        till.start()
        again = till.ask("GET", "/api/sales")["sales"]
        assert [x["receipt_no"] for x in again] == [x["receipt_no"] for x in shown]
        assert len(again) == 5
        _sell_at(till, 1)
        till.stop()
        assert Quarantine(till.data_dir).read() is None
        assert "没有发现问题" in till.run("diagnose").stdout
    finally:
        till.end()
    store = open_store(till.data_dir)
    found = store.captured("T0001-000005")
    assert found is not None
    assert isinstance(found[1], SaleCaptured)
    assert isinstance(found[1].sale_id, UUID)
    store.close()


def _sell_at(till: RunningTill, times: int) -> None:
    for _ in range(times):
        screen = till.ask("POST", "/api/item", item_id="bun")
        done = till.ask("POST", "/api/complete", sale_id=screen["sale_id"])
        assert done["completed"] is not None


@pytest.fixture
def counter(machine: Machine) -> Shop:
    """A worker of the pool is signed in, and one sale is on the card and on the stick."""
    shop = machine.shop
    shop.take(awards())
    shop.staff.sign_in("worker:w-1", PIN)
    sell(shop, 1)
    return shop


def test_an_award_that_moved_into_a_later_epoch_is_known_as_moved(
    machine: Machine, counter: Shop
) -> None:
    counter.awarding.choose("patrol", "")
    assert counter.awarding.show_text(slot_text()).code is NoticeCode.AWARDED
    machine.take_image()
    with counter.store.writing() as connection:
        two = select(journal.c.hash).where(journal.c.seq == 2)
        closed = ChainHead(1, 2, connection.execute(two).scalar_one())
        connection.execute(outbox.delete().where(outbox.c.seq <= 2))
        connection.execute(
            journal.update().where(journal.c.seq <= 2).values(told_at="x", outcome="posted")
        )
    assert enter_epoch(counter.store, 2, closed, NOON, anew=False) == ""
    sell(counter)
    before, moved = machine.rows(), _moved(machine)
    machine.put_image_back()
    assert machine.plug() is CopyState.GOOD
    assert machine.rows() == before
    assert _moved(machine) == moved
    assert len(counter.awarding.recent()) == 1


def test_an_event_goes_on_with_those_who_had_signed_in(machine: Machine, counter: Shop) -> None:
    machine.take_image()
    counter.awarding.open_event("义诊", "patrol", with_exit=True)
    assert counter.awarding.show_text(slot_text()).code is NoticeCode.EVENT_ENTERED
    there = counter.store.attendance("2026-03-02:义诊")
    machine.put_image_back()
    assert machine.plug() is CopyState.GOOD
    assert counter.store.attendance("2026-03-02:义诊") == there
    counter.staff.sign_in("worker:w-1", PIN)
    counter.awarding.point_out(is_exit=True)
    assert counter.awarding.show_text(slot_text()).code is NoticeCode.EVENT_AWARDED
    counter.awarding.close_event()
    done = counter.store.attendance("2026-03-02:义诊")
    machine.put_image_back()
    assert machine.plug() is CopyState.GOOD
    assert counter.store.attendance("2026-03-02:义诊") == done
    assert counter.store.open_event() is None


def test_a_slips_number_is_given_once_and_a_code_is_used_once(
    machine: Machine, counter: Shop
) -> None:
    machine.take_image()
    counter.awarding.choose("patrol", "")
    counter.awarding.show_text(slot_text())
    machine.put_image_back()
    assert machine.plug() is CopyState.GOOD
    counter.staff.sign_in("worker:w-1", PIN)
    counter.awarding.choose("patrol", "")
    assert counter.awarding.show_text(card_text()).code is NoticeCode.AWARDED
    assert [each.slip_no for each in given(counter)] == ["T0001-J000001", "T0001-J000002"]


def test_a_start_waits_for_a_stick_that_is_slow_to_search(
    machine: Machine, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A customer does not; and what a start does not wait for comes back too late."""
    machine.take_image()
    sell(shop, 3)
    machine.put_image_back()
    searched = Stick.lines_after

    def slowly(stick: Stick, *given: Any, **named: Any) -> Iterator[StickLine]:
        time.sleep(0.3)
        return searched(stick, *given, **named)

    monkeypatch.setattr(Stick, "lines_after", slowly)
    stick = Stick(machine.mount, terminal="T0001", own_storage=shop.path)
    second = SecondMedium(
        stick, shop.store, limit_s=0.05, look_again_s=NEVER_S, read_back=machine.came_back.append
    )
    try:
        assert second.begin(10.0) is CopyState.GOOD
    finally:
        second.close()
    assert machine.came_back == [3]
