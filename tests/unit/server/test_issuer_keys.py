"""Changing issuer keys, rehearsed: two live keys, the root key in a drawer, tills that were away."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import msgspec
import pytest

from protocol.codes import make_card, read_code, to_digits
from protocol.codes.challenge import Challenge
from protocol.documents import DocumentKind, sign_document
from protocol.issuers import IssuerRole
from protocol.keys import public_key_text
from protocol.messages import Approved, DocumentsAnswer, DocumentsRequest, OutcomeKind
from protocol.money import Points
from protocol.reasons import Declined, DeclineReason
from server.bootstrap.desk import make_desk
from server.commands.audit_replay import check_replay
from server.db import reading
from server.directory.commands import IssueCard, TakeKeyList
from server.directory.issuers import document_signer, issuer_of
from server.directory.key_changes import request_of, sign_request, with_revoked
from server.directory.keys import KeysRefused, make_keys
from server.exports.export import Exported, export_statement
from server.exports.seal import StatementFormat, Verdict, verify_file
from server.facts.refused import Refused
from tests.support.key_office import DistantTill, KeyOffice, distant_tills
from tests.support.phones import PhoneInHand, phone_in_hand
from tests.unit.exports.example import example
from tests.unit.server.world import LIU, ZHANG, World

CARD_ID = "00000000000000c7"
CUT_OFF = {
    None,
    DeclineReason.OFFLINE_STOPPED,
    DeclineReason.OVER_FLOOR_LIMIT,
}
"""What a till that is cut off says of a code that is good: not a word about the code."""


@pytest.fixture
def rich(world: World) -> World:
    """Zhang and Liu have 1,000 points each."""
    for account in (ZHANG, LIU):
        for _ in range(10):
            world.award(account, "river-patrol")
    return world


@pytest.fixture
def office(rich: World, tmp_path: Path) -> KeyOffice:
    return KeyOffice(rich, tmp_path / "drawer.key")


@pytest.fixture
def new_till(rich: World, tmp_path: Path) -> Iterator[Callable[[str], DistantTill]]:
    with distant_tills(rich, tmp_path) as make:
        yield make


def shown(phone: PhoneInHand) -> str:
    return to_digits(phone.payload())


def kid_of(phone: PhoneInHand) -> int:
    return bytes.fromhex(phone.known.certificate)[1]


def printed_card(world: World) -> str:
    """Zhang's card as it is printed today."""
    issuer = world.read(
        lambda tx: issuer_of(tx, world.pool, world.keys, IssuerRole.CARD, world.clock())
    )
    return to_digits(
        make_card(
            issuer.key,
            world.keys.tag,
            kid=issuer.kid,
            card_id=bytes.fromhex(CARD_ID),
            secret=world.keys.card_secret(CARD_ID, 1),
            seq=1,
            expires_on=date(2030, 1, 1),
            cap=Points(100),
        )
    )


def asked_challenge(till: DistantTill, phone: PhoneInHand) -> Challenge:
    """What a till shows a phone that wants more than showing is good for."""
    assert till.scan(shown(phone), "80.00") is None
    view = till.shop.page.view().confirming
    assert view is not None
    code = read_code(view.digits)
    assert isinstance(code, Challenge)
    return code


def test_with_the_root_key_in_a_drawer_everything_goes_on(
    rich: World, office: KeyOffice, new_till: Callable[[str], DistantTill]
) -> None:
    before = new_till("t-1")
    before.hear()
    phone = phone_in_hand(rich)
    office.root_away()
    assert rich.keys.root is None
    assert not (office.folder / "root.key").exists()
    assert office.drawer.stat().st_mode & 0o077 == 0
    # A till of before, and one that enrols now, believe what the server says.
    rich.award(ZHANG, "river-patrol")
    after = new_till("t-2")
    for till in (before, after):
        till.hear()
        listed = till.store.documents().keys
        assert listed == office.listed()
        policy = till.wire.heard[-1].documents
        assert policy[0].kind is DocumentKind.KEYS
        assert till.store.documents().directory is not None
        assert till.scan(shown(phone)) is None
    newest = before.store.documents().directory
    assert newest == after.store.documents().directory
    with reading(rich.engine) as tx:
        assert list(check_replay(tx, rich.pool, make_desk)) == []


