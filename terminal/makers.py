"""What ``bootstrap`` makes out of the settings alone: clocks, papers and rules."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from config.terminal import TerminalSettings
from terminal.domain.clock import ShopClock
from terminal.domain.discounts import DiscountRules
from terminal.receipts.blocks import PaperLanguage, ShopLines
from terminal.receipts.composer import ReceiptComposer


def system_wall() -> datetime:
    """The machine's time, aware UTC."""
    return datetime.now(UTC)


def simulated_wall(offset_file: Path) -> Callable[[], datetime]:
    """The machine's time plus the seconds in a file, read each time: for demo and tests only."""

    def wall() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(offset_file.read_text()))

    return wall


def choose_wall(settings: TerminalSettings) -> Callable[[], datetime]:
    """The time of day that the settings name, for everything that this program does."""
    offset_file = settings.simulated_clock_file
    return system_wall if offset_file is None else simulated_wall(offset_file)


def make_clock(settings: TerminalSettings) -> ShopClock:
    """The till's clock, on the time that the settings name."""
    return ShopClock(choose_wall(settings), lambda: time.monotonic_ns() // 1_000_000)


def discount_rules(settings: TerminalSettings) -> DiscountRules:
    """What a cashier may take off by himself, as the settings say."""
    return DiscountRules(
        limit_fen=settings.discount_limit_fen,
        limit_bp=settings.discount_limit_bp,
        rounding_step_fen=settings.rounding_step_fen,
        rounds_always=settings.rounding_always,
    )


def make_papers(settings: TerminalSettings) -> ReceiptComposer:
    """What lays papers out, in the language and with the lines that the shop chose."""
    return ReceiptComposer(
        PaperLanguage(settings.receipt_language or settings.language),
        ShopLines(settings.receipt_header, settings.receipt_footer),
    )
