"""USB devices made by the kernel itself: configfs gadgets behind dummy_hcd.

Each gadget is two things at once: a device node of the device's own side (what its firmware
would write), and, plugged in, the node that the host's driver makes for it.
"""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

CONFIG: Final = Path("/sys/kernel/config/usb_gadget")
WAIT_S: Final = 20.0
_BOOT_KEYBOARD: Final = bytes.fromhex(
    "05010906a101050719e029e71500250175019508810295017508810395057501"
    "050819012905910295017503910395067508150025650507190029658100c0"
)


class NotThereError(Exception):
    """A node did not come, or did not go, in time."""


def wait_until(path: Path, *, there: bool) -> None:
    """Wait until udev has made or removed a node."""
    deadline_s = time.monotonic() + WAIT_S
    while path.exists() is not there or path.is_symlink() is not there:
        if time.monotonic() > deadline_s:
            raise NotThereError(f"{path} {'did not come' if there else 'stayed'}")
        time.sleep(0.02)
    subprocess.run(["udevadm", "settle", f"--timeout={WAIT_S:.0f}"], check=True)


class Gadget:
    """One device. `node` is what a driver opens, by the name that our udev rules give it."""

    def __init__(self, name: str, udc: str, node: Path) -> None:
        """Take over a gadget that was described in configfs and is not plugged in."""
        self.name = name
        self.node = node
        self._udc = udc
        self._folder = CONFIG / name

    def plug_in(self) -> None:
        """Plug it in, and wait for its node."""
        (self._folder / "UDC").write_text(self._udc)
        try:
            wait_until(self.node, there=True)
        except NotThereError:
            (self._folder / "UDC").write_text("\n")  # or no later test could plug it in
            raise

    def unplug(self) -> None:
        """Pull the plug, and wait until its node is gone."""
        (self._folder / "UDC").write_text("\n")
        wait_until(self.node, there=False)

    def lose(self) -> None:
        """Take it from the host in mid-use; its own side stays, as the kernel needs it to.

        The host's controller puts the device off its bus: drivers see what they see of a pulled
        cable. (A gadget that is taken away itself while its node is open corrupts the kernel.)
        """
        self._authorise("0")
        wait_until(self.node, there=False)

    def find(self) -> None:
        """Undo `lose`."""
        self._authorise("1")
        wait_until(self.node, there=True)

    def _authorise(self, value: str) -> None:
        for serial in Path("/sys/bus/usb/devices").glob("*/serial"):
            if serial.read_text().strip() == _serial_number(self.name):
                (serial.parent / "authorized").write_text(value)
                return
        raise NotThereError(f"no USB device {self.name}")


def _serial_number(name: str) -> str:
    return f"test-{name}"


def _describe(name: str, function: str, attributes: dict[str, bytes], product: str) -> None:
    folder = CONFIG / name
    (folder / "strings/0x409").mkdir(parents=True)
    (folder / "idVendor").write_text("0x1eab")
    (folder / "idProduct").write_text("0x1d10")
    (folder / "strings/0x409/product").write_text(product)
    (folder / "strings/0x409/manufacturer").write_text("Huidian tests")
    (folder / "strings/0x409/serialnumber").write_text(_serial_number(name))
    (folder / "configs/c.1").mkdir(parents=True)
    (folder / "functions" / function).mkdir(parents=True)
    for attribute, value in attributes.items():
        (folder / "functions" / function / attribute).write_bytes(value)
    (folder / "configs/c.1" / function).symlink_to(folder / "functions" / function)


@contextlib.contextmanager
def printer() -> Iterator[Gadget]:
    """Give a printer of the printer class: `/dev/usb/lp0` and the device's `/dev/g_printer0`."""
    device_id = b"MFG:Huidian;MDL:Test;CLS:PRINTER;CMD:ESC/POS;"
    _describe("printer", "printer.0", {"pnp_string": device_id, "q_len": b"2"}, "Printer")
    yield Gadget("printer", "dummy_udc.0", Path("/dev/huidian/printer"))


@contextlib.contextmanager
def acm_scanner() -> Iterator[Gadget]:
    """Give a scanner in serial mode: `/dev/ttyACM0` and the device's `/dev/ttyGS0`."""
    _describe("scanner", "acm.0", {}, "Scanner")
    yield Gadget("scanner", "dummy_udc.1", Path("/dev/huidian/scanner"))


@contextlib.contextmanager
def keyboard() -> Iterator[Gadget]:
    """Give a scanner in keyboard mode: `/dev/input/event*` and the device's `/dev/hidg0`."""
    attributes = {
        "protocol": b"1",
        "subclass": b"1",
        "report_length": b"8",
        "report_desc": _BOOT_KEYBOARD,
    }
    _describe("keyboard", "hid.0", attributes, "Keyboard scanner")
    yield Gadget("keyboard", "dummy_udc.2", Path("/dev/huidian/keyscanner"))
