import random
import socket
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image

from drivers.document import Document
from drivers.escpos.encode import encode_document
from drivers.escpos.profile import PrinterProfile
from drivers.fonts import find_cjk_font
from drivers.ports import StatusLevel
from drivers.simulated import machine
from drivers.simulated.commands import Command, CommandReader, Event, TextRun, Unknown
from drivers.simulated.machine import Paper
from drivers.simulated.marks import Piece
from drivers.simulated.printer import SimulatedPrinter
from drivers.simulated.render import PaperPainter
from drivers.simulated.roll import MAX_PIECE_DOTS, Roll
from tests.support.fuzz import LIMIT_S, ROUNDS

pytestmark = pytest.mark.timeout(LIMIT_S)
WAIT_S = 10.0
needs_font = pytest.mark.skipif(
    find_cjk_font() is None, reason="no Chinese font: apt-get install fonts-wqy-zenhei"
)


def read(data: bytes) -> list[Event]:
    reader = CommandReader()
    return [*reader.feed(data), *reader.end()]


def pieces_of(data: bytes, dots: int = 384) -> list[Piece]:
    roll = Roll(dots)
    made = [roll.feed(event) for event in read(data)]
    return [piece for piece in (*made, roll.tear_off()) if piece is not None]


def piece_of(data: bytes) -> Piece:
    (piece,) = pieces_of(data)
    return piece


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x1b!\x39220.00\n", "220.00"),  # naive: 9220.00
        (b"\x1b$\x38\x01235.00\n", " " * 26 + "235.00"),  # naive: 8235.00
        (b"\x1b$\xf6\x0015.00\n", " " * 20 + "15.00"),  # a parameter that looks like a hanzi
        (b"\x1bp\x00\x19\xfa12.50\n", "12.50"),
        (b"\x1c&\xba\xcf\xbc\xc6\x1c.\x1bR\x08 7.10\n", "合计 7.10"),
        (b"\x1dk\x0469012345\x007.10\n", "7.10"),
        (b"\x1dk\x49\x05{B123\x1dh\x507.10\n", "[条码 123]\n7.10"),
        (b"\x1bD\x08\x10\x007.10\n", "7.10"),
        (b"\x1bZ\x03\x03\x08\x05\x00123457.10\n", "7.10"),
        (b"\x1b9\x017.10\n", "7.10"),
        (b"\x1b*\x21\x02\x00abcdef7.10\n", "[图像 2x24]\n7.10"),
        (b"\x1d8L\x03\x00\x00\x000pA7.10\n", "7.10"),
        (b"\x1b&\x03AB\x01abc\x02abcdef7.10\n", "7.10"),
        (b"\x1c2\xfe\xa1" + b"x" * 72 + b"7.10\n", "7.10"),
        (b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x087.10\n", "7.10"),
        (b"a\tb\n", "a       b"),
        (b"7.10\n\r12.50\n\r", "7.10\n12.50"),
    ],
)  # fmt: skip
def test_no_parameter_leaks_into_the_text(data: bytes, text: str) -> None:
    assert "\n".join(piece_of(data).lines) == text
    assert piece_of(data).unknown == ()


def test_after_an_unknown_command_the_rest_of_the_line_is_not_trusted() -> None:
    piece = piece_of(b"a\n\x1b\xf0235.00\n7.10\n\x1d\x01x\x1b@7.20\n")
    assert [line for line in piece.lines if line] == ["a", "7.10", "7.20"]
    assert piece.unknown == (b"\x1b\xf0", b"235.00", b"\x1d\x01", b"x")
    assert len(piece.notes) == 4


def test_half_a_chinese_character_is_an_error_that_is_kept() -> None:
    piece = piece_of(b"\x1c&\xba\xcf\xbc\x1bE\x01x\n")
    assert piece.lines == ("合□x",)
    assert piece.notes == ("half a Chinese character: bc",)


def test_chinese_is_read_in_chinese_mode_only() -> None:
    assert piece_of(b"\x1b@\xba\xcf\n").lines[0] != "合"
    assert piece_of(b"\x1b@\x1c&\xba\xcf\n").lines[0] == "合"
    assert piece_of(b"\x1c&\x1b@\xba\xcf\n").lines[0] != "合"


def test_a_character_in_four_bytes_shows_the_digits_that_a_cheap_printer_shows() -> None:
    piece = piece_of(b"\x1c&" + "¥".encode("gb18030") + b"12\n")
    assert "0" in piece.lines[0]
    assert piece.notes