def test_a_phones_key_is_changed_and_nobody_is_turned_away(
    rich: World, office: KeyOffice, new_till: Callable[[str], DistantTill]
) -> None:
    near, away = new_till("t-1"), new_till("t-2")
    stays_home, goes_out = phone_in_hand(rich), phone_in_hand(rich, LIU)
    old = kid_of(stays_home)
    for till in (near, away):
        till.hear()
    office.root_away()
    new = office.rotate(IssuerRole.PHONE, lead_days=3, overlap_days=90)
    near.hear()

    # The new key is known everywhere before anything is signed with it.
    rich.clock.move(days=2)
    goes_out.refresh()
    assert kid_of(goes_out) == old
    rich.clock.move(days=2)
    goes_out.refresh()
    assert (kid_of(goes_out), kid_of(stays_home)) == (new, old)
    assert {each.kid for each in goes_out.known.issuer_keys} == {old, new}
    near.hear()
    for phone, kid in ((stays_home, old), (goes_out, new)):
        assert near.scan(shown(phone)) is None
        # The till shows each phone its certificate by the key that this phone knows.
        assert asked_challenge(near, phone).certificate.kid == kid
        told = {each.kid for each in phone.known.issuer_keys}
        assert kid in told

    # A till that was away for all of it takes the old phone, and cannot know the new one yet.
    assert away.scan(shown(stays_home)) in CUT_OFF
    assert away.scan(shown(goes_out)) is DeclineReason.CODE_FOREIGN
    away.hear()
    assert away.scan(shown(goes_out)) is None
    assert asked_challenge(away, stays_home).certificate.kid == old
    answer = rich.till(terminal="t-3").authorise(rich.sale_id(), goes_out.show(), optional=5)
    assert isinstance(answer, Approved)

    # After its end the old key is good nowhere; whoever comes online has a new certificate.
    rich.clock.move(days=95)
    for till in (near, away):
        till.hear()
        assert till.scan(shown(stays_home)) is DeclineReason.CODE_EXPIRED
    answer = rich.till(terminal="t-4").authorise(rich.sale_id(), stays_home.show(), optional=5)
    assert isinstance(answer, Declined)
    stays_home.refresh()
    assert kid_of(stays_home) == new
    assert near.scan(shown(stays_home)) is None


def test_cards_of_the_old_key_are_good_until_its_end_and_a_lost_clock_takes_them(
    rich: World, office: KeyOffice, new_till: Callable[[str], DistantTill]
) -> None:
    rich.do(
        IssueCard(
            card_id=CARD_ID, account=ZHANG, seq=1, expires_on=date(2030, 1, 1), cap_points=100
        )
    )
    till = new_till("t-1")
    old_card = printed_card(rich)
    office.rotate(IssuerRole.CARD, lead_days=0, overlap_days=30)
    new_card = printed_card(rich)
    assert old_card != new_card
    till.hear()
    assert [till.scan(each) for each in (old_card, new_card)] == [None, None]
    rich.clock.move(days=31)
    till.hear()
    assert till.scan(old_card) is DeclineReason.CODE_EXPIRED
    assert till.scan(new_card) is None
    # Without the time nobody can say that a key has ended; the server can, and has the last word.
    till.shop.clock.not_before(rich.clock() + timedelta(days=1))
    assert till.shop.clock.moment().clock_state.value == "unknown"
    assert till.scan(old_card) in CUT_OFF
    # A key that was taken back needs no clock.
    (old_kid,) = [
        each.kid
        for each in office.listed().keys
        if each.role is IssuerRole.CARD and each.ends_at is not None
    ]
    office.retire(old_kid)
    till.hear()
    till.shop.clock.not_before(rich.clock() + timedelta(days=2))
    assert till.scan(old_card) is DeclineReason.CODE_REVOKED


