"""Points registered at the till: by a worker of the pool, for the resident in front of him, once."""

from datetime import date, timedelta

import msgspec
import pytest

from protocol.acts import Act, PersonActed
from protocol.codes import ResidentCode
from protocol.counter import CounterAwarded, CounterAwards, CounterRule, CounterWorker, EventEntered
from protocol.documents import DirectoryCard, DirectoryEntry
from protocol.journal import Envelope, decode_happening
from protocol.messages import OutcomeKind, RecordOutcome
from protocol.sales import Happening
from terminal.domain.counter import Attendance, EventFigures
from terminal.domain.notice import NoticeCode
from terminal.domain.ports import StoreFaultError
from terminal.domain.scan import ResidentScan, classify
from terminal.domain.staff import Role
from terminal.shifts.staff import WORKER_STAYS
from terminal.store.events import LISTED_MAX
from terminal.store.people import ArgonPins
from terminal.store.sqlite import SqliteWork
from tests.support.shop import NOON, RESIDENTS, WANG, ZHANG, Shop, card_text, directory, slot_text
from tests.support.till_web import app_of

PIN, OWNER = "482913", "4719"
WORKER_ACCOUNT = "00000000000000b9"
HERE = ("s-1",)
RULES = (
    CounterRule(rule_id="patrol", name="巡逻", points=5, first_day=date(2026, 1, 1)),
    CounterRule(rule_id="clean-up", name="大扫除", points=10, first_day=date(2026, 1, 1)),
    CounterRule(
        rule_id="hazard", name="隐患上报", points=10, first_day=date(2026, 1, 1), needs_fact=True
    ),
    CounterRule(rule_id="old", name="旧标准", points=1, first_day=date(2025, 1, 1),
                last_day=date(2025, 12, 31)),
    CounterRule(rule_id="office", name="会议", points=2, first_day=date(2026, 1, 1),
                roles=("office",)),
)  # fmt: skip


def awards(version: int = 1, shops: tuple[str, ...] = HERE, pin: str = PIN) -> CounterAwards:
    worker = CounterWorker(
        worker="w-1",
        name="社区小周",
        role="community",
        pin_hash=ArgonPins(memory_kib=8, passes=1).hash(pin),
        account=WORKER_ACCOUNT,
    )
    return CounterAwards(version=version, made_at=NOON, shops=shops, rules=RULES, workers=(worker,))


@pytest.fixture
def counter(shop: Shop) -> Shop:
    """A shop where the pool lets 小周 register; she is signed in."""
    shop.take(awards())
    assert shop.staff.sign_in("worker:w-1", PIN).code is NoticeCode.WORKER_SIGNED_IN
    return shop


def told(shop: Shop) -> list[Happening]:
    with shop.store.reading() as connection:
        rows = connection.exec_driver_sql("select body from journal order by epoch, seq")
        found = [msgspec.json.decode(row[0], type=Envelope) for row in rows]
    happenings = (decode_happening(each.happening) for each in found)
    return [each for each in happenings if each is not None]


def given(shop: Shop) -> list[CounterAwarded]:
    return [each for each in told(shop) if isinstance(each, CounterAwarded)]


def test_a_worker_registers_by_rule_and_code_and_a_slip_is_printed(counter: Shop) -> None:
    assert counter.awarding.choose("patrol", "").code is NoticeCode.AWARD_CODE_NEXT
    said = counter.awarding.show_text(slot_text())
    assert (said.code, said.figures["points"]) == (NoticeCode.AWARDED, 5)
    (award,) = given(counter)
    assert (award.account, award.rule_id, award.worker) == (ZHANG, "patrol", "w-1")
    assert award.slip_no == "T0001-J000001"
    with counter.store.reading() as connection:
        (paper,) = connection.exec_driver_sql("select document from print_job").scalars()
    assert all(word.encode() in paper for word in ("社区小周", "巡逻", award.slip_no))
    # The rule is used up: the same code again registers nothing more.
    again = counter.awarding.show_text(slot_text())
    assert again.code is NoticeCode.AWARD_RULE_NEEDED
    assert len(given(counter)) == 1