def test_a_line_that_is_too_long_wraps_at_the_edge() -> None:
    assert piece_of(b"\x1c&" + "中".encode("gbk") * 17 + b"\n").lines == ("中" * 16, "中")


def test_an_endless_piece_is_torn_off() -> None:
    pieces = pieces_of(b"x\x1bd\xff" * 10)
    assert len(pieces) == 3
    assert all("three metres" in piece.notes[0] for piece in pieces[:2])
    assert all(piece.height_dots <= MAX_PIECE_DOTS + 255 * 30 for piece in pieces)


def test_a_command_that_the_end_cuts_off_is_unknown() -> None:
    assert read(b"\x1dv0\x00\x30\x00\x1e\x00abc")[-1] == Unknown(
        b"\x1dv0\x00\x30\x00\x1e\x00abc", "cut off"
    )
    assert read(b"\x1b") == [Unknown(b"\x1b", "cut off")]


def test_commands_are_read_the_same_from_any_pieces() -> None:
    data = b"\x1b@\x1c&\xba\xcf 7.10\n\x1d(k\x03\x001Q0\x1dv0\x00\x01\x00\x02\x00ab\x1dVB\x00"
    reader = CommandReader()
    one_by_one = [event for byte in data for event in reader.feed(bytes([byte]))]
    commands = [event for event in one_by_one if isinstance(event, Command)]
    assert commands == [event for event in read(data) if isinstance(event, Command)]
    text = b"".join(event.raw for event in one_by_one if isinstance(event, TextRun))
    assert text == b"\xba\xcf 7.10"


def mutated(dice: random.Random, data: bytes) -> bytes:
    bytes_now = bytearray(data[: dice.randrange(1, len(data) + 1)])
    for _ in range(dice.randrange(1, 8)):
        at = dice.randrange(len(bytes_now))
        match dice.randrange(4):
            case 0:
                bytes_now[at] = dice.randrange(256)
            case 1:
                bytes_now[at:at] = dice.randbytes(dice.randrange(1, 6))
            case 2:
                del bytes_now[at : at + dice.randrange(1, 6)]
                bytes_now = bytes_now or bytearray(b"x")
            case _:
                bytes_now[at:at] = bytes([dice.choice((0x10, 0x1B, 0x1C, 0x1D))])
    return bytes(bytes_now)


def test_mutated_jobs_and_random_bytes_crash_nothing_and_lose_no_byte(slip: Document) -> None:
    dice = random.Random(20260314)
    job = encode_document(slip, PrinterProfile(), lambda: None).data
    traps = b"\x1b$\x38\x01235.00\n\x1dk\x49\x05{B123\x1b*\x21\x02\x00abcdef\x1c2\xfe\xa1\x1d8L\x03"
    painter = PaperPainter(384, find_cjk_font())
    painted = 0
    for number in range(ROUNDS):
        base = dice.choice((job[:90], traps, dice.randbytes(dice.randrange(1, 120))))
        data = mutated(dice, job if number % 50 == 0 else base)
        assert b"".join(event.raw for event in read(data)) == data
        pieces = pieces_of(data)
        if number % 200 == 0:
            for piece in pieces:
                assert painter.paint(piece).width > 384
                painted += 1
    assert painted > 20


def exchange(printer: SimulatedPrinter, data: bytes, answer_bytes: int) -> bytes:
    with socket.create_connection(("127.0.0.1", printer.port), timeout=WAIT_S) as plug:
        plug.sendall(data)
        answer = b""
        while len(answer) < answer_bytes:
            piece = plug.recv(100)
            if not piece:
                break
            answer += piece
        plug.shutdown(socket.SHUT_WR)
        while piece := plug.recv(100):
            answer += piece
    return answer


QUESTIONS = b"".join(b"\x10\x04" + bytes([n]) for n in (1, 2, 3, 4))


