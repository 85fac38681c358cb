import contextlib
import os
import socket
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drivers.heavy import open_serial_port
from drivers.ports import PrinterTrouble
from drivers.transport.device_file import device_file_connector
from drivers.transport.lines import LineSettings
from drivers.transport.link import Connect, Link, LinkDownError
from drivers.transport.serial_line import serial_connector
from drivers.transport.tcp import TcpLink, tcp_connector

JOB = bytes(range(256)) * 157  # 40 kB


class TalkingSlowPrinter:
    """Sends a status that nobody reads, then reads slowly, then answers at the end."""

    def __init__(self) -> None:
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.port = int(self._listener.getsockname()[1])
        self.received = bytearray()
        self.reset = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        plug, _ = self._listener.accept()
        plug.sendall(b"\x14\x00\x00\x00")
        try:
            while data := plug.recv(2048):
                self.received += data
                time.sleep(0.005)
            plug.sendall(b"\x00")
        except ConnectionResetError:
            self.reset = True
        plug.close()
        self._listener.close()

    def join(self) -> None:
        self._thread.join(20)


def send_all(link: Link, data: bytes) -> None:
    while data:
        data = data[link.write_some(data, 5.0) :]


def test_a_plain_close_loses_the_tail_of_a_job_to_a_printer_that_talks() -> None:
    """The fault that `TcpLink.finish` is there for: without it, this is what happens."""
    printer = TalkingSlowPrinter()
    with socket.create_connection(("127.0.0.1", printer.port)) as plug:
        plug.sendall(JOB)
    printer.join()
    assert printer.reset
    assert len(printer.received) < len(JOB)


def test_finish_delivers_every_byte_and_collects_the_last_answer() -> None:
    printer = TalkingSlowPrinter()
    link = tcp_connector("127.0.0.1", printer.port)()
    send_all(link, JOB)
    end = link.finish(20.0)
    link.close()
    printer.join()
    assert end.delivered
    assert end.answers == b"\x14\x00\x00\x00\x00"
    assert bytes(printer.received) == JOB


def test_finish_says_so_if_bytes_were_not_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        plug = socket.create_connection(listener.getsockname())
        deaf, _ = listener.accept()
        link = TcpLink(plug)
        while link.write_some(JOB, 0.1):
            pass
        assert not link.finish(0.1).delivered
        link.close()
        deaf.close()


def test_finish_trusts_the_kernels_count_where_the_printer_stays_connected() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        link = tcp_connector(*listener.getsockname())()
        printer, _ = listener.accept()
        send_all(link, b"job")
        assert link.finish(0.2).delivered
        link.close()
        printer.close()


def test_a_reset_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        link = tcp_connector(*listener.getsockname())()
        printer, _ = listener.accept()
        send_all(link, b"job")
        printer.close()  # with unread bytes: a reset
        with pytest.raises(LinkDownError) as down:
            link.read_some(5.0)
        assert down.value.trouble is PrinterTrouble.LINK_LOST
        link.close()


def test_nobody_listening_is_offline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    with pytest.raises(LinkDownError) as down:
        tcp_connector(*address)()
    assert down.value.trouble is PrinterTrouble.OFFLINE


class Tty:
    """A raw pseudo-terminal."""

    def __init__(self) -> None:
        self.far_end, self._tty = os.openpty()
        tty.setraw(self._tty)
        self.path = os.ttyname(self._tty)
        os.set_blocking(self.far_end, False)

    def unplug(self) -> None:
        for end in (self.far_end, self._tty):
            with contextlib.suppress(OSError):
                os.close(end)


@pytest.fixture
def line() -> Iterator[Tty]:
    line = Tty()
    yield line
    line.unplug()


def connect_to_serial(path: str) -> Connect:
    return serial_connector(path, LineSettings(), open_serial_port)


CONNECTORS: dict[str, Callable[[str], Connect]] = {
    "usb": device_file_connector,
    "serial": connect_to_serial,
}


@pytest.mark.parametrize("kind", CONNECTORS)
class TestTtyLinks:
    def connect(self, kind: str, path: str) -> Link:
        return CONNECTORS[kind](path)()

    def test_bytes_go_both_ways(self, kind: str, line: Tty) -> None:
        link = self.connect(kind, line.path)
        send_all(link, b"\x1b@\r\n\x11\x13\x04")
        end = link.finish(5.0)
        assert os.read(line.far_end, 100) == b"\x1b@\r\n\x11\x13\x04"
        assert end.delivered
        os.write(line.far_end, b"\x12\r\x03")
        assert link.read_some(5.0) == b"\x12\r\x03"
        assert link.read_some(0.01) == b""
        link.close()

    def test_a_device_that_takes_nothing_does_not_block(self, kind: str, line: Tty) -> None:
        link = self.connect(kind, line.path)
        sent = 0
        while taken := link.write_some(b"x" * 1024, 0.05):
            sent += taken
        assert 0 < sent < 1_000_000
        read = 0
        while link.write_some(b"y", 0.05) == 0:
            read += len(os.read(line.far_end, 65536))
        assert read > 0
        link.close()

    def test_an_unplugged_device_is_told(self, kind: str, line: Tty) -> None:
        link = self.connect(kind, line.path)
        line.unplug()
        with pytest.raises(LinkDownError) as down:
            link.read_some(5.0)
        assert down.value.trouble is PrinterTrouble.LINK_LOST
        with pytest.raises(LinkDownError):
            link.write_some(b"x", 5.0)
        link.close()
        link.close()

    def test_a_device_that_is_not_there_is_offline(self, kind: str, tmp_path: Path) -> None:
        with pytest.raises(LinkDownError) as down:
            self.connect(kind, str(tmp_path / "lp0"))
        assert down.value.trouble is PrinterTrouble.OFFLINE


def test_a_tty_that_is_in_use_is_busy(line: Tty) -> None:
    connect = serial_connector(line.path, LineSettings(), open_serial_port)
    first = connect()
    with pytest.raises(LinkDownError) as down:
        connect()
    assert down.value.trouble is PrinterTrouble.BUSY
    first.close()
    connect().close()


def test_line_parameters_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="baud"):
        LineSettings(baud=9601)
    with pytest.raises(ValueError, match="stop bits"):
        LineSettings(stop_bits=3)
