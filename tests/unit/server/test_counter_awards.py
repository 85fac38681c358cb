"""Points registered at a counter: booked by the rule of the day, once, and never dropped."""

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

import msgspec
import pytest
from msgspec import UNSET, UnsetType
from sqlalchemy import Engine

from protocol.counter import CounterAwarded, CounterAwards, EventEntered
from protocol.documents import DocumentKind, open_document
from protocol.evidence import Evidence
from protocol.messages import DocumentsAnswer, DocumentsRequest, OutcomeKind
from protocol.reasons import Declined, DeclineReason
from server.awards import AmendAwardRule, AwarderRole, AwardPoints, RegisterAwarder, RetireAwarder
from server.awards.counter import AllowCounterAwards, SetAwarderPin
from server.bootstrap.desk import make_desk
from server.commands.audit_replay import check_replay
from server.db import reading
from server.facts.refused import Refused
from server.redemption.counter_list import CounterAward, counter_awards
from server.redemption.parked import BookParked, LeaveParked, parked_records
from tests.support.phones import phone_in_hand
from tests.unit.server.world import LIU, TODAY, ZHANG, Till, World

PIN_HASH = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"
WORKER = "w-1"


@pytest.fixture
def town(engine: Engine, tmp_path: Path) -> World:
    """文化街社区, where 社区工作人员 w-1 registers at shop-a; she is 刘大爷's neighbour LIU herself."""
    town = World(engine, tmp_path, "wenhuajie")
    town.furnish()
    town.do(
        RegisterAwarder(awarder=WORKER, name="社区小周", role=AwarderRole.COMMUNITY, account=LIU)
    )
    town.do(SetAwarderPin(awarder=WORKER, pin_hash=PIN_HASH))
    town.do(AllowCounterAwards(shop="shop-a", allowed=True))
    return town


def award(
    town: World,
    rule: str = "patrol",
    *,
    account: str = ZHANG,
    evidence: Evidence | None = None,
    points: int = 5,
    day: date = TODAY,
    worker: str = WORKER,
    event: str | None = None,
    fact_ref: str | None = None,
) -> CounterAwarded:
    return CounterAwarded(
        award_id=town.sale_id(),
        slip_no="t-1-J000001",
        business_date=day,
        rule_id=rule,
        points=points,
        account=account,
        evidence=evidence or town.slot(account),
        worker=worker,
        event=event,
        fact_ref=fact_ref,
    )


def listed(town: World) -> Sequence[CounterAward]:
    return town.read(lambda tx: counter_awards(tx, town.pool))


def waiting(town: World) -> int:
    return len(town.read(lambda tx: parked_records(tx, town.pool)))


def test_what_a_worker_registers_is_the_residents_once(town: World) -> None:
    till = town.till()
    told = award(town)
    assert till.outcome(told).outcome is OutcomeKind.POSTED
    assert town.points(f"resident:{ZHANG}") == 5
    assert till.outcome(told).outcome is OutcomeKind.DUPLICATE
    assert town.points(f"resident:{ZHANG}") == 5
    last, first = listed(town)
    assert (first.points, first.worker_name, first.outcome) == (5, "社区小周", OutcomeKind.POSTED)
    assert (last.points, last.outcome) == (0, OutcomeKind.DUPLICATE)


def test_a_card_registers_by_its_proof_alone(town: World) -> None:
    till, card_id = town.till(), town.issue_card(ZHANG)
    told = award(town)
    proof = town.card(card_id, told.award_id, 0)
    assert till.outcome(msgspec.structs.replace(told, evidence=proof)).outcome is (
        OutcomeKind.POSTED
    )
    other = msgspec.structs.replace(told, award_id=town.sale_id(), evidence=proof)
    outcome = till.outcome(other)  # the proof is another award's
    assert outcome.outcome is OutcomeKind.PARKED
    assert "居民码" in outcome.says
    assert town.points(f"resident:{ZHANG}") == 5


@pytest.mark.parametrize("shift", ["+23:59", "-23:59"], ids=["before time", "after time"])
def test_a_time_that_is_none_in_utc_is_parked_and_blocks_nothing(town: World, shift: str) -> None:
    """Its zone carries it over an end of the calendar: no database could keep it."""
    till = town.till()
    start = "0001-01-01T00:00:00" if shift.startswith("+") else "9999-12-31T23:59:59"
    till.record(award(town), occurred_at=datetime.fromisoformat(start + shift))
    outcomes = till.tell(award(town))
    assert [each.outcome for each in outcomes] == [OutcomeKind.PARKED, OutcomeKind.POSTED]
    assert "时间不对" in outcomes[0].says


def test_nobody_registers_for_himself(town: World) -> None:
    outcome = town.till().outcome(award(town, account=LIU))
    assert outcome.outcome is OutcomeKind.PARKED
    assert "不能给自己登记" in outcome.says
    assert town.points(f"resident:{LIU}") == 0


