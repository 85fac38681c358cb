"""The simulated printer without its plug: buffer, mechanism, sensors, answers and faults.

Like the real thing it answers `DLE EOT` the moment it arrives and everything else in its turn: a
question behind the job waits with the job while paper is out or the cover is open.
"""

import collections
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct

from drivers.fonts import HOW_TO_GET_A_FONT, find_cjk_font
from drivers.ports import StatusLevel
from drivers.simulated.commands import Command, CommandReader, Event
from drivers.simulated.marks import Piece
from drivers.simulated.render import PaperPainter
from drivers.simulated.roll import Roll

BUFFER_BYTES: Final = 4096
# GS I: one byte for model, type and ROM, text between "_" and NUL for maker and model.
_IDENTITY: Final = {
    1: b"\x20", 2: b"\x02", 3: b"\x01", 49: b"\x20", 50: b"\x02", 51: b"\x01",
    66: b"_HUIDIAN\0", 67: b"_SIMULATED\0",
}  # fmt: skip
_CLEAR_BUFFER: Final = b"\x08\x01\x03\x14\x01\x06\x02\x08"
_KEPT_PAPERS: Final = 100
_REALTIME: Final = frozenset({"DLE 04", "DLE 05", "DLE 14"})
# Paper and drawer; the two of ESC are the same questions as older programs ask them.
_OF_THE_SENSORS: Final = frozenset({"GS r", "ESC v", "ESC u"})
_LEVELS_ANSWERING_IN_ORDER: Final = frozenset({StatusLevel.PROCESS_ID, StatusLevel.IN_ORDER})


class Paper(Struct, frozen=True):
    """A piece of paper that came out: its number from 1, its bytes, and what can be read on it.

    `png_path` is its picture. `cut` False: torn off when the connection or the power ended.
    `warnings` are faults of the bytes (unknown commands, half characters) or of this machine (no
    Chinese font); empty for a good job.
    """

    number: int
    raw: bytes
    lines: tuple[str, ...]
    png_path: Path
    cut: bool
    qr_texts: tuple[str, ...]
    warnings: tuple[str, ...]
    unknown: tuple[bytes, ...]

    @property
    def text(self) -> str:
        """Give the lines as one text."""
        return "".join(f"{line}\n" for line in self.lines)


class Session:
    """One connection to the printer: `answer` sends bytes back, `hang_up` ends it."""

    def __init__(self, answer: Callable[[bytes], None], hang_up: Callable[[], None]) -> None:
        """Begin; neither callback may raise."""
        self.answer = answer
        self.hang_up = hang_up
        self.reader = CommandReader()
        self.wants_auto_status = False
        self.has_printed = False
        self.is_over = False


