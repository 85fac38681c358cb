"""A technician looks at what the scanner sends; nobody's money is shown, and the till gets none."""

from collections.abc import Sequence

import pytest

from drivers.ports import Scan, ScanDamaged, ScanEvent, ScanForm, ScannerState, ScanOverflow
from terminal.domain.changes import Changes, Surroundings
from terminal.domain.scan_echo import LISTEN_S, MOST_SHOWN, EchoedScan, ScanEcho, ScanKind, echoed
from terminal.web.scan_words import LOST_KEYS, NO_SUFFIX, TOO_LONG, scan_words
from terminal.workers.scanning import ScanRound
from tests.support.shop import NOON, Shop, slot_text


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Handed:
    """A scanner that gives what it is given."""

    def __init__(self, events: Sequence[ScanEvent]) -> None:
        self.events = list(events)

    def read_scan(self, timeout_s: float) -> ScanEvent | None:
        del timeout_s
        return self.events.pop(0) if self.events else None

    def state(self) -> ScannerState:
        return ScannerState.READY

    def close(self) -> None:
        """Nothing to let go of."""


def scan(text: str, form: ScanForm | None = None) -> Scan:
    return Scan(text, NOON, form or ScanForm())


def test_a_scan_is_told_with_what_stood_around_it() -> None:
    form = ScanForm(prefix="\x02$", aim="]E0", suffix="\r\n", took_ms=12)
    assert echoed(scan("6901234567892", form)) == EchoedScan(
        ScanKind.BARCODE, "6901234567892", 13, "STX $", "]E0", "CR LF", 12
    )
    words = scan_words(echoed(scan("6901234567892", form)))
    assert words.form == (
        "13 个字符 characters · 前缀 prefix STX $ · 标识 AIM ]E0 · 后缀 suffix CR LF · 12 ms"
    )
    assert words.advice == ""


def test_control_characters_are_named_and_long_text_is_cut() -> None:
    assert echoed(scan("ab\x1dc\x01")).text == "ab<GS>c<01>"
    shown = echoed(scan("x" * 300))
    assert (shown.text, shown.chars) == ("x" * 80 + "…", 300)


@pytest.mark.parametrize("secret", [slot_text(), "134567890123456789", "6212345678901234567"])
def test_of_a_persons_code_only_the_first_characters_are_shown(secret: str) -> None:
    shown = echoed(scan(secret))
    assert shown.text == f"{secret[:4]}…"
    assert shown.chars == len(secret)
    assert secret[4:12] not in str(scan_words(shown))


def test_each_fault_of_a_setting_is_told_with_what_to_do() -> None:
    assert scan_words(echoed(scan("6901234567892"))).advice == NO_SUFFIX
    assert scan_words(echoed(ScanOverflow(9000, NOON))).advice == TOO_LONG
    assert "9000" in scan_words(echoed(ScanOverflow(9000, NOON))).form
    assert scan_words(echoed(ScanDamaged(NOON))).advice == LOST_KEYS
    assert "输入法" in scan_words(echoed(scan("６９０１２３４"))).advice


def test_while_somebody_looks_no_scan_goes_to_the_till(shop: Shop) -> None:
    shop.till.start("test")
    clock = Clock()
    echo = ScanEcho(clock)
    scanner = Handed([scan("6900000000014")] * 3)
    turn = ScanRound(scanner, shop.till, Surroundings(Changes()), echo)
    echo.listen(on=True)
    turn()
    assert [shown.text for shown in echo.scans()] == ["6900000000014"]
    before = shop.page.view()
    assert before.notice is None
    clock.now_s += LISTEN_S
    assert echo.seconds_left() == 0
    turn()
    assert len(echo.scans()) == 1
    assert shop.page.view() != before  # it is the till's again
    echo.listen(on=True)
    assert echo.scans() == ()
    echo.listen(on=False)
    turn()
    assert echo.scans() == ()


def test_only_the_newest_are_kept() -> None:
    echo = ScanEcho(Clock())
    echo.listen(on=True)
    for number in range(MOST_SHOWN + 5):
        assert echo.take(scan(f"{number:013}"))
    assert echo.scans()[0].text == f"{5:013}"
    assert len(echo.scans()) == MOST_SHOWN
