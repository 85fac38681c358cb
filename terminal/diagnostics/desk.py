"""The devices' self-test behind the page."""

import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from config.rewrite import SettingsFileError, set_text
from drivers.ports import PrinterStatus, PrintOutcome
from drivers.registry import DeviceUrlError, with_scanner_options
from protocol.business_day import SHANGHAI
from terminal.diagnostics.printer_trial import Choice, PrinterTest
from terminal.domain.devices import DeviceProblemError, PrinterChoice, ScannerChoice
from terminal.domain.scan_echo import ScanEcho


class PrinterDesk:
    """See :class:`terminal.domain.devices.DeviceDesk`."""

    def __init__(
        self, url: str, scanner_url: str, settings_file: Path, now: Callable[[], datetime]
    ) -> None:
        self._url = url
        self._scanner_url = scanner_url
        self._echo = ScanEcho(time.monotonic)
        self._file = settings_file
        self._now = now
        self._status = PrinterStatus(None)
        self._one_at_a_time = threading.Lock()

    def printer_url(self) -> str:
        return self._url

    def find_level(self) -> PrinterStatus:
        with self._one_at_a_time:
            try:
                self._status = PrinterTest(self._url).find_level()
            except DeviceUrlError as error:
                raise DeviceProblemError(str(error)) from error
            return self._status

    def print_papers(self) -> list[tuple[str, PrintOutcome]]:
        with self._one_at_a_time:
            now = self._now().astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")
            level = self._status.level.value if self._status.level else "?"
            try:
                steps = PrinterTest(self._url).print_papers(now, level)
            except DeviceUrlError as error:
                raise DeviceProblemError(str(error)) from error
            return [(step.name, step.outcome) for step in steps]

    def check_drawer(self) -> None:
        with self._one_at_a_time:
            try:
                PrinterTest(self._url).check()
            except DeviceUrlError as error:
                raise DeviceProblemError(str(error)) from error

    def open_drawer(self) -> PrintOutcome:
        with self._one_at_a_time:
            try:
                return PrinterTest(self._url).open_drawer()
            except DeviceUrlError as error:
                raise DeviceProblemError(str(error)) from error

    def choose(self, choice: PrinterChoice) -> str:
        with self._one_at_a_time:
            options = Choice(
                encoding=choice.encoding,
                columns=choice.columns,
                qr="native" if choice.native_qr else "image",
                cutter="yes" if choice.cutter else "no",
            )
            try:
                test = PrinterTest(self._url)
                url = test.chosen_url(options, self._status)
                test.confirm(url)
            except DeviceUrlError as error:
                raise DeviceProblemError(str(error)) from error
            self._write("printer", url)
            self._url = url
            return url

    def scanner_url(self) -> str:
        return self._scanner_url

    def echo(self) -> ScanEcho:
        return self._echo

    def choose_scanner(self, choice: ScannerChoice) -> str:
        with self._one_at_a_time:
            options = {"prefix": choice.prefix}
            if choice.baud is not None:
                options["baud"] = str(choice.baud)
            if choice.layout is not None:
                options["layout"] = choice.layout
            try:
                url = with_scanner_options(self._scanner_url, **options)
            except DeviceUrlError as error:
                raise DeviceProblemError(str(error)) from error
            self._write("scanner", url)
            self._scanner_url = url
            return url

    def _write(self, key: str, url: str) -> None:
        try:
            set_text(self._file, key, url)
        except SettingsFileError as error:
            # A hardened service may not write /etc; a technician may.
            raise DeviceProblemError(
                f'写不进设置文件，请手工写入 · write this by hand: {key} = "{url}" ({error})'
            ) from error
