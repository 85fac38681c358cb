"""A network printer without hardware: a real TCP endpoint that makes pictures of paper."""

import contextlib
import logging
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from drivers.ports import StatusLevel
from drivers.simulated.machine import Paper, PrinterMachine, Session

_log = logging.getLogger(__name__)

_HOST: Final = "127.0.0.1"
_MAX_CONNECTIONS: Final = 8
_READ_BYTES: Final = 2048
_SEND_TIMEOUT: Final = struct.pack("ll", 5, 0)  # seconds and microseconds
_JOIN_TIMEOUT_S: Final = 10.0
USUAL_DOTS: Final = 384


class SimulatedPrinter:
    """A `SimulatedPrinter` listens on 127.0.0.1, prints to PNG, and can be given every fault.

    Use it as a context manager, or `start` and `stop` it. The fault methods may be called at any
    time from any thread.
    """

    def __init__(
        self,
        output_dir: Path,
        *,
        port: int = 0,
        dots: int = USUAL_DOTS,
        level: StatusLevel = StatusLevel.PROCESS_ID,
        on_paper: Callable[[Paper], None] | None = None,
        stale_status_on_connect: bool = False,
    ) -> None:
        """Prepare a printer of `dots` (384: 58 mm, 576: 80 mm); port 0 takes any free one.

        `level` is the best answer that it knows. `on_paper` is called for each finished piece, in
        the printer's thread; `wait_for_paper` gives the same pieces.
        """
        self._machine = PrinterMachine(output_dir, dots=dots, level=level, on_paper=on_paper)
        self._port = port
        self._stale_status_on_connect = stale_status_on_connect
        self._listener: socket.socket | None = None
        self._threads: list[threading.Thread] = []
        self._guard = threading.Lock()

    @property
    def port(self) -> int:
        """Give the TCP port, known after `start`."""
        return self._port

    def start(self) -> None:
        """Switch on.

        Raises:
            OSError: the port is taken.
        """
        self._listen()
        mechanism = threading.Thread(
            target=self._machine.run, name="simulated-printer", daemon=True
        )
        mechanism.start()
        self._threads.append(mechanism)

    def stop(self) -> None:
        """Switch off for good: every connection and thread ends before this returns."""
        self._stop_listening()
        self._machine.stop()
        with self._guard:
            threads = list(self._threads)
        for thread in threads:
            thread.join(_JOIN_TIMEOUT_S)

    def __enter__(self) -> Self:
        """Switch on."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Switch off."""
        self.stop()

    def wait_for_paper(self, timeout_s: float) -> Paper | None:
        """Give the oldest piece of paper not yet taken, None if none came in time.

        A piece ends at a cut, or with what is on the paper when a connection or the power ends.
        """
        return self._machine.wait_for_paper(timeout_s)

    def set_paper_out(self, *, out: bool, after_lines: int | None = None) -> None:
        """Take the roll out or put one in; with `after_lines`, let it end that many lines on."""
        self._machine.set_paper_out(out=out, after_lines=after_lines)

    def set_near_end(self, *, near_end: bool) -> None:
        """Let the sensor say that the roll ends soon."""
        self._machine.set_near_end(near_end=near_end)

    def set_drawer_open(self, *, is_open: bool) -> None:
        """Pull the drawer open by hand or push it shut."""
        self._machine.set_drawer_open(is_open=is_open)

    def set_cover_open(self, *, is_open: bool) -> None:
        """Open or close the cover."""
        self._machine.set_cover_open(is_open=is_open)

    def set_mute(self, *, mute: bool) -> None:
        """Answer nothing from now on, or answer again."""
        self._machine.set_mute(mute=mute)

    def set_line_pause(self, pause_s: float) -> None:
        """Take `pause_s` seconds for each printed line."""
        self._machine.set_line_pause(pause_s)

    def set_power(self, *, on: bool) -> None:
        """Cut the power (connections are reset, the buffer is lost) or bring it back."""
        if on:
            self._listen()
            self._machine.set_power(on=True)
        else:
            self._stop_listening()
            self._machine.set_power(on=False)

    def drawer_pulses(self) -> int:
        """Tell how often the drawer was opened."""
        return self._machine.drawer_pulses()

    def _listen(self) -> None:
        with self._guard:
            if self._listener is not None:
                return
            listener = socket.create_server((_HOST, self._port), backlog=_MAX_CONNECTIONS)
            self._port = listener.getsockname()[1]
            self._listener = listener
            thread = threading.Thread(
                target=self._accept, args=(listener,), name="printer-accept", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def _stop_listening(self) -> None:
        with self._guard:
            listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in accept
            listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                plug, _ = listener.accept()
            except OSError:
                return
            with self._guard:
                self._threads = [thread for thread in self._threads if thread.is_alive()]
                if self._listener is not listener or len(self._threads) > _MAX_CONNECTIONS + 2:
                    plug.close()
                    continue
                thread = threading.Thread(
                    target=self._serve, args=(plug,), name="printer-link", daemon=True
                )
                self._threads.append(thread)
                thread.start()

    def _serve(self, plug: socket.socket) -> None:
        """Read one connection to its end."""
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _SEND_TIMEOUT)
        session = Session(_answerer(plug), _hanger_up(plug))
        if not self._machine.connect(session):
            plug.close()
            return
        if self._stale_status_on_connect:
            self._machine.send_stale_status(session)
        try:
            while data := plug.recv(_READ_BYTES):
                self._machine.feed(session, data)
                if session.is_over:
                    return
        except OSError as error:
            _log.debug("a connection to the simulated printer broke: %s", error)
        self._machine.end(session)


def _answerer(plug: socket.socket) -> Callable[[bytes], None]:
    def answer(data: bytes) -> None:
        with contextlib.suppress(OSError):
            plug.sendall(data)

    return answer


def _hanger_up(plug: socket.socket) -> Callable[[], None]:
    def hang_up() -> None:
        with contextlib.suppress(OSError):
            plug.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in recv
        plug.close()

    return hang_up
