"""代兑换: who redeemed for whom, within limits, and that it came to the door."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Engine

from protocol.evidence import ManualEvidence, SlotEvidence
from protocol.messages import Approved, AuthoriseAnswer, AuthoriseRequest, OutcomeKind
from protocol.proxy import Consent, Proxy, ProxyDelivered
from protocol.sales import RefundLine, SaleCaptured
from server.awards import AwarderRole, OpenBalance, RegisterAwarder
from server.awards.counter import AllowCounterAwards, SetAwarderPin, SetProxyRules
from server.bootstrap.desk import make_desk
from server.commands.audit_replay import check_replay
from server.db import reading
from server.directory import commands as c
from server.facts.refused import Refused
from server.redemption import BookParked, ConfirmDelivery
from server.redemption.proxies import ProxySale, proxy_sales
from tests.unit.server.test_refunds import assert_clean
from tests.unit.server.world import (
    LIU,
    TODAY,
    ZHANG,
    World,
    points_line,
    refunded,
    sold,
)

PIN_HASH = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"
WORKER = "g-1"
OWN = "00000000000000d9"


@pytest.fixture
def town(engine: Engine, tmp_path: Path) -> World:
    """网格员 g-1, a resident herself, redeems at shop-a for up to two residents a day."""
    town = World(engine, tmp_path, "wenhuajie")
    town.furnish()
    place = town.preset.places[0].id
    town.do(c.RegisterResident(account=OWN, name="小吴", household="9-1", place=place))
    for number, account in enumerate((ZHANG, LIU, OWN)):
        town.do(
            OpenBalance(
                opening_id=f"o-{number}",
                account=account,
                points=60,
                as_of=TODAY,
                opened_by="办公室",
            )
        )
    town.do(
        RegisterAwarder(
            awarder=WORKER, name="网格员小吴", role=AwarderRole.GRID_WORKER, account=OWN
        )
    )
    town.do(SetAwarderPin(awarder=WORKER, pin_hash=PIN_HASH))
    town.do(AllowCounterAwards(shop="shop-a", allowed=True))
    town.do(SetProxyRules(residents_a_day=2, points_a_day=50, deliver_within_days=2))
    return town


def proxied(
    town: World, account: str = ZHANG, *, units: int = 1, **changes: object
) -> SaleCaptured:
    line = points_line("flour", 20, 0, units * 1_000)
    # Each time another code, as a phone makes them.
    code = town.slot(account, starts_in_s=-1 - town.random.randrange(900))
    sale = sold(town, line, points=20 * units, account=account, evidence=code)
    proxy = Proxy(
        worker=WORKER,
        consent=Consent.PHONE,
        place="3号楼2单元501",
        deliver_by=TODAY + timedelta(days=2),
    )
    return msgspec.structs.replace(sale, **{"presented_by": WORKER, "proxy": proxy} | changes)


def test_nobody_redeems_for_somebody_who_is_known_by_the_owners_word_alone(town: World) -> None:
    told = proxied(
        town, evidence=ManualEvidence(card_id="c", seq=1, allowed_by="店主", reason="病")
    )
    answer = town.till().outcome(told)
    assert answer.outcome is OutcomeKind.PARKED
    assert "代兑换要有居民的码或卡" in answer.says
    assert town.points(f"resident:{ZHANG}") == 60


def listed(town: World, days: int = 0) -> list[ProxySale]:
    day = TODAY + timedelta(days=days)
    return list(town.read(lambda tx: proxy_sales(tx, town.pool, day)))


def test_who_redeemed_for_whom_and_where_it_goes_stands_with_the_sale(town: World) -> None:
    till = town.till()
    sale = proxied(town, beneficiary=LIU)
    assert till.outcome(sale).outcome is OutcomeKind.POSTED
    assert town.points(f"resident:{ZHANG}") == 40
    assert town.points(f"resident:{LIU}") == 60, "the payer pays, not the beneficiary"
    (one,) = listed(town)
    assert (one.worker_name, one.account, one.beneficiary, one.place) == (
        "网格员小吴",
        ZHANG,
        LIU,
        "3号楼2单元501",
    )
    assert (one.consent, one.points, one.delivered_on, one.overdue) == ("phone", 20, None, False)
    assert till.outcome(sale).outcome is OutcomeKind.DUPLICATE
    assert len(listed(town)) == 1
    assert_clean(town)


def test_what_was_booked_is_a_duplicate_whatever_the_office_closed_since(town: World) -> None:
    """Its answer was lost, and the till tells it again in its next epoch."""
    till, sale = town.till(), proxied(town)
    assert till.outcome(sale).outcome is OutcomeKind.POSTED
    town.do(AllowCounterAwards(shop="shop-a", allowed=False))
    assert till.outcome(sale).outcome is OutcomeKind.DUPLICATE
    assert till.outcome(proxied(town, LIU)).outcome is OutcomeKind.PARKED
    assert_clean(town)


def test_a_delivery_is_confirmed_once_or_becomes_late(town: World) -> None:
    till = town.till()
    first, second = proxied(town), proxied(town, LIU)
    till.tell(first, second)
    assert [each.overdue for each in listed(town, 2)] == [False, False]
    assert [each.overdue for each in listed(town, 3)] == [True, True]
    at_door = ProxyDelivered(
        sale_id=first.sale_id, business_date=TODAY, worker=WORKER, how="本人签收"
    )
    assert till.outcome(at_door).outcome is OutcomeKind.POSTED
    assert till.outcome(at_door).outcome is OutcomeKind.DUPLICATE
    by_phone = ConfirmDelivery(
        sale_id=str(second.sale_id), delivered_on=TODAY, said_by="办公室", how="电话问过本人"
    )
    town.do(by_phone)
    assert [each.overdue for each in listed(town, 3)] == [False, False]
    assert {each.how for each in listed(town)} == {"本人签收", "电话问过本人"}
    unknown = msgspec.structs.replace(at_door, sale_id=town.sale_id())
    assert till.outcome(unknown).outcome is OutcomeKind.PARKED
    tomorrow = msgspec.structs.replace(by_phone, delivered_on=TODAY + timedelta(days=1))
    assert isinstance(town.submit(tomorrow), Refused)


def test_what_came_back_is_not_waited_for(town: World) -> None:
    till = town.till()
    sale = proxied(town)
    back = RefundLine(line_no=1, quantity_milli=1_000, amount_fen=0, amount_points=20)
    till.tell(sale, refunded(town, sale, back, points_for_goods=20))
    (one,) = listed(town, 9)
    assert (one.came_back, one.overdue) == (True, False)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"account": OWN}, "不能给自己"),
        ({"beneficiary": OWN}, "不能给自己"),
        ({"presented_by": None}, "要有居民和代办人"),
        ({"presented_by": "g-2"}, "要有居民和代办人"),
        ({"beneficiary": "00000000000000ee"}, "受益人没有登记"),
        ({"worker": "g-2"}, "没有登记"),
        ({"place": ""}, "送到哪里"),
        ({"place": "长" * 41}, "送到哪里"),
    ],
)
def test_what_a_terminal_can_know_must_hold(
    town: World, wrong: dict[str, str | None], says: str
) -> None:
    sale = proxied(town, wrong.get("account") or ZHANG)
    assert isinstance(sale.proxy, Proxy)
    fields = {name: value for name, value in wrong.items() if name in {"worker", "place"}}
    if fields:
        proxy = msgspec.structs.replace(sale.proxy, **fields)
        sale = msgspec.structs.replace(sale, proxy=proxy, presented_by=proxy.worker)
    others = {name: wrong[name] for name in ("presented_by", "beneficiary") if name in wrong}
    sale = msgspec.structs.replace(sale, **others)
    outcome = town.till().outcome(sale)
    assert outcome.outcome is OutcomeKind.PARKED
    assert says in outcome.says
    assert town.points(f"resident:{ZHANG}") == 60
    assert listed(town) == []


def test_above_the_days_limits_it_is_booked_and_said(town: World) -> None:
    """Only the server knows what a worker did at other shops that day; the goods are gone."""
    till = town.till()
    one, two = proxied(town), proxied(town, LIU)
    assert [each.says for each in till.tell(one, two)] == ["", ""]
    third_sale = proxied(town, ZHANG)
    assert isinstance(third_sale.evidence, SlotEvidence)
    # More than a terminal gives a resident by itself: the server was asked.
    asked = AuthoriseRequest(
        sale_id=third_sale.sale_id,
        evidence=third_sale.evidence,
        required_points=20,
        optional_points=0,
        occurred_at=town.clock(),
    )
    assert isinstance(till.ask("authorise", asked, AuthoriseAnswer), Approved)  # type: ignore[arg-type] # a union
    third = till.outcome(third_sale)
    assert third.outcome is OutcomeKind.POSTED
    assert "60 积分，上限 50" in third.says
    place = town.preset.places[0].id
    fourth = "00000000000000f4"
    town.do(c.RegisterResident(account=fourth, name="老赵", household="2-2", place=place))
    town.do(
        OpenBalance(opening_id="o-9", account=fourth, points=60, as_of=TODAY, opened_by="办公室")
    )
    outcome = till.outcome(proxied(town, fourth))
    assert "3 位居民，上限 2 位" in outcome.says
    assert len(listed(town)) == 4
    assert_clean(town)


def test_where_it_is_not_allowed_it_waits_for_the_office(town: World) -> None:
    town.do(SetProxyRules(residents_a_day=0))
    till = town.till()
    outcome = till.outcome(proxied(town))
    assert outcome.outcome is OutcomeKind.PARKED
    assert "没有开通代兑换" in outcome.says
    town.do(BookParked(terminal="t-1", epoch=1, seq=till.seq, reason="核实过"))
    assert [each.points for each in listed(town)] == [20]
    assert_clean(town)


def test_all_of_it_replays(town: World) -> None:
    till = town.till()
    sale = proxied(town)
    till.tell(
        sale,
        proxied(town, OWN),
        ProxyDelivered(sale_id=sale.sale_id, business_date=TODAY, worker=WORKER, how="本人"),
    )
    with reading(town.engine) as tx:
        assert list(check_replay(tx, town.pool, make_desk)) == []
