"""The one place that imports a library late.

A terminal on a small computer should start quickly and stay small: Pillow and qrcode are needed
only for a line that the printer's ROM cannot hold (and then in a process of their own), pyserial only where a device URL names a serial
line. They are imported when first used, here and nowhere else, and come back typed.
"""

import functools
import importlib
from importlib.util import find_spec
from pathlib import Path

from drivers.escpos.painter_process import ProcessPainter
from drivers.escpos.raster import Painter
from drivers.fonts import find_cjk_font
from drivers.ports import PrinterTrouble
from drivers.transport.lines import LineSettings, SerialPort
from drivers.transport.link import Connect, Link, LinkDownError
from drivers.transport.tcp import tcp_connector


@functools.cache
def painter_or_none() -> Painter | None:
    """Give what draws Chinese lines and QR codes; None without Pillow or a Chinese font.

    It draws in a process of its own, which starts when something must be drawn and ends soon
    after: Pillow and a font are five times the size of the terminal's other libraries.
    """
    if find_cjk_font() is None or any(find_spec(name) is None for name in ("PIL", "qrcode")):
        return None
    return ProcessPainter()


def simulated_connector(folder: str, dots: int) -> Connect:
    """Give what connects to a simulated printer of this process; the first call switches it on.

    Its paper appears as pictures in `folder`. It ends with the process.
    """
    started: list[Connect] = []

    def connect() -> Link:
        if not started:
            module = importlib.import_module("drivers.simulated.printer")
            printer = module.SimulatedPrinter(Path(folder), dots=dots)
            try:
                printer.start()
            except OSError as error:
                raise LinkDownError(PrinterTrouble.OFFLINE, str(error)) from error
            started.append(tcp_connector("127.0.0.1", printer.port))
        return started[0]()

    return connect


def open_serial_port(path: str, settings: LineSettings) -> SerialPort:
    """Open a tty exclusively.

    Raises:
        LinkDownError: it is not there, somebody else has it, or pyserial is not installed.
    """
    module = importlib.import_module("drivers.transport.pyserial_port")
    port: SerialPort = module.PyserialPort(path, settings)
    return port