def test_what_was_awarded_is_a_duplicate_whatever_the_office_closed_since(town: World) -> None:
    till, told = town.till(), award(town)
    assert till.outcome(told).outcome is OutcomeKind.POSTED
    town.do(AllowCounterAwards(shop="shop-a", allowed=False))
    assert till.outcome(told).outcome is OutcomeKind.DUPLICATE
    assert town.points(f"resident:{ZHANG}") == 5


def test_where_the_pool_does_not_allow_it_nothing_is_awarded(town: World) -> None:
    town.do(AllowCounterAwards(shop="shop-a", allowed=False))
    till = town.till()
    outcome = till.outcome(award(town))
    assert outcome.outcome is OutcomeKind.PARKED
    assert "没有开通" in outcome.says
    for made_up in ("店主", "w-2", "partner:mini"):
        town.do(AllowCounterAwards(shop="shop-a", allowed=True))
        outcome = till.outcome(award(town, worker=made_up))
        assert outcome.outcome is OutcomeKind.PARKED, made_up
        assert "PIN" in outcome.says
    town.do(RetireAwarder(awarder=WORKER, reason="调走"))
    outcome = till.outcome(award(town))
    assert outcome.outcome is OutcomeKind.PARKED
    assert "已停用" in outcome.says
    assert town.points(f"resident:{ZHANG}") == 0
    assert waiting(town) == 5


def test_limits_hold_though_the_terminal_was_offline(town: World) -> None:
    """Three offline in one go; the second of the day is refused, shown, and can be booked later."""
    terms = AmendAwardRule(
        rule_id="patrol", valid_from=TODAY, category="巡逻", points=5, per_person_a_day=1
    )
    town.do(terms)
    till = town.till()
    outcomes = till.tell(award(town), award(town), award(town, "health-talk", points=3))
    kinds = [each.outcome for each in outcomes]
    assert kinds == [OutcomeKind.POSTED, OutcomeKind.PARKED, OutcomeKind.POSTED]
    assert "每人每天最多登记 1 次" in outcomes[1].says
    assert town.points(f"resident:{ZHANG}") == 8
    (parked,) = town.read(lambda tx: parked_records(tx, town.pool))
    refused = town.submit(
        BookParked(terminal="t-1", epoch=parked.epoch, seq=parked.seq, reason="再试")
    )
    assert isinstance(refused, Refused)
    assert waiting(town) == 1
    town.do(LeaveParked(terminal="t-1", epoch=parked.epoch, seq=parked.seq, reason="重复登记"))
    assert waiting(town) == 0
    left = next(each for each in listed(town) if each.seq == parked.seq)
    assert (left.points, left.outcome, left.closed) == (0, OutcomeKind.DUPLICATE, "重复登记")
    again = LeaveParked(terminal="t-1", epoch=parked.epoch, seq=parked.seq, reason="再次")
    assert isinstance(town.submit(again), Refused)


def test_a_parked_award_is_booked_when_its_cause_is_gone(town: World) -> None:
    town.do(AllowCounterAwards(shop="shop-a", allowed=False))
    town.till().outcome(award(town))
    (parked,) = town.read(lambda tx: parked_records(tx, town.pool))
    town.do(BookParked(terminal="t-1", epoch=parked.epoch, seq=parked.seq, reason="已核实"))
    assert town.points(f"resident:{ZHANG}") == 5
    (shown,) = listed(town)
    assert (shown.points, shown.outcome) == (5, OutcomeKind.POSTED)


def test_the_same_event_pays_each_resident_once_whichever_terminal_tells(town: World) -> None:
    event = f"{TODAY}:大扫除"
    first, second = town.till(), town.till(terminal="t-2")
    told = award(town, "clean-up", points=10, event=event)
    assert first.outcome(told).outcome is OutcomeKind.POSTED
    again = award(town, "clean-up", points=10, event=event)
    outcome = second.outcome(again)
    assert outcome.outcome is OutcomeKind.DUPLICATE
    assert "已登记过" in outcome.says
    assert town.points(f"resident:{ZHANG}") == 10
    # And not by the office's list either.
    by_list = AwardPoints(
        award_id="list-1", account=ZHANG, rule_id="clean-up", performed_on=TODAY,
        awarded_by="网格员", event=event,
    )  # fmt: skip
    assert isinstance(town.submit(by_list), Refused)


def test_the_same_fact_by_two_channels_pays_once(town: World) -> None:
    """A hazard that stands in 速事速办 too: its number names it, and without it nothing is paid."""
    till = town.till()
    unnamed = till.outcome(award(town, "hazard", points=10))
    assert unnamed.outcome is OutcomeKind.PARKED
    assert "事实编号" in unnamed.says
    town.do(
        AwardPoints(
            award_id="mini-1", account=ZHANG, rule_id="quick-report", performed_on=TODAY,
            awarded_by="速事速办", fact_ref="SB-2031",
        )
    )  # fmt: skip
    outcome = till.outcome(award(town, "hazard", points=10, fact_ref="sb-2031"))
    assert outcome.outcome is OutcomeKind.DUPLICATE
    assert "mini-1" in outcome.says
    assert town.points(f"resident:{ZHANG}") == 5


