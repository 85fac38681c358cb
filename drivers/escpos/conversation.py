"""Talking with a printer over one open connection: ask, send, wait for an answer."""

import collections
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from drivers.escpos.answers import Answer, AnswerParser, RealtimeReply
from drivers.ports import PaperState, PrinterTrouble
from drivers.transport.link import Link, LinkDownError

PIECE_BYTES: Final = 1024  # so that progress is known when a write does not come back
_MAX_STALE_BYTES: Final = 65_536
_PENDING_ANSWERS: Final = 256

_ONLINE_QUESTION: Final = 1
_CAUSE_QUESTION: Final = 2
_PAPER_QUESTION: Final = 4
_OFFLINE: Final = 0x08
_COVER_OPEN: Final = 0x04
_STOPPED_BY_PAPER: Final = 0x20
_ERROR: Final = 0x40
_PAPER_END: Final = 0x60
_PAPER_NEAR_END: Final = 0x0C


class Timing(Struct, frozen=True):
    """How patient the driver is, in seconds."""

    answer_timeout_s: float = 1.0  # for one question
    quiet_s: float = 0.05  # silence after which nothing stale is left to come
    confirm_timeout_s: float = 15.0  # from the last byte to the confirmation, while all is well
    refill_timeout_s: float = 180.0  # for a person to put in paper or close the cover
    recheck_s: float = 1.0  # between two looks at the printer's state while waiting
    finish_timeout_s: float = 10.0  # to see the last byte delivered


class Observed(Struct, frozen=True):
    """What a printer said of its state. `answered` False: it said nothing at all.

    `full`: it could not even be asked, because it takes no bytes now.
    """

    answered: bool
    trouble: PrinterTrouble | None = None
    paper: PaperState = PaperState.UNKNOWN
    full: bool = False


class Conversation:
    """One job's exchange over one link. The link's `LinkDownError` goes through all methods."""

    def __init__(self, link: Link, timing: Timing, monotonic: Callable[[], float]) -> None:
        """Begin on a link that was just opened."""
        self._link = link
        self._timing = timing
        self._monotonic = monotonic
        self._parser = AnswerParser()
        self._pending: collections.deque[Answer] = collections.deque(maxlen=_PENDING_ANSWERS)
        self._begun = b""  # the end of a command whose beginning was taken
        self._full = False
        self.bytes_sent = 0

    def drop_stale(self) -> None:
        """Throw away what was on its way before we asked anything."""
        dropped = 0
        while dropped < _MAX_STALE_BYTES:
            data = self._link.read_some(self._timing.quiet_s)
            if not data:
                break
            dropped += len(data)
        self._parser = AnswerParser()
        self._pending.clear()

    def observe(self) -> Observed:
        """Ask for the printer's state by the three real-time questions."""
        online = self._ask_realtime(_ONLINE_QUESTION)
        if online is None:
            return Observed(answered=False, full=self._full)
        cause = self._ask_realtime(_CAUSE_QUESTION) or 0
        paper = self._ask_realtime(_PAPER_QUESTION)
        return Observed(True, _trouble(online, cause, paper or 0), _paper(cause, paper))

    def command(self, data: bytes) -> None:
        """Send a short command whole.

        Raises:
            LinkDownError: gone, or it takes nothing.
        """
        if not self._offer(data):
            raise LinkDownError(PrinterTrouble.NO_ANSWER, "the printer takes no bytes")

    def _offer(self, data: bytes) -> bool:
        """Send a short command; False if the printer takes no bytes now.

        A command that was begun is ended first: its rest must not be read as something else.
        """
        deadline_s = self._monotonic() + self._timing.answer_timeout_s
        left = self._begun + data
        while left:
            left = left[self._link.write_some(left, self._timing.answer_timeout_s) :]
            if left and self._monotonic() >= deadline_s:
                untouched = len(left) >= len(data)
                self._begun = left[: -len(data)] if untouched else left
                self._full = True
                return False
        self._begun = b""
        self._full = False
        return True

    def send_job(self, job: bytes, on_waiting: Callable[[PrinterTrouble], None]) -> bool:
        """Send a job in pieces, counting in `bytes_sent`; False if it stopped taking bytes.

        A full printer that takes no more cannot be asked why: the question would wait in line.
        """
        deadline_s = self._monotonic() + self._timing.refill_timeout_s
        told = False
        while self.bytes_sent < len(job):
            piece = job[self.bytes_sent : self.bytes_sent + PIECE_BYTES]
            taken = self._link.write_some(piece, self._timing.recheck_s)
            self.bytes_sent += taken
            if taken:
                deadline_s = self._monotonic() + self._timing.refill_timeout_s
                told = False
            elif self._monotonic() >= deadline_s:
                return False
            elif not told:
                on_waiting(PrinterTrouble.NO_ANSWER)
                told = True
        return True

    def wait_for(self, wanted: Callable[[Answer], bool], timeout_s: float) -> Answer | None:
        """Give the first wanted answer, None if none came in time; others stay to be asked for.

        Raises:
            LinkDownError: also when the printer has closed the connection.
        """
        deadline_s = self._monotonic() + timeout_s
        while True:
            for answer in self._pending:
                if wanted(answer):
                    self._pending.remove(answer)
                    return answer
            left_s = deadline_s - self._monotonic()
            if left_s <= 0:
                return None
            data = self._link.read_some(left_s)
            if data is None:
                raise LinkDownError(PrinterTrouble.LINK_LOST, "the printer closed the connection")
            self._pending.extend(self._parser.feed(data))

    def finish(self, wanted: Callable[[Answer], bool], timeout_s: float) -> tuple[bool, bool]:
        """End the connection; whether all bytes were delivered, and whether `wanted` came late."""
        end = self._link.finish(timeout_s)
        late = any(wanted(answer) for answer in self._parser.feed(end.answers))
        return end.delivered, late

    def _ask_realtime(self, question: int) -> int | None:
        # A late reply to an earlier question looks like any other: near end would read cover open.
        self._pending.extend(self._parser.feed(self._link.read_some(0) or b""))
        self._pending = collections.deque(
            (kept for kept in self._pending if not isinstance(kept, RealtimeReply)),
            maxlen=_PENDING_ANSWERS,
        )
        if not self._offer(b"\x10\x04" + bytes([question])):
            return None
        reply = self.wait_for(_is_realtime, self._timing.answer_timeout_s)
        return reply.bits if isinstance(reply, RealtimeReply) else None


def _is_realtime(answer: Answer) -> bool:
    return isinstance(answer, RealtimeReply)


def _trouble(online: int, cause: int, paper: int) -> PrinterTrouble | None:
    if cause & _COVER_OPEN:
        return PrinterTrouble.COVER_OPEN
    if cause & _STOPPED_BY_PAPER or paper & _PAPER_END:
        return PrinterTrouble.PAPER_OUT
    if cause & _ERROR:
        return PrinterTrouble.ERROR
    return PrinterTrouble.OFFLINE if online & _OFFLINE else None


def _paper(cause: int, paper: int | None) -> PaperState:
    if cause & _STOPPED_BY_PAPER or (paper or 0) & _PAPER_END:
        return PaperState.OUT
    if paper is None:
        return PaperState.UNKNOWN
    return PaperState.NEAR_END if paper & _PAPER_NEAR_END else PaperState.OK
