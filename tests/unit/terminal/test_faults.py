"""Disks that fail, documents that change meanwhile, second programs: what is shown stays true."""

import logging
import resource
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import text

from protocol.documents import Catalogue, Item
from protocol.journal import MAX_RECORD_BYTES, Envelope, decode_happening
from protocol.sales import ReversalReason, SaleCaptured, SaleReversed
from terminal.checkout.last_run import LastRunDesk
from terminal.checkout.view import TillView
from terminal.domain.last_run import Ended
from terminal.domain.notice import NoticeCode
from terminal.domain.ports import StoreFaultError, Unreachable, UnreachableReason
from terminal.store.disk import PRAGMAS
from terminal.store.draft import DraftFile
from terminal.store.identity import load_identity, save_identity, save_key, write_durably
from terminal.store.lock import DataInUseError, DataLock
from tests.support.shop import (
    ITEMS,
    NOON,
    TERMINAL_KEY,
    ZHANG,
    Shop,
    directory,
    policy,
    slot_text,
)


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """No file may grow past what is there now, as on a full disk."""
    largest = max(file.stat().st_size for file in path.iterdir())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def fill(shop: Shop) -> None:
    """Fill what the write-ahead log has room for, until the disk takes nothing more."""
    for _ in range(500):
        try:
            with shop.store.writing() as connection:
                connection.execute(
                    text("insert into counter (name, value) values (hex(randomblob(8)), 1)")
                )
        except StoreFaultError:
            return
    pytest.fail("the disk never was full")


def notice(shop: Shop) -> str | None:
    shown = shop.page.view().notice
    return shown.code if shown else None


def captured(shop: Shop) -> list[SaleCaptured]:
    found = []
    for untold in shop.outbox.next_batch():
        envelope = msgspec.json.decode(untold.record.body, type=Envelope)
        happening = decode_happening(envelope.happening)
        if isinstance(happening, SaleCaptured):
            found.append(happening)
    return found


def ready(shop: Shop, points: int = 71) -> TillView:
    """A basket of 7.10 yuan with points approved for it."""
    for _ in range(5):
        shop.till.add_item("bun")
    shop.till.add_item("greens")
    shop.pool.approve(points, 100)
    shop.till.scan(slot_text())
    return shop.page.view()


def broken(*_arguments: object) -> None:
    raise StoreFaultError("disk I/O error")


def test_the_disk_is_asked_to_keep_every_commit(shop: Shop) -> None:
    with shop.store.reading() as connection:
        found = {name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in PRAGMAS}
    assert (found["journal_mode"], found["synchronous"]) == ("wal", 2)


def test_a_full_disk_completes_nothing_and_the_same_press_works_when_there_is_room(
    shop: Shop,
) -> None:
    view = ready(shop)
    sale_id = shop.till.snapshot()[0].sale_id
    with full_disk(shop.path):
        fill(shop)
        shop.till.complete(sale_id)
        assert notice(shop) == NoticeCode.STORE_FAULT
        assert shop.page.view().completed is None
        shop.till.go_back()
        assert (notice(shop), shop.page.view().state) == (NoticeCode.STORE_FAULT, "authorised")
        assert captured(shop) == []
    shop.till.complete(sale_id)
    done = shop.page.view().completed
    assert done is not None
    assert done.receipt_no == "T0001-000001"
    assert [str(x.sale_id) for x in captured(shop)] == [view.sale_id]


def test_a_full_disk_asks_nobody(shop: Shop) -> None:
    shop.till.add_item("bun")
    with full_disk(shop.path):
        fill(shop)
        shop.till.scan(slot_text())
    assert (notice(shop), shop.page.view().state) == (NoticeCode.STORE_FAULT, "open")
    assert shop.pool.asked == []


