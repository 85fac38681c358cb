"""The device's own side of a printer's cable: the simulated printer's machine, as firmware."""

import contextlib
import fcntl
import os
import select
import threading
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from drivers.ports import StatusLevel
from drivers.simulated.machine import PrinterMachine, Session

PRINTER_NODE: Final = Path("/dev/g_printer0")
SERIAL_NODE: Final = Path("/dev/ttyGS0")
_GADGET_SET_STATUS: Final = 0xC0016722  # _IOWR('g', 0x22, unsigned char), linux/usb/g_printer.h
# More than a USB transfer holds: the kernel frees one twice that was read in part when its gadget
# is unplugged, and is corrupt after (Debian 12's 6.1).
_READ_BYTES: Final = 65_536
_JOIN_S: Final = 20.0


class Firmware:
    """Reads the cable and prints. `received` is every byte that came over it, in order."""

    def __init__(self, output_dir: Path, level: StatusLevel, node: Path) -> None:
        """Switch on; the gadget must be plugged in."""
        self.machine = PrinterMachine(output_dir, dots=384, level=level, on_paper=None)
        self.received = bytearray()
        self._handle = os.open(node, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY)
        if node == SERIAL_NODE:
            tty.setraw(self._handle)
        self.session = Session(self.answer, lambda: None)
        self.machine.connect(self.session)
        self._reads = threading.Event()
        self._reads.set()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._read), threading.Thread(target=self._print)]
        for thread in self._threads:
            thread.start()

    def answer(self, data: bytes) -> None:
        """Send bytes to the host, as one transfer; they wait until the host asks for them."""
        select.select([], [self._handle], [], 2.0)
        with contextlib.suppress(BlockingIOError):
            os.write(self._handle, data)

    def stop_reading(self) -> None:
        """Take no more bytes, as a printer does whose buffer is full."""
        self._reads.clear()

    def set_port_status(self, bits: int) -> None:
        """Set what the printer class's own status request answers."""
        fcntl.ioctl(self._handle, _GADGET_SET_STATUS, bits)  # by value

    def close(self) -> None:
        """Switch off. Before the plug is pulled: the kernel crashes on a gadget in use."""
        self._stop.set()
        self._reads.set()
        self.machine.stop()
        for thread in self._threads:
            thread.join(_JOIN_S)
        with contextlib.suppress(OSError):
            while os.read(self._handle, _READ_BYTES):
                pass
        os.close(self._handle)

    def _read(self) -> None:
        while not self._stop.is_set():
            self._reads.wait()
            ready, _, _ = select.select([self._handle], [], [], 0.1)
            if not ready:
                continue
            try:
                data = os.read(self._handle, _READ_BYTES)
            except OSError:  # nothing yet, or the cable is pulled
                self._stop.wait(0.05)
                continue
            self.received += data
            self.machine.feed(self.session, data)

    def _print(self) -> None:
        self.machine.run()


@contextlib.contextmanager
def firmware(
    output_dir: Path, level: StatusLevel = StatusLevel.PROCESS_ID, node: Path = PRINTER_NODE
) -> Iterator[Firmware]:
    """Give a printer that is switched on, and switch it off."""
    running = Firmware(output_dir, level, node)
    try:
        yield running
    finally:
        running.close()