def test_a_cards_proof_is_of_this_award_and_its_secret_stands_nowhere(counter: Shop) -> None:
    counter.awarding.choose("patrol", "")
    assert counter.awarding.show_text(card_text()).code is NoticeCode.AWARDED
    (award,) = given(counter)
    assert award.account == WANG
    with counter.store.reading() as connection:
        (body,) = connection.exec_driver_sql(
            "select body from journal where kind='counter_awarded'"
        ).one()
    assert b"0123456789abcdef".hex().encode() not in body


def test_what_one_worker_chose_is_not_registered_by_the_next(counter: Shop) -> None:
    """The next one may have another role, and answers for what he registers."""
    first = awards()
    second = msgspec.structs.replace(first.workers[0], worker="w-2", name="社区小吴", account=None)
    counter.take(msgspec.structs.replace(first, version=2, workers=(*first.workers, second)))
    assert counter.awarding.choose("patrol", "").code is NoticeCode.AWARD_CODE_NEXT
    assert counter.staff.sign_in("worker:w-2", PIN).code is NoticeCode.WORKER_SIGNED_IN
    assert counter.awarding.show_text(slot_text()).code is NoticeCode.AWARD_RULE_NEEDED
    assert given(counter) == []


def test_only_the_pools_workers_register(shop: Shop) -> None:
    shop.staff.add("店主", Role.OWNER, OWNER, None)
    said = shop.staff.add("小周", Role.COMMUNITY_WORKER, "7351", OWNER)
    assert said.code is NoticeCode.WORKER_FROM_POOL
    assert shop.staff.add("worker:w-1", Role.CASHIER, "7351", OWNER).code is (
        NoticeCode.WORKER_FROM_POOL
    )
    assert shop.awarding.choose("patrol", "").code is NoticeCode.AWARD_NOT_OFFERED
    shop.take(awards())
    shop.staff.sign_in("店主", OWNER)
    assert shop.awarding.choose("patrol", "").code is NoticeCode.WORKER_NEEDED
    assert shop.staff.sign_in("worker:w-1", OWNER).code is NoticeCode.PIN_WRONG
    assert shop.staff.sign_in("worker:w-2", PIN).code is NoticeCode.PERSON_UNKNOWN
    shop.staff.sign_in("worker:w-1", PIN)
    assert shop.awarding.choose("patrol", "").code is NoticeCode.AWARD_CODE_NEXT
    # The owner signs in after her: she is gone.
    shop.staff.sign_in("店主", OWNER)
    assert shop.awarding.show_text(slot_text()).code is NoticeCode.WORKER_NEEDED
    shop.take(awards(version=2, shops=("s-9",)))
    assert shop.staff.sign_in("worker:w-1", PIN).code is NoticeCode.PERSON_UNKNOWN
    assert not shop.awarding.is_offered


def test_wrong_pins_of_a_worker_are_throttled_until_the_office_gives_another(shop: Shop) -> None:
    shop.take(awards())
    for _ in range(5):
        assert shop.staff.sign_in("worker:w-1", "000000").code is NoticeCode.PIN_WRONG
    assert shop.staff.sign_in("worker:w-1", PIN).code is NoticeCode.PIN_WAITS
    shop.power_cut()
    assert shop.staff.sign_in("worker:w-1", PIN).code is NoticeCode.PIN_WAITS
    assert [x.about for x in told(shop) if isinstance(x, PersonActed)] == ["worker:w-1"]
    assert list(shop.staff.people()) == [], "a worker is nobody of this shop"
    shop.take(awards(version=2, pin="739155"))
    assert shop.staff.sign_in("worker:w-1", "739155").code is NoticeCode.WORKER_SIGNED_IN