def test_the_printer_answers_like_the_manuals(tmp_path: Path) -> None:
    with SimulatedPrinter(tmp_path) as printer:
        assert exchange(printer, QUESTIONS, 4) == b"\x12\x12\x12\x12"
        assert exchange(printer, b"\x1dr\x01\x1dr\x02", 2) == b"\x00\x00"
        assert exchange(printer, b"\x1d(H\x06\x0000abcd", 7) == b"7\x22abcd\x00"
        assert exchange(printer, b"\x1da\xff", 4) == b"\x10\x00\x00\x00"
        printer.set_near_end(near_end=True)
        assert exchange(printer, QUESTIONS, 4) == b"\x12\x12\x12\x1e"
        assert exchange(printer, b"\x1dr1", 1) == b"\x03"
        assert exchange(printer, b"\x1bv\x1bu0", 2) == b"\x03\x00"
        printer.set_cover_open(is_open=True)
        assert exchange(printer, QUESTIONS, 4) == b"\x1a\x16\x12\x1e"
        printer.set_cover_open(is_open=False)
        printer.set_paper_out(out=True)
        assert exchange(printer, QUESTIONS, 4) == b"\x1a\x32\x12\x7e"


def test_a_question_in_order_waits_while_paper_is_out_and_a_real_time_one_does_not(
    tmp_path: Path,
) -> None:
    with SimulatedPrinter(tmp_path) as printer:
        printer.set_paper_out(out=True)
        with socket.create_connection(("127.0.0.1", printer.port), timeout=WAIT_S) as plug:
            plug.sendall(b"7.10\n\x1dr\x01\x10\x04\x01")
            assert plug.recv(10) == b"\x1a"
            printer.set_paper_out(out=False)
            assert plug.recv(10) == b"\x00"


def test_an_automatic_status_comes_when_something_changes(tmp_path: Path) -> None:
    with (
        SimulatedPrinter(tmp_path) as printer,
        socket.create_connection(("127.0.0.1", printer.port), timeout=WAIT_S) as plug,
    ):
        plug.sendall(b"\x1da\xff")
        assert plug.recv(10) == b"\x10\x00\x00\x00"
        printer.set_cover_open(is_open=True)
        assert plug.recv(10) == b"\x38\x00\x00\x00"


@pytest.mark.parametrize("level", [StatusLevel.IN_ORDER, StatusLevel.REALTIME, StatusLevel.MUTE])
def test_a_lesser_printer_answers_less(tmp_path: Path, level: StatusLevel) -> None:
    with SimulatedPrinter(tmp_path, level=level) as printer:
        answer = exchange(printer, b"\x10\x04\x01\x1dr\x01\x1d(H\x06\x0000abcd", 0)
    expected = {StatusLevel.IN_ORDER: b"\x12\x00", StatusLevel.REALTIME: b"\x12"}
    assert answer == expected.get(level, b"")


def test_a_connection_that_ends_with_text_on_the_paper_gives_a_piece(tmp_path: Path) -> None:
    made: list[Paper] = []
    with SimulatedPrinter(tmp_path, on_paper=made.append) as printer:
        exchange(printer, b"\x1b@", 0)
        exchange(printer, b"\x1c&" + "合计".encode("gbk"), 0)
        paper = printer.wait_for_paper(WAIT_S)
    assert paper is not None
    assert (paper.number, paper.lines, paper.cut) == (1, ("合计",), False)
    assert paper.png_path == tmp_path / "paper-0001.png"
    assert paper.png_path.is_file()
    assert made == [paper]


def test_a_look_at_the_status_does_not_tear_another_jobs_paper(tmp_path: Path) -> None:
    with (
        SimulatedPrinter(tmp_path) as printer,
        socket.create_connection(("127.0.0.1", printer.port), timeout=WAIT_S) as plug,
    ):
        plug.sendall(b"first\n\x1dr\x01")
        assert plug.recv(1) == b"\x00"
        assert exchange(printer, QUESTIONS, 4) == b"\x12\x12\x12\x12"
        plug.sendall(b"second\n\x1dVB\x00")
        paper = printer.wait_for_paper(WAIT_S)
    assert paper is not None
    assert paper.lines == ("first", "second")


def test_two_jobs_at_once_come_out_one_after_the_other(tmp_path: Path) -> None:
    with SimulatedPrinter(tmp_path) as printer:
        address = ("127.0.0.1", printer.port)
        with socket.create_connection(address) as one, socket.create_connection(address) as two:
            one.sendall(b"one\n\x1dr\x01")
            one.settimeout(WAIT_S)
            assert one.recv(1) == b"\x00"
            two.sendall(b"two\n\x1dVB\x00")
            one.sendall(b"one again\n\x1dVB\x00")
            one.shutdown(socket.SHUT_WR)
            papers = [printer.wait_for_paper(WAIT_S), printer.wait_for_paper(WAIT_S)]
    assert [paper.lines for paper in papers if paper] == [("one", "one again"), ("two",)]


