from hypothesis import given
from hypothesis import strategies as st

from drivers.escpos.answers import (
    Answer,
    AnswerParser,
    AutoStatus,
    InOrderReply,
    Noise,
    ProcessIdReply,
    RealtimeReply,
)


def parse(*pieces: bytes) -> list[Answer]:
    parser = AnswerParser()
    return [answer for piece in pieces for answer in parser.feed(piece)]


def test_the_four_kinds_of_answers_are_told_apart_in_one_stream() -> None:
    stream = b"\x16" + b"\x14\x00\x0c\x00" + b"\x00" + b"7\x220007\x00" + b"\x72"
    expected = [
        RealtimeReply(0x16),
        AutoStatus(b"\x14\x00\x0c\x00"),
        InOrderReply(0x00),
        ProcessIdReply(b"0007"),
        RealtimeReply(0x72),
    ]
    assert parse(stream) == expected
    assert parse(*(bytes([byte]) for byte in stream)) == expected


def test_the_paper_byte_of_an_automatic_status_is_no_answer_to_a_question() -> None:
    assert parse(b"\x10\x00\x0c\x00") == [AutoStatus(b"\x10\x00\x0c\x00")]


def test_a_broken_frame_is_noise_and_what_follows_is_read() -> None:
    assert parse(b"\x14\x00\x12") == [Noise(0x14), Noise(0x00), RealtimeReply(0x12)]
    assert parse(b"7\x22ab\x12") == [*map(Noise, b"7\x22ab"), RealtimeReply(0x12)]


def test_flow_control_bytes_say_nothing() -> None:
    assert parse(b"\x11\x13\x12") == [RealtimeReply(0x12)]


@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_bytes_in_any_pieces_give_the_same_answers(data: bytes, cut: int) -> None:
    assert parse(data[:cut], data[cut:]) == parse(data)
