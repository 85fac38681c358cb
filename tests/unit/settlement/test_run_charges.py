"""What runs charge under each kind of contract, and which contracts are refused."""

from datetime import date, timedelta

from server.db import reading
from server.directory.commands import EndContract
from server.directory.contract_terms import Basis, ContractTerms, Cycle, ShareRule, simple_terms
from server.directory.values import DirectoryProblem, Done
from server.facts.refused import Refused
from server.ledger import Asset, fold
from server.settlement.lines import lines_of
from server.settlement.statements import members_of, statements_of
from tests.unit.settlement.run_reading import FIVE, POOL, D, made, owed_fen, shares
from tests.unit.settlement.world import World


def test_daily_and_monthly_cycles_pay_the_same_share_rent_and_minimum(world: World) -> None:
    tiers = ((0, 300), (10_000, 777))
    rules = (ShareRule(tiers=tiers),)
    world.open("daily", "monthly", contracts=False)
    for merchant, cycle in (("daily", Cycle.DAY), ("monthly", Cycle.MONTH)):
        terms = ContractTerms(share=rules, rent_fen=120_000, share_min_fen=1_500, cycle=cycle)
        world.contract(merchant, f"c-{merchant}", terms)
    for number in range(20):
        for merchant in ("daily", "monthly"):
            world.sell(merchant, f"{merchant}-{number}", D[number], cash_fen=1_013)
    for day in (D[4], D[17], D[30], D[61]):
        world.run(day)
    assert len(made(world, "daily")) == 62
    assert [each.period_through for each in made(world, "monthly")] == [D[30], date(2026, 4, 30)]

    def sums(merchant: str) -> tuple[int, ...]:
        totals = [each.totals for each in made(world, merchant)]
        return (
            sum(each.share_fen for each in totals[:31]),
            sum(each.minimum_fen for each in totals),
            sum(each.rent_fen for each in totals),
        )

    share_fen = (10_000 * 300 + 10_260 * 777 + 5_000) // 10_000
    monthly = made(world, "monthly")
    assert monthly[0].totals.share_fen == share_fen == 1_097
    assert monthly[0].totals.minimum_fen == 1_500 - 1_097
    assert monthly[1].totals.minimum_fen == 1_500
    assert sum(each.totals.share_fen for each in made(world, "daily")) == 1_097
    assert sums("daily")[1] == 403 + 1_500
    assert sums("daily")[2] == 120_000 + 120_000 + 120_000 // 31
    assert monthly[0].totals.rent_fen == monthly[1].totals.rent_fen == 120_000


def test_a_change_of_contract_in_mid_period_splits_share_and_rent(world: World) -> None:
    world.open("m", contracts=False)
    old = ContractTerms(share=(ShareRule(tiers=((0, 1_000),)),), rent_fen=31_000)
    new = ContractTerms(share=(ShareRule(tiers=((0, 300),)),), rent_fen=62_000)
    world.contract("m", "old", old, D[0], D[9])
    world.contract("m", "zneu", new, D[10])
    world.sell("m", "s", D[9], cash_fen=1_000)
    world.sell("m", "u", D[10], cash_fen=1_000)
    world.run(D[14])
    (statement,) = made(world, "m")
    found = [
        (each.contract, each.takings_fen, each.share_fen)
        for each in shares(world, statement.statement)
    ]
    assert found == [("old", 1_000, 100), ("zneu", 1_000, 30)]
    assert statement.totals.rent_fen == 10_000 + 10_000
    world.sell("m", "r", D[15], cash_fen=1_000, of_sale="s")
    world.run(D[15])
    late = made(world, "m")[1]
    assert [(each.contract, each.share_fen) for each in shares(world, late.statement)] == [
        ("old", -100)
    ]


def test_a_refund_of_last_month_is_a_line_of_that_months_tier(world: World) -> None:
    """The lines of a statement add up to its share also where a refund lowers an earlier month."""
    world.open("m", contracts=False)
    terms = ContractTerms(share=(ShareRule(tiers=((0, 300), (10_000, 1_000))),))
    world.contract("m", "c-m", terms)
    world.sell("m", "s", D[29], cash_fen=10_000)
    world.sell("m", "high", D[29], cash_fen=4_000)
    world.run(D[30])
    april = D[31]
    world.sell("m", "r", april, cash_fen=4_000, of_sale="high")
    world.sell("m", "t", april, cash_fen=2_000)
    world.run(april)
    late = made(world, "m")[-1]
    # March had 140.00: what comes back of it leaves the tier at 10 %; April begins at 3 %.
    with reading(world.engine) as tx:
        found = [(each.kind, each.share_fen) for each in lines_of(tx, POOL, late)]
    assert found == [("refund", -400), ("sale", 60)]
    assert late.totals.share_fen == -340