def test_a_worker_who_does_nothing_for_half_an_hour_signs_in_again(counter: Shop) -> None:
    minute_ms = 60_000
    for _ in range(3):
        counter.wall.monotonic_ms += 29 * minute_ms
        counter.wall.at += timedelta(minutes=29)
        counter.awarding.choose("patrol", "")
        said = counter.awarding.show_text(slot_text(starts_at=counter.wall.at))
        assert said.code is NoticeCode.AWARDED
    counter.wall.monotonic_ms += int(WORKER_STAYS.total_seconds() * 1000) + 1
    assert counter.awarding.choose("patrol", "").code is NoticeCode.WORKER_NEEDED


def test_nobody_registers_for_himself_nor_on_a_card_without_a_name(counter: Shop) -> None:
    bearer = "00000000000000d7"
    entries = (
        *RESIDENTS,
        DirectoryEntry(account=WORKER_ACCOUNT, allowance_points=0),
        DirectoryEntry(
            account=bearer, allowance_points=15, cards=(DirectoryCard(card_id=bearer, seq=1),)
        ),
    )
    counter.take(directory(version=2, residents=entries))
    counter.awarding.choose("patrol", "")
    own = counter.awarding.show_text(slot_text(WORKER_ACCOUNT))
    assert own.code is NoticeCode.AWARD_OWN
    nobodys = counter.awarding.show_text(card_text(bearer))
    assert nobodys.code is NoticeCode.AWARD_BEARER
    stranger = counter.awarding.show_text(slot_text("00000000000000ee"))
    assert stranger.code is NoticeCode.DECLINED
    forged = counter.awarding.show_text(slot_text(kid=1))
    assert forged.code is NoticeCode.DECLINED
    late = counter.awarding.show_text(slot_text(starts_at=NOON - timedelta(hours=2)))
    assert late.code is NoticeCode.DECLINED
    assert given(counter) == []


def test_rules_of_other_days_and_other_roles_are_not_offered(counter: Shop) -> None:
    assert [each.rule_id for each in counter.awarding.rules()] == ["patrol", "clean-up", "hazard"]
    for rule in ("old", "office", "nothing"):
        assert counter.awarding.choose(rule, "").code is NoticeCode.AWARD_RULE_NEEDED
    for wrong in ("", "a b", "x" * 65, "'; --"):
        assert counter.awarding.choose("hazard", wrong).code is NoticeCode.AWARD_FACT_NEEDED
    counter.awarding.choose("hazard", " SB-2031 ")
    counter.awarding.show_text(slot_text())
    assert [each.fact_ref for each in given(counter)] == ["SB-2031"]


