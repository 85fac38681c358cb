"""The terminal's own answer, limit by limit: what the pool signed is what a sale may take."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from config.load import ConfigError, parse
from config.pool import PoolPreset
from protocol.documents import StandInMode
from protocol.messages import Approved
from protocol.money import Points
from protocol.reasons import Declined, DeclineReason
from protocol.redemption import PointsWanted
from terminal.domain.ports import Unreachable, UnreachableReason
from terminal.domain.stand_in import Exposure, ImageTrust, stand_in
from tests.support.shop import NOON, RESIDENTS, ZHANG, Shop, policy, slot_text

NOTHING = Exposure(resident_points=0, terminal_points=0)
PRESET = Path(__file__).parents[3] / "config" / "pools" / "guanghui.toml"


def answer(
    wanted: int = 400,
    exposure: Exposure = NOTHING,
    age_h: float = 0,
    *,
    by_card: bool = False,
    trusted: bool = True,
    required: int = 0,
    limits: dict[str, Any] | None = None,
) -> Approved | Declined:
    """What a resident with an allowance of 100 gets. A sale may take 100, a resident 150."""
    rules = policy()
    rules = msgspec.structs.replace(
        rules, stand_in=msgspec.structs.replace(rules.stand_in, **(limits or {}))
    )
    return stand_in(
        PointsWanted(Points(required), Points(wanted)),
        account=ZHANG,
        code_cap=400,
        made_at=NOON - timedelta(hours=age_h),
        entry=next(each for each in RESIDENTS if each.account == ZHANG),
        policy=rules,
        exposure=exposure,
        now=NOON,
        by_card=by_card,
        trusted=trusted,
    )


def points(answered: Approved | Declined) -> int:
    """Points approved; 0 where the limit leaves none."""
    if isinstance(answered, Declined):
        assert answered.reason is DeclineReason.OVER_FLOOR_LIMIT
        return 0
    return answered.points


@pytest.mark.parametrize(
    ("exposure", "limits", "given"),
    [
        (NOTHING, {}, 100),
        (NOTHING, {"per_sale_points": 60}, 60),
        (Exposure(30, 30), {}, 70),  # of the allowance
        (Exposure(0, 250), {}, 50),  # of the terminal's 300
        (Exposure(0, 300), {}, 0),
        (Exposure(30, 30), {"per_resident_points": 40}, 10),
        (Exposure(0, 0, 2), {"velocity_soft_sales": 3, "velocity_hard_sales": 5}, 100),
        (Exposure(0, 0, 3), {"velocity_soft_sales": 3, "velocity_hard_sales": 5}, 50),
        (Exposure(0, 0, 5), {"velocity_soft_sales": 3, "velocity_hard_sales": 5}, 0),
    ],
)
def test_the_least_of_all_limits_holds(
    exposure: Exposure, limits: dict[str, Any], given: int
) -> None:
    assert points(answer(exposure=exposure, limits=limits)) == given


def test_a_card_has_a_limit_of_its_own() -> None:
    assert points(answer(by_card=True, limits={"card_per_resident_points": 30})) == 30
    assert points(answer(limits={"card_per_resident_points": 30})) == 100


def test_an_old_list_halves_what_a_sale_may_take_then_stops_cards_then_everything() -> None:
    ages = {"directory_fresh_h": 24, "card_max_age_h": 48, "directory_max_age_h": 72}
    assert points(answer(age_h=24, limits=ages)) == 100
    assert points(answer(age_h=25, limits=ages)) == 50
    assert points(answer(age_h=48, by_card=True, limits=ages)) == 50
    stopped = Declined(DeclineReason.OFFLINE_STOPPED)
    assert answer(age_h=49, by_card=True, limits=ages) == stopped
    assert points(answer(age_h=72, limits=ages)) == 50
    assert answer(age_h=73, limits=ages) == stopped


def test_goods_that_need_more_than_half_are_not_given_by_an_unproven_storage() -> None:
    assert points(answer(wanted=0, required=80)) == 80
    assert answer(wanted=0, required=80, trusted=False) == Declined(
        DeclineReason.OVER_FLOOR_LIMIT, limit_points=Points(50)
    )


@pytest.mark.parametrize("mode", [StandInMode.CAP, StandInMode.ESCROW])
def test_a_mode_that_is_not_offered_is_refused_on_both_sides(mode: StandInMode) -> None:
    assert answer(limits={"mode": mode}) == Declined(DeclineReason.OFFLINE_STOPPED)
    text = PRESET.read_text(encoding="utf-8")
    parse(text, PoolPreset, file=PRESET)
    changed = text.replace("[standin]", "[standin]", 1).replace(
        "per_sale_points = 100\nper_resident",
        f'mode = "{mode.value}"\nper_sale_points = 100\nper_resident',
        1,
    )
    assert changed != text
    with pytest.raises(ConfigError, match="还不提供"):
        parse(changed, PoolPreset, file=PRESET)


def test_a_document_from_before_has_no_such_limits() -> None:
    kept = msgspec.json.decode(msgspec.json.encode(policy().stand_in), type=dict[str, Any])
    before = {name: value for name, value in kept.items() if value is not None and name != "mode"}
    read = msgspec.json.decode(msgspec.json.encode(before), type=type(policy().stand_in))
    assert read == policy().stand_in


def test_a_start_without_server_or_stick_sells_at_half_until_one_of_them_is_seen(
    shop: Shop,
) -> None:
    trust = ImageTrust()
    shop.till._asking._trust = trust
    for _ in range(20):
        shop.till.add_item("bun")
    shop.pool.answers += [Unreachable(UnreachableReason.NO_CONNECTION)] * 2
    shop.till.scan(slot_text())
    payment = shop.page.view().payment
    assert payment is not None
    assert payment.points == 50
    shop.till.go_back()
    trust.confirm()
    shop.till.scan(slot_text())
    payment = shop.page.view().payment
    assert payment is not None
    assert payment.points == 100


def test_sales_that_the_terminal_answered_itself_are_counted_until_they_are_told(
    shop: Shop,
) -> None:
    for told in range(3):
        assert shop.store.exposure(ZHANG, NOON).resident_sales == told
        shop.till.add_item("bun")
        shop.pool.answers.append(Unreachable(UnreachableReason.NO_CONNECTION))
        shop.till.scan(slot_text())
        shop.till.complete(shop.till.snapshot()[0].sale_id)


def test_from_the_soft_limit_on_the_page_says_what_is_left_until_the_server_knows(
    shop: Shop,
) -> None:
    rules = policy()
    limits = msgspec.structs.replace(
        rules.stand_in, per_terminal_soft_points=11, per_terminal_hard_points=24
    )
    shop.take(msgspec.structs.replace(rules, version=rules.version + 1, stand_in=limits))
    left = []
    for _ in range(3):
        shop.till.add_item("bun")
        shop.till.add_item("bun")
        shop.pool.answers.append(Unreachable(UnreachableReason.NO_CONNECTION))
        shop.till.scan(slot_text())
        shop.till.complete(shop.till.snapshot()[0].sale_id)
        left.append(shop.page.view().offline_left_points)
    assert left == [None, 4, 0]
    assert shop.store.stood_in_points() == 24
    with shop.store.engine.begin() as told:
        told.exec_driver_sql("delete from outbox")
    assert shop.page.view().offline_left_points is None
