import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.ports import MAX_SCAN_CHARS, ScanForm
from drivers.scanner.framing import IDLE_END_S, Framed, Overflowed, ScanFramer


def texts(data: bytes) -> list[str]:
    framer = ScanFramer()
    frames = [*framer.feed(data, 0.0), *framer.idle(IDLE_END_S)]
    return [frame.text for frame in frames if isinstance(frame, Framed)]


@pytest.mark.parametrize("suffix", [b"\r", b"\n", b"\r\n", b"\n\r", b""])
def test_each_usual_suffix_ends_a_scan_and_is_no_part_of_it(suffix: bytes) -> None:
    assert texts(b"6901234567892" + suffix) == ["6901234567892"]


def test_two_scans_at_once_are_two() -> None:
    assert texts(b"\r\nHD1:A\r\nHD1:B\r") == ["HD1:A", "HD1:B"]


@pytest.mark.parametrize(
    ("read", "text"),
    [("]Q1HD1:A", "HD1:A"), ("]E06901234567892", "6901234567892"), ("]d2x", "x"),
     ("]Q", "]Q"), ("HD1:]Q1", "HD1:]Q1"), ("]?1x", "]?1x")],
)  # fmt: skip
def test_a_symbology_identifier_is_dropped_where_it_comes(read: str, text: str) -> None:
    assert texts(read.encode() + b"\r") == [text]


def test_an_identifier_alone_is_no_scan() -> None:
    assert texts(b"]Q1\r") == []


def test_text_is_utf8_and_what_is_not_is_replaced() -> None:
    assert texts("原点".encode() + b"\xff\r") == ["原点\ufffd"]


def test_separators_of_gs1_codes_are_kept() -> None:
    assert texts(b"]Q30100\x1d21\r") == ["0100\x1d21"]


def test_a_pause_within_a_scan_does_not_end_it_before_its_time() -> None:
    framer = ScanFramer()
    assert framer.feed(b"HD1", 10.0) == []
    assert framer.idle(10.0 + IDLE_END_S / 2) == []
    assert framer.feed(b":A", 10.0 + IDLE_END_S * 0.9) == []
    assert framer.idle(10.0 + IDLE_END_S * 1.5) == []
    assert framer.idle(10.0 + IDLE_END_S * 2) == [Framed("HD1:A")]


def test_the_longest_scan_is_taken_and_one_more_byte_throws_it_away_whole() -> None:
    framer = ScanFramer()
    assert framer.feed(b"x" * MAX_SCAN_CHARS + b"\r", 0.0) == [Framed("x" * MAX_SCAN_CHARS)]
    assert framer.feed(b"x" * (MAX_SCAN_CHARS + 1) + b"\rHD1:A\r", 0.0) == [
        Overflowed(MAX_SCAN_CHARS + 1),
        Framed("HD1:A"),
    ]
    assert framer.feed(b"x" * 9000, 0.0) == []
    assert framer.idle(1.0) == [Overflowed(9000)]
    assert not framer.is_inside_scan


@given(st.lists(st.binary(max_size=50), max_size=20))
def test_the_pieces_in_which_bytes_come_make_no_difference(pieces: list[bytes]) -> None:
    framer = ScanFramer()
    in_pieces = [frame for piece in pieces for frame in framer.feed(piece, 0.0)]
    assert in_pieces == ScanFramer().feed(b"".join(pieces), 0.0)


def forms(data: bytes, prefix: str = "") -> list[tuple[str, ScanForm]]:
    framer = ScanFramer(prefix=prefix)
    frames = [*framer.feed(data, 1.0), *framer.idle(1.0 + IDLE_END_S)]
    return [(frame.text, frame.form) for frame in frames if isinstance(frame, Framed)]


@pytest.mark.parametrize(
    ("sent", "text", "form"),
    [
        (b"690\r", "690", ScanForm("", "", "\r")),
        (b"690\r\n", "690", ScanForm("", "", "\r\n")),
        (b"690\t", "690", ScanForm("", "", "\t")),
        (b"\x02690\x03", "690", ScanForm("\x02", "", "\x03")),
        (b"]E0690", "690", ScanForm("", "]E0", "")),
        (b"#1]E0690\r", "690", ScanForm("#1", "]E0", "\r")),
        (b"]E0#1690\r", "690", ScanForm("#1", "]E0", "\r")),
        (b"\x02#1]E0690\x03\r", "690", ScanForm("\x02#1", "]E0", "\x03\r")),
        (b"#1#1690\r", "#1690", ScanForm("#1", "", "\r")),  # once: the second may be the code's
        (b"#690\r", "#690", ScanForm("", "", "\r")),
    ],
)
def test_what_stands_around_a_scan_is_dropped_and_told(
    sent: bytes, text: str, form: ScanForm
) -> None:
    assert forms(sent, prefix="#1") == [(text, form)]


def test_a_prefix_that_nobody_set_belongs_to_the_text() -> None:
    assert forms(b"#1690\r") == [("#1690", ScanForm("", "", "\r"))]


def test_the_time_from_the_first_to_the_last_piece_is_told() -> None:
    framer = ScanFramer()
    framer.feed(b"69", 5.0)
    (frame,) = framer.feed(b"01\r", 5.041)
    assert isinstance(frame, Framed)
    assert frame.form.took_ms == 41
    framer.feed(b"69", 7.0)
    framer.feed(b"01", 7.02)
    (frame,) = framer.idle(8.0)
    assert isinstance(frame, Framed)
    assert frame.form.took_ms == 20