def test_the_rule_of_the_deeds_own_day_counts_and_the_slip_is_put_right(town: World) -> None:
    """The terminal had not heard that the rule would change."""
    tomorrow = date(2026, 3, 3)
    town.do(AmendAwardRule(rule_id="patrol", valid_from=tomorrow, category="巡逻", points=9))
    till = town.till()
    today = award(town)
    assert till.outcome(today).says == ""
    town.clock.move(days=1)
    late = till.outcome(award(town, day=tomorrow, points=5))
    assert late.outcome is OutcomeKind.POSTED
    assert "登记了 9" in late.says
    assert town.points(f"resident:{ZHANG}") == 14


@pytest.mark.parametrize(
    "wrong",
    [
        {"rule_id": "x" * 200},
        {"rule_id": "no-such-rule"},
        {"account": "me"},
        {"worker": "w\x00"},
        {"event": "'; drop table award"},
        {"points": -5},
        {"points": 10**15},
        {"business_date": date(2199, 1, 1)},
    ],
)
def test_a_record_that_makes_no_sense_is_parked(town: World, wrong: dict[str, object]) -> None:
    till = town.till()
    outcome = till.outcome(msgspec.structs.replace(award(town), **wrong))
    assert outcome.outcome is OutcomeKind.PARKED
    assert till.outcome(award(town)).outcome is OutcomeKind.POSTED, "nothing behind it is blocked"


def test_signing_in_at_an_event_is_kept_and_awards_nothing(town: World) -> None:
    entered = EventEntered(
        event=f"{TODAY}:大扫除", rule_id="clean-up", account=ZHANG, worker=WORKER
    )
    assert town.till().outcome(entered).outcome is OutcomeKind.POSTED
    assert town.points(f"resident:{ZHANG}") == 0


def document(town: World, till: Till, awards: int | UnsetType = UNSET) -> CounterAwards | None:
    answer = till.ask("documents", DocumentsRequest(awards=awards), DocumentsAnswer)
    assert isinstance(answer, DocumentsAnswer), answer
    signed = next((x for x in answer.documents if x.kind is DocumentKind.AWARDS), None)
    if signed is None:
        return None
    opened = open_document(signed, town.keys.root_public, town.keys.tag)
    assert isinstance(opened, CounterAwards)
    return opened


def test_terminals_are_told_rules_workers_and_shops_and_older_ones_nothing(town: World) -> None:
    till = town.till()
    assert document(town, till) is None, "a terminal that does not ask could not read it"
    told = document(town, till, awards=0)
    assert told is not None
    assert told.shops == ("shop-a",)
    (worker,) = told.workers
    assert (worker.worker, worker.name, worker.account) == (WORKER, "社区小周", LIU)
    patrol = next(each for each in told.rules if each.rule_id == "patrol")
    assert (patrol.points, patrol.last_day) == (5, None)
    assert next(x for x in told.rules if x.rule_id == "hazard").needs_fact
    changes = date(2026, 3, 10)
    town.do(AmendAwardRule(rule_id="patrol", valid_from=changes, category="巡逻", points=8))
    town.clock.move(seconds=2)
    newer = document(town, till, awards=told.version)
    assert newer is not None
    periods = [(each.points, each.last_day) for each in newer.rules if each.rule_id == "patrol"]
    assert periods == [(5, date(2026, 3, 9)), (8, None)]
    town.clock.move(days=2)
    assert document(town, till, awards=newer.version) is None, "a day alone changes nothing"


def test_all_of_it_replays(town: World) -> None:
    till = town.till()
    till.tell(award(town), award(town, account=LIU), award(town, worker="w-9"))
    town.do(LeaveParked(terminal="t-1", epoch=1, seq=2, reason="核实过"))
    with reading(town.engine) as tx:
        assert list(check_replay(tx, town.pool, make_desk)) == []


def test_a_phones_code_registers_once_and_buys_nothing_behind_it(town: World) -> None:
    till, other = town.till(), town.till(terminal="t-2")
    code = phone_in_hand(town).show()
    assert till.outcome(award(town, evidence=code)).outcome is OutcomeKind.POSTED
    for each in (till, other):
        assert each.outcome(award(town, evidence=code)).outcome is OutcomeKind.PARKED
    assert town.points(f"resident:{ZHANG}") == 5
    declined = till.authorise(town.sale_id(), code, optional=5)
    assert isinstance(declined, Declined)
    assert declined.reason is DeclineReason.CODE_USED
