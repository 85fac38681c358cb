"""Every ESC/POS command of the references, with an example of each form of its parameters.

The table here is the test's own: name, then the parameter bytes in hex. Each must be read as one
command, whole, and the text after it as text: a parameter more or less shows at once.
"""

from typing import Final

import pytest

from drivers.simulated.command_table import FUNCTIONS, SINGLE, TABLES
from drivers.simulated.commands import Command, CommandReader, Event, TextRun, Unknown
from tests.support.fuzz import LIMIT_S, cut_up, streams

INTRODUCERS: Final = {"DLE": 0x10, "ESC": 0x1B, "FS": 0x1C, "GS": 0x1D, "US": 0x1F}

REFERENCE: Final = """
DLE 04 | 01; 02; 03; 04; 05; 06; 07 01; 08 03; 12 01; 00 01
DLE 05 | 00; 01; 02
DLE 14 | 01 00 02; 02 01 08; 03 01 02 00 05 05; 07 01; 08 01 03 14 01 06 02 08
ESC 0C |
ESC 11 | 41
ESC 12 | 41
ESC 13 | 41
ESC 20 | 30
ESC ! | 39
ESC $ | 38 01
ESC % | 01
ESC & | 03 41 41 02 010203040506; 03 41 42 01 414243 02 414243444546; 03 41 41 00
ESC ( | 41 04 00 30 32 03 0A; 41 03 00 61 01 32; 41 05 00 61 64 01 41 42; 59 02 00 00 31
ESC * | 00 03 00 414243; 01 02 00 4142; 20 02 00 414243444546; 21 01 00 414243; 00 00 01 {00:256}
ESC - | 32
ESC 2 |
ESC 3 | 41
ESC 9 | 01
ESC < |
ESC = | 01
ESC ? | 41
ESC @ |
ESC B | 02 04
ESC C | 02 04 01
ESC D | 08 10 18 00; 00; 41 00; {tabs}
ESC E | 31
ESC F | 31
ESC G | 31
ESC J | 41
ESC K | 41
ESC L |
ESC M | 31
ESC Q | 41 32352E3530 0D; 42 {41:20} 0D
ESC R | 0F
ESC S |
ESC T | 31
ESC U | 31
ESC V | 31
ESC W | 41 00 42 00 43 01 44 02
ESC Z | 03 4D 06 05 00 4142434445
ESC \\ | 41 FF
ESC _ | 31
ESC a | 32
ESC c | 30 41; 31 41; 33 41; 34 41; 35 31
ESC d | 41
ESC e | 41
ESC f | 41 42
ESC i |
ESC m |
ESC o |
ESC p | 00 32 FA; 31 41 42
ESC q |
ESC r | 31
ESC s | 32
ESC t | FF
ESC u | 30
ESC v |
ESC z | 31
ESC { | 31
FS ! | 2C
FS & |
FS ( | 41 02 00 30 30; 43 02 00 30 32; 43 03 00 3C 00 0B; 45 06 00 3C 02 30 31 43 4C; 4C 02 00 41 30
FS ( | 65 02 00 33 01; 66 04 00 00 30 41 42; 67 02 00 20 30
FS - | 32
FS . |
FS 2 | FE A1 {41:72}
FS ? | FE A1
FS C | 31
FS L |
FS S | 41 42
FS W | 31
FS a | 30 31; 31; 32
FS b |
FS c |
FS g | 31 00 41000000 0300 414243; 32 00 41000000 0300
FS p | 01 30
FS q | 01 0100 0200 {41:16}; 02 0100 0100 {41:8} 0200 0100 {42:16}
GS 0C |
GS ! | 77
GS $ | 41 42
GS ( | 41 02 00 30 32; 42 02 00 61 41; 43 03 00 00 30 00; 44 03 00 14 01 31; 45 03 00 01 49 4E
GS ( | 46 04 00 01 30 41 42; 47 02 00 30 34; 48 06 00 30 30 30303031; 4B 02 00 31 41
GS ( | 4C 02 00 30 32; 4C 0B 00 30 70 30 01 01 31 08 00 01 00 FF; 4D 02 00 31 31; 4E 02 00 30 31
GS ( | 50 08 00 30 {41:7}; 51 0C 00 30 {41:11}; 6B 03 00 31 43 06; 6B 04 01 31 50 30 {41:257}; 7A 02 00 2A 3C
GS * | 01 02 {41:16}
GS / | 31
GS 8 | 4C 0B000000 30 70 30 01 01 31 0800 0100 FF; 4C 00000100 {41:65536}
GS : |
GS < |
GS A | 41 42
GS B | 31
GS C | 30 05 31; 31 0100 FFFF 41 42; 32 41 42; 3B 313B 39393B 313B 313B 303B
GS D | 30 43 30 31 32 30 31 424D 1A000000 {41:20}; 30 53 30 31 32 30 31 424D 06000000
GS E | 41
GS H | 32
GS I | 01; 43
GS L | 41 42
GS P | 41 42
GS Q | 30 00 0200 0300 414243444546
GS T | 31
GS V | 00; 01; 30; 31; 41 42; 42 00; 61 42; 62 42; 67 42; 68 42
GS W | 41 42
GS \\ | 41 42
GS ^ | 41 42 31
GS a | FF
GS b | 31
GS c |
GS f | 31
GS g | 30 00 1400; 32 00 1400
GS h | 50
GS j | 31
GS k | 02 36393031323334353637383932 00; 04 414243 00; 43 0C 363930313233343536373839; 49 05 7B42414243; 4F 02 4142
GS r | 31
GS v | 30 00 0200 0300 414243444546; 30 33 0000 0000
GS w | 36
GS z | 30 41 42
US 01 |
US 02 |
US 03 |
US 0A |
US 0D |
US # | 31 41
US $ | 01 02
US ( | 41 03 00 30 41 42; 45 01 00 02; 47 02 00 61 31
US , | 41
US . | 41
US : |
US ; | 41
US @ |
US B |
US C | 31
US E | 41
US T | 41 42
US U |
US X | 34
US ^ | 41 42
US r | 31
US v | 31
"""


