"""The exchange with a printer where the link itself misbehaves: a scripted link stands in."""

import collections
from collections.abc import Callable

import pytest

from drivers.document import Document
from drivers.escpos.conversation import PIECE_BYTES, Conversation, Timing
from drivers.escpos.encode import encode_document
from drivers.escpos.printer import EscposPrinter
from drivers.escpos.profile import PrinterProfile
from drivers.ports import PaperState, PrinterTrouble, PrintOutcome, PrintResult, StatusLevel
from drivers.transport.link import Finished, LinkDownError


class Clock:
    """A clock that moves only when somebody waits."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class ScriptedLink:
    """Answers `DLE EOT` from a table, takes as many bytes as it is told, and keeps them."""

    def __init__(self, clock: Clock, replies: dict[int, bytes], room_bytes: int) -> None:
        self._clock = clock
        self._replies = replies
        self._room_bytes = room_bytes
        self._answers: collections.deque[bytes] = collections.deque()
        self.taken = bytearray()
        self.largest_piece = 0
        self.breaks_at: int | None = None
        self.delivers = True

    def write_some(self, data: bytes, timeout_s: float) -> int:
        if data.startswith(b"\x10\x04"):
            self._answers.append(self._replies.get(data[2], b""))
            return len(data)
        if self.breaks_at is not None and len(self.taken) >= self.breaks_at:
            raise LinkDownError(PrinterTrouble.LINK_LOST, "pulled out")
        room = min(len(data), self._room_bytes - len(self.taken))
        if not room:
            self._clock.now_s += timeout_s
            return 0
        self.largest_piece = max(self.largest_piece, len(data))
        self.taken += data[:room]
        return room

    def read_some(self, timeout_s: float) -> bytes | None:
        if self._answers and timeout_s:
            return self._answers.popleft()
        self._clock.now_s += timeout_s
        return b""

    def finish(self, timeout_s: float) -> Finished:
        self._clock.now_s += timeout_s
        return Finished(b"", self.delivers)

    def close(self) -> None:
        pass


class FullPrinter(ScriptedLink):
    """Takes `room_bytes` and then nothing, no question either, until `goes_on_at_s`.

    A USB printer that stopped: what the kernel could not hand over stands before every question.
    """

    def __init__(
        self, clock: Clock, replies: dict[int, bytes], room_bytes: int, goes_on_at_s: float
    ) -> None:
        super().__init__(clock, replies, room_bytes)
        self._goes_on_at_s = goes_on_at_s

    def _is_full(self) -> bool:
        full = len(self.taken) >= self._room_bytes
        return full and self._clock.now_s < self._goes_on_at_s

    def write_some(self, data: bytes, timeout_s: float) -> int:
        if self._is_full():
            self._clock.now_s += timeout_s
            return 0
        if data.endswith(ASK_IN_ORDER):
            self._answers.append(b"\x00")
        return super().write_some(data, timeout_s)

    def read_some(self, timeout_s: float) -> bytes | None:
        if self._is_full():
            self._clock.now_s += timeout_s
            return b""
        return super().read_some(timeout_s)


class HalfTaker(ScriptedLink):
    """Takes two bytes of the first question, and all that comes once it goes on."""

    stopped = True

    def write_some(self, data: bytes, timeout_s: float) -> int:
        room = max(0, 2 - len(self.taken)) if self.stopped else len(data)
        self.taken += data[:room]
        self._clock.now_s += 0 if room else timeout_s
        return min(room, len(data))


ASK_IN_ORDER = b"\x1dr\x01"
READY = {1: b"\x12", 2: b"\x12", 4: b"\x12"}
TIMING = Timing()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def printer_on(
    link: ScriptedLink, clock: Callable[[], float], level: StatusLevel | None
) -> EscposPrinter:
    return EscposPrinter(
        lambda: link,
        PrinterProfile(status_level=level),
        painter=lambda: None,
        timing=TIMING,
        monotonic=clock,
    )


def test_a_job_goes_out_in_small_pieces(clock: Clock) -> None:
    link = ScriptedLink(clock, READY, room_bytes=10_000)
    talk = Conversation(link, TIMING, clock)
    assert talk.send_job(bytes(5000), lambda _: None)
    assert len(link.taken) == talk.bytes_sent == 5000
    assert link.largest_piece == PIECE_BYTES


def test_a_printer_that_takes_no_more_is_waited_for_and_then_given_up(
    clock: Clock, slip: Document
) -> None:
    link = ScriptedLink(clock, READY, room_bytes=100)
    waited: list[PrinterTrouble] = []
    outcome = printer_on(link, clock, StatusLevel.IN_ORDER).print_document(
        slip, on_waiting=waited.append
    )
    assert outcome == PrintOutcome(PrintResult.UNKNOWN, PrinterTrouble.NO_ANSWER, bytes_sent=100)
    assert waited == [PrinterTrouble.NO_ANSWER]
    assert clock.now_s >= TIMING.refill_timeout_s


def test_a_printer_too_full_to_be_asked_is_waited_for_and_confirmed_when_it_goes_on(
    clock: Clock, slip: Document
) -> None:
    job = encode_document(slip, PrinterProfile(), lambda: None).data + ASK_IN_ORDER
    link = FullPrinter(clock, READY, room_bytes=len(job), goes_on_at_s=90.0)
    waited: list[PrinterTrouble] = []
    outcome = printer_on(link, clock, StatusLevel.IN_ORDER).print_document(
        slip, on_waiting=waited.append
    )
    assert outcome == PrintOutcome(PrintResult.CONFIRMED, bytes_sent=len(job))
    assert waited == [PrinterTrouble.NO_ANSWER]
    assert clock.now_s >= 90.0


def test_a_printer_that_stays_full_leaves_the_job_unknown_after_the_time_for_a_refill(
    clock: Clock, slip: Document
) -> None:
    job = encode_document(slip, PrinterProfile(), lambda: None).data + ASK_IN_ORDER
    link = FullPrinter(clock, READY, room_bytes=len(job), goes_on_at_s=10_000.0)
    outcome = printer_on(link, clock, StatusLevel.IN_ORDER).print_document(slip)
    assert (outcome.result, outcome.trouble) == (PrintResult.UNKNOWN, PrinterTrouble.NO_ANSWER)
    assert clock.now_s >= TIMING.refill_timeout_s


def test_a_full_printer_is_not_taken_for_one_that_cannot_answer(
    clock: Clock, slip: Document
) -> None:
    link = FullPrinter(clock, READY, room_bytes=0, goes_on_at_s=10_000.0)
    outcome = printer_on(link, clock, None).print_document(slip)
    assert outcome == PrintOutcome(PrintResult.FAILED, PrinterTrouble.NO_ANSWER)


def test_a_question_that_was_half_taken_is_ended_before_the_next(clock: Clock) -> None:
    link = HalfTaker(clock, READY, room_bytes=0)
    talk = Conversation(link, TIMING, clock)
    assert talk.observe().full
    link.stopped = False
    assert not talk.observe().full
    assert bytes(link.taken) == b"\x10\x04\x01\x10\x04\x01"


def test_a_link_that_breaks_before_the_first_byte_has_sent_nothing(
    clock: Clock, slip: Document
) -> None:
    link = ScriptedLink(clock, READY, room_bytes=10_000)
    link.breaks_at = 0
    outcome = printer_on(link, clock, StatusLevel.IN_ORDER).print_document(slip)
    assert outcome == PrintOutcome(PrintResult.FAILED, PrinterTrouble.LINK_LOST)


def test_a_link_that_breaks_after_it_may_have_sent_all(clock: Clock, slip: Document) -> None:
    link = ScriptedLink(clock, READY, room_bytes=10_000)
    link.breaks_at = 1
    outcome = printer_on(link, clock, StatusLevel.IN_ORDER).print_document(slip)
    assert outcome.result is PrintResult.UNKNOWN
    assert outcome.bytes_sent == len(link.taken) > 0


def test_bytes_that_are_not_seen_delivered_are_not_called_sent(
    clock: Clock, slip: Document
) -> None:
    link = ScriptedLink(clock, READY, room_bytes=10_000)
    link.delivers = False
    outcome = printer_on(link, clock, StatusLevel.MUTE).print_document(slip)
    assert outcome.result is PrintResult.UNKNOWN


@pytest.mark.parametrize(
    ("replies", "trouble", "paper"),
    [
        (READY, None, PaperState.OK),
        ({1: b"\x12"}, None, PaperState.UNKNOWN),
        (READY | {4: b"\x1e"}, None, PaperState.NEAR_END),
        (READY | {4: b"\x7e"}, PrinterTrouble.PAPER_OUT, PaperState.OUT),
        ({1: b"\x1a", 2: b"\x32"}, PrinterTrouble.PAPER_OUT, PaperState.OUT),
        (READY | {1: b"\x1a", 2: b"\x16"}, PrinterTrouble.COVER_OPEN, PaperState.OK),
        (READY | {1: b"\x1a", 2: b"\x52"}, PrinterTrouble.ERROR, PaperState.OK),
        (READY | {1: b"\x1a"}, PrinterTrouble.OFFLINE, PaperState.OK),
        ({1: b"\x14\x00\x0c\x00\x12", 2: b"\x12", 4: b"\x12"}, None, PaperState.OK),
        ({1: b"\xff\x12", 2: b"\x80\x12", 4: b"7\x22\x12"}, None, PaperState.OK),
    ],
)  # fmt: skip
def test_a_printers_answers_say_what_is_wrong(
    clock: Clock,
    replies: dict[int, bytes],
    trouble: PrinterTrouble | None,
    paper: PaperState,
) -> None:
    link = ScriptedLink(clock, replies, room_bytes=0)
    status = printer_on(link, clock, StatusLevel.REALTIME).status()
    assert (status.trouble, status.paper) == (trouble, paper)