def test_a_drawer_pulse_makes_no_paper(tmp_path: Path) -> None:
    with SimulatedPrinter(tmp_path) as printer:
        exchange(printer, b"\x1bp\x00\x19\xfa\x1dr\x01", 1)
        assert printer.drawer_pulses() == 1
        assert printer.wait_for_paper(0.1) is None


def test_a_port_that_is_taken_is_said_at_the_start(tmp_path: Path) -> None:
    with SimulatedPrinter(tmp_path) as printer:
        second = SimulatedPrinter(tmp_path, port=printer.port)
        with pytest.raises(OSError, match="in use"):
            second.start()


def test_stopping_ends_connections_that_wait(tmp_path: Path) -> None:
    printer = SimulatedPrinter(tmp_path)
    printer.start()
    printer.set_paper_out(out=True)
    plug = socket.create_connection(("127.0.0.1", printer.port), timeout=WAIT_S)
    plug.sendall(b"x\n" * 5000)
    printer.stop()
    assert not any(thread.is_alive() for thread in printer._threads)
    plug.close()


def test_without_a_chinese_font_the_paper_comes_out_and_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "find_cjk_font", lambda: None)
    with SimulatedPrinter(tmp_path) as printer:
        exchange(printer, b"\x1c&" + "合计 7.10\n".encode("gbk") + b"\x1dVB\x00", 0)
        paper = printer.wait_for_paper(WAIT_S)
    assert paper is not None
    assert paper.lines == ("合计 7.10",)
    assert "fonts-wqy-zenhei" in paper.warnings[0]
    with Image.open(paper.png_path) as picture:
        assert picture.getextrema() == (0, 255)


@needs_font
def test_the_picture_shows_what_the_bytes_say(tmp_path: Path) -> None:
    symbol = b"\x1d(k\x04\x001A2\x00\x1d(k\x03\x001C\x04\x1d(k\x03\x001E1"
    symbol += b"\x1d(k\x09\x001P0HD1:AB\x1d(k\x03\x001Q0"
    dots = b"\x1dv0\x00\x01\x00\x02\x00\xf0\x0f"
    with SimulatedPrinter(tmp_path) as printer:
        exchange(printer, dots + b"\x1ba\x01\n" + symbol + b"\n\n\x1dVB\x00", 0)
        paper = printer.wait_for_paper(WAIT_S)
    assert paper is not None
    assert paper.qr_texts == ("HD1:AB",)
    with Image.open(paper.png_path) as picture:
        assert [picture.getpixel((16 + x, 16)) for x in range(8)] == [0] * 4 + [255] * 4
        assert [picture.getpixel((16 + x, 17)) for x in range(8)] == [255] * 4 + [0] * 4
        codes = zxingcpp.read_barcodes(picture.convert("L"))
    assert [code.text for code in codes] == ["HD1:AB"]


def test_the_printer_says_who_it_is_and_whether_its_drawer_is_open(tmp_path: Path) -> None:
    with SimulatedPrinter(tmp_path) as printer:
        assert exchange(printer, b"\x1dI\x01\x1dIB", 10) == b"\x20_HUIDIAN\0"
        assert exchange(printer, b"\x1dr\x02\x10\x04\x01", 2) in {b"\x00\x12", b"\x12\x00"}
        printer.set_drawer_open(is_open=True)
        assert exchange(printer, b"\x1dr\x02", 1) == b"\x01"
        assert exchange(printer, b"\x10\x04\x01", 1) == b"\x16"


def test_a_stuck_job_is_cleared_by_the_command_that_overtakes(tmp_path: Path) -> None:
    with SimulatedPrinter(tmp_path) as printer:
        printer.set_paper_out(out=True)
        with socket.create_connection(("127.0.0.1", printer.port), timeout=WAIT_S) as plug:
            plug.sendall(b"OLD\n\n" + b"\x10\x04\x01")
            assert plug.recv(1) == b"\x1a"
            plug.sendall(b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08" + b"\x10\x04\x01")
            assert plug.recv(1) == b"\x1a"
            printer.set_paper_out(out=False)
            plug.sendall(b"NEW\n\x1dVB\x00")
            paper = printer.wait_for_paper(WAIT_S)
    assert paper is not None
    assert "NEW" in paper.text
    assert "OLD" not in paper.text
