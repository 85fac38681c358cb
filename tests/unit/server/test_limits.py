"""Limits at the server: what a question is granted, what a record must keep, what is noted."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from msgspec.structs import replace
from sqlalchemy import Engine, event, insert

from protocol.documents import Policy, open_document
from protocol.messages import (
    Approved,
    AuthoriseAnswer,
    AuthoriseRequest,
    DocumentsAnswer,
    DocumentsRequest,
    ItemUnits,
    OutcomeKind,
    Problem,
)
from protocol.money import Points
from protocol.reasons import Declined, DeclineReason
from protocol.redemption import FenRemainder, LimitKind, LimitPeriod, Limits
from protocol.sales import AnsweredBy, RefundLine, ReversalReason, SaleCaptured, SaleReversed
from server.db import create_all, metadata, open_engine, reading, writing
from server.directory import commands as c
from server.facts import Submission
from server.facts.refused import Refused
from server.redemption import Authorise
from server.redemption.limits import over_limits
from server.redemption.taken import points_taken
from tests.unit.awards.deeds import assert_audit_is_clean
from tests.unit.server.world import (
    LIU,
    TODAY,
    ZHANG,
    Till,
    World,
    money_line,
    points_line,
    refunded,
    sold,
)

TOMORROW = TODAY + timedelta(days=1)
OIL = "oil-5l"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path}/pool.sqlite3"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    opened = open_engine(url)
    create_all(opened, metadata)
    yield opened
    opened.dispose()


def set_terms(world: World, limits: Limits = Limits(), day: date = TODAY) -> None:  # noqa: B008 - a frozen value
    world.do(
        c.SetRedemptionTerms(
            valid_from=day,
            fen_remainder=FenRemainder.WAIVE,
            bill_share_bp=limits.bill_share_bp,
            excluded_categories=limits.excluded_categories,
            per_sale_points=limits.per_sale_points,
            per_day_points=limits.per_day_points,
            per_household_day_points=limits.per_household_day_points,
            minimum_points=limits.minimum_points,
        )
    )


def refused(world: World, command: object) -> str:
    outcome = world.submit(command)  # type: ignore[arg-type] # any command
    assert isinstance(outcome, Refused), outcome
    assert " / " in outcome.says
    return outcome.reason


def spend(world: World, till: Till, points: int, account: str = ZHANG) -> SaleCaptured:
    """An online sale, told and booked."""
    sale_id, slot = world.sale_id(), world.slot(account)
    answer = till.authorise(sale_id, slot, optional=points)
    assert isinstance(answer, Approved), answer
    assert answer.points == points
    sale = sold(
        world,
        money_line("套餐", points * 10),
        points=points,
        sale_id=sale_id,
        account=account,
        evidence=slot,
    )
    assert till.outcome(sale).outcome is OutcomeKind.POSTED
    return sale


def granted(answer: Approved | Declined | Problem) -> tuple[int, LimitKind | None]:
    assert isinstance(answer, Approved), answer
    rule = answer.limited_by
    return answer.points, rule if isinstance(rule, LimitKind) else None


def test_a_day_is_shared_by_all_tills_and_begins_anew_tomorrow(world: World, till: Till) -> None:
    set_terms(world, Limits(per_day_points=60))
    world.award(ZHANG, "river-patrol")
    spend(world, till, 25)
    held = world.sale_id()
    assert granted(till.authorise(held, optional=15)) == (15, None)
    # Another till, while the first has only asked: what it holds counts.
    other = world.till(terminal="t-2")
    rest = world.sale_id()
    assert granted(other.authorise(rest, optional=50)) == (20, LimitKind.PER_DAY)
    third = other.authorise(world.sale_id(), optional=5)
    assert third == Declined(DeclineReason.OVER_DAY_LIMIT, limit_points=Points(0))
    till.tell(SaleReversed(sale_id=held, reason=ReversalReason.CANCELLED))
    assert granted(other.authorise(world.sale_id(), optional=50)) == (15, LimitKind.PER_DAY)
    world.clock.move(days=1)
    assert granted(till.authorise(world.sale_id(), optional=50)) == (50, None)


def test_goods_that_come_back_give_the_day_back(world: World, till: Till) -> None:
    set_terms(world, Limits(per_day_points=60))
    world.award(ZHANG, "river-patrol")
    sale = spend(world, till, 60)
    half = RefundLine(line_no=1, quantity_milli=500, amount_fen=300, amount_points=0)
    till.tell(refunded(world, sale, half, points_for_money=30))
    assert world.read(lambda tx: points_taken(tx, world.pool, [ZHANG], TODAY)) == 30
    assert granted(till.authorise(world.sale_id(), optional=50)) == (30, LimitKind.PER_DAY)


def test_a_household_is_everybody_at_one_address_of_one_place(world: World, till: Till) -> None:
    set_terms(world, Limits(per_day_points=50, per_household_day_points=70))
    stranger = "00000000000000d4"
    elsewhere = world.preset.places[1].id
    world.do(c.RegisterResident(account=stranger, name="同号", household="1-101", place=elsewhere))
    for account in (ZHANG, LIU, stranger):
        world.award(account, "river-patrol")
    spend(world, till, 50)
    answer = till.authorise(world.sale_id(), world.slot(LIU), optional=50)
    assert granted(answer) == (20, LimitKind.PER_HOUSEHOLD_DAY)
    answer = till.authorise(world.sale_id(), world.slot(stranger), optional=50)
    assert granted(answer) == (50, None)
    none = till.authorise(world.sale_id(), world.slot(LIU), optional=1)
    assert none == Declined(DeclineReason.OVER_HOUSEHOLD_LIMIT, limit_points=Points(0))


def test_a_question_below_the_minimum_is_declined_and_holds_nothing(
    world: World, till: Till
) -> None:
    set_terms(world, Limits(minimum_points=30))
    world.award(ZHANG, "river-patrol")
    small = till.authorise(world.sale_id(), optional=29)
    assert small == Declined(DeclineReason.BELOW_MINIMUM, limit_points=Points(30))
    spend(world, till, 80)
    poor = till.authorise(world.sale_id(), optional=50)  # 20 are left
    assert poor == Declined(DeclineReason.BELOW_MINIMUM, limit_points=Points(30))
    assert world.free(ZHANG) == 20


def test_goods_priced_in_points_beyond_a_sales_limit_are_declined(
    counter: World,
) -> None:
    till = counter.till()
    set_terms(counter, Limits(per_sale_points=20))
    counter.award(ZHANG, *["early-fire"] * 5)
    answer = till.authorise(counter.sale_id(), required=21)
    assert answer == Declined(DeclineReason.OVER_SALE_LIMIT, limit_points=Points(20))
    assert granted(till.authorise(counter.sale_id(), required=20)) == (20, None)


@pytest.mark.parametrize(
    ("limits", "points", "says"),
    [
        (Limits(bill_share_bp=5000), 31, "超过积分可付的部分"),
        (Limits(excluded_categories=("食品",)), 10, "超过积分可付的部分"),
        (Limits(per_sale_points=40), 41, "上限"),
        (Limits(minimum_points=50), 40, "最低数"),
    ],
)
def test_what_the_terminal_could_know_must_hold_or_the_record_is_parked(
    world: World, till: Till, limits: Limits, points: int, says: str
) -> None:
    world.award(ZHANG, "river-patrol")
    sale = sold(world, money_line("套餐", 600), points=points)
    set_terms(world, limits, TOMORROW)
    world.clock.move(days=1)
    # The day after the terms changed: they had been in force since the day before.
    world.clock.move(days=2)
    late = replace(
        sale, business_date=TODAY + timedelta(days=3), evidence=world.slot(), receipt_no="T1-2"
    )
    online = replace(late, answered_by=AnsweredBy.SERVER)
    outcome = till.outcome(online)
    assert outcome.outcome is OutcomeKind.PARKED
    assert says in outcome.says


def test_a_terminal_may_still_have_yesterdays_terms_and_alone_those_of_its_directory(
    world: World, till: Till
) -> None:
    world.award(ZHANG, "river-patrol")
    set_terms(world, Limits(per_sale_points=40), TOMORROW)
    for days, answered_by, outcome in (
        (1, AnsweredBy.SERVER, OutcomeKind.POSTED),
        (2, AnsweredBy.SERVER, OutcomeKind.PARKED),
        (3, AnsweredBy.STAND_IN, OutcomeKind.POSTED),
        (4, AnsweredBy.STAND_IN, OutcomeKind.PARKED),
    ):
        day = TODAY + timedelta(days=days)
        world.clock.now = world.clock.now.replace(day=day.day)
        sale = sold(world, money_line("套餐", 450), points=45, day=TODAY)
        told = till.outcome(replace(sale, business_date=day, answered_by=answered_by))
        assert (days, told.outcome) == (days, outcome)


def test_terms_that_were_replaced_on_their_own_day_may_have_reached_a_terminal(
    world: World, till: Till
) -> None:
    world.award(ZHANG, "river-patrol")
    set_terms(world, Limits(per_sale_points=10), TODAY)
    day = TODAY + timedelta(days=5)
    world.clock.move(days=5)
    set_terms(world, Limits(per_sale_points=40), day)
    set_terms(world, Limits(per_sale_points=20), day)
    for points, outcome in ((40, OutcomeKind.POSTED), (41, OutcomeKind.PARKED)):
        sale = sold(world, money_line("套餐", 450), points=10, day=day)
        payment = replace(sale.payment, points_for_money=points, cash_fen=450 - 10 * points)
        told = till.outcome(replace(sale, payment=payment, answered_by=AnsweredBy.SERVER))
        assert (points, told.outcome) == (points, outcome)


def test_an_offline_sale_beyond_a_day_is_booked_paid_and_noted(world: World, till: Till) -> None:
    set_terms(world, Limits(per_day_points=50, per_household_day_points=80))
    world.award(ZHANG, "river-patrol")
    world.award(LIU, "river-patrol")
    spend(world, till, 50)
    alone = sold(world, money_line("套餐", 400), points=40)
    assert till.outcome(replace(alone, answered_by=AnsweredBy.STAND_IN)).outcome is (
        OutcomeKind.POSTED
    )
    found = world.read(lambda tx: over_limits(tx, world.pool, TODAY, TODAY))
    assert [(each.what, each.used, each.allowed) for each in found] == [
        ("per_day", 90, 50),
        ("per_household_day", 90, 80),
    ]
    assert {each.sale_id for each in found} == {str(alone.sale_id)}
    assert world.fen("merchant:shop-a") == 900
    assert_audit_is_clean(world)


def test_a_category_that_the_catalogue_knows_otherwise_parks_the_record(
    world: World, till: Till
) -> None:
    world.do(
        c.AddItem(
            item_id="cigarettes",
            name="香烟",
            name_en="Cigarettes",
            category="烟",
            unit="盒",
            price_fen=2500,
        )
    )
    world.award(ZHANG, "river-patrol")
    honest = replace(money_line("香烟", 2500), item_id="cigarettes", category="烟")
    food = money_line("套餐", 300, line_no=2)
    assert till.outcome(sold(world, honest, food, points=30)).outcome is OutcomeKind.POSTED
    disguised = replace(honest, category="食品")
    outcome = till.outcome(sold(world, disguised, food, points=100))
    assert outcome.outcome is OutcomeKind.PARKED
    assert "类别" in outcome.says


def limited_item(world: World, **limits: object) -> None:
    fields = {"limit_period": LimitPeriod.MONTH} | limits
    world.do(
        c.AddItem(
            item_id=OIL,
            name="食用油",
            name_en="Oil",
            category="食品",
            unit="桶",
            price_points=0,
            **fields,  # type: ignore[arg-type] # limits of the table
        )
    )


def ask_for(
    world: World, till: Till, units: int, account: str = ZHANG, optional: int = 0
) -> tuple[AuthoriseRequest, Approved | Declined | Problem]:
    request = AuthoriseRequest(
        sale_id=world.sale_id(),
        evidence=world.slot(account),
        required_points=0,
        optional_points=optional,
        occurred_at=world.clock(),
        limited_items=(ItemUnits(item_id=OIL, units=units),),
    )
    answer = till.ask("authorise", request, AuthoriseAnswer)  # type: ignore[arg-type] # a union
    return request, answer


def take_home(world: World, till: Till, request: AuthoriseRequest, units: int, who: str) -> None:
    line = points_line(OIL, 0, 0, units * 1000)
    sale = replace(
        sold(world, line, sale_id=request.sale_id, account=who),
        account=who,
        evidence=request.evidence,
        answered_by=AnsweredBy.SERVER,
    )
    assert till.outcome(sale).outcome is OutcomeKind.POSTED


def test_free_goods_with_a_limit_need_a_person_and_stop_at_the_limit(
    world: World, till: Till
) -> None:
    limited_item(world, limit_per_resident=2, limit_per_household=3)
    request, answer = ask_for(world, till, 2)
    assert isinstance(answer, Approved)
    assert (answer.points, answer.account) == (0, ZHANG)
    # While it is only asked for, it counts for another till already.
    _, second = ask_for(world, world.till(terminal="t-2"), 1)
    assert second == Declined(DeclineReason.OVER_ITEM_LIMIT, item=OIL, left_units=0)
    take_home(world, till, request, 2, ZHANG)
    _, of_household = ask_for(world, till, 2, LIU)
    assert of_household == Declined(DeclineReason.OVER_ITEM_LIMIT, item=OIL, left_units=1)
    request, answer = ask_for(world, till, 1, LIU)
    assert isinstance(answer, Approved)
    take_home(world, till, request, 1, LIU)
    world.clock.move(days=31)
    _, next_month = ask_for(world, till, 2, LIU)
    assert isinstance(next_month, Approved)


def test_limited_goods_that_came_back_are_free_again(world: World, till: Till) -> None:
    limited_item(world, limit_per_resident=2)
    request, _ = ask_for(world, till, 2)
    line = points_line(OIL, 0, 0, 2_000)
    sale = replace(
        sold(world, line, sale_id=request.sale_id, account=ZHANG),
        account=ZHANG,
        evidence=request.evidence,
        answered_by=AnsweredBy.SERVER,
    )
    assert till.outcome(sale).outcome is OutcomeKind.POSTED
    _, none_left = ask_for(world, till, 1)
    assert none_left == Declined(DeclineReason.OVER_ITEM_LIMIT, item=OIL, left_units=0)
    one = RefundLine(line_no=1, quantity_milli=1_000, amount_fen=0, amount_points=0)
    assert till.outcome(refunded(world, sale, one)).outcome is OutcomeKind.POSTED
    _, two = ask_for(world, till, 2)
    assert two == Declined(DeclineReason.OVER_ITEM_LIMIT, item=OIL, left_units=1)
    _, again = ask_for(world, till, 1)
    assert isinstance(again, Approved)


def test_limited_goods_of_a_question_that_ran_out_are_free_again(world: World, till: Till) -> None:
    limited_item(world, limit_per_resident=1)
    _, answer = ask_for(world, till, 1)
    assert isinstance(answer, Approved)
    assert isinstance(ask_for(world, till, 1)[1], Declined)
    assert answer.held_until is not None
    world.clock.now = answer.held_until
    assert isinstance(ask_for(world, till, 1)[1], Approved)


def test_limited_goods_of_a_sale_that_was_cancelled_are_free_again(
    world: World, till: Till
) -> None:
    limited_item(world, limit_per_resident=1)
    request, answer = ask_for(world, till, 1)
    assert isinstance(answer, Approved)
    till.tell(SaleReversed(sale_id=request.sale_id, reason=ReversalReason.CANCELLED))
    _, again = ask_for(world, till, 1)
    assert isinstance(again, Approved)


def test_the_same_question_for_limited_goods_has_one_answer_and_another_is_a_conflict(
    world: World, till: Till
) -> None:
    limited_item(world, limit_per_resident=1)
    request, answer = ask_for(world, till, 1)
    assert till.ask("authorise", request, AuthoriseAnswer) == answer  # type: ignore[arg-type] # a union
    more = replace(request, limited_items=(ItemUnits(item_id=OIL, units=2),))
    assert isinstance(till.ask("authorise", more, AuthoriseAnswer), Problem)  # type: ignore[arg-type] # a union


@pytest.mark.parametrize(
    "items",
    [
        (ItemUnits(item_id=OIL, units=0),),
        (ItemUnits(item_id=OIL, units=-1),),
        (ItemUnits(item_id=OIL, units=10**9),),
        (ItemUnits(item_id=OIL, units=1), ItemUnits(item_id=OIL, units=1)),
        (ItemUnits(item_id="x" * 33, units=1),),
    ],
)
def test_goods_that_make_no_sense_are_refused(
    world: World, till: Till, items: tuple[ItemUnits, ...]
) -> None:
    request, _ = ask_for(world, till, 1)
    asked = replace(request, sale_id=world.sale_id(), limited_items=items)
    assert isinstance(till.ask("authorise", asked, AuthoriseAnswer), Problem)  # type: ignore[arg-type] # a union


def test_more_limited_goods_than_allowed_sold_offline_are_noted(world: World, till: Till) -> None:
    limited_item(world, limit_per_resident=1, limit_per_household=5)
    line = points_line(OIL, 0, 0, 3000)
    sale = replace(
        sold(world, line), account=ZHANG, evidence=world.slot(), answered_by=AnsweredBy.STAND_IN
    )
    assert till.outcome(sale).outcome is OutcomeKind.POSTED
    found = world.read(lambda tx: over_limits(tx, world.pool, TODAY, TODAY))
    assert [(each.what, each.item_id, each.used, each.allowed) for each in found] == [
        ("per_resident_item", OIL, 3, 1)
    ]
    assert_audit_is_clean(world)


def question(world: World, optional: int, *items: ItemUnits) -> Submission:
    command = Authorise(
        terminal="t-1",
        sale_id=world.sale_id(),
        evidence=world.slot(),
        proof_holds=False,
        required_points=0,
        optional_points=optional,
        occurred_at=world.clock(),
        limited_items=items,
    )
    return Submission(command, actor="test", recorded_at=world.clock())


def test_questions_of_one_batch_see_what_those_before_them_hold(world: World, till: Till) -> None:
    set_terms(world, Limits(per_day_points=60))
    limited_item(world, limit_per_resident=2)
    world.award(ZHANG, "river-patrol")
    one = ItemUnits(item_id=OIL, units=1)
    batch = [question(world, 45), question(world, 45, one), question(world, 5, one),
             question(world, 5, one), question(world, 5)]  # fmt: skip
    with writing(world.engine) as tx:
        answers = world.desk.submit_many(tx, world.pool, batch)
    assert [granted(answer) for answer in answers[:3]] == [  # type: ignore[arg-type] # answers
        (45, None),
        (15, LimitKind.PER_DAY),
        (0, LimitKind.PER_DAY),
    ]
    assert answers[3:] == [
        Declined(DeclineReason.OVER_ITEM_LIMIT, item=OIL, left_units=0),
        Declined(DeclineReason.OVER_DAY_LIMIT),
    ]
    assert world.free(ZHANG) == 40
    assert_audit_is_clean(world)


def policy_of(till: Till) -> Policy:
    answer = till.ask("documents", DocumentsRequest(), DocumentsAnswer)
    assert isinstance(answer, DocumentsAnswer)
    key = till.world.keys.root_public
    opened = [open_document(each, key, till.world.keys.tag) for each in answer.documents]
    return next(each for each in opened if isinstance(each, Policy))


def test_terminals_are_given_the_terms_of_their_day(world: World, till: Till) -> None:
    first = policy_of(till)
    assert first.limits == Limits(excluded_categories=("烟", "酒"))
    set_terms(world, Limits(per_sale_points=40), TOMORROW)
    world.clock.move(seconds=2)
    assert policy_of(till).limits == first.limits
    world.clock.move(days=1)
    changed = policy_of(till)
    assert (changed.limits, changed.version) == (Limits(per_sale_points=40), first.version + 1)


def test_terms_that_contradict_themselves_or_the_catalogue_are_refused(counter: World) -> None:
    def terms(**fields: object) -> c.SetRedemptionTerms:
        base = {"valid_from": TODAY, "fen_remainder": FenRemainder.CASH}
        return c.SetRedemptionTerms(**(base | fields))  # type: ignore[arg-type] # a table of fields

    assert refused(counter, terms(valid_from=TODAY - timedelta(days=1))) == "past_day"
    assert refused(counter, terms(minimum_points=9, per_sale_points=8)) == "bad_limit"
    assert refused(counter, terms(per_sale_points=9, per_household_day_points=8)) == "bad_limit"
    assert refused(counter, terms(excluded_categories=("食品",))) == "bad_limit"
    counter.do(terms(excluded_categories=("烟",), valid_from=TOMORROW))
    tobacco = c.AddItem(
        item_id="pipe", name="烟斗", name_en="Pipe", category="烟", unit="个", price_points=5
    )
    assert refused(counter, tobacco) == "bad_price"
    counter.do(replace(tobacco, price_points=None, price_fen=500))
    change = c.ChangePrice(item_id="pipe", valid_from=TOMORROW, price_points=5)
    assert refused(counter, change) == "bad_price"
    weighed = replace(tobacco, item_id="loose", category="茶", weighed=True, limit_per_resident=1)
    assert refused(counter, weighed) == "bad_limit"


def a_years_sales(world: World, count: int) -> None:
    """So many captured sales of 300 residents in 20 days, as rows alone."""
    nothing = dict.fromkeys(
        ("points_for_goods", "points_for_money", "cash_fen", "waived_fen", "rounded_up_fen",
         "overdraft_points", "reimbursement_fen"), 0,
    )  # fmt: skip
    rows = [
        {
            "pool": world.pool,
            "sale_id": str(UUID(int=number)),
            "state": "captured",
            "terminal": "t-1",
            "merchant": "shop-a",
            "account": f"{number % 300:016x}",
            "content_hash": f"{number:064x}",
            "business_date": TODAY + timedelta(days=number // 300 % 20),
            "epoch": 9,
            "seq": number,
            **nothing,
        }
        for number in range(1, count + 1)
    ]
    with writing(world.engine) as tx:
        tx.execute(insert(metadata.tables["sale"]), rows)
    with world.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")


def test_the_usage_of_a_day_is_read_by_its_index_on_both_databases(
    world: World, till: Till
) -> None:
    a_years_sales(world, 6_000)
    statements: list[tuple[str, object]] = []

    def keep(_c: object, _cur: object, sql: str, values: object, *_: object) -> None:
        statements.append((sql, values))

    event.listen(world.engine, "before_cursor_execute", keep)
    world.read(lambda tx: points_taken(tx, world.pool, [ZHANG, LIU], TODAY))
    event.remove(world.engine, "before_cursor_execute", keep)
    sql, values = next(each for each in statements if "points_for_goods" in each[0])
    with reading(world.engine) as tx:
        prefix = "EXPLAIN " if tx.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN "
        plan = tx.exec_driver_sql(prefix + sql, values).all()  # type: ignore[arg-type] # as it was run
    shown = "\n".join(str(row) for row in plan)
    assert "sales_by_resident" in shown, shown
    assert "Seq Scan on sale" not in shown, shown
    assert "SCAN sale\n" not in shown, shown