def test_a_shops_own_contract_beats_the_merchants(world: World) -> None:
    world.open("m", contracts=False)
    world.open_shop("m", "m2")
    world.contract("m", "all", FIVE)
    world.contract("m", "own", ContractTerms(share=(ShareRule(tiers=((0, 2_000),)),)), shop="m2")
    world.sell("m", "s", D[0], cash_fen=1_000)
    world.sell("m", "u", D[0], cash_fen=1_000, shop="m2")
    world.run(D[0])
    (statement,) = made(world, "m")
    found = [(each.contract, each.share_fen) for each in shares(world, statement.statement)]
    assert found == [("all", 50), ("own", 200)]
    with reading(world.engine) as tx:
        assert [line.shop for line in lines_of(tx, POOL, statement)] == ["m", "m2"]


def test_a_rule_for_a_category_takes_its_part_of_each_sale(world: World) -> None:
    rules = (
        ShareRule(category="药品", basis=Basis.ALL, tiers=((0, 1_000),)),
        ShareRule(tiers=((0, 300),)),
    )
    world.open("m", contracts=False)
    world.contract("m", "c", ContractTerms(share=rules))
    goods = {"食品": 6_000, "药品": 4_000}
    world.sell("m", "s", D[0], cash_fen=5_000, points=500, reimbursement_fen=5_000, goods=goods)
    world.run(D[0])
    (statement,) = made(world, "m")
    found = [
        (each.category, each.basis, each.takings_fen, each.share_fen)
        for each in shares(world, statement.statement)
    ]
    assert found == [("", "cash", 3_000, 90), ("药品", "all", 4_000, 400)]
    with reading(world.engine) as tx:
        assert sum(line.share_fen for line in lines_of(tx, POOL, statement)) == 490
    back = {"药品": 4_000}
    world.sell("m", "r", D[1], points=400, reimbursement_fen=4_000, of_sale="s", goods=back)
    world.run(D[1])
    second = made(world, "m")[1]
    # What is left of the sale is food for 50.00 in cash and 10.00 in points.
    assert [(each.category, each.takings_fen) for each in shares(world, second.statement)] == [
        ("", 2_000),
        ("药品", -4_000),
    ]


def test_a_minimum_that_a_late_fact_makes_up_for_is_given_back(world: World) -> None:
    world.open("m", contracts=False)
    world.contract(
        "m", "c", ContractTerms(share=FIVE.share, share_min_fen=10_000, cycle=Cycle.MONTH)
    )
    world.sell("m", "s", D[3], cash_fen=100_000)
    world.run(D[30])
    world.sell("m", "late", D[5], cash_fen=40_000)
    world.sell("m", "later", D[6], cash_fen=200_000)
    world.run(date(2026, 4, 30))
    march, april = (each.totals for each in made(world, "m"))
    assert (march.share_fen, march.minimum_fen) == (5_000, 5_000)
    assert (april.share_fen, april.minimum_fen) == (12_000, 10_000 - 5_000)


def test_a_contract_that_ends_in_mid_month_pays_its_days(world: World) -> None:
    world.open("m", contracts=False)
    terms = ContractTerms(share=FIVE.share, rent_fen=31_000, share_min_fen=6_200)
    world.contract("m", "c", terms, D[0], D[9])
    world.sell("m", "s", D[2], cash_fen=1_000)
    world.run(D[30])
    (statement,) = made(world, "m")
    totals = statement.totals
    assert (totals.rent_fen, totals.share_fen, totals.minimum_fen) == (10_000, 50, 1_950)


def test_what_a_shop_declares_beyond_its_sales_is_shared_and_told(world: World) -> None:
    world.open("m", contracts=False)
    world.contract("m", "c", FIVE)
    world.sell("m", "s", D[0], cash_fen=10_000)
    world.declare("m", 1, D[0], 30_000, 10_000)
    world.declare("m", 2, D[1], 0, 2_000)
    world.run(D[1])
    (statement,) = made(world, "m")
    assert (statement.totals.declared_fen, statement.totals.cash_fen) == (18_000, 28_000)
    assert statement.totals.share_fen == 1_400
    with reading(world.engine) as tx:
        found = [
            (line.source, line.receipt_no, line.takings_fen)
            for line in lines_of(tx, POOL, statement)
        ]
    assert found == [
        ("basket", "R-s", 10_000),
        ("declared", "Z1", 20_000),
        ("declared", "Z2", -2_000),
    ]


