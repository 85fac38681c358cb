"""Practice at a till that runs as a program of its own: whatever is pressed there, nothing counts."""

import json
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import urllib3

from drivers.simulated.scanner import SimulatedScanner
from protocol.codes import parse_code, parse_payload, signature_problem
from protocol.documents import DocumentKind, DocumentProblem, SignedDocument, open_document
from protocol.journal import RecordProblem, SignedRecord, open_record
from protocol.reasons import DeclineReason
from tests.support.running_till import HEADERS, RunningTill
from tests.support.shop import (
    CARD_ISSUER,
    ROOT,
    SLOT_ISSUER,
    TAG,
    TERMINAL_KEY,
    slot_text,
)

COMES_WITHIN_S = 15.0


class CountingPrinter:
    """Takes every connection at a real port, and counts what comes."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.received = 0
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._count, args=(connection,), daemon=True).start()

    def _count(self, connection: socket.socket) -> None:
        with connection:
            while piece := connection.recv(4096):
                self.received += len(piece)

    def close(self) -> None:
        self._listener.close()


class Page:
    """One open page of the till: it knows the mode that it was loaded in, as the browser's does."""

    def __init__(self, till: RunningTill) -> None:
        self._till = till
        self.load()

    def load(self) -> str:
        with self._pool() as pool:
            html = pool.request("GET", "/").data.decode()
        self.mode = html.partition('data-mode="')[2].partition('"')[0]
        return html

    def read(self, path: str = "/more/practice") -> str:
        with self._pool() as pool:
            return pool.request("GET", path).data.decode()

    def press(self, path: str, expected: int = 200, **body: object) -> Any:
        headers = {**HEADERS, "X-Huidian-Mode": self.mode}
        with self._pool() as pool:
            answer = pool.request("POST", path, body=json.dumps(body).encode(), headers=headers)
        assert answer.status == expected, (path, answer.status, answer.data.decode())
        return json.loads(answer.data)

    def view(self) -> Any:
        return json.loads(self.read("/api/view"))

    def enter(self) -> None:
        assert self.press("/practice/enter")["go"] == "/"
        self.load()

    def leave(self) -> None:
        assert self.press("/practice/leave")["go"] == "/"
        self.load()

    def _pool(self) -> urllib3.HTTPConnectionPool:
        return urllib3.HTTPConnectionPool("127.0.0.1", self._till.port, retries=False, timeout=20)


@pytest.fixture
def printer() -> Iterator[CountingPrinter]:
    made = CountingPrinter()
    yield made
    made.close()


@contextmanager
def running(folder: Path, **settings: str | int) -> Iterator[RunningTill]:
    till = RunningTill(folder, **settings)
    till.enrol()
    till.start()
    try:
        yield till
    finally:
        till.end()


def sell(page: Page, resident: str | None = None) -> Any:
    """Two buns, with or without points; the screen of the completed sale."""
    screen = page.press("/api/item", item_id="bun", quantity="2")
    if resident is not None:
        page.press("/practice/show", resident=resident)
        screen = page.view()
        assert screen["state"] == "authorised", screen["notice_text"]
    paid = screen["payment"]
    screen = page.press(
        "/api/complete", sale_id=screen["sale_id"], points=paid["points"], cash_fen=paid["cash_fen"]
    )
    assert screen["state"] == "captured", screen["notice_text"]
    return screen


def shops_tables(till: RunningTill) -> dict[str, list[tuple[object, ...]]]:
    """Everything in the shop's own database, but how far its own worker has checked the chain."""
    path = till.data_dir / "terminal.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        names = database.execute("select name from sqlite_master where type = 'table'").fetchall()
        return {name: database.execute(f'select * from "{name}"').fetchall() for (name,) in names}