def test_an_event_registers_forty_people_one_after_another_and_each_once(counter: Shop) -> None:
    accounts = [f"{0xE000 + number:016x}" for number in range(40)]
    entries = tuple(DirectoryEntry(account=each, allowance_points=0) for each in accounts)
    counter.take(directory(version=2, residents=entries))
    opened = counter.awarding.open_event("周六 大扫除", "clean-up", with_exit=True)
    assert opened.code is NoticeCode.EVENT_OPENED
    assert counter.awarding.open_event("别的", "patrol", with_exit=False).code is (
        NoticeCode.EVENT_OPEN_ALREADY
    )
    codes = [slot_text(each, starts_at=NOON) for each in accounts]
    for number, code in enumerate(codes, 1):
        said = counter.awarding.show_text(code)
        assert (said.code, said.figures["people"]) == (NoticeCode.EVENT_ENTERED, number)
    assert counter.awarding.show_text(codes[0]).code is NoticeCode.EVENT_ENTERED_BEFORE
    assert given(counter) == [], "nothing before they sign out"
    # The power goes in the middle; whoever had signed in is still there.
    counter.power_cut()
    assert counter.awarding.show_text(codes[0]).code is NoticeCode.WORKER_NEEDED
    counter.staff.sign_in("worker:w-1", PIN)
    counter.awarding.point_out(is_exit=True)
    for number, code in enumerate(codes[:38], 1):
        said = counter.awarding.show_text(code)
        assert (said.code, said.figures["awarded"]) == (NoticeCode.EVENT_AWARDED, number)
    assert counter.awarding.show_text(codes[0]).code is NoticeCode.EVENT_AWARDED_BEFORE
    late = counter.awarding.show_text(slot_text("00000000000000ff"))
    assert late.code is NoticeCode.DECLINED
    progress = counter.awarding.events.progress()
    assert progress is not None
    assert progress.figures == EventFigures(people=40, awarded=38, points=380, refused=0)
    closed = counter.awarding.close_event()
    assert (closed.figures["people"], closed.figures["awarded"]) == (40, 38)
    assert len({each.account for each in given(counter)}) == 38
    assert {each.event for each in given(counter)} == {"2026-03-02:周六大扫除"}
    assert all(each.in_at is not None for each in given(counter))
    assert sum(1 for each in told(counter) if isinstance(each, EventEntered)) == 40
    acts = [x.act for x in told(counter) if isinstance(x, PersonActed)]
    assert acts == [Act.EVENT_OPENED, Act.EVENT_CLOSED]


def test_an_events_figures_count_everybody_however_many_are_listed(counter: Shop) -> None:
    counter.awarding.open_event("义诊", "patrol", with_exit=False)
    event = "2026-03-02:义诊"
    since = NOON - timedelta(minutes=10)
    came = [
        Attendance(
            event,
            f"{0xE000 + number:016x}",
            since + timedelta(seconds=number),
            None,
            f"a-{number}",
            5,
        )
        for number in range(LISTED_MAX + 3)
    ]
    with counter.store.working() as work:
        for each in came:
            work.save_attendance(each)
    said = counter.awarding.show_text(slot_text())
    assert (said.code, said.figures["awarded"]) == (NoticeCode.EVENT_AWARDED, LISTED_MAX + 4)
    progress = counter.awarding.events.progress()
    assert progress is not None
    everybody = LISTED_MAX + 4
    assert progress.figures == EventFigures(everybody, everybody, 5 * everybody, refused=0)
    assert len(progress.people) == LISTED_MAX
    assert (progress.first_listed, progress.people[0].account) == (5, came[4].account)
    assert progress.people[-1].account == ZHANG
    with app_of(counter).test_client() as client:
        page = client.get("/more/awards").get_data(as_text=True)
    assert "更早的 4 人没有列出" in page
    assert f"<b>{everybody}</b>" in page
    assert f"{5 * everybody} 积分" in page
    # Somebody who is listed no longer is awarded no second time.
    first = came[0].account
    entries = (DirectoryEntry(account=first, allowance_points=0),)
    counter.take(directory(version=2, residents=entries))
    again = counter.awarding.show_text(slot_text(first))
    assert again.code is NoticeCode.EVENT_AWARDED_BEFORE
    closed = counter.awarding.close_event()
    assert (closed.figures["people"], closed.figures["awarded"]) == (everybody, everybody)


def test_an_event_without_signing_out_awards_at_once(counter: Shop) -> None:
    counter.awarding.open_event("义诊", "patrol", with_exit=False)
    counter.awarding.point_out(is_exit=True)  # means nothing there
    assert counter.awarding.show_text(slot_text()).code is NoticeCode.EVENT_AWARDED
    assert counter.awarding.show_text(slot_text()).code is NoticeCode.EVENT_AWARDED_BEFORE
    assert counter.awarding.show_text(card_text()).code is NoticeCode.EVENT_AWARDED
    counter.awarding.close_event()
    # Opened again, it goes on; under another rule it is another event.
    assert counter.awarding.open_event("义诊", "clean-up", with_exit=False).code is (
        NoticeCode.EVENT_NAME_TAKEN
    )
    counter.awarding.open_event("义诊", "patrol", with_exit=False)
    assert counter.awarding.show_text(slot_text()).code is NoticeCode.EVENT_AWARDED_BEFORE
    for wrong in ("", "a;b", "长" * 41):
        counter.awarding.close_event()
        said = counter.awarding.open_event(wrong, "patrol", with_exit=False)
        assert said.code is NoticeCode.EVENT_NAME_WRONG