def test_a_revoked_key_is_dead_as_soon_as_it_is_known_and_honest_tills_are_paid(
    rich: World, office: KeyOffice, new_till: Callable[[str], DistantTill]
) -> None:
    near, away = new_till("t-1"), new_till("t-2")
    phone = phone_in_hand(rich)
    stolen = kid_of(phone)
    office.root_away()
    for till in (near, away):
        till.hear()
    office.rotate(IssuerRole.PHONE, lead_days=0, overlap_days=90)
    office.retire(stolen)
    near.hear()
    assert near.scan(shown(phone)) is DeclineReason.CODE_EXPIRED
    answer = near.till.authorise(rich.sale_id(), phone.show(), optional=5)
    assert isinstance(answer, Declined)
    assert {each.kid for each in phone_in_hand(rich, LIU).known.issuer_keys} != {stolen}
    # Who could not know it kept the rules.
    rich.clock.move(hours=1)
    away.sell(shown(phone))
    assert set(away.outcomes()) == {OutcomeKind.POSTED}
    rich.clock.move(days=30)
    phone.refresh()
    assert kid_of(phone) != stolen
    near.hear()
    assert near.scan(shown(phone)) is None


def test_an_older_list_and_anothers_are_not_taken(
    rich: World, office: KeyOffice, new_till: Callable[[str], DistantTill], tmp_path: Path
) -> None:
    till = new_till("t-1")
    phone = phone_in_hand(rich)
    first = office.take(office.next())
    office.rotate(IssuerRole.PHONE, lead_days=0, overlap_days=90)
    office.retire(kid_of(phone))
    till.hear()
    known = till.store.documents().keys
    assert known == office.listed()
    assert till.scan(shown(phone)) is DeclineReason.CODE_EXPIRED

    thief = make_keys(tmp_path / "thief", rich.random.randbytes)
    assert thief.root is not None
    free = msgspec.structs.replace(
        known,
        version=99,
        keys=tuple(msgspec.structs.replace(each, revoked_at=None) for each in known.keys),
    )
    for forged in (
        first,
        sign_document(free, thief.root, rich.keys.tag),
        sign_document(free, rich.keys.slot_issuer, rich.keys.tag),
        sign_document(free, office.root, thief.tag),
        # Even by the root key: what was revoked stays revoked, and what was listed stays.
        sign_document(free, office.root, rich.keys.tag),
        sign_document(
            msgspec.structs.replace(known, version=99, keys=known.keys[1:]),
            office.root,
            rich.keys.tag,
        ),
        sign_document(
            msgspec.structs.replace(known, version=99, pool="other"), office.root, rich.keys.tag
        ),
    ):
        till.wire.__dict__["fetch_documents"] = lambda _asked, forged=forged: (
            msgspec.structs.replace(till.wire.heard[-1], documents=(forged,))
        )
        till.hear()
        assert till.store.documents().keys == known
        refused = rich.submit(TakeKeyList(body=forged.body, signature=forged.signature))
        assert isinstance(refused, Refused), forged
    assert office.listed() == known