class PrinterMachine:
    """Takes bytes of any number of connections and makes paper. Thread-safe."""

    def __init__(
        self,
        output_dir: Path,
        *,
        dots: int,
        level: StatusLevel,
        on_paper: Callable[[Paper], None] | None,
    ) -> None:
        """Prepare; pictures are written to `output_dir` as paper-0001.png, paper-0002.png, …

        `level` is what this model of printer can answer at best. `on_paper` is called in the
        mechanism's thread while it holds its lock: it must be short and not raise.
        """
        output_dir.mkdir(parents=True, exist_ok=True)
        self._output_dir = output_dir
        self._level = level
        self._on_paper = on_paper
        self._font = find_cjk_font()
        self._painter = PaperPainter(dots, self._font)
        self._roll = Roll(dots)
        self._papers: collections.deque[Paper] = collections.deque(maxlen=_KEPT_PAPERS)
        self._papers_made = 0
        self._changed = threading.Condition()
        self._queue: collections.deque[tuple[Session, Event | None]] = collections.deque()
        self._queued_bytes = 0
        self._holder: Session | None = None
        self._sessions: list[Session] = []
        self._stopped = False
        self._powered = True
        self._paper_out = False
        self._lines_left: int | None = None
        self._near_end = False
        self._drawer_open = False
        self._cover_open = False
        self._mute = False
        self._line_pause_s = 0.0

    # Connections.

    def connect(self, session: Session) -> bool:
        """Take a new connection; False if the printer is off."""
        with self._changed:
            if self._stopped or not self._powered:
                return False
            self._sessions.append(session)
        return True

    def feed(self, session: Session, data: bytes) -> None:
        """Take bytes of a connection; blocks while the buffer is full or another one prints."""
        for event in session.reader.feed(data):
            if isinstance(event, Command) and event.name in _REALTIME:
                self._answer_realtime(session, event)
            elif not self._enqueue(session, event):
                return

    def end(self, session: Session) -> None:
        """Take the end of a connection's bytes; it is hung up when they are all printed."""
        for event in session.reader.end():
            self._enqueue(session, event)
        with self._changed:
            if session.has_printed and not session.is_over:
                self._queue.append((session, None))
            else:
                self._hang_up(session)
            if self._holder is session:
                self._holder = None
            self._changed.notify_all()

    def _enqueue(self, session: Session, event: Event) -> bool:
        size = len(event.raw)
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._stopped
                    or session.is_over
                    or (
                        self._holder in {None, session}
                        and (not self._queued_bytes or self._queued_bytes + size <= BUFFER_BYTES)
                    )
                )
            )
            if self._stopped or session.is_over:
                return False
            self._holder = session
            session.has_printed = True
            self._queue.append((session, event))
            self._queued_bytes += size
            self._changed.notify_all()
        return True

    # The mechanism.

    def run(self) -> None:
        """Print until `stop`; runs in a thread of its own."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or self._has_work())
                if self._stopped:
                    return
                session, event = self._queue.popleft()
                self._queued_bytes -= len(event.raw) if event is not None else 0
                self._changed.notify_all()
                self._work(session, event)
                pause_s = self._line_pause_s if _is_line(event) else 0.0
                if pause_s:
                    self._changed.wait_for(lambda: self._stopped, timeout=pause_s)

    def stop(self) -> None:
        """End `run` and hang up every connection."""
        with self._changed:
            self._stopped = True
            self._hang_up_all()
            self._changed.notify_all()

    def _has_work(self) -> bool:
        if not self._queue:
            return False
        ends_session = self._queue[0][1] is None
        return ends_session or self._can_print()

    def _can_print(self) -> bool:
        return self._powered and not self._paper_out and not self._cover_open

    def _work(self, session: Session, event: Event | None) -> None:
        if event is None:
            self._deliver(self._roll.tear_off())
            self._hang_up(session)
            return
        before = self._roll.lines_printed
        self._deliver(self._roll.feed(event))
        if isinstance(event, Command):
            self._answer_in_order(session, event)
        if self._lines_left is not None:
            self._lines_left -= self._roll.lines_printed - before
            if self._lines_left <= 0:
                self._lines_left = None
                self._paper_out = True
                self._tell_all()

    def _deliver(self, piece: Piece | None) -> None:
        if piece is None:
            return
        self._papers_made += 1
        path = self._output_dir / f"paper-{self._papers_made:04d}.png"
        self._painter.paint(piece).save(path)
        warnings = piece.notes
        if self._font is None:
            warnings += (f"no Chinese font for the picture; {HOW_TO_GET_A_FONT}",)
        paper = Paper(
            self._papers_made,
            piece.raw,
            piece.lines,
            path,
            piece.cut,
            piece.qr_texts,
            warnings,
            piece.unknown,
        )
        self._papers.append(paper)
        self._changed.notify_all()
        if self._on_paper is not None:
            self._on_paper(paper)

    def wait_for_paper(self, timeout_s: float) -> Paper | None:
        """Give the oldest piece of paper not yet taken, None if none came in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._papers, timeout=timeout_s)
            return self._papers.popleft() if self._papers else None

    # Answers.

    def _say(self, session: Session, answer: bytes) -> None:
        if not self._mute and self._level is not StatusLevel.MUTE:
            session.answer(answer)

    def _answer_realtime(self, session: Session, command: Command) -> None:
        if command.name == "DLE 14":
            self._act_at_once(command.parameters)
        if command.name != "DLE 04":
            return
        with self._changed:
            stopped = 0 if self._can_print() else 0x08
            bits = {
                1: stopped | (0x04 if self._drawer_open else 0),
                2: (0x04 if self._cover_open else 0) | (0x20 if self._paper_out else 0),
                3: 0,
                4: (0x60 if self._paper_out else 0) | (0x0C if self._is_near_end() else 0),
            }.get(command.parameters[0])
            if bits is not None and self._powered:
                self._say(session, bytes([0x12 | bits]))

    def _act_at_once(self, parameters: bytes) -> None:
        """Apply `DLE DC4`: the drawer's pulse, or throwing away what is not printed yet."""
        with self._changed:
            if parameters[:1] == b"\x01" and self._powered:
                self._roll.drawer_pulses += 1
            elif parameters == _CLEAR_BUFFER:
                self._queue = collections.deque(kept for kept in self._queue if kept[1] is None)
                self._queued_bytes = 0
                self._changed.notify_all()

    def _answer_in_order(self, session: Session, command: Command) -> None:
        parameters = command.parameters
        if command.name == "GS a":
            session.wants_auto_status = parameters != b"\x00"
            if session.wants_auto_status:
                self._say(session, self._auto_status())
        elif command.name in _OF_THE_SENSORS and self._level in _LEVELS_ANSWERING_IN_ORDER:
            if command.name == "ESC v" or (command.name == "GS r" and parameters[0] % 48 == 1):
                self._say(session, bytes([0x03 if self._is_near_end() else 0]))
            else:
                self._say(session, bytes([0x01 if self._drawer_open else 0]))
        elif command.name == "GS I" and self._level in _LEVELS_ANSWERING_IN_ORDER:
            self._say(session, _IDENTITY.get(parameters[0], b""))
        elif (
            command.name == "GS ("
            and self._level is StatusLevel.PROCESS_ID
            and parameters[:5] == b"H\x06\x0000"
        ):
            self._say(session, b"7\x22" + parameters[5:9] + b"\x00")

    def _is_near_end(self) -> bool:
        return self._near_end or self._paper_out or self._lines_left is not None

    def _auto_status(self) -> bytes:
        first = 0x10 | (0x04 if self._drawer_open else 0)
        first |= (0 if self._can_print() else 0x08) | (0x20 if self._cover_open else 0)
        paper = (0x0C if self._paper_out else 0) | (0x03 if self._is_near_end() else 0)
        return bytes([first, 0, paper, 0])

    def _tell_all(self) -> None:
        for session in self._sessions:
            if session.wants_auto_status:
                self._say(session, self._auto_status())

    def send_stale_status(self, session: Session) -> None:
        """Send an automatic status that nobody asked for."""
        with self._changed:
            self._say(session, self._auto_status())

    # Faults, settable at any time.

    def set_paper_out(self, *, out: bool, after_lines: int | None = None) -> None:
        """Take the roll out or put one in; with `after_lines`, let it end that many lines on."""
        with self._changed:
            self._paper_out = out and after_lines is None
            self._lines_left = after_lines if out else None
            self._tell_all()
            self._changed.notify_all()

    def set_near_end(self, *, near_end: bool) -> None:
        """Let the sensor say that the roll ends soon."""
        with self._changed:
            self._near_end = near_end
            self._tell_all()

    def set_drawer_open(self, *, is_open: bool) -> None:
        """Pull the drawer open by hand or push it shut, as its sensor sees it."""
        with self._changed:
            self._drawer_open = is_open
            self._tell_all()

    def set_cover_open(self, *, is_open: bool) -> None:
        """Open or close the cover."""
        with self._changed:
            self._cover_open = is_open
            self._tell_all()
            self._changed.notify_all()

    def set_mute(self, *, mute: bool) -> None:
        """Answer nothing from now on, or answer again."""
        with self._changed:
            self._mute = mute

    def set_line_pause(self, pause_s: float) -> None:
        """Take `pause_s` for each printed line."""
        with self._changed:
            self._line_pause_s = pause_s

    def set_power(self, *, on: bool) -> None:
        """Cut the power: connections end at once, the buffer is lost, printed paper stays."""
        with self._changed:
            self._powered = on
            if not on:
                self._queue.clear()
                self._queued_bytes = 0
                self._holder = None
                self._deliver(self._roll.power_cut())
                self._hang_up_all()
            self._changed.notify_all()

    def drawer_pulses(self) -> int:
        """Tell how often the drawer was opened."""
        with self._changed:
            return self._roll.drawer_pulses

    def _hang_up_all(self) -> None:
        for session in list(self._sessions):
            self._hang_up(session)

    def _hang_up(self, session: Session) -> None:
        session.is_over = True
        if session in self._sessions:
            self._sessions.remove(session)
        session.hang_up()


def _is_line(event: Event | None) -> bool:
    return isinstance(event, Command) and event.name in {"LF", "GS v", "ESC d"}