def test_nothing_of_a_practice_comes_to_the_shops_books_or_to_its_printer(
    tmp_path: Path, printer: CountingPrinter
) -> None:
    with running(
        tmp_path, printer=f"escpos+tcp://127.0.0.1:{printer.port}?status=mute", drawer=True
    ) as till:
        page = Page(till)
        before, printed = shops_tables(till), printer.received
        page.enter()
        receipt = sell(page)["completed"]["receipt_no"]
        with_points = sell(page, "enough")["completed"]
        assert receipt.startswith("LX-")
        assert (with_points["points"], with_points["balance_before_points"]) == (10, 5_000)
        page.press("/api/refund", receipt_no=receipt, reason="拿错了")
        void = page.press("/api/refund", receipt_no=with_points["receipt_no"], reason="按错")
        assert void["notice"]["code"] in {"refunded", "voided"}, void["notice_text"]
        page.press("/api/reprint", receipt_no=receipt)
        page.press("/more/shift/x")
        page.press("/more/shift/close", z_no="1", cash="0", wechat="", alipay="", other="",
                   elsewhere=False)  # fmt: skip
        papers = page.read()
        assert "Z 报表" in papers
        assert "5000 积分" in papers
        assert papers.count("练习 PRACTICE") >= 2 * 5
        assert page.view()["untold"] == 0
        page.leave()
        assert shops_tables(till) == before
        assert printer.received == printed
        assert "practice-band" not in page.load()
        # The counter counts, and the till sells on: with a number that practice did not take.
        assert sell(page)["completed"]["receipt_no"] == "T0001-000001"
        deadline_s = time.monotonic() + COMES_WITHIN_S
        while printer.received <= printed:
            assert time.monotonic() < deadline_s, till.log.read_text()
            time.sleep(0.02)
        assert shops_tables(till) != before


def test_a_press_on_a_page_that_was_left_open_counts_at_neither_till(tmp_path: Path) -> None:
    with running(tmp_path) as till:
        page, left_open = Page(till), Page(till)
        page.enter()
        refused = left_open.press("/api/item", 409, item_id="bun", quantity="1")
        assert refused["problem"] == "other_mode"
        assert "已经换到练习" in refused["says"]
        assert page.view()["lines"] == []
        left_open.load()
        page.press("/api/item", item_id="bun", quantity="1")
        page.leave()
        refused = left_open.press("/api/item", 409, item_id="bun", quantity="1")
        assert "练习已经结束" in refused["says"]
        assert page.view()["lines"] == []
        # Nor at the practice after that, which is another one.
        page.enter()
        left_open.press("/api/item", 409, item_id="bun", quantity="1")
        assert page.view()["lines"] == []


def test_a_pushed_screen_ends_with_the_till_that_it_is_of(tmp_path: Path) -> None:
    """A page that only listens would otherwise go on to show the till that is off."""
    with running(tmp_path) as till:
        page = Page(till)
        with urllib3.HTTPConnectionPool("127.0.0.1", till.port, timeout=10) as pool:
            pushed = pool.request("GET", "/api/events", preload_content=False)
            assert pushed.read1(64).startswith(b"event: screen")
            page.enter()
            while pushed.read1(65536):
                pass
        boots = [page.view()["boot"]]
        page.leave()
        assert page.view()["boot"] != boots[0]


def test_nobody_practises_while_a_sale_lies_on_the_desk(tmp_path: Path) -> None:
    with running(tmp_path) as till:
        page = Page(till)
        assert 'href="/more/practice"' in page.read("/more")
        page.press("/api/item", item_id="bun", quantity="2")
        refused = page.press("/practice/enter")
        assert (refused["go"], refused["level"]) == ("", "refused")
        assert "先把这一单做完" in refused["next"]
        assert page.mode == "shop"
        assert len(page.view()["lines"]) == 1
        sell(page)
        page.enter()  # what was completed lies there no longer
        assert page.mode.startswith("practice-")


