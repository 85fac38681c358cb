"""A key that stands for something else: the refusal names what stands and what was asked."""

from datetime import date, timedelta

import msgspec
import pytest
from msgspec import Struct
from msgspec.structs import replace

from server.awards.bearer_cards import IssueBearerCards
from server.awards.commands import AwarderRole, RegisterAwarder, RegisterPartner
from server.directory import SignInRole
from server.directory import commands as c
from server.directory.bearer import Spend
from server.directory.contract_terms import ContractTerms, ShareRule, simple_terms
from server.facts import Outcome, Refusal
from tests.unit.server.world import LIU, TODAY, ZHANG, Till, World

CARD = "00000000000000c1"
BEARER = "00000000000000c9"
SOON = date(2027, 3, 2)

HOUSEHOLD = c.RegisterResident(
    account="00000000000000a9", name="王师傅", household="2-202", place=""
)
PLACE = c.RegisterPlace(place="grid-9", place_kind="grid", name="九网格", parent="")
SHOP = c.OpenShop(shop="corner", merchant="shop-a", shop_kind="", name="街角店", place="")
ISSUE = c.IssueCard(card_id=CARD, account=ZHANG, seq=1, expires_on=SOON, cap_points=100)
SIMPLE = c.AgreeContract(
    contract="spring",
    merchant="shop-b",
    share_bp=500,
    reimbursement_bp=10_000,
    valid_from=date(2026, 3, 1),
)
TERMS = c.AgreeTerms(
    contract="summer",
    merchant="shop-b",
    valid_from=date(2026, 6, 1),
    terms=ContractTerms(share=(ShareRule(tiers=((0, 300), (100_000, 700))),), rent_fen=80_000),
)
SIGN_IN = c.RegisterSignIn(
    user="laowang",
    role=SignInRole.MERCHANT,
    merchant="shop-a",
    password_hash="$argon2id$first",
)
SALT = c.AddItem(
    item_id="soap-9", name="食盐", name_en="Salt", category="food", unit="袋", price_points=5
)
WORKER = RegisterAwarder(awarder="wang", name="老王", role=AwarderRole.GRID_WORKER, account=LIU)
CREDIT = c.ChangeCredit(account=ZHANG, decision="d-1", change=-5, reason="虚报")
PIN = c.SetCardPin(
    pin_id="ab" * 8,
    card_id=CARD,
    seq=1,
    verifier_hex="11" * 16,
    proof_key_hex="22" * 16,
    reason="本人设置",
)


@pytest.fixture
def office(world: World) -> World:
    """The pool as furnished, with a second merchant, cards of both kinds and a PIN's card."""
    world.do(c.RegisterMerchant(merchant="shop-b", name="商户乙"))
    return world


def known(world: World, command: Struct) -> Struct:
    """The command with the pool's own first place and kind of shop where it names none."""
    place, kind = world.preset.places[0].id, world.preset.shop_kinds[0].id
    blank = {"place": place, "parent": place, "shop_kind": kind}
    named = {
        field: blank[field]
        for field in command.__struct_fields__
        if field in blank and getattr(command, field) == ""
    }
    return replace(command, **named)


def says(outcome: Outcome) -> str:
    assert isinstance(outcome, Refusal), outcome
    assert getattr(outcome, "reason", None) == "conflict", outcome
    return str(getattr(outcome, "says"))  # noqa: B009 - every refusal of these commands has it


def names_both(text: str, stands: str, asked: str) -> None:
    """In both languages, what stands first."""
    zh, _, en = text.partition(" / ")
    for part in (zh, en):
        assert stands in part, (stands, text)
        assert asked in part, (asked, text)
        assert part.index(stands) < part.rindex(asked), text


