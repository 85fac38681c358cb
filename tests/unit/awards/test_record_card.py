"""Scenarios C2 and E2 on paper: the personal record card, and March that stays 68."""

from datetime import UTC, date, datetime, timedelta

from protocol.messages import Approved
from server.awards import ClawBackAward, OpenBalance
from server.commands.report_figures import Period, by_rule
from server.reports.record import record_lines
from tests.unit.awards.conftest import MakeWorld
from tests.unit.awards.deeds import amended, assert_audit_is_clean, award, points
from tests.unit.awards.test_scenarios import MARCH
from tests.unit.server.world import TODAY, ZHANG, World, points_line, sold


def card(world: World) -> list[tuple[str, int]]:
    lines = world.read(lambda tx: record_lines(tx, world.pool, ZHANG))
    return [(each.what, each.points) for each in lines]


def spend(world: World, *lines: tuple[str, int, int]) -> None:
    till, sale_id, slot = world.till(), world.sale_id(), world.slot()
    goods = [points_line(*line, line_no=number) for number, line in enumerate(lines, start=1)]
    worth = sum(price for _, price, _ in lines)
    assert isinstance(till.authorise(sale_id, slot, required=worth), Approved)
    till.tell(sold(world, *goods, points=worth, sale_id=sale_id, evidence=slot))


def test_c2_the_card_has_five_awards_one_redemption_and_comes_out_even(
    make_world: MakeWorld,
) -> None:
    counter = make_world("yamen")
    counter.award(ZHANG, "early-fire", "guest-house", "haircut", "clean-up", "recommending")
    spend(counter, ("rice", 15, 2800), ("detergent", 6, 900), ("soy-sauce", 3, 700))
    given = card(counter)
    assert [worth for _, worth in given] == [10, 2, 5, 2, 5, -24]
    categories = {rule.id: rule.category for rule in counter.preset.award_rules}
    assert [what for what, _ in given[:5]] == [
        categories[rule]
        for rule in ("early-fire", "guest-house", "haircut", "clean-up", "recommending")
    ]
    assert given[5][0].startswith("兑换")


def test_the_card_adds_up_when_things_are_owed_and_taken_back(make_world: MakeWorld) -> None:
    counter = make_world("yamen")
    counter.do(amended("early-fire", 10))
    counter.do(award("a-1", "early-fire"))
    spend(counter, ("detergent", 6, 900))
    counter.do(ClawBackAward(award_id="a-1", clawed_back_by="office", reason="虚报"))
    counter.do(award("a-2", "haircut"))
    counter.do(
        OpenBalance(opening_id="p-1", account=ZHANG, points=7, as_of=TODAY, opened_by="office")
    )
    stands = points(counter)
    assert (stands.balance, stands.owed) == (6, 0)
    given = card(counter)
    assert [worth for _, worth in given] == [10, -6, -10, 5, 7]
    assert sum(worth for _, worth in given) == stands.balance - stands.owed
    assert_audit_is_clean(counter)


def test_e2_march_is_68_after_april_changed_the_rules_and_april_is_15(town: World) -> None:
    number = 0
    for rule, times, worth in MARCH:
        for _ in range(times):
            number += 1
            given = town.do(award(f"m-{number}", rule, date(2024, 3, 5) + timedelta(days=number)))
            assert getattr(given, "points", None) == worth, rule
    assert points(town).balance == 68
    march = Period(date(2024, 3, 1), date(2024, 3, 31))
    april = town.do(award("april", "mediation", date(2024, 4, 1)))
    assert getattr(april, "points", None) == 15
    rows = town.read(lambda tx: by_rule(tx, town.pool, march))
    assert sum(row.figures.awarded for row in rows) == 68
    assert {row.rule_id: row.figures.awarded for row in rows} == {
        rule: times * worth for rule, times, worth in MARCH
    }
    rows = town.read(lambda tx: by_rule(tx, town.pool, Period(date(2024, 4, 1))))
    assert [(row.rule_id, row.figures.awarded) for row in rows] == [("mediation", 15)]
    assert points(town).balance == 83
    assert sum(worth for _, worth in card(town)) == 83
    assert_audit_is_clean(town)


def test_a_deed_of_tomorrow_waits_for_midnight_in_shanghai(town: World) -> None:
    tomorrow = award("n-1", "clean-up", TODAY + timedelta(days=1))
    town.clock.now = datetime(2026, 3, 2, 15, 59, 59, tzinfo=UTC)
    assert getattr(town.submit(tomorrow), "reason", None) == "future"
    town.clock.move(seconds=1)
    assert getattr(town.do(tomorrow), "points", None) == 10


def test_the_cut_off_hour_says_which_day_a_deed_of_the_night_belongs_to(
    make_world: MakeWorld,
) -> None:
    market = make_world("market")  # its day ends at 04:00
    rule = market.preset.award_rules[0].id if market.preset.award_rules else None
    market.do(amended("patrol", 5, valid_from=date(2026, 1, 1)))
    market.clock.now = datetime(2026, 3, 2, 19, 59, tzinfo=UTC)  # 03:59 on 3 March
    early = award("n-1", rule or "patrol", date(2026, 3, 3))
    assert getattr(market.submit(early), "reason", None) == "future"
    market.clock.move(minutes=1)
    assert getattr(market.do(early), "points", 0) > 0
