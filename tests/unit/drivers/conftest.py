"""Real links to simulated devices: TCP, and pseudo-terminals that stand for USB and serial."""

import contextlib
import os
import select
import socket
import threading
import tty
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pytest

from drivers.document import Align, Columns, Cut, Document, Qr, Rule, Size, Text
from drivers.escpos.conversation import Timing
from drivers.escpos.printer import EscposPrinter
from drivers.escpos.profile import PrinterProfile
from drivers.heavy import open_serial_port, painter_or_none
from drivers.ports import StatusLevel
from drivers.simulated.printer import SimulatedPrinter
from drivers.transport.device_file import device_file_connector
from drivers.transport.lines import LineSettings
from drivers.transport.link import Connect
from drivers.transport.serial_line import serial_connector
from drivers.transport.tcp import tcp_connector

HASTE = Timing(
    answer_timeout_s=0.8,
    quiet_s=0.05,
    confirm_timeout_s=1.0,
    refill_timeout_s=3.0,
    recheck_s=0.1,
    finish_timeout_s=3.0,
)


def utc_now() -> datetime:
    return datetime(2026, 3, 14, 1, 26, tzinfo=UTC)


class PtyBridge:
    """A tty whose other end is a TCP printer: what a USB or serial cable is to a real one."""

    def __init__(self, port: int, path: Path) -> None:
        self.path = path
        self._plug = socket.create_connection(("127.0.0.1", port))
        self._far_end, self._tty = os.openpty()
        tty.setraw(self._tty)
        path.unlink(missing_ok=True)
        path.symlink_to(os.ttyname(self._tty))
        self._stop_reader, self._stop_writer = os.pipe()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            link = self._plug.fileno()
            while True:
                ready, _, _ = select.select([link, self._far_end, self._stop_reader], [], [])
                if self._stop_reader in ready:
                    break
                if link in ready:
                    data = self._plug.recv(4096)
                    if not data:
                        break
                    os.write(self._far_end, data)
                if self._far_end in ready:
                    self._plug.sendall(os.read(self._far_end, 4096))
        # The printer is gone, and with it the tty that the kernel made for it.
        self.path.unlink(missing_ok=True)
        for end in (self._far_end, self._tty):
            os.close(end)
        self._plug.close()

    def close(self) -> None:
        os.write(self._stop_writer, b"x")
        self._thread.join(10)
        os.close(self._stop_reader)
        os.close(self._stop_writer)


@dataclass
class Rig:
    """A driver, the simulated printer behind it, and how to plug its cable in again."""

    printer: EscposPrinter
    simulated: SimulatedPrinter
    plug_in: Callable[[], None]


class MakeRig(Protocol):
    def __call__(
        self,
        link: str = "tcp",
        *,
        knows: StatusLevel = StatusLevel.PROCESS_ID,
        believed: StatusLevel | None = StatusLevel.PROCESS_ID,
        stale_status: bool = False,
        timing: Timing = HASTE,
    ) -> Rig: ...


@pytest.fixture
def make_rig(tmp_path: Path) -> Iterator[MakeRig]:
    with contextlib.ExitStack() as stack:

        def make(
            link: str = "tcp",
            *,
            knows: StatusLevel = StatusLevel.PROCESS_ID,
            believed: StatusLevel | None = StatusLevel.PROCESS_ID,
            stale_status: bool = False,
            timing: Timing = HASTE,
        ) -> Rig:
            simulated = stack.enter_context(
                SimulatedPrinter(
                    tmp_path / "paper", level=knows, stale_status_on_connect=stale_status
                )
            )
            node = tmp_path / "lp0"

            def plug_in() -> None:
                if link != "tcp":
                    stack.callback(PtyBridge(simulated.port, node).close)

            plug_in()
            connect: Connect = {
                "tcp": tcp_connector("127.0.0.1", simulated.port),
                "usb": device_file_connector(str(node)),
                "serial": serial_connector(str(node), LineSettings(), open_serial_port),
            }[link]
            printer = EscposPrinter(
                connect,
                PrinterProfile(status_level=believed),
                painter=painter_or_none,
                timing=timing,
            )
            return Rig(printer, simulated, plug_in)

        yield make


@pytest.fixture
def slip() -> Document:
    return Document(
        (
            Text("广惠小店", Align.CENTER, Size.BIG, bold=True),
            Rule(),
            Columns("馒头", "2.50", middle="5"),
            Columns("青菜", "4.60", middle="1.00"),
            Columns("合计", "7.10 元"),
            Columns("积分抵扣", "71 积分"),
            Columns("应付", "0.00 元", size=Size.TALL),
            Qr("HD1:R:0001-000027"),
            Cut(),
        )
    )