def test_payments_stand_between_opening_and_closing(world: World) -> None:
    world.open("m", share_bp=0)
    world.sell("m", "s", D[0], points=100, reimbursement_fen=1_000)
    world.run(D[0])
    world.pay("m", "p1", D[1], 700)
    world.run(D[1])
    world.pay("m", "p2", D[2], -50)
    world.run(D[2])
    found = [
        (
            each.opening_fen,
            each.totals.net_fen,
            each.totals.paid_fen,
            each.totals.received_fen,
            each.closing_fen,
        )
        for each in made(world, "m")
    ]
    assert found == [(0, 1_000, 0, 0, 1_000), (1_000, 0, 700, 0, 300), (300, 0, 0, 50, 350)]
    assert owed_fen(world, "m") == 350
    with reading(world.engine) as tx:
        for statement in statements_of(tx, POOL):
            numbers = [each.transfer.transfer_no for each in members_of(tx, POOL, statement)]
            upto = max(numbers)
            assert (
                fold(tx, POOL, "merchant:m", Asset.FEN, upto=upto).credits
                - fold(tx, POOL, "merchant:m", Asset.FEN, upto=upto).debits
                == statement.closing_fen
            )


def refusal(outcome: object) -> DirectoryProblem:
    assert isinstance(outcome, Refused), outcome
    assert " / " in outcome.says
    return DirectoryProblem(outcome.reason)


def test_contracts_that_cannot_be_are_refused(world: World) -> None:
    world.open("m", "n", contracts=False)
    assert world.contract("m", "c1", FIVE, D[0], D[9]) == Done("c1")
    assert world.contract("m", "c1", FIVE, D[0], D[9]) == Done("c1", again=True)
    problems = [
        (world.contract("m", "c1", FIVE, D[0]), DirectoryProblem.CONFLICT),
        (world.contract("m", "c2", FIVE, D[9]), DirectoryProblem.OVERLAP),
        (world.contract("m", "c2", FIVE, D[11]), DirectoryProblem.GAP),
        (world.contract("m", "c2", FIVE, D[20], D[19]), DirectoryProblem.BAD_PERIOD),
        (world.contract("x", "c2", FIVE, D[10]), DirectoryProblem.UNKNOWN_MERCHANT),
        (world.contract("m", "c2", FIVE, D[10], shop="n"), DirectoryProblem.UNKNOWN_SHOP),
        (world.contract("m", "c2", simple_terms(10_001, 0), D[10]), DirectoryProblem.BAD_TERMS),
        (
            world.contract("m", "c2", ContractTerms(fees={"no": 5}), D[10]),
            DirectoryProblem.UNKNOWN_ITEM,
        ),
        (
            world.contract("m", "c2", ContractTerms(fees={"category:": 5}), D[10]),
            DirectoryProblem.BAD_TERMS,
        ),
    ]
    for outcome, problem in problems:
        assert refusal(outcome) is problem
    assert world.contract("m", "c2", FIVE, D[12], resumes=True) == Done("c2")
    assert world.contract("m", "s1", FIVE, D[3], shop="m") == Done("s1")


def test_nothing_changes_a_contract_into_days_that_are_settled(world: World) -> None:
    world.open("m", contracts=False)
    world.contract("m", "c1", FIVE, D[0])
    world.run(D[4])
    assert refusal(world.contract("m", "s1", FIVE, D[4], shop="m")) is DirectoryProblem.CLOSED
    too_early = EndContract(contract="c1", last_day=D[3], reason="停业")
    assert refusal(world.tell(too_early)) is DirectoryProblem.CLOSED
    ends = EndContract(contract="c1", last_day=D[4], reason="停业")
    assert world.tell(ends) == Done("c1")
    assert world.tell(ends) == Done("c1", again=True)
    later = EndContract(contract="c1", last_day=D[8], reason="停业")
    assert refusal(world.tell(later)) is DirectoryProblem.BAD_PERIOD
    before = EndContract(contract="c1", last_day=D[0] - timedelta(days=1), reason="停业")
    assert refusal(world.tell(before)) is DirectoryProblem.BAD_PERIOD
    nobody = EndContract(contract="c9", last_day=D[4], reason="停业")
    assert refusal(world.tell(nobody)) is DirectoryProblem.UNKNOWN_CONTRACT
    assert world.contract("m", "c2", FIVE, D[5]) == Done("c2")
