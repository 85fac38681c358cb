import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from drivers.document import Cut, Document, Text
from drivers.escpos.printer import EscposPrinter
from drivers.escpos.profile import ChineseEncoding, PrinterProfile
from drivers.fonts import find_cjk_font
from drivers.ports import PrintResult, StatusLevel
from drivers.registry import (
    DeviceUrlError,
    open_printer,
    open_scanner,
    with_options,
    with_scanner_options,
)
from drivers.scanner.serial_scanner import SerialScanner
from drivers.transport.lines import FlowControl, LineSettings, Parity
from tests.unit.drivers.conftest import utc_now

needs_font = pytest.mark.skipif(
    find_cjk_font() is None, reason="no font: apt-get install fonts-wqy-zenhei"
)


def profile_of(url: str) -> PrinterProfile:
    printer = open_printer(url)
    assert isinstance(printer, EscposPrinter)
    return printer._profile


def test_a_url_without_options_is_a_usual_printer() -> None:
    assert profile_of("escpos+tcp://127.0.0.1:9100") == PrinterProfile()
    assert profile_of("escpos+usb:///dev/usb/lp0") == PrinterProfile()


def test_every_option_reaches_the_profile() -> None:
    url = "escpos+tcp://[::1]:9100/?columns=48&encoding=raster&qr=image&cutter=no&status=in_order"
    assert profile_of(url) == PrinterProfile(
        columns=48,
        dots=576,
        encoding=ChineseEncoding.RASTER,
        native_qr=False,
        cutter=False,
        status_level=StatusLevel.IN_ORDER,
    )
    assert profile_of("escpos+tcp://printer?columns=42&dots=512").dots == 512


def test_a_serial_url_names_the_line() -> None:
    scanner = open_scanner(
        "scanner+serial:///dev/serial/by-id/usb-x%20y?baud=115200&parity=odd&flow=rtscts",
        utc_now=utc_now,
    )
    assert isinstance(scanner, SerialScanner)
    assert scanner._path == "/dev/serial/by-id/usb-x y"
    assert scanner._settings == LineSettings(115200, Parity.ODD, 1, FlowControl.RTS_CTS)
    assert isinstance(open_printer("escpos+serial:///dev/ttyUSB0?baud=19200"), EscposPrinter)


def test_none_is_no_device() -> None:
    assert open_printer("none://") is None
    assert open_scanner("none://", utc_now=utc_now) is None


@pytest.mark.parametrize(
    ("url", "part", "allowed"),
    [
        ("", "scheme ''", "escpos+tcp://, escpos+usb://, escpos+serial://, simulated://, none://"),
        ("127.0.0.1:9100", "scheme", "escpos+tcp://"),
        ("http://127.0.0.1", "scheme 'http'", "escpos+tcp://"),
        ("scanner+serial:///dev/ttyACM0", "scheme 'scanner+serial'", "escpos+tcp://"),
        ("escpos+tcp://", "address ''", "host or host:port"),
        ("escpos+tcp://printer:99999", "port", "1 to 65535"),
        ("escpos+tcp://printer/dev", "address 'printer/dev'", "host or host:port"),
        ("escpos+tcp://user:secret@printer", "user name", "neither"),
        ("escpos+usb://dev/usb/lp0", "path 'dev/usb/lp0'", "///dev"),
        ("escpos+usb:///", "path '/'", "///dev"),
        ("escpos+tcp://printer?columns=wide", "columns='wide'", "a whole number"),
        ("escpos+tcp://printer?columns=5", "columns or dots", "16 to 80"),
        ("escpos+tcp://printer?columns=48&dots=384", "columns or dots", "576"),
        ("escpos+tcp://printer?encoding=big5", "encoding='big5'", "gbk, utf8, raster"),
        ("escpos+tcp://printer?cutter=", "cutter=''", "yes, no"),
        ("escpos+tcp://printer?colums=48", "option 'colums'", "columns, dots, encoding"),
        ("escpos+tcp://printer?baud=9600", "option 'baud'", "columns, dots, encoding"),
        ("escpos+tcp://printer?qr=native&qr=image", "option 'qr' twice", "once"),
        ("escpos+serial:///dev/ttyUSB0?baud=9601", "baud='9601'", "9600, 19200"),
        ("escpos+tcp://[::1", "Invalid", "escpos+tcp://"),
    ],
)
def test_a_wrong_url_is_told_by_its_part_and_what_may_be_there(
    url: str, part: str, allowed: str
) -> None:
    with pytest.raises(DeviceUrlError) as wrong:
        open_printer(url)
    assert part in wrong.value.part
    assert allowed in wrong.value.allowed
    assert repr(url) in str(wrong.value)