def test_no_bit_of_a_list_can_be_changed(rich: World, office: KeyOffice) -> None:
    signed = office.signed(office.next())
    for place in range(0, len(signed.body) * 8, 7):
        flipped = bytearray(signed.body)
        flipped[place // 8] ^= 1 << place % 8
        refused = rich.submit(TakeKeyList(body=bytes(flipped), signature=signed.signature))
        assert isinstance(refused, Refused), place
    rich.do(TakeKeyList(body=signed.body, signature=signed.signature))


def test_a_key_serves_one_role_only(rich: World, office: KeyOffice) -> None:
    """A stolen key of documents makes no card, and a card's key no phone."""
    office.rotate(IssuerRole.DOCUMENT, lead_days=0, overlap_days=1)
    listed = office.listed()
    now = rich.clock()
    roles = [set(listed.live(role, now)) for role in IssuerRole]
    assert all(len(each) == 1 for each in roles)
    assert len(set.union(*roles)) == len(IssuerRole)


def test_the_last_key_of_a_role_is_not_taken_back(rich: World, office: KeyOffice) -> None:
    office.take(office.next())
    (phones,) = [each for each in office.listed().keys if each.role is IssuerRole.PHONE]
    none_left = with_revoked(office.next(), phones.kid, rich.clock())
    assert none_left is not None
    request = rich.read(lambda tx: request_of(tx, rich.pool, rich.keys, none_left))
    assert "phone" in str(sign_request(office.root, request))
    # Nor one whose successor has not begun.
    office.rotate(IssuerRole.PHONE, lead_days=3, overlap_days=90)
    wanted = with_revoked(office.next(), phones.kid, rich.clock())
    assert wanted is not None
    signed = office.signed(wanted)
    refused = rich.submit(TakeKeyList(body=signed.body, signature=signed.signature))
    assert isinstance(refused, Refused)
    assert "没有已生效" in refused.says
    rich.clock.move(days=3)
    rich.do(TakeKeyList(body=signed.body, signature=signed.signature))


def test_without_the_private_half_the_server_says_so(rich: World, office: KeyOffice) -> None:
    office.root_away()
    for each in office.folder.glob("issuer-*.key"):
        each.unlink()
    with pytest.raises(KeysRefused, match="document"):
        rich.signer()


def test_a_sale_is_judged_by_the_keys_of_its_day(
    rich: World, office: KeyOffice, new_till: Callable[[str], DistantTill]
) -> None:
    """Told after the old key's end, sold before it."""
    till = new_till("t-1")
    phone = phone_in_hand(rich)
    till.hear()
    office.rotate(IssuerRole.PHONE, lead_days=0, overlap_days=1)
    rich.clock.move(hours=20)
    till.sell(shown(phone))
    rich.clock.move(hours=10)
    answer = rich.till(terminal="t-9").authorise(rich.sale_id(), phone.show(), optional=5)
    assert isinstance(answer, Declined)
    assert OutcomeKind.PARKED not in till.outcomes()
    phone.refresh()
    rich.clock.move(seconds=1)
    answer = rich.till(terminal="t-8").authorise(rich.sale_id(), phone.show(), optional=5)
    assert isinstance(answer, Approved)


@pytest.mark.parametrize("how", ["not begun", "taken back"])
def test_the_root_key_signs_documents_where_no_listed_key_can(
    rich: World, office: KeyOffice, how: str
) -> None:
    """Else the list that takes a key back would reach nobody."""
    till = rich.till()
    if how == "not begun":
        office.rotate(IssuerRole.DOCUMENT, lead_days=3, overlap_days=30)
    else:
        office.retire(office.rotate(IssuerRole.DOCUMENT, lead_days=0, overlap_days=0))
    rich.clock.move(hours=1)
    answer = till.ask(
        "documents", DocumentsRequest(policy=0, catalogue=0, directory=0), DocumentsAnswer
    )
    assert isinstance(answer, DocumentsAnswer)
    signer = rich.read(lambda tx: document_signer(tx, rich.pool, rich.keys, rich.clock()))
    assert signer.kid is None


def test_a_statement_under_a_key_that_was_taken_back_is_not_believed(
    rich: World, office: KeyOffice
) -> None:
    kid = office.rotate(IssuerRole.DOCUMENT, lead_days=0, overlap_days=0)
    stolen = rich.read(lambda tx: document_signer(tx, rich.pool, rich.keys, rich.clock()))
    office.rotate(IssuerRole.DOCUMENT, lead_days=0, overlap_days=0)
    office.retire(kid)
    made = export_statement(example(), StatementFormat.JSON, stolen.key, None, stolen.voucher)
    assert isinstance(made, Exported)
    dead = public_key_text(stolen.key.public_key())
    root = rich.keys.root_public
    assert verify_file(made.content, root).verdict is Verdict.WHOLE, "nobody told him"
    assert verify_file(made.content, root, {dead}).verdict is Verdict.ALTERED