def test_a_disk_that_fails_while_the_terminal_stands_in_does_not_leave_the_till_waiting(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.till.add_item("bun")
    shop.pool.answers.append(Unreachable(UnreachableReason.TIMED_OUT))
    with monkeypatch.context() as patch:
        patch.setattr(shop.store, "exposure", broken)
        shop.till.scan(slot_text())
    view = shop.page.view()
    assert (notice(shop), view.state, len(view.lines)) == (NoticeCode.STORE_FAULT, "open", 1)
    shop.pool.approve(5, 100)
    shop.till.scan(slot_text())
    shop.till.complete(shop.till.snapshot()[0].sale_id)
    assert shop.page.view().completed is not None


def test_a_sale_that_the_disk_failed_under_is_not_taken_for_the_last_one(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its basket is sold as another sale; a power cut then must not say that this one failed:
    the goods would be sold, and paid for, a second time.
    """
    shop.till.add_item("bun")
    shop.pool.answers.append(Unreachable(UnreachableReason.TIMED_OUT))
    with monkeypatch.context() as patch:
        patch.setattr(shop.store, "exposure", broken)
        shop.till.scan(slot_text())
    (given_up,) = shop.store.unfinished()
    shop.till.complete(shop.till.snapshot()[0].sale_id)
    sold = shop.page.view().completed
    assert sold is not None
    kept = DraftFile(shop.path)
    shop.store.close()
    shop.open()
    last_run = LastRunDesk(shop.store, shop.clock, kept)
    last_run.look()
    shop.till.start("test")
    shown = last_run.shown()
    assert shown is not None
    assert (shown.ended, shown.receipt_no) == (Ended.COMPLETED, sold.receipt_no)
    assert notice(shop) == NoticeCode.LAST_COMPLETED
    assert shop.store.unfinished() == []
    happenings = [
        decode_happening(msgspec.json.decode(x.record.body, type=Envelope).happening)
        for x in shop.outbox.next_batch()
    ]
    assert SaleReversed(sale_id=given_up.sale_id, reason=ReversalReason.INTERRUPTED) in happenings


def test_what_the_log_says_of_a_failed_disk_holds_nothing_of_the_sale(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    view = ready(shop)
    account = shop.pool.asked[0].evidence
    with full_disk(shop.path):
        fill(shop)
        try:
            with shop.store.working() as work:
                work.save_sale(shop.store.unfinished()[0])
        except StoreFaultError:
            logging.getLogger("test").exception("as a worker logs it")
    assert "Traceback" in caplog.text
    for kept in (view.sale_id, slot_text(), str(account), ZHANG):
        assert kept not in caplog.text


def test_an_item_scanned_between_looking_and_pressing_is_not_sold_unseen(shop: Shop) -> None:
    shop.till.add_item("bun")
    sale_id = shop.till.snapshot()[0].sale_id
    shop.till.scan("6900000000014")
    shop.till.complete(sale_id, 0, 50)
    assert notice(shop) == NoticeCode.OTHER_SALE
    assert captured(shop) == []
    shop.till.complete(sale_id, 0, 100)
    assert [x.payment.cash_fen for x in captured(shop)] == [100]


def test_a_policy_that_comes_before_the_press_is_looked_at_first(shop: Shop) -> None:
    before = ready(shop).payment
    assert before is not None
    assert (before.points, before.cash_fen) == (71, 0)
    shop.take(msgspec.structs.replace(policy(version=2), fen_per_point=5))
    sale_id = shop.till.snapshot()[0].sale_id
    shop.till.complete(sale_id, before.points, before.cash_fen)
    assert notice(shop) == NoticeCode.OTHER_SALE
    assert captured(shop) == []
    now = shop.page.view().payment
    assert now is not None
    assert (now.points, now.cash_fen) == (71, 355)
    shop.till.complete(sale_id, now.points, now.cash_fen)
    assert [x.payment.cash_fen for x in captured(shop)] == [355]


def test_a_policy_under_which_fewer_points_pay_takes_no_more_than_those(shop: Shop) -> None:
    ready(shop)
    shop.take(msgspec.structs.replace(policy(version=2), fen_per_point=20))
    now = shop.page.view().payment
    assert now is not None
    assert (now.points, now.cash_fen, now.waived_fen) == (35, 0, 10)
    shop.till.complete(shop.till.snapshot()[0].sale_id, 35, 0)
    assert [x.payment.points_for_money for x in captured(shop)] == [35]


def test_the_allowance_and_what_was_taken_of_it_are_of_one_directory(shop: Shop) -> None:
    """A directory that comes between reading the two must not hide what was taken."""
    ready(shop)
    shop.till.complete(shop.till.snapshot()[0].sale_id)
    with shop.store.writing() as connection:
        connection.execute(text("delete from outbox"))  # all told
    old = shop.store.documents()
    shop.take(directory(version=2, made_at=NOON.replace(hour=5)))
    assert old.directory is not None
    assert shop.store.exposure(ZHANG, old.directory.made_at).resident_points == 71
    assert shop.store.exposure(ZHANG, NOON.replace(hour=5)).resident_points == 0


def test_a_sale_too_large_for_the_journal_is_refused_before_it_is_done(shop: Shop) -> None:
    """What the server would not take as a record would stand in the way of all behind it."""
    long = "超" * 80
    items = tuple(
        Item(
            item_id=f"{number:03d}" + "x" * 77, name=long, name_en="x", category=long, unit=long,
            barcode=f"{number:013d}", price_fen=1,
        )
        for number in range(200)
    )  # fmt: skip
    shop.take(Catalogue(version=2, made_at=NOON, items=(*ITEMS, *items)))
    for item in items:
        shop.till.add_item(item.item_id)
    shop.till.complete(shop.till.snapshot()[0].sale_id)
    assert notice(shop) == NoticeCode.BASKET_TOO_LARGE
    for line_no in range(60, 201):
        shop.till.set_quantity(line_no, 0)
    shop.till.complete(shop.till.snapshot()[0].sale_id)
    assert [x.receipt_no for x in captured(shop)] == ["T0001-000001"]
    assert all(len(x.record.body) <= MAX_RECORD_BYTES for x in shop.outbox.next_batch())


def test_a_second_program_on_the_same_data_is_refused(tmp_path: Path) -> None:
    first = DataLock(tmp_path)
    with pytest.raises(DataInUseError, match="已在运行"):
        DataLock(tmp_path)
    first.close()
    DataLock(tmp_path).close()
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "terminal.key"
    write_durably(path, b"the old key")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
    try:
        with pytest.raises(OSError, match="large"):
            write_durably(path, b"k" * 64)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == b"the old key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("damage", ["no key", "half a key", "half an identity", "not JSON"])
def test_identity_files_that_cannot_be_read_are_named(
    shop: Shop, tmp_path: Path, damage: str
) -> None:
    folder = tmp_path / "identity"
    folder.mkdir()
    assert load_identity(folder) is None
    save_key(folder, TERMINAL_KEY)
    save_identity(folder, shop.identity)
    key, identity = folder / "terminal.key", folder / "terminal.json"
    match damage:
        case "no key":
            key.unlink()
        case "half a key":
            key.write_bytes(key.read_bytes()[:10])
        case "half an identity":
            identity.write_text('{"terminal":"T1"}')
        case _:
            identity.write_bytes(b"\xff\x00")
    with pytest.raises(ValueError, match=r"terminal\.(key|json)"):
        load_identity(folder)


def waiting(meet: threading.Barrier) -> None:
    meet.wait(5)


def test_a_cancel_and_an_answer_at_the_same_moment_give_one_outcome(shop: Shop) -> None:
    """Whichever is first: a sale is reversed once or held, never both."""
    for _ in range(20):
        shop.till.add_item("bun")
        meet = threading.Barrier(2)
        shop.pool.while_asking = partial(waiting, meet)
        shop.pool.approve(5, 100)
        asking = threading.Thread(target=shop.till.scan, args=(slot_text(),))
        asking.start()
        meet.wait(5)
        shop.till.clear()
        asking.join(5)
        shop.till.clear()
    reversed_ = []
    for untold in shop.outbox.next_batch():
        envelope = msgspec.json.decode(untold.record.body, type=Envelope)
        happening = decode_happening(envelope.happening)
        if isinstance(happening, SaleReversed):
            reversed_.append(happening.sale_id)
    assert sorted(reversed_) == sorted(x.sale_id for x in shop.pool.asked)
    assert len(set(reversed_)) == 20


@pytest.mark.parametrize(
    "name",
    ["journal_mode", "synchronous", "foreign_keys", "busy_timeout", "temp_store"],
)
def test_a_disk_that_does_not_do_what_was_asked_is_not_sold_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The pragmas are read back: another answer than the safe one, and there is no store."""
    asked = {
        "journal_mode": "DELETE",
        "synchronous": "NORMAL",
        "foreign_keys": "OFF",
        "busy_timeout": "7",
        "temp_store": "FILE",
    }
    monkeypatch.setitem(PRAGMAS, name, (asked[name], PRAGMAS[name][1]))
    with pytest.raises(StoreFaultError, match=name):
        Shop(tmp_path)


def test_a_connection_that_is_opened_later_is_read_back_as_the_first_was(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a fault the till writes on another connection: on an unsafe one it sells nothing."""
    ready(shop)
    sale_id = shop.till.snapshot()[0].sale_id
    safe = PRAGMAS["synchronous"]
    shop.store.close()  # every connection goes; the next step opens one
    monkeypatch.setitem(PRAGMAS, "synchronous", ("NORMAL", safe[1]))
    shop.till.complete(sale_id)
    monkeypatch.setitem(PRAGMAS, "synchronous", safe)
    assert notice(shop) == NoticeCode.STORE_FAULT
    assert captured(shop) == []
    shop.till.complete(sale_id)
    assert [x.sale_id for x in captured(shop)] == [sale_id]
