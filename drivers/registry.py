"""A device URL names a device and how to reach it; this turns one into its driver.

    escpos+tcp://192.0.2.7:9100?columns=48     a network printer
    escpos+usb:///dev/usb/lp0                  a USB printer
    escpos+serial:///dev/ttyUSB0?baud=19200    a serial printer
    scanner+serial:///dev/ttyACM0              a scanner in serial mode
    scanner+hid:///dev/input/by-id/…-event-kbd a scanner in keyboard mode
    display+serial:///dev/ttyUSB1?kind=led8    a customer display: led8, cd5220, vfd
    simulated:///var/tmp/paper                 a printer of this program: paper as pictures
    none://                                    no such device

Printer options: columns (32, 48, …), dots, encoding (gbk, utf8, raster), qr (native, image), cutter (yes,
no), status (auto, process_id, in_order, realtime, mute). Serial options: baud, parity (none, even,
odd), flow (none, xonxoff, rtscts). Option of a
keyboard scanner: layout (us, de, fr). Of any scanner: prefix, what it was set to send before each
code, at most 8 characters. Display options: kind, lamps (esc, stx), and those of a line.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, TypeVar
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from drivers.display.encode import DisplayKind, LampForm, encoder
from drivers.display.serial_display import SerialDisplay
from drivers.escpos.printer import EscposPrinter
from drivers.escpos.profile import ChineseEncoding, PrinterProfile, usual_dots
from drivers.heavy import open_serial_port, painter_or_none, simulated_connector
from drivers.ports import CustomerDisplay, Printer, Scanner, StatusLevel
from drivers.scanner.framing import KEYS_IDLE_END_S, MAX_PREFIX_CHARS
from drivers.scanner.hid_port import HidPort
from drivers.scanner.key_events import KeyLayout
from drivers.scanner.serial_scanner import SerialScanner
from drivers.transport.device_file import device_file_connector
from drivers.transport.lines import ALLOWED_BAUD, FlowControl, LineSettings, Parity
from drivers.transport.link import Connect
from drivers.transport.serial_line import serial_connector
from drivers.transport.tcp import tcp_connector

MAX_URL_CHARS: Final = 1_000
DEFAULT_TCP_PORT: Final = 9100
Value = TypeVar("Value")

_PRINTER_SCHEMES: Final = ("escpos+tcp", "escpos+usb", "escpos+serial", "simulated", "none")
_SCANNER_SCHEMES: Final = ("scanner+serial", "scanner+hid", "none")
_PRINTER_OPTIONS: Final = ("columns", "dots", "encoding", "qr", "cutter", "status")
_DISPLAY_SCHEMES: Final = ("display+serial", "none")
_USUAL_DISPLAY_BAUD: Final = {
    DisplayKind.LED8: 2400,
    DisplayKind.CD5220: 9600,
    DisplayKind.VFD: 9600,
}
_LINE_OPTIONS: Final = ("baud", "parity", "flow")


class DeviceUrlError(ValueError):
    """A device URL that means nothing: `part` of it is wrong, `allowed` says what may be there."""

    def __init__(self, url: str, part: str, allowed: str) -> None:
        """Name the URL, its wrong part, and what is allowed there."""
        super().__init__(f"device URL {url!r}: {part}; allowed: {allowed}")
        self.part = part
        self.allowed = allowed


def open_printer(url: str, *, first_mark: int = 1) -> Printer | None:
    """Give the printer that `url` names, or None for `none://`. Touches no device.

    `first_mark` as in `EscposPrinter`.

    Raises:
        DeviceUrlError: a wrong scheme, address or option.
    """
    parts = _split(url, _PRINTER_SCHEMES)
    if parts.scheme == "none":
        return None
    on_serial = parts.scheme == "escpos+serial"
    options = _options(url, parts, _PRINTER_OPTIONS + (_LINE_OPTIONS if on_serial else ()))
    profile = _profile(url, options)
    connect: Connect
    if parts.scheme == "escpos+tcp":
        connect = tcp_connector(*_address(url, parts))
    elif parts.scheme == "simulated":
        connect = simulated_connector(_path(url, parts), profile.dots)
    elif parts.scheme == "escpos+usb":
        connect = device_file_connector(_path(url, parts))
    else:
        settings = _line_settings(url, options, 19200)
        connect = serial_connector(_path(url, parts), settings, open_serial_port)
    return EscposPrinter(connect, profile, painter=painter_or_none, first_mark=first_mark)


def with_options(url: str, **options: str) -> str:
    """Give the same printer's URL with these options set, the others as they were.

    Raises:
        DeviceUrlError: a wrong scheme, address or option, also among the new ones.
    """
    parts = _split(url, _PRINTER_SCHEMES)
    changed = dict(parse_qsl(parts.query, keep_blank_values=True)) | options
    made = f"{url.partition('?')[0]}?{urlencode(changed)}"
    open_printer(made)
    return made


def open_scanner(url: str, *, utc_now: Callable[[], datetime]) -> Scanner | None:
    """Give the scanner that `url` names, or None for `none://`. Touches no device.

    `utc_now` dates the scans (aware, UTC).

    Raises:
        DeviceUrlError: a wrong scheme, address or option.
    """
    parts = _split(url, _SCANNER_SCHEMES)
    if parts.scheme == "none":
        return None
    if parts.scheme == "scanner+hid":
        return _keyboard_scanner(url, parts, utc_now)
    options = _options(url, parts, ("prefix", *_LINE_OPTIONS))
    return SerialScanner(
        _path(url, parts),
        _line_settings(url, options, 9600),
        open_port=open_serial_port,
        utc_now=utc_now,
        prefix=_prefix(url, options),
    )


def with_scanner_options(url: str, **options: str) -> str:
    """Give the same scanner's URL with these options set, empty ones left out.

    Raises:
        DeviceUrlError: a wrong scheme, address or option, also among the new ones.
    """
    parts = _split(url, _SCANNER_SCHEMES)
    changed = dict(parse_qsl(parts.query, keep_blank_values=True)) | options
    kept = {name: value for name, value in changed.items() if value}
    made = url.partition("?")[0] + (f"?{urlencode(kept)}" if kept else "")
    open_scanner(made, utc_now=lambda: datetime.now(UTC))
    return made


def _prefix(url: str, options: Mapping[str, str]) -> str:
    prefix = options.get("prefix", "")
    if len(prefix) > MAX_PREFIX_CHARS:
        raise DeviceUrlError(url, "prefix", f"at most {MAX_PREFIX_CHARS} characters")
    return prefix


def _keyboard_scanner(
    url: str, parts: SplitResult, utc_now: Callable[[], datetime]
) -> SerialScanner:
    options = _options(url, parts, ("layout", "prefix"))
    layouts = {layout.value: layout for layout in KeyLayout}
    layout = _choice(url, options, "layout", "us", layouts)

    def open_port(path: str, _settings: LineSettings) -> HidPort:
        return HidPort(path, layout)

    return SerialScanner(
        _path(url, parts),
        LineSettings(),
        open_port=open_port,
        utc_now=utc_now,
        idle_end_s=KEYS_IDLE_END_S,
        prefix=_prefix(url, options),
    )


def open_display(url: str) -> CustomerDisplay | None:
    """Give the customer display that `url` names, or None for `none://`. Touches no device.

    Raises:
        DeviceUrlError: a wrong scheme, address or option.
    """
    parts = _split(url, _DISPLAY_SCHEMES)
    if parts.scheme == "none":
        return None
    options = _options(url, parts, ("kind", "lamps", *_LINE_OPTIONS))
    kind = _choice(url, options, "kind", "led8", {kind.value: kind for kind in DisplayKind})
    lamps = _choice(url, options, "lamps", "esc", {form.value: form for form in LampForm})
    return SerialDisplay(
        _path(url, parts),
        _line_settings(url, options, _USUAL_DISPLAY_BAUD[kind]),
        kind,
        encoder(kind, lamps),
        open_port=open_serial_port,
    )


def _split(url: str, schemes: tuple[str, ...]) -> SplitResult:
    allowed = ", ".join(f"{scheme}://" for scheme in schemes)
    if len(url) > MAX_URL_CHARS:
        raise DeviceUrlError(url[:40] + "…", "too long", f"up to {MAX_URL_CHARS} characters")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise DeviceUrlError(url, str(error), allowed) from error
    if parts.scheme not in schemes or "://" not in url:
        raise DeviceUrlError(url, f"scheme {parts.scheme!r}", allowed)
    if parts.fragment or "@" in parts.netloc:
        raise DeviceUrlError(url, "a user name or a fragment", "neither")
    return parts


def _address(url: str, parts: SplitResult) -> tuple[str, int]:
    try:
        port = parts.port or DEFAULT_TCP_PORT
    except ValueError as error:
        raise DeviceUrlError(url, f"port in {parts.netloc!r}", "1 to 65535") from error
    if not parts.hostname or parts.path not in {"", "/"}:
        raise DeviceUrlError(url, f"address {parts.netloc + parts.path!r}", "host or host:port")
    return parts.hostname, port


def _path(url: str, parts: SplitResult) -> str:
    path = unquote(parts.path)
    if parts.netloc or not path.startswith("/") or len(path) == 1 or "\0" in path:
        raise DeviceUrlError(url, f"path {parts.netloc + path!r}", "///dev/… (three slashes)")
    return path


def _options(url: str, parts: SplitResult, allowed: tuple[str, ...]) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in allowed:
            raise DeviceUrlError(url, f"option {name!r}", ", ".join(allowed))
        if name in options:
            raise DeviceUrlError(url, f"option {name!r} twice", "each option once")
        options[name] = value
    return options


def _profile(url: str, options: Mapping[str, str]) -> PrinterProfile:
    columns = _whole_number(url, options, "columns", 32)
    levels = {"auto": None} | {level.value: level for level in StatusLevel}
    encodings = {encoding.value: encoding for encoding in ChineseEncoding}
    try:
        return PrinterProfile(
            columns=columns,
            dots=_whole_number(url, options, "dots", usual_dots(columns)),
            encoding=_choice(url, options, "encoding", "gbk", encodings),
            native_qr=_choice(url, options, "qr", "native", {"native": True, "image": False}),
            cutter=_choice(url, options, "cutter", "yes", {"yes": True, "no": False}),
            status_level=_choice(url, options, "status", "auto", levels),
        )
    except DeviceUrlError:
        raise
    except ValueError as error:
        raise DeviceUrlError(url, "columns or dots", str(error)) from error


def _line_settings(url: str, options: Mapping[str, str], usual_baud: int) -> LineSettings:
    rates = {str(rate): rate for rate in ALLOWED_BAUD}
    parities = {"none": Parity.NONE, "even": Parity.EVEN, "odd": Parity.ODD}
    flows = {flow.value: flow for flow in FlowControl}
    return LineSettings(
        baud=_choice(url, options, "baud", str(usual_baud), rates),
        parity=_choice(url, options, "parity", "none", parities),
        flow=_choice(url, options, "flow", "none", flows),
    )


def _whole_number(url: str, options: Mapping[str, str], name: str, usual: int) -> int:
    value = options.get(name, str(usual))
    if not (value.isascii() and value.isdigit() and len(value) <= 4):  # noqa: PLR2004 - dots have four digits
        raise DeviceUrlError(url, f"{name}={value!r}", "a whole number")
    return int(value)


def _choice(
    url: str, options: Mapping[str, str], name: str, usual: str, choices: Mapping[str, Value]
) -> Value:
    value = options.get(name, usual)
    if value not in choices:
        raise DeviceUrlError(url, f"{name}={value!r}", ", ".join(choices))
    return choices[value]
