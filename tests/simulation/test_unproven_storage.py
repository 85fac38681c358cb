"""A start without server and without stick: the storage may be an old image, so the real program
gives half by itself. With the stick beside it, an old image is found out and mended at the start.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.running_till import RunningTill
from tests.support.shop import policy, slot_text

BUNS = 20
WORTH_POINTS = 100


@pytest.fixture
def till(tmp_path: Path, stick: Path) -> Iterator[RunningTill]:
    made = RunningTill(tmp_path, second_medium=str(stick))
    made.enrol()
    yield made
    made.end()


def sell_for_cash(till: RunningTill) -> str:
    till.ask("POST", "/api/item", item_id="bun")
    sale_id = till.ask("GET", "/api/view")["sale_id"]
    screen = till.ask("POST", "/api/complete", sale_id=sale_id)
    assert screen["second_copy"] == "good"
    return str(screen["completed"]["receipt_no"])


def most_points(till: RunningTill) -> int:
    """What the terminal gives by itself for a basket of 100 points."""
    assert policy().stand_in.per_sale_points == WORTH_POINTS
    till.ask("POST", "/api/clear")
    for _ in range(BUNS):
        till.ask("POST", "/api/item", item_id="bun")
    screen = till.ask("POST", "/api/scan", text=slot_text(starts_at=datetime.now(UTC)))
    assert screen["state"] == "authorised"
    assert screen["payment"]["offline"]
    return int(screen["payment"]["points_max"])


def images(till: RunningTill) -> dict[Path, bytes]:
    return {each: each.read_bytes() for each in till.data_dir.glob("terminal.db*")}


def test_an_old_image_gives_half_alone_and_is_mended_beside_its_stick(
    till: RunningTill, stick: Path
) -> None:
    till.start()
    first = sell_for_cash(till)
    till.kill()
    old = images(till)
    till.start()
    second = sell_for_cash(till)
    assert most_points(till) == WORTH_POINTS, "the stick knows this storage"
    till.kill()

    for each in images(till):
        each.unlink()
    for path, content in old.items():
        path.write_bytes(content)
    away = stick.with_name(f"{stick.name}-away")
    stick.rename(away)
    till.start()
    listed = [each["receipt_no"] for each in till.ask("GET", "/api/sales")["sales"]]
    assert listed == [first], "an old image, valid in itself"
    assert most_points(till) == WORTH_POINTS // 2, "and nobody there who knows better"
    till.ask("POST", "/api/clear")
    till.kill()

    for each in images(till):
        each.unlink()
    for path, content in old.items():
        path.write_bytes(content)
    away.rename(stick)
    till.start()
    listed = [each["receipt_no"] for each in till.ask("GET", "/api/sales")["sales"]]
    assert listed == [second, first], "what was told to the stick came back"
    assert most_points(till) == WORTH_POINTS
