"""Cards at the console: lost, PIN set and unlocked with a reason, a temporary card handed on."""

from datetime import date, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.card_tries import CardPinWrong
from server.awards.temporary_cards import Household, IssueTemporaryCard
from server.db import reading, writing
from server.directory import commands as c
from server.directory.card_pins import CardPin, note_wrong_pin, pin_of
from server.directory.phones import EnrolPhone, InvitePhone, PhoneEnrolled, mark_copied
from server.directory.queries import cards_of_account, residents
from server.directory.temporary import temporary_card_of
from tests.unit.audit.pool_world import PoolWorld
from tests.unit.portal.portal_world import OPERATOR, PortalWorld, send, text_of

HOLDER = "00000000000000d1"
CARD = "00000000000000e1"
PIN = "580231"
FLAT = "3幢2单元501"


@pytest.fixture
def office(portal: PortalWorld) -> PortalWorld:
    portal.people()
    with reading(portal.pool.engine) as tx:
        place = residents(tx, portal.pool.pool)[0].place
    to = Household(
        account=HOLDER,
        card_id=CARD,
        name="临时积分卡",
        household=FLAT,
        place=place,
        expires_on=date(2030, 1, 1),
        cap_points=100,
    )
    portal.pool.tell(IssueTemporaryCard(to=to))
    return portal


def pin_now(portal: PortalWorld) -> CardPin | None:
    with reading(portal.pool.engine) as tx:
        return pin_of(tx, portal.pool.pool, CARD, 1, portal.pool.now)


def page(portal: PortalWorld, **form: str) -> str:
    client = portal.officer(OPERATOR)
    return text_of(send(client, f"/console/cards/{HOLDER}", **form).text)


def set_pin(portal: PortalWorld, pin: str = PIN, again: str | None = None) -> str:
    return page(
        portal, act="pin", pin=pin, pin_again=pin if again is None else again, reason="本人"
    )


def test_a_pin_is_set_and_unlocked_with_a_reason(office: PortalWorld) -> None:
    said = set_pin(office)
    assert "密码已设置" in said
    assert PIN not in said
    with writing(office.pool.engine) as tx:
        for number in range(10):
            note_wrong_pin(
                tx,
                office.pool.pool,
                CardPinWrong(card_id=CARD, seq=1, pin_round=1),
                terminal="t-1",
                place=(1, 1000 + number),
                at=office.pool.now,
            )
    listed = text_of(office.officer(OPERATOR).get("/console/cards").text)
    assert "密码已锁定 (1)" in listed
    assert "输错 10 次" in listed
    assert "请写明原因" in page(office, act="unlock", reason=" ")
    assert "密码已解锁" in page(office, act="unlock", reason="看过身份证")
    now = pin_now(office)
    assert now is not None
    assert (now.pin_round, now.is_locked, now.reason) == (2, False, "看过身份证")


@pytest.mark.parametrize(
    ("pin", "again", "says"),
    [
        (PIN, "580232", "不一样"),
        ("58023", "58023", "6 位数字"),
        ("123456", "123456", "太简单"),
        ("５８０２３１", "５８０２３１", "6 位数字"),
        ("", "", "6 位数字"),
    ],
)
def test_what_is_no_good_pin_is_refused(
    office: PortalWorld, pin: str, again: str, says: str
) -> None:
    assert says in set_pin(office, pin, again)
    assert pin_now(office) is None


def test_a_lost_card_is_dead_and_cannot_be_changed_any_more(office: PortalWorld) -> None:
    assert "已挂失" in page(office, act="lost", reason="丢了")
    with reading(office.pool.engine) as tx:
        assert cards_of_account(tx, office.pool.pool, HOLDER) == []
    assert "没有可用的积分卡" in page(office, act="lost", reason="丢了")
    assert "没有可用的积分卡" in set_pin(office)


def test_a_temporary_card_is_handed_on_once_however_often_the_form_is_sent(
    office: PortalWorld,
) -> None:
    move = "01890000-0000-7000-8000-000000000011"
    form = {"act": "hand-over", "household": FLAT, "reason": "搬走", "move": move}
    assert "请写下一户的门牌" in page(office, **form | {"household": ""})
    assert "已转给下一户，转过去 0 积分。" in page(office, **form)
    assert "已转给下一户" in page(office, **form)
    assert "不能再转" in page(office, **form | {"move": move[:-1] + "2"})
    assert "填写的内容不能保存" in page(office, **form | {"move": "x"})
    with reading(office.pool.engine) as tx:
        card = temporary_card_of(tx, office.pool.pool, HOLDER)
    assert card is not None
    assert card.to_account is not None
    english = office.officer(OPERATOR).get("/console/cards?lang=en").text
    assert "Temporary cards (2)" in text_of(english)


def enrol_phone(pool: PoolWorld, seq: int) -> None:
    """The holder's next phone, by any code."""
    code_hash, soon = f"{seq:064x}", pool.now + timedelta(hours=1)
    pool.tell(
        InvitePhone(
            account=HOLDER, code_name="ABCDEF", code_hash=code_hash, expires_at=soon, tries=5
        )
    )
    key = Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()
    told = pool.tell(EnrolPhone(account=HOLDER, code_hash=code_hash, public_key=key))
    assert told == PhoneEnrolled(HOLDER, seq)


def test_a_phone_whose_key_was_copied_is_the_offices_to_see(office: PortalWorld) -> None:
    shown = "手机码可能被复制，已停用"
    pool, client = office.pool, office.officer(OPERATOR)
    assert f"{shown} (0)" in text_of(client.get("/console/cards").text)
    enrol_phone(pool, 1)
    with writing(pool.engine) as tx:
        mark_copied(tx, pool.pool, HOLDER, 1, pool.now)
    listed = text_of(client.get("/console/cards").text)
    assert f"{shown} (1)" in listed
    assert HOLDER in listed
    assert shown in text_of(client.get(f"/console/cards/{HOLDER}").text)
    enrol_phone(pool, 2)  # the resident came
    assert f"{shown} (0)" in text_of(client.get("/console/cards").text)
    assert shown not in text_of(client.get(f"/console/cards/{HOLDER}").text)


def test_only_the_office_sees_cards(office: PortalWorld) -> None:
    assert office.signed_in().get("/console/cards").status_code != 200
    client = office.officer(OPERATOR)
    assert client.get(f"/console/cards/{'f' * 16}").status_code == 404
    unknown = send(client, "/console/cards", account="nobody").text
    assert '<p class="told" role="alert">没有这位居民' in unknown
    wide = "".join(chr(ord(each) + 0xFEE0) for each in HOLDER)
    for typed in (HOLDER.upper(), wide):
        found = send(client, "/console/cards", account=typed)
        assert FLAT in text_of(found.text)
    assert "请重新打开" in page(office, act="else", reason="x")
    no_card = c.RevokeCard(card_id=CARD, reason="x")
    office.pool.tell(no_card)
