"""The real program without its stick: the setting decides whether it sells on."""

import shutil
from pathlib import Path

import pytest

from tests.support.running_till import RunningTill, Screen


def sell(till: RunningTill) -> Screen:
    """What the page shows after a bun was to be sold for money."""
    screen = till.ask("POST", "/api/item", item_id="bun")
    if screen["sale_id"] is not None and screen["lines"]:
        screen = till.ask("POST", "/api/complete", sale_id=screen["sale_id"])
    return screen


@pytest.mark.parametrize("setting", ["sell", "refuse"])
def test_a_sale_without_the_stick_stands_and_the_setting_decides_about_the_next(
    tmp_path: Path, stick: Path, setting: str
) -> None:
    till = RunningTill(tmp_path, second_medium=str(stick), second_medium_failed=setting)
    till.enrol()
    try:
        till.start()
        assert sell(till)["second_copy"] == "good"
        shutil.rmtree(stick)
        stands = sell(till)
        assert stands["completed"]["receipt_no"] == "T0001-000002"
        assert stands["second_copy"] == "missing"
        following = sell(till)
        if setting == "sell":
            assert following["completed"]["receipt_no"] == "T0001-000003"
        else:
            assert following["completed"]["receipt_no"] == "T0001-000002", "none after it"
            assert following["notice"]["code"] == "no_second_copy"
            stick.mkdir()
            assert till.stop() == 0
            till.start()
            assert sell(till)["completed"]["receipt_no"] == "T0001-000003"
    finally:
        till.end()