@pytest.mark.parametrize(
    ("first", "other", "stands", "asked"),
    [
        (PLACE, {"name": "十网格"}, "九网格", "十网格"),
        (HOUSEHOLD, {"name": "王老师"}, "王师傅", "王老师"),
        (HOUSEHOLD, {"household": "3-303"}, "2-202", "3-303"),
        (c.RegisterMerchant(merchant="m", name="甲店"), {"name": "乙店"}, "甲店", "乙店"),
        (SHOP, {"name": "拐角店"}, "街角店", "拐角店"),
        (SHOP, {"merchant": "shop-b"}, "shop-a", "shop-b"),
        (ISSUE, {"account": LIU}, ZHANG, LIU),
        (ISSUE, {"expires_on": SOON + timedelta(days=1)}, "2027-03-02", "2027-03-03"),
        (ISSUE, {"cap_points": 200}, ", 100,", ", 200,"),
        (SIMPLE, {"share_bp": 600}, "500", "600"),
        (SIMPLE, {"valid_until": date(2026, 3, 31)}, "2026-03-01", "2026-03-31"),
        (TERMS, {"merchant": "shop-a"}, "shop-b", "shop-a"),
        (TERMS, {"terms": replace(TERMS.terms, rent_fen=90_000)}, "rent_fen 80000", "rent_fen 90000"),
        (TERMS, {"terms": simple_terms(300, 10_000)}, "[[0,300],[100000,700]]", "[[0,300]]"),
        (SIGN_IN, {"merchant": "shop-b"}, "shop-a", "shop-b"),
        (SALT, {"price_points": 6}, "price_points 5", "price_points 6"),
        (SALT, {"name": "香皂"}, "食盐", "香皂"),
        (SALT, {"valid_from": TODAY + timedelta(days=1)}, "2026-03-02", "2026-03-03"),
        (WORKER, {"name": "老黄"}, "老王", "老黄"),
        (WORKER, {"account": ZHANG}, LIU, ZHANG),
        (CREDIT, {"account": LIU}, ZHANG, LIU),
        (CREDIT, {"change": -6}, "-5", "-6"),
    ],
)  # fmt: skip
def test_what_is_registered_otherwise_names_what_stands_and_what_was_asked(
    office: World, first: Struct, other: dict[str, object], stands: str, asked: str
) -> None:
    first = known(office, first)
    office.do(first)
    office.do(first)
    names_both(says(office.submit(replace(first, **other))), stands, asked)
    office.do(first)


def test_nothing_secret_stands_in_a_conflict(office: World) -> None:
    office.do(SIGN_IN)
    moved = replace(SIGN_IN, merchant="shop-b", password_hash="$argon2id$second")
    assert "argon2" not in says(office.submit(moved))
    office.do(ISSUE)
    office.do(PIN)
    text = says(office.submit(replace(PIN, verifier_hex="33" * 16)))
    names_both(text, CARD, "another PIN")
    for secret in ("11" * 16, "22" * 16, "33" * 16):
        assert secret not in text
    unlock = c.UnlockCardPin(pin_id=PIN.pin_id, card_id=CARD, reason="本人在场")
    names_both(says(office.submit(unlock)), "set", "unlocked")


def test_a_denominated_cards_number_is_nobody_elses_and_is_said_to_be_one(office: World) -> None:
    place = office.preset.places[0].id
    batch = IssueBearerCards(
        batch="b-1",
        card_ids=(BEARER,),
        value_points=15,
        expires_on=SOON,
        spend=Spend.IN_ONE_GO,
        place=place,
    )
    office.do(batch)
    resident = known(office, replace(HOUSEHOLD, account=BEARER))
    names_both(says(office.submit(resident)), "b-1", "王师傅")
    names_both(says(office.submit(replace(ISSUE, card_id=BEARER))), "b-1", ZHANG)
    again = replace(batch, batch="b-2")
    names_both(says(office.submit(again)), "b-1", "new card")
    names_both(says(office.submit(replace(again, card_ids=(LIU,)))), "刘大爷", "new card")
    office.do(ISSUE)
    names_both(says(office.submit(replace(again, card_ids=(CARD,)))), ZHANG, "new card")
    twice = says(office.submit(replace(again, card_ids=(CARD, "00000000000000ca", CARD))))
    assert CARD in twice


def test_a_channels_name_stays_and_a_person_has_no_channels_id(office: World) -> None:
    partner = RegisterPartner(partner="town", name="惠生活", public_key=office.keys.root_key_text)
    office.do(partner)
    names_both(says(office.submit(replace(partner, name="码上行"))), "惠生活", "码上行")
    person = replace(WORKER, awarder="partner:town")
    names_both(says(office.submit(person)), "惠生活", "老王")
    nobodys = replace(WORKER, awarder="partner:nobody")
    names_both(says(office.submit(nobodys)), "channel", "老王")


def test_a_terminal_in_use_says_where_it_stands(office: World, till: Till) -> None:
    office.add_merchant("shop-c")
    elsewhere = c.InviteTerminal(
        terminal=till.terminal,
        shop="shop-c",
        code_name="BCDF",
        code_hash="0" * 64,
        expires_at=office.clock() + timedelta(minutes=10),
        tries=5,
    )
    text = says(office.submit(elsewhere))
    names_both(text, "shop-a, active", "shop-c, invited")
    assert "0" * 64 not in text


def test_terms_that_fill_pages_are_named_by_their_beginning(office: World) -> None:
    tiers = tuple((step * 10_000, step) for step in range(32))
    many = replace(TERMS, terms=ContractTerms(share=(ShareRule(tiers=tiers),)))
    office.do(many)
    text = says(office.submit(replace(many, terms=simple_terms(300, 10_000))))
    assert "…" in text
    assert len(text) < 1_000
    assert len(msgspec.json.encode(many)) > 500
