"""Scenarios C1, C2, E1 and E2 as far as points come in; then they are spent through the API."""

from datetime import date

from protocol.messages import Approved, OutcomeKind
from protocol.reasons import Declined
from server.awards import Awarded, OpenBalance
from tests.unit.awards.conftest import MakeWorld
from tests.unit.awards.deeds import Points, assert_audit_is_clean, award, points
from tests.unit.server.world import TODAY, ZHANG, World, points_line, sold

MARCH = (
    ("mediation", 2, 10),
    ("hazard", 3, 5),
    ("patrol", 6, 5),
    ("health-talk", 1, 3),
)


def opened(opening_id: str, given: int) -> OpenBalance:
    return OpenBalance(
        opening_id=opening_id, account=ZHANG, points=given, as_of=TODAY, opened_by="office"
    )


def test_c1_a_card_of_15_points_buys_a_bag_of_rice_once(make_world: MakeWorld) -> None:
    counter = make_world("yamen")
    counter.do(opened("card-015", 15))
    counter.do(opened("card-015", 15))
    assert points(counter) == Points(balance=15, opened=15)
    till, sale_id = counter.till(), counter.sale_id()
    approved = till.authorise(sale_id, required=15)
    assert isinstance(approved, Approved), approved
    assert approved.balance_points == 15
    rice = points_line("rice", 15, 2800)
    assert till.outcome(sold(counter, rice, points=15, sale_id=sale_id)).outcome is (
        OutcomeKind.POSTED
    )
    assert points(counter) == Points(balance=0, opened=15)
    assert isinstance(till.authorise(counter.sale_id(), required=15), Declined)
    assert_audit_is_clean(counter)


def test_c2_the_record_card_adds_up_to_24_and_comes_out_even(make_world: MakeWorld) -> None:
    counter = make_world("yamen")
    counter.award(ZHANG, "early-fire", "guest-house", "haircut", "clean-up", "recommending")
    assert points(counter) == Points(balance=24, issued=24)
    till, sale_id = counter.till(), counter.sale_id()
    oil = till.authorise(counter.sale_id(), required=40)
    assert isinstance(oil, Declined)
    assert oil.missing_points == 16
    lines = (
        points_line("rice", 15, 2800, line_no=1),
        points_line("detergent", 6, 900, line_no=2),
        points_line("soy-sauce", 3, 700, line_no=3),
    )
    assert isinstance(till.authorise(sale_id, required=24), Approved)
    till.outcome(sold(counter, *lines, points=24, sale_id=sale_id))
    assert points(counter) == Points(balance=0, issued=24)
    assert counter.fen("merchant:shop-a") == 4400
    assert_audit_is_clean(counter)


def test_e1_opening_registration_and_sweeping_make_25(town: World) -> None:
    town.do(opened("paper-1", 10))
    town.award(ZHANG, "registration", "sweeping", "sweeping")
    assert points(town) == Points(balance=25, issued=15, opened=10)
    till, sale_id = town.till(), town.sale_id()
    assert isinstance(till.authorise(sale_id, required=25), Approved)
    lines = (
        points_line("flour", 20, 0, line_no=1),
        points_line("laundry-liquid", 5, 0, line_no=2),
    )
    till.outcome(sold(town, *lines, points=25, sale_id=sale_id))
    assert points(town) == Points(balance=0, issued=15, opened=10)
    assert_audit_is_clean(town)


def test_e2_march_is_68_and_stays_68_and_april_mediation_makes_83(town: World) -> None:
    given = []
    for rule, times, worth in MARCH:
        for number in range(times):
            outcome = town.do(award(f"{rule}-{number}", rule, date(2024, 3, 5 + number)))
            assert isinstance(outcome, Awarded)
            assert outcome.points == worth
            given.append(outcome.points)
    assert sum(given) == 68
    april = town.do(award("april", "mediation", date(2024, 4, 1)))
    assert isinstance(april, Awarded)
    assert april.points == 15
    # A deed of March that is told in April is worth what it was in March.
    late = town.do(award("late", "hazard", date(2024, 3, 31)))
    assert isinstance(late, Awarded)
    assert late.points == 5
    assert points(town).balance == 83 + 5
    assert_audit_is_clean(town)
