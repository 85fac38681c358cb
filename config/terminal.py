"""Settings of one terminal (one shop's till)."""

import ipaddress
from pathlib import Path
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from config.load import SettingRefusedError

SIMULATED_CLOCK: Final = "simulated://"

Port = Annotated[int, Meta(ge=1, le=65535)]
Language = Literal["zh", "en"]
PageUrl = Annotated[
    str,
    Meta(
        pattern=r"^(https?://[^/\s#]+(/[^\s#]*)?)?$",
        max_length=80,
        examples=["https://pool.example/r"],
    ),
]
HttpUrl = Annotated[
    str, Meta(pattern=r"^https?://[^/\s]+(/\S*)?$", examples=["https://pool.example"])
]
DeviceUrl = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9+]*://\S*$")]
PrinterUrl = Annotated[DeviceUrl, Meta(examples=["escpos+usb:///dev/huidian/printer"])]
ScannerUrl = Annotated[DeviceUrl, Meta(examples=["scanner+serial:///dev/huidian/scanner"])]
DisplayUrl = Annotated[DeviceUrl, Meta(examples=["display+serial:///dev/huidian/display"])]
ShopLines = Annotated[tuple[Annotated[str, Meta(max_length=100)], ...], Meta(max_length=8)]
ClockUrl = Annotated[str, Meta(pattern=r"^(system|simulated:///\S+)$", examples=["system"])]


class TerminalSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that a terminal is told by a file; what the pool decides comes signed instead.

    `clock` is "system", or "simulated:///path" for demo and tests: that file holds the seconds
    to add to the system's clock. Device URLs are understood by `drivers.registry`; "none://"
    is a terminal without that device.
    """

    data_dir: Path
    listen_host: str = "127.0.0.1"
    listen_port: Port = 8801
    server_url: HttpUrl = "http://127.0.0.1:8800"
    language: Language = "zh"
    printer: PrinterUrl = "none://"
    scanner: ScannerUrl = "none://"
    display: DisplayUrl = "none://"
    # A cash drawer on the printer's own socket.
    drawer: bool = False
    # None: as `language`.
    receipt_language: Literal["zh", "en", "both"] | None = None
    receipt_header: ShopLines = ()
    receipt_footer: ShopLines = ()
    # The pool's page that the code on a receipt opens in a phone's camera. None: /r on the server,
    # where that is https; "": the code is digits alone, which only the page's own camera reads.
    receipt_page: PageUrl | None = None
    clock: ClockUrl = "system"
    # In total, connecting included: a queue is waiting behind this sale.
    ask_timeout_s: Annotated[float, Meta(gt=0, le=10)] = 2.0
    # After one time-out the terminal answers by itself for this long before it asks again.
    breaker_open_s: Annotated[int, Meta(ge=1, le=3600)] = 30

    # Where a USB stick is mounted that takes a copy of every record before success is shown.
    second_medium: Path | None = None
    # How long a sale waits for it at most.
    second_medium_limit_s: Annotated[float, Meta(gt=0, le=10)] = 2.0
    # What becomes of the next sale while it fails: the one that is completed stands anyway.
    second_medium_failed: Literal["sell", "refuse"] = "sell"

    # A refund above either needs the owner's PIN.
    refund_limit_fen: Annotated[int, Meta(ge=0, le=5_000_000)] = 10_000
    refund_limit_points: Annotated[int, Meta(ge=0, le=1_000_000)] = 1_000

    # What a cashier takes off a sale without the owner's PIN, in fen and in basis points of the
    # goods' prices: the smaller of both.
    discount_limit_fen: Annotated[int, Meta(ge=0, le=5_000_000)] = 1_000
    discount_limit_bp: Annotated[int, Meta(ge=0, le=10_000)] = 2_000
    # 抹零 drops what is below a whole jiao, or a whole yuan, of the total.
    rounding: Literal["off", "jiao", "yuan"] = "off"
    # Every sale begins with it; else there is a button.
    rounding_always: bool = False

    def __post_init__(self) -> None:
        if not is_loopback(self.listen_host):
            raise SettingRefusedError(
                "listen_host",
                zh="只能是本机地址，如 127.0.0.1",
                en="must be this machine's own address, such as 127.0.0.1",
            )

    @property
    def rounding_step_fen(self) -> int | None:
        """What 抹零 drops is below this; None where there is no 抹零."""
        return {"off": None, "jiao": 10, "yuan": 100}[self.rounding]

    @property
    def simulated_clock_file(self) -> Path | None:
        """The file with the clock's offset in seconds; None with the system's clock."""
        return simulated_clock_file(self.clock)


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def simulated_clock_file(clock: str) -> Path | None:
    if not clock.startswith(SIMULATED_CLOCK):
        return None
    return Path(clock.removeprefix(SIMULATED_CLOCK))
