"""Whatever bytes come, no parser crashes, grows without limit, or depends on how they are cut.

HUIDIAN_FUZZ=1000000 for a long run. The simulated printer, its command table, the displays and the
keys of a scanner have theirs beside them.
"""

import contextlib
import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.cells import cells
from drivers.document import (
    Columns,
    Cut,
    Document,
    DocumentFormatError,
    Rule,
    Text,
    document_from_json,
    document_to_json,
    lay_out,
)
from drivers.document import Line as PaperLine
from drivers.escpos.answers import AnswerParser, AutoStatus, ProcessIdReply
from drivers.escpos.conversation import Timing
from drivers.escpos.encode import encode_document
from drivers.escpos.printer import EscposPrinter
from drivers.escpos.profile import PrinterProfile, usual_dots
from drivers.fonts import find_cjk_font
from drivers.heavy import painter_or_none
from drivers.ports import MAX_SCAN_CHARS, PrintResult, StatusLevel
from drivers.registry import DeviceUrlError, open_display, open_printer, open_scanner
from drivers.scanner.framing import Framed, Overflowed, ScanFramer
from drivers.simulated.display import DisplayReader
from drivers.transport.tcp import tcp_connector
from tests.support.fuzz import LIMIT_S, cut_up, streams
from tests.support.golden import on_paper
from tests.unit.drivers.conftest import utc_now

pytestmark = pytest.mark.timeout(LIMIT_S)
NASTY_NAMES = (
    "\x1bp\x00\x19\xfa开钱箱",
    "\x1b@\x1dV\x00切纸",
    "\x10\x14\x01\x00\x01实时",
    "馒头🍜🧧👨\u200d👩\u200d👧",
    "عربي مرحبا",
    "\u202e反过来的字\u202c",
    "䶮𠮷野家",
    "长" * 300,
    "A" * 300,
    "零\u200b宽\ufeff字符\ufe0f",
    "é̂̃̄ combining",
    "¥12.50 ￥12.50 \u00a0x",
    "\ud800",
    "",
    " ",
)


def test_a_printers_answers() -> None:
    seeds = (b"\x12\x12\x12", b"7\x220001\x00", b"\x10\x00\x0c\x00", b"\x00\x11\x13\xff")
    for number, data in enumerate(streams(seeds)):
        parser = AnswerParser()
        whole = parser.feed(data)
        assert len(parser._frame) < 8
        other = AnswerParser()
        assert [x for piece in cut_up(data, number) for x in other.feed(piece)] == whole
        for answer in whole:
            if isinstance(answer, ProcessIdReply):
                assert b"7\x22" + answer.mark + b"\x00" in data
            if isinstance(answer, AutoStatus):
                assert answer.frame in data


def test_a_scanners_bytes() -> None:
    seeds = (b"6900000000014\r\n", b"]Q1HD1:ABC\r", "原点\n".encode(), b"9" * 60)
    for number, data in enumerate(streams(seeds)):
        framer, other = ScanFramer(), ScanFramer()
        frames = framer.feed(data, 0.0)
        assert [x for piece in cut_up(data, number) for x in other.feed(piece, 0.0)] == frames
        for frame in (*frames, *framer.idle(1.0)):
            if isinstance(frame, Framed):
                assert 0 < len(frame.text) <= MAX_SCAN_CHARS
                assert not {"\r", "\n", "\x18"} & set(frame.text)
    endless = ScanFramer()
    for _ in range(100):
        assert endless.feed(b"7" * 10_000, 0.0) == []
    assert len(endless._bytes) <= MAX_SCAN_CHARS
    assert endless.feed(b"\r", 0.0) == [Overflowed(1_000_000)]


def test_a_displays_bytes() -> None:
    seeds = (b"\x1b@\x0c\x1bs2\x1bQA25.50\r", b"\x1f$\x01\x02TOTAL", b"\x02L0100\x1bQB7.10\r")
    for number, data in enumerate(streams(seeds)):
        reader, other = DisplayReader(), DisplayReader()
        reader.feed(data)
        for piece in cut_up(data, number):
            other.feed(piece)
        assert other.shown == reader.shown
        assert len(reader.shown.digits) < 600


def test_device_urls() -> None:
    seeds = (b"escpos+tcp://192.0.2.7:9100?columns=48&qr=image", b"scanner+serial:///dev/tty0?baud=9600",
             b"display+serial:///dev/tty0?kind=led8", b"escpos+usb:///dev/usb/lp0?status=auto")  # fmt: skip
    for data in streams(seeds):
        url = data.decode("latin-1")
        with contextlib.suppress(DeviceUrlError):
            open_printer(url)
        with contextlib.suppress(DeviceUrlError):
            open_scanner(url, utc_now=utc_now)
        with contextlib.suppress(DeviceUrlError):
            open_display(url)


def test_stored_documents() -> None:
    kept = document_to_json(Document((Text("合计"), Columns("馒头", "2.50"), Rule(), Cut())))
    read = refused = 0
    for data in streams((kept,)):
        try:
            made = document_from_json(data)
        except DocumentFormatError:
            refused += 1
            continue
        read += 1
        assert document_from_json(document_to_json(made)) == made
        encode_document(made, PrinterProfile(), lambda: None)
    assert read
    assert refused


@pytest.mark.skipif(find_cjk_font() is None, reason="no font: apt-get install fonts-wqy-zenhei")
@pytest.mark.parametrize("columns", [32, 48])
@pytest.mark.parametrize("name", NASTY_NAMES)
def test_no_name_of_an_item_does_anything_but_print(
    name: str, columns: int, tmp_path: Path
) -> None:
    document = Document((Columns(name, "2.50 元"), Text(name), Text("尾行"), Cut()))
    for block in lay_out(document, columns):
        if isinstance(block, PaperLine):
            assert cells(block.text) * block.size.wide <= columns
    profile = PrinterProfile(columns, usual_dots(columns))
    paper = on_paper(encode_document(document, profile, painter_or_none).data, columns, tmp_path)
    assert (paper.warnings, paper.unknown, paper.cut) == ((), (), True)
    assert paper.text.rstrip().endswith("尾行")
    assert "2.50 元" in paper.text or "[图像" in paper.text


class Babbler:
    """A printer that answers everything with whatever comes into its head."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                plug, _ = self._listener.accept()
                with plug, contextlib.suppress(OSError):
                    while plug.recv(1024):
                        plug.sendall(self._chance.randbytes(self._chance.randrange(40)))

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


@pytest.fixture(params=range(8))
def babbler(request: pytest.FixtureRequest) -> Iterator[Babbler]:
    made = Babbler(request.param)
    yield made
    made.close()


def test_a_printer_that_answers_rubbish_is_never_believed(babbler: Babbler) -> None:
    """A mark comes back or it does not; rubbish has to guess four characters of ours."""
    timing = Timing(
        answer_timeout_s=0.3, confirm_timeout_s=0.6, refill_timeout_s=1.0, recheck_s=0.1,
        finish_timeout_s=1.0,
    )  # fmt: skip
    printer = EscposPrinter(
        tcp_connector("127.0.0.1", babbler.port),
        PrinterProfile(status_level=StatusLevel.PROCESS_ID),
        painter=lambda: None,
        timing=timing,
    )
    outcome = printer.print_document(Document((Text("合计"), Cut())))
    assert outcome.result in {PrintResult.FAILED, PrintResult.UNKNOWN}
    printer.status()
    printer.find_level()
    printer.close()