def _bytes(text: str) -> bytes:
    """Read hex; `{41:20}` is 20 times the byte 41, `{tabs}` all stops that there can be."""
    out = b""
    for word in text.split():
        if word == "{tabs}":
            out += bytes(range(1, 33)) + b"\0"
        elif word.startswith("{"):
            byte, _, count = word.strip("{}").partition(":")
            out += bytes.fromhex(byte) * int(count)
        else:
            out += bytes.fromhex(word)
    return out


def _examples() -> list[tuple[str, bytes]]:
    """Give every command's name and the whole bytes of each of its examples."""
    found = []
    for line in REFERENCE.strip().splitlines():
        name, _, forms = line.partition(" |")
        introducer, letter = name.split(" ")
        code = int(letter, 16) if len(letter) == 2 else ord(letter)
        head = bytes((INTRODUCERS[introducer], code))
        found += [(name, head + _bytes(form)) for form in forms.split(";")]
    return found


EXAMPLES: Final = _examples()


def read(data: bytes, piece: int = 1_000_000) -> list[Event]:
    reader = CommandReader()
    events = []
    for at in range(0, len(data), piece):
        events += reader.feed(data[at : at + piece])
    return events + reader.end()


@pytest.mark.parametrize(
    ("name", "raw"), EXAMPLES, ids=[f"{name} {raw[2:8].hex()}" for name, raw in EXAMPLES]
)
def test_a_command_ends_where_its_reference_says(name: str, raw: bytes) -> None:
    """Digits before and after, as an amount stands: one of them lost or won would be money."""
    events = read(b"12" + raw + b"35.00\n")
    assert events == [
        TextRun(b"12"),
        Command(name, raw, raw[2:]),
        TextRun(b"35.00"),
        Command("LF", b"\n", b""),
    ]


def test_every_command_is_read_the_same_in_any_pieces() -> None:
    stream = b"".join(b"1" + raw for _, raw in EXAMPLES if len(raw) < 1000)
    whole = read(stream)
    assert len([event for event in whole if isinstance(event, Command)]) == sum(
        len(raw) < 1000 for _, raw in EXAMPLES
    )
    assert [read(stream, piece) for piece in (1, 2, 3, 7)] == [whole] * 4


def test_no_command_of_the_table_is_left_out_here() -> None:
    tried = {(raw[0], raw[1]) for _, raw in EXAMPLES}
    assert {(first, letter) for first, table in TABLES.items() for letter in table} == tried
    functions = {(raw[0], raw[2]) for _, raw in EXAMPLES if raw[1] == ord("(")}
    assert {(first, letter) for first, letters in FUNCTIONS.items() for letter in letters} == (
        functions
    )


@pytest.mark.parametrize("first", sorted(TABLES))
def test_every_other_letter_is_said_to_be_unknown_and_the_next_line_is_read(first: int) -> None:
    for letter in range(256):
        if letter in TABLES[first] or letter in TABLES:
            continue
        events = read(bytes((first, letter)) + b"8235.00\n\x1bE\x01235.00\n")
        lost = [event for event in events if isinstance(event, Unknown)]
        assert lost[0] == Unknown(bytes((first, letter)), "unknown command"), hex(letter)
        assert [event for event in events if isinstance(event, TextRun)] == [TextRun(b"235.00")]
        assert b"".join(event.raw for event in events)[:2] == bytes((first, letter))