def test_a_printer_is_no_scanner() -> None:
    with pytest.raises(DeviceUrlError) as wrong:
        open_scanner("escpos+tcp://127.0.0.1", utc_now=utc_now)
    assert wrong.value.allowed == "scanner+serial://, scanner+hid://, none://"


def test_opening_a_printer_loads_no_library_that_it_may_not_need() -> None:
    program = (
        "import sys; from drivers.registry import open_printer;"
        "open_printer('escpos+tcp://127.0.0.1');"
        "print([name for name in ('PIL', 'escpos', 'qrcode', 'serial') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert ran.stdout.decode().strip() == "[]"


@pytest.mark.parametrize(
    ("url", "changed"),
    [
        ("escpos+usb:///dev/usb/lp0", "escpos+usb:///dev/usb/lp0?encoding=utf8&columns=48"),
        (
            "escpos+tcp://192.0.2.7:9100?columns=32&qr=image",
            "escpos+tcp://192.0.2.7:9100?columns=48&qr=image&encoding=utf8",
        ),
    ],
)
def test_a_url_is_changed_in_its_options_only(url: str, changed: str) -> None:
    assert with_options(url, encoding="utf8", columns="48") == changed


def test_a_url_is_not_changed_into_one_that_means_nothing() -> None:
    with pytest.raises(DeviceUrlError, match="utf16"):
        with_options("escpos+usb:///dev/usb/lp0", encoding="utf16")


@needs_font
def test_a_simulated_printer_needs_no_hardware_and_makes_pictures(tmp_path: Path) -> None:
    printer = open_printer(f"simulated://{tmp_path}/paper?columns=48")
    assert printer is not None
    assert list(tmp_path.iterdir()) == []  # nothing happens before the first job
    outcome = printer.print_document(Document((Text("惠点"), Cut())))
    assert outcome.result is PrintResult.CONFIRMED
    assert printer.find_level().level is StatusLevel.PROCESS_ID
    (picture,) = (tmp_path / "paper").iterdir()
    assert Image.open(picture).width >= 576
    printer.close()


def test_a_program_with_a_simulated_printer_ends(tmp_path: Path) -> None:
    program = (
        "from drivers.document import Document, Text\n"
        "from drivers.registry import open_printer\n"
        f"printer = open_printer('simulated://{tmp_path}/paper')\n"
        "print(printer.print_document(Document((Text('x'),))).result)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "confirmed"


def test_a_scanners_options_are_set_and_empty_ones_left_out() -> None:
    url = "scanner+serial:///dev/ttyACM0?baud=9600"
    changed = "scanner+serial:///dev/ttyACM0?baud=115200&prefix=%23"
    assert with_scanner_options(url, prefix="#", baud="115200") == changed
    assert with_scanner_options(changed, prefix="") == "scanner+serial:///dev/ttyACM0?baud=115200"
    keys = "scanner+hid:///dev/input/event1"
    assert with_scanner_options(keys, layout="de") == f"{keys}?layout=de"
    for wrong in ({"prefix": "123456789"}, {"baud": "1"}, {"layout": "de"}):
        with pytest.raises(DeviceUrlError):
            with_scanner_options(url, **wrong)
