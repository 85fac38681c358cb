"""A receipt printer that speaks ESC/POS, over any link."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from drivers.document import Document
from drivers.escpos.answers import Answer, InOrderReply, ProcessIdReply
from drivers.escpos.conversation import Conversation, Observed, Timing
from drivers.escpos.encode import INITIALISE, EncodedJob, PainterSource, encode_document
from drivers.escpos.profile import PrinterProfile
from drivers.ports import (
    PrinterStatus,
    PrinterTrouble,
    PrintOutcome,
    PrintResult,
    StatusLevel,
    do_nothing,
    ignore_trouble,
)
from drivers.transport.link import Connect, LinkDownError

_log = logging.getLogger(__name__)

_ASK_PAPER_IN_ORDER: Final = b"\x1dr\x01"
_OPEN_DRAWER_NOW: Final = b"\x10\x14\x01\x00\x01"  # real time, pin 2, 100 ms
_CONFIRMED_FINISH_S: Final = 1.0
_DEFAULT_TIMING: Final = Timing()
_WAITS_FOR_A_PERSON: Final = frozenset(
    {PrinterTrouble.PAPER_OUT, PrinterTrouble.COVER_OPEN, PrinterTrouble.OFFLINE}
)


def _in_order_mark(mark: bytes) -> bytes:
    """Give the command that makes the printer answer `mark` when the paper is out."""
    return b"\x1d(H\x06\x0000" + mark


class EscposPrinter:
    """A `Printer`: encodes, asks, sends, and believes only an answer that comes in order.

    One connection per job. The status level comes from the profile, or is found out by questions
    that no printer can mistake for text (`DLE EOT`, `GS r`); `GS ( H` is used only if the profile
    says so, because a printer that does not know it may print it.
    """

    def __init__(
        self,
        connect: Connect,
        profile: PrinterProfile,
        *,
        painter: PainterSource,
        timing: Timing = _DEFAULT_TIMING,
        monotonic: Callable[[], float] = time.monotonic,
        first_mark: int = 1,
    ) -> None:
        """Prepare; nothing is opened before the first job or question.

        `first_mark` numbers the first job's `GS ( H` mark; start somewhere else at each start of
        the program, so that a late answer to an earlier run's job is not taken for this one's.
        """
        self._connect = connect
        self._profile = profile
        self._painter = painter
        self._timing = timing
        self._monotonic = monotonic
        self._next_mark = first_mark
        self._level = profile.status_level
        self._one_at_a_time = threading.Lock()
        self._closed = False

    def print_document(
        self,
        document: Document,
        *,
        on_sending: Callable[[], None] = do_nothing,
        on_waiting: Callable[[PrinterTrouble], None] = ignore_trouble,
    ) -> PrintOutcome:
        """Print a document, as `Printer` promises."""
        job = encode_document(document, self._profile, self._painter)
        if job.replaced_chars:
            _log.warning(
                "%d characters are outside the printer's ROM and there is no font to draw them",
                job.replaced_chars,
            )
        if not self._one_at_a_time.acquire(blocking=False):
            return _failed(PrinterTrouble.BUSY)
        try:
            return self._print_job(job, on_sending, on_waiting)
        finally:
            self._one_at_a_time.release()

    def status(self) -> PrinterStatus:
        """Ask the printer how it is, as `Printer` promises."""
        if not self._one_at_a_time.acquire(blocking=False):
            return PrinterStatus(PrinterTrouble.BUSY, level=self._level)
        try:
            return self._ask_status()
        finally:
            self._one_at_a_time.release()

    def find_level(self) -> PrinterStatus:
        """Ask every question there is, as `Printer` promises."""
        if not self._one_at_a_time.acquire(blocking=False):
            return PrinterStatus(PrinterTrouble.BUSY, level=self._level)
        try:
            return self._ask_status(in_full=True)
        finally:
            self._one_at_a_time.release()

    def close(self) -> None:
        """Take no more jobs; one that is running ends first."""
        with self._one_at_a_time:
            self._closed = True

    def _ask_status(self, *, in_full: bool = False) -> PrinterStatus:
        if self._closed:
            return PrinterStatus(PrinterTrouble.OFFLINE, level=self._level)
        try:
            link = self._connect()
        except LinkDownError as down:
            return PrinterStatus(down.trouble, level=self._level)
        try:
            talk = Conversation(link, self._timing, self._monotonic)
            status = self._look(talk)
            answers = status.level in {StatusLevel.IN_ORDER, StatusLevel.REALTIME}
            if in_full and status.trouble is None and answers and not self._profile.status_level:
                self._level = self._probe_process_id(talk) or self._level
            return replace(status, level=self._level)
        except LinkDownError as down:
            return PrinterStatus(down.trouble, level=self._level)
        finally:
            link.close()

    def _print_job(
        self,
        job: EncodedJob,
        on_sending: Callable[[], None],
        on_waiting: Callable[[PrinterTrouble], None],
    ) -> PrintOutcome:
        if self._closed:
            return _failed(PrinterTrouble.OFFLINE)
        try:
            link = self._connect()
        except LinkDownError as down:
            return _failed(down.trouble)
        talk = Conversation(link, self._timing, self._monotonic)
        try:
            trouble = self._look(talk).trouble
            if trouble in _WAITS_FOR_A_PERSON and job.only_pulses:
                on_sending()
                return self._pulse(talk, job.only_pulses)
            if trouble is not None:
                return _failed(trouble)
            on_sending()
            return self._send(talk, job.data, on_waiting)
        except LinkDownError as down:
            if talk.bytes_sent == 0:
                return _failed(down.trouble)
            return _unknown(PrinterTrouble.LINK_LOST, talk)
        finally:
            link.close()

    def _pulse(self, talk: Conversation, pulses: int) -> PrintOutcome:
        """Open the drawer of a printer that does not print now, by the command that overtakes."""
        talk.command(_OPEN_DRAWER_NOW * pulses)
        delivered, _ = talk.finish(_is_in_order, self._timing.finish_timeout_s)
        sent = len(_OPEN_DRAWER_NOW) * pulses
        if delivered:
            return PrintOutcome(PrintResult.SENT, bytes_sent=sent)
        return PrintOutcome(PrintResult.UNKNOWN, PrinterTrouble.NO_ANSWER, bytes_sent=sent)

    def _look(self, talk: Conversation) -> PrinterStatus:
        """See whether a job may be sent, learning the level on the way."""
        talk.drop_stale()
        if self._profile.status_level is StatusLevel.MUTE:
            return PrinterStatus(None, level=StatusLevel.MUTE)
        seen = talk.observe()
        if not seen.answered:
            if not seen.full and self._level in {None, StatusLevel.MUTE}:
                self._level = StatusLevel.MUTE
                return PrinterStatus(None, level=self._level)
            return PrinterStatus(PrinterTrouble.NO_ANSWER, level=self._level)
        if seen.trouble is None and self._level in {None, StatusLevel.MUTE}:
            self._level = self._probe(talk)
        return PrinterStatus(seen.trouble, seen.paper, self._level)

    def _probe(self, talk: Conversation) -> StatusLevel:
        talk.command(_ASK_PAPER_IN_ORDER)
        answer = talk.wait_for(_is_in_order, self._timing.answer_timeout_s)
        return StatusLevel.REALTIME if answer is None else StatusLevel.IN_ORDER

    def _probe_process_id(self, talk: Conversation) -> StatusLevel | None:
        """Ask for a mark behind nothing at all. Cleared after: what it printed ends there."""
        self._level, before = StatusLevel.PROCESS_ID, self._level
        question, confirms = self._confirmation()
        self._level = before
        talk.command(question)
        if talk.wait_for(confirms, self._timing.answer_timeout_s) is not None:
            return StatusLevel.PROCESS_ID
        talk.command(INITIALISE)
        return None

    def _send(
        self, talk: Conversation, data: bytes, on_waiting: Callable[[PrinterTrouble], None]
    ) -> PrintOutcome:
        question, confirms = self._confirmation()
        # The question goes with the job: a printer whose buffer is full takes it when it has room.
        if not talk.send_job(data + question, on_waiting):
            return _unknown(PrinterTrouble.NO_ANSWER, talk)
        if question:
            doubt = self._await_confirmation(talk, confirms, on_waiting)
            if doubt is None:
                self._let_go(talk, confirms)
                return PrintOutcome(PrintResult.CONFIRMED, bytes_sent=talk.bytes_sent)
            return _unknown(doubt, talk)
        delivered, _ = talk.finish(confirms, self._timing.finish_timeout_s)
        if delivered:
            return PrintOutcome(PrintResult.SENT, bytes_sent=talk.bytes_sent)
        return _unknown(PrinterTrouble.NO_ANSWER, talk)

    def _confirmation(self) -> tuple[bytes, Callable[[Answer], bool]]:
        """Give the question to ask after the job, empty if none, and what answers it."""
        if self._level is StatusLevel.PROCESS_ID:
            mark = b"%04d" % (self._next_mark % 10_000)
            self._next_mark += 1
            return _in_order_mark(mark), lambda answer: answer == ProcessIdReply(mark)
        if self._level is StatusLevel.IN_ORDER:
            return _ASK_PAPER_IN_ORDER, _is_in_order
        return b"", _is_in_order

    def _await_confirmation(
        self,
        talk: Conversation,
        confirms: Callable[[Answer], bool],
        on_waiting: Callable[[PrinterTrouble], None],
    ) -> PrinterTrouble | None:
        """Wait for the paper: None when it is confirmed, otherwise what stands in the way.

        While the printer waits for a person, or is so full that it cannot be asked, the clock of
        the confirmation starts anew: it keeps its buffer and goes on by itself.
        """
        now_s = self._monotonic()
        give_up_s = now_s + self._timing.refill_timeout_s
        deadline_s = now_s + self._timing.confirm_timeout_s
        told: PrinterTrouble | None = None
        while True:
            if talk.wait_for(confirms, self._timing.recheck_s) is not None:
                return None
            seen = talk.observe()
            now_s = self._monotonic()
            waits_for = PrinterTrouble.NO_ANSWER if seen.full else seen.trouble
            if waits_for is not None and (seen.full or waits_for in _WAITS_FOR_A_PERSON):
                deadline_s = now_s + self._timing.confirm_timeout_s
                if waits_for is not told:
                    told = waits_for
                    on_waiting(waits_for)
            if now_s >= min(deadline_s, give_up_s):
                return self._last_look(talk, confirms, seen)

    def _last_look(
        self, talk: Conversation, confirms: Callable[[Answer], bool], seen: Observed
    ) -> PrinterTrouble | None:
        """Close our half and see whether the answer was on its way."""
        _, late = talk.finish(confirms, self._timing.answer_timeout_s)
        return None if late else seen.trouble or PrinterTrouble.NO_ANSWER

    def _let_go(self, talk: Conversation, confirms: Callable[[Answer], bool]) -> None:
        """End the connection of a job that is on paper already; how it ends changes nothing."""
        try:
            talk.finish(confirms, _CONFIRMED_FINISH_S)
        except LinkDownError as down:
            _log.debug("after a confirmed job: %s", down)


def _is_in_order(answer: Answer) -> bool:
    return isinstance(answer, InOrderReply)


def _failed(trouble: PrinterTrouble) -> PrintOutcome:
    return PrintOutcome(PrintResult.FAILED, trouble)


def _unknown(trouble: PrinterTrouble, talk: Conversation) -> PrintOutcome:
    return PrintOutcome(PrintResult.UNKNOWN, trouble, bytes_sent=talk.bytes_sent)