def test_a_code_is_the_tills_again_when_the_page_is_closed(counter: Shop) -> None:
    counter.awarding.choose("patrol", "")
    counter.awarding.wait()
    counter.till.scan(slot_text())
    assert len(given(counter)) == 1
    counter.awarding.choose("patrol", "")
    counter.wall.monotonic_ms += 5_000
    counter.till.add_amount("1", "其他商品")
    counter.till.scan(slot_text())
    assert len(given(counter)) == 1
    assert len(counter.pool.asked) == 1


def test_what_the_server_refused_is_shown_with_the_list(counter: Shop) -> None:
    counter.awarding.open_event("大扫除", "clean-up", with_exit=False)
    counter.awarding.show_text(slot_text())
    counter.awarding.show_text(card_text())
    outcomes = []
    for untold in counter.outbox.next_batch():
        happening = decode_happening(
            msgspec.json.decode(untold.record.body, type=Envelope).happening
        )
        is_wang = isinstance(happening, CounterAwarded) and happening.account == WANG
        kind = OutcomeKind.PARKED if is_wang else OutcomeKind.POSTED
        says = "每人每月最多登记 1 次 / over the limit" if is_wang else ""
        outcomes.append(RecordOutcome(epoch=untold.epoch, seq=untold.seq, outcome=kind, says=says))
    counter.outbox.mark_told(tuple(outcomes), NOON)
    progress = counter.awarding.events.progress()
    assert progress is not None
    assert [(x.account, x.outcome) for x in progress.people] == [
        (ZHANG, "posted"),
        (WANG, "parked"),
    ]
    assert progress.figures.refused == 1
    assert "每月" in progress.people[1].says


def test_nothing_is_registered_when_the_terminal_is_stopped(counter: Shop) -> None:
    counter.awarding.choose("patrol", "")
    counter.till.stop_selling()
    assert counter.awarding.show_text(slot_text()).code is NoticeCode.STOPPED
    assert given(counter) == []


def test_whoever_sells_stays_at_the_till_while_a_worker_registers(counter: Shop) -> None:
    counter.staff.add("店主", Role.OWNER, OWNER, None)
    counter.staff.sign_out()
    counter.staff.sign_in("店主", OWNER)
    counter.staff.sign_in("worker:w-1", PIN)
    assert counter.awarding.worker() is not None
    assert counter.staff.at_till() == "店主"
    counter.staff.sign_out()
    assert counter.awarding.worker() is None
    assert counter.staff.at_till() == "店主"


def test_a_till_where_nobody_registers_keeps_the_scanners_codes(shop: Shop) -> None:
    shop.awarding.wait()
    code = scanned(slot_text())
    assert not shop.awarding.takes(code)


def test_a_disk_that_fails_is_told_on_the_page(
    counter: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter.awarding.choose("patrol", "")

    def fail(*_: object) -> None:
        raise StoreFaultError("no room")

    monkeypatch.setattr(SqliteWork, "journal", fail)
    counter.awarding.wait()
    assert counter.awarding.takes(scanned(slot_text()))
    said = counter.awarding.said()
    assert said is not None
    assert said.code is NoticeCode.STORE_FAULT
    assert given(counter) == []


def scanned(text: str) -> ResidentCode:
    found = classify(text)
    assert isinstance(found, ResidentScan)
    assert isinstance(found.code, ResidentCode)
    return found.code