def test_a_command_behind_a_lone_introducer_is_not_swallowed_with_it() -> None:
    assert read(b"\x1b\x1d!\x1123")[:2] == [
        Unknown(b"\x1b", "unknown command"),
        Command("GS !", b"\x1d!\x11", b"\x11"),
    ]


@pytest.mark.parametrize("first", sorted(FUNCTIONS))
def test_an_unknown_function_with_a_length_of_its_own_is_said_and_skipped_whole(first: int) -> None:
    for letter in range(256):
        if letter in FUNCTIONS[first]:
            continue
        raw = bytes((first, ord("("), letter)) + b"\x03\x00123"
        events = read(raw + b"235.00\n")
        assert events[:2] == [Unknown(raw, "unknown function"), TextRun(b"235.00")]


@pytest.mark.parametrize(
    ("raw", "rubbish"),
    [
        (b"\x1dV\x07", 3),  # no such cut
        (b"\x1dk\x07", 3),  # no such kind of barcode
        (b"\x1b*\x05\x01\x00", 5),  # no such density
        (b"\x1cg3", 3),
        (b"\x1ca9", 3),
        (b"\x1dg1", 3),
        (b"\x1d8M", 3),
        (b"\x1dC3", 3),
        (b"\x1dC;1;x", 7),
        (b"\x1dD0C0120" + b"1XX\x1a\0\0\0", 15),  # no bitmap
        (b"\x10\x04\x09", 3),
        (b"\x10\x14\x05", 3),
    ],
)
def test_a_variant_that_does_not_exist_is_unknown_and_the_line_not_trusted(
    raw: bytes, rubbish: int
) -> None:
    events = read(raw + b"8235.00\n235.00\n")
    assert events[0] == Unknown(raw[:rubbish], "unknown command")
    assert [event.raw for event in events if isinstance(event, TextRun)] == [b"235.00"]


def test_tab_stops_end_at_one_that_goes_back() -> None:
    assert read(b"\x1bD\x08\x10\x09235\n")[:2] == [
        Command("ESC D", b"\x1bD\x08\x10", b"\x08\x10"),
        Command("HT", b"\t", b""),
    ]
    stops = bytes(range(128, 160))
    assert read(b"\x1bD" + stops + b"235\n")[:2] == [
        Command("ESC D", b"\x1bD" + stops, stops),
        TextRun(b"235"),
    ]


@pytest.mark.parametrize(("font", "size"), [(b"0", 72), (b"1", 60), (b"2", 32), (b"\x02", 32)])
def test_a_chinese_character_of_ones_own_is_as_long_as_its_font(font: bytes, size: int) -> None:
    character = b"\x1c2\xfe\xa1" + b"A" * size
    events = read(b"\x1c(A\x02\x000" + font + character + b"235\n")
    assert events[1:3] == [Command("FS 2", character, character[2:]), TextRun(b"235")]
    usual = b"\x1c2\xfe\xa1" + b"A" * 72
    assert read(b"\x1c(A\x02\x000" + font + b"\x1b@" + usual + b"235\n")[2].raw == usual


def test_single_controls_are_commands_and_the_others_are_unknown() -> None:
    for byte in range(0x20):
        if byte in TABLES:
            continue
        (event,) = read(bytes([byte]))
        if byte in SINGLE:
            assert event == Command(SINGLE[byte], bytes([byte]), b"")
        else:
            assert event == Unknown(bytes([byte]), "unknown control")


def test_a_length_past_all_reason_is_not_waited_for() -> None:
    """A picture of four gigabytes would eat every later receipt."""
    reader = CommandReader()
    events = reader.feed(b"\x1d8L\xff\xff\xff\xff0p0\n235.00\n")
    assert isinstance(events[0], Unknown)
    assert TextRun(b"235.00") in events


@pytest.mark.timeout(LIMIT_S)
def test_mutated_commands_lose_no_byte_however_they_are_cut() -> None:
    """Each command as a seed; what follows the rubbish is read again after a line and a cut."""
    seeds = [raw for _, raw in EXAMPLES if len(raw) < 300]
    for number, data in enumerate(streams(seeds)):
        whole = read(data)
        assert b"".join(event.raw for event in whole) == data
        if number % 20 == 0:
            reader = CommandReader()
            events = [event for piece in cut_up(data, number) for event in reader.feed(piece)]
            events += reader.end()
            assert b"".join(event.raw for event in events) == data
            assert [event for event in events if isinstance(event, Command)] == [
                event for event in whole if isinstance(event, Command)
            ]