def test_a_start_is_always_at_the_shops_till(tmp_path: Path) -> None:
    with running(tmp_path) as till:
        page = Page(till)
        page.enter()
        sell(page)
        till.kill()
        till.start()
        assert "practice-band" not in page.load()
        assert page.mode == "shop"
        assert json.loads(page.read("/api/sales"))["sales"] == []
        page.enter()  # over what the practice before left behind
        assert json.loads(page.read("/api/sales"))["sales"] == []


def test_the_scanner_reads_for_the_till_that_is_on(tmp_path: Path) -> None:
    with (
        closing(SimulatedScanner(tmp_path / "scanner")) as scanner,
        running(tmp_path, scanner=f"scanner+serial://{tmp_path}/scanner?baud=9600") as till,
    ):
        page = Page(till)
        page.enter()
        scanner.scan("6900000000014")
        deadline_s = time.monotonic() + COMES_WITHIN_S
        while not page.view()["lines"]:
            assert time.monotonic() < deadline_s, till.log.read_text()
            time.sleep(0.05)
        scanner.scan(slot_text(starts_at=datetime.now(UTC) - timedelta(minutes=1)))
        while "真的居民码" not in page.view()["notice_text"]:
            assert time.monotonic() < deadline_s, page.view()["notice_text"]
            time.sleep(0.05)
        shown = page.view()
        assert shown["state"] == "open"
        assert "真的居民码" in shown["notice_text"]
        page.leave()
        assert page.view()["lines"] == []


def test_a_residents_own_code_is_refused_in_practice_and_kept_nowhere(tmp_path: Path) -> None:
    code = slot_text(starts_at=datetime.now(UTC) - timedelta(minutes=1))
    with running(tmp_path) as till:
        page = Page(till)
        page.enter()
        page.press("/api/item", item_id="bun", quantity="2")
        shown = page.press("/api/scan", text=code)
        assert (shown["state"], shown["notice"]["code"]) == ("open", "practice_real_code")
        page.press("/practice/show", resident="banned")
        assert "暂停" in page.view()["notice_text"]
        page.press("/practice/show", resident="few")
        assert page.view()["payment"]["points"] == 3
        page.press("/api/back")
        read = parse_code(code)
        assert read is not None
        kept = b"".join(x.read_bytes() for x in (till.data_dir / "practice").iterdir())
        assert read.payload not in kept
        assert read.payload.hex().encode() not in kept
        assert code.encode() not in kept


def test_no_key_of_the_pool_takes_anything_that_practice_made(tmp_path: Path) -> None:
    with running(tmp_path) as till:
        page = Page(till)
        page.enter()
        sell(page, "enough")
        path = till.data_dir / "practice" / "practice.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            records = database.execute("select body, signature from journal").fetchall()
            documents = database.execute("select kind, body, signature from document").fetchall()
    assert len(records) >= 2
    assert {kind for kind, *_ in documents} >= {"policy", "catalogue"}
    for body, signature in records:
        record = SignedRecord(body=body, signature=signature)
        assert open_record(record, TERMINAL_KEY.public_key(), "T0001") is (
            RecordProblem.FOREIGN_TERMINAL
        )
        assert open_record(record, TERMINAL_KEY.public_key(), "LX") is RecordProblem.BAD_SIGNATURE
    assert any(json.loads(body)["happening"].get("practice") is True for body, _ in records)
    for kind, body, signature in documents:
        signed = SignedDocument(kind=DocumentKind(kind), body=body, signature=signature)
        assert open_document(signed, ROOT.public_key(), TAG) is DocumentProblem.BAD_SIGNATURE
    sold = next(
        each for body, _ in records if (each := json.loads(body)["happening"]).get("evidence")
    )
    code = parse_payload(bytes.fromhex(sold["evidence"]["payload_hex"]))
    assert code is not None
    keys = {1: CARD_ISSUER.public_key(), 2: SLOT_ISSUER.public_key()}
    refused = signature_problem(code, keys, TAG)
    assert refused is not None
    assert refused.reason is DeclineReason.CODE_FORGED
    assert not list((till.data_dir / "practice").glob("*.key"))
