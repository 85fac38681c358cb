"""What the customer's display shows at each step of a sale, to a simulated display."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.ports import DisplayContent, Lamp
from drivers.registry import open_display
from drivers.simulated.display import Shown, SimulatedDisplay
from terminal.workers.displaying import DisplayRound, content_of
from tests.support.shop import Shop, slot_text

WAIT_S = 5.0


@pytest.fixture
def simulated(tmp_path: Path) -> Iterator[SimulatedDisplay]:
    with SimulatedDisplay(tmp_path / "display") as made:
        yield made


def test_each_step_of_a_sale_is_shown(shop: Shop) -> None:
    assert content_of(shop.page.view()) == DisplayContent()
    shop.till.add_item("bun", 5000)
    shop.till.add_item("greens")
    assert content_of(shop.page.view()) == DisplayContent(
        Lamp.TOTAL, 710, "TO PAY          7.10", ""
    )
    shop.pool.approve(71, 100)
    shop.till.scan(slot_text())
    assert content_of(shop.page.view()) == DisplayContent(
        Lamp.TOTAL, 0, "TO PAY          0.00", "POINTS           -71"
    )
    shop.till.complete(shop.till.snapshot()[0].sale_id)
    assert content_of(shop.page.view()) == DisplayContent(
        Lamp.PAID, 0, "PAID            0.00", "LEFT 29 POINTS"
    )


def test_goods_priced_in_points_are_shown_in_points(shop: Shop) -> None:
    shop.till.add_item("rice", 2000)
    content = content_of(shop.page.view())
    assert (content.amount_fen, content.lower) == (0, "POINTS            30")


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("led8", Shown(digits="2.50", lamp="total")),
        ("cd5220", Shown(upper="TO PAY          2.50")),
        ("vfd", Shown(upper="TO PAY          2.50")),
    ],
)
def test_the_worker_shows_the_newest_state(
    shop: Shop, simulated: SimulatedDisplay, kind: str, shown: Shown
) -> None:
    display = open_display(f"display+serial://{simulated.path}?kind={kind}")
    assert display is not None
    round_ = DisplayRound(display=display, view=shop.page.view, changes=shop.changes)
    round_()
    shop.till.add_item("bun", 5000)
    round_()
    end_s = time.monotonic() + WAIT_S
    while simulated.shown() != shown and time.monotonic() < end_s:
        time.sleep(0.02)
    assert simulated.shown() == shown
    display.close()
