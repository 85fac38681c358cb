"""Registering, issuing, agreeing; and the documents that terminals get of it."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from random import Random

import msgspec
import pytest

from protocol.documents import (
    AccountStatus,
    Catalogue,
    DirectoryCard,
    DirectoryPage,
    DocumentKind,
    Policy,
    open_document,
)
from protocol.keys import read_public_key
from protocol.messages import DocumentsAnswer, DocumentsRequest
from server.db import reading
from server.directory import SignInRole, card_of, contract_on, resident_of, sign_in_of
from server.directory import commands as c
from server.directory.adoption import adoption_of
from server.directory.documents import allowance
from server.directory.keys import KeysRefused, PoolKeys, load_keys, make_keys
from server.directory.listing import newest_listing
from server.facts import Outcome
from server.facts.refused import Refused
from tests.unit.server.world import LIU, TODAY, ZHANG, Till, World, money_line, sold


def reason(outcome: Outcome) -> str:
    assert isinstance(outcome, Refused), outcome
    assert " / " in outcome.says
    return outcome.reason


def test_what_is_registered_again_just_so_is_fine_and_otherwise_a_conflict(world: World) -> None:
    place = world.preset.places[0].id
    zhang = c.RegisterResident(account=ZHANG, name="张阿姨", household="1-101", place=place)
    world.do(zhang)
    renamed = msgspec.structs.replace(zhang, name="李阿姨")
    assert reason(world.submit(renamed)) == "conflict"
    merchant = c.RegisterMerchant(merchant="shop-a", name="另一家")
    assert reason(world.submit(merchant)) == "conflict"
    resident = world.read(lambda tx: resident_of(tx, world.pool, ZHANG))
    assert resident is not None
    assert resident.name == "张阿姨"


def contract(name: str, first: date, last: date | None) -> c.AgreeContract:
    return c.AgreeContract(
        contract=name,
        merchant="shop-b",
        share_bp=500,
        reimbursement_bp=10_000,
        valid_from=first,
        valid_until=last,
    )


def test_contracts_of_a_merchant_never_overlap_and_both_their_days_count(world: World) -> None:
    world.do(c.RegisterMerchant(merchant="shop-b", name="商户"))
    march = contract("march", date(2026, 3, 1), date(2026, 3, 31))
    world.do(march)
    world.do(march)
    last_day = contract("x", date(2026, 3, 31), None)
    assert reason(world.submit(last_day)) == "overlap"
    around = contract("y", date(2026, 1, 1), date(2026, 12, 31))
    assert reason(world.submit(around)) == "overlap"
    open_before = contract("z", date(2026, 1, 1), None)
    assert reason(world.submit(open_before)) == "overlap"
    backwards = contract("v", date(2026, 5, 2), date(2026, 5, 1))
    assert reason(world.submit(backwards)) == "bad_period"
    world.do(contract("april", date(2026, 4, 1), None))
    with reading(world.engine) as tx:
        on = [
            contract_on(tx, world.pool, "shop-b", day)
            for day in (date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 1))
        ]
    assert [each.contract if each else None for each in on] == [None, "march", "april"]


def test_commands_about_what_is_not_there_are_refused(world: World) -> None:
    nobody = "ffffffffffffffff"
    refused = {
        "unknown_place": c.RegisterPlace(place="p", place_kind="grid", name="格", parent="nowhere"),
        "unknown_resident": c.BlockResident(account=nobody, reason="无"),
        "unknown_card": c.RevokeCard(card_id=nobody, reason="无"),
        "unknown_merchant": contract("c", TODAY, None),
        "unknown_shop": c.InviteTerminal(
            terminal="t",
            shop="nowhere",
            code_name="BCDF",
            code_hash="0" * 64,
            expires_at=world.clock(),
            tries=5,
        ),
        "wrong_role": c.RegisterSignIn(
            user="u", role=SignInRole.OPERATOR, merchant="shop-a", password_hash="$argon2id$x"
        ),
        "unknown_shop_kind": c.OpenShop(
            shop="s",
            merchant="shop-a",
            shop_kind="palace",
            name="店",
            place=world.preset.places[0].id,
        ),
    }
    assert {name: reason(world.submit(command)) for name, command in refused.items()} == {
        name: name for name in refused
    }


def test_a_card_is_replaced_by_the_next_number_only(world: World) -> None:
    card_id = world.issue_card(ZHANG)
    world.issue_card(ZHANG, card_id)
    first = c.IssueCard(
        card_id=card_id, account=ZHANG, seq=3, expires_on=date(2027, 3, 2), cap_points=100
    )
    assert reason(world.submit(first)) == "wrong_seq"
    anothers = msgspec.structs.replace(first, account=LIU, seq=2)
    assert reason(world.submit(anothers)) == "conflict"
    world.do(c.RevokeCard(card_id=card_id, reason="遗失"))
    again = msgspec.structs.replace(first, seq=1)
    assert reason(world.submit(again)) == "conflict"
    world.issue_card(ZHANG, card_id, seq=2)
    card = world.read(lambda tx: card_of(tx, world.pool, card_id))
    assert card is not None
    assert (card.seq, card.state) == (2, "live")


def test_a_sign_in_keeps_its_merchant_and_may_change_its_password(world: World) -> None:
    command = c.RegisterSignIn(
        user="laowang",
        role=SignInRole.MERCHANT,
        merchant="shop-a",
        password_hash="$argon2id$first",
    )
    world.do(command)
    world.do(msgspec.structs.replace(command, password_hash="$argon2id$second"))
    world.add_merchant("shop-b")
    moved = msgspec.structs.replace(command, merchant="shop-b")
    assert reason(world.submit(moved)) == "conflict"
    found = world.read(lambda tx: sign_in_of(tx, world.pool, "laowang"))
    assert found is not None
    assert (found.merchant, found.password_hash) == ("shop-a", "$argon2id$second")


def test_a_terminal_that_is_in_use_is_not_invited_again(world: World, till: Till) -> None:
    again = c.InviteTerminal(
        terminal=till.terminal,
        shop="shop-a",
        code_name="BCDF",
        code_hash="0" * 64,
        expires_at=world.clock() + timedelta(minutes=10),
        tries=5,
    )
    assert reason(world.submit(again)) == "conflict"


def test_a_pool_is_adopted_once(world: World) -> None:
    again = adoption_of(
        world.preset,
        root_key=world.keys.root_key_text,
        issuer_keys=world.keys.issuer_keys(),
    )
    outcome = world.submit(again)
    assert reason(outcome) == "conflict"


@pytest.mark.parametrize(
    ("points", "expected"), [(-5, 0), (0, 0), (4, 0), (5, 5), (9, 5), (10, 10), (999, 10)]
)
def test_an_allowance_is_the_largest_bucket_that_is_covered(points: int, expected: int) -> None:
    assert allowance(points, (0, 5, 10)) == expected


def documents(
    world: World, till: Till, policy: int = 0, catalogue: int = 0, directory: int = 0
) -> dict[DocumentKind, msgspec.Struct]:
    """What the terminal gets, opened with the pool's public key alone."""
    world.clock.move(seconds=1)
    newest = world.read(lambda tx: newest_listing(tx, world.pool))
    request = DocumentsRequest(
        policy=policy,
        catalogue=catalogue,
        directory=directory,
        directory_digest=newest.digest if newest else "",
    )
    answer = till.ask("documents", request, DocumentsAnswer)
    assert isinstance(answer, DocumentsAnswer), answer
    root = read_public_key(world.keys.root_key_text)
    opened: dict[DocumentKind, msgspec.Struct] = {}
    for signed in answer.documents:
        document = open_document(signed, root, world.keys.tag)
        assert isinstance(document, msgspec.Struct), document
        opened[signed.kind] = document
    return opened


def test_a_new_terminal_gets_policy_catalogue_and_directory(world: World, till: Till) -> None:
    world.award(ZHANG, "river-patrol")
    world.issue_card(ZHANG)
    world.do(c.BlockResident(account=LIU, reason="核实中"))
    got = documents(world, till)
    policy = got[DocumentKind.POLICY]
    assert isinstance(policy, Policy)
    assert (policy.version, policy.pool, policy.fen_per_point) == (1, "guanghui", 10)
    assert {key.kid for key in policy.issuer_keys} == {world.keys.card_kid, world.keys.slot_kid}
    catalogue = got[DocumentKind.CATALOGUE]
    assert isinstance(catalogue, Catalogue)
    assert [each.item_id for each in catalogue.items] == [
        each.id for each in world.preset.catalogue
    ]
    directory = got[DocumentKind.DIRECTORY]
    assert isinstance(directory, DirectoryPage)
    zhang, liu = directory.residents()
    assert (zhang.account, zhang.allowance_points) == (ZHANG, 100)
    assert zhang.cards == (DirectoryCard(card_id="00000000000000c1", seq=1),)
    assert (liu.allowance_points, liu.status) == (0, AccountStatus.BLOCKED)
    assert "张阿姨" not in str(msgspec.json.encode(directory), "utf-8")


def test_only_what_changed_gets_a_new_version(world: World, till: Till) -> None:
    documents(world, till)
    assert documents(world, till, policy=1, catalogue=1, directory=1) == {}
    world.award(ZHANG, "river-patrol")
    got = documents(world, till, policy=1, catalogue=1, directory=1)
    assert list(got) == [DocumentKind.DIRECTORY]
    assert documents(world, till, policy=1, catalogue=1, directory=2) == {}


def test_a_quiet_pools_directory_is_made_anew_before_terminals_take_it_for_old(
    world: World, till: Till
) -> None:
    """Else an outage after three quiet days would stop all redemption at once."""
    documents(world, till)
    world.clock.move(hours=5)
    assert documents(world, till, policy=1, catalogue=1, directory=1) == {}
    world.clock.move(hours=2)
    got = documents(world, till, policy=1, catalogue=1, directory=1)
    directory = got[DocumentKind.DIRECTORY]
    assert isinstance(directory, DirectoryPage)
    head = directory.opened_head()
    assert (head.version, head.made_at, directory.entries) == (2, world.clock(), ())


def test_an_allowance_is_never_above_what_is_spendable(world: World, till: Till) -> None:
    world.award(ZHANG, "river-patrol")
    till.authorise(world.sale_id(), optional=1)
    directory = documents(world, till)[DocumentKind.DIRECTORY]
    assert isinstance(directory, DirectoryPage)
    assert directory.residents()[0].allowance_points == 50
    till.tell(sold(world, money_line("套餐", 900), points=90))
    directory = documents(world, till)[DocumentKind.DIRECTORY]
    assert isinstance(directory, DirectoryPage)
    assert directory.residents()[0].allowance_points == 0


def test_polls_within_a_second_see_the_same_documents(world: World, till: Till) -> None:
    documents(world, till)
    world.award(ZHANG, "river-patrol")
    request = DocumentsRequest(policy=1, catalogue=1, directory=1)
    answer = till.ask("documents", request, DocumentsAnswer)
    assert isinstance(answer, DocumentsAnswer)
    assert answer.documents == ()
    assert list(documents(world, till, policy=1, catalogue=1, directory=1)) == [
        DocumentKind.DIRECTORY
    ]


def files_of(folder: Path) -> dict[str, int]:
    return {each.name: each.stat().st_mode & 0o777 for each in folder.iterdir()}


def test_keys_are_kept_for_the_servers_user_alone_and_read_back(tmp_path: Path) -> None:
    folder = tmp_path / "keys" / "p"
    made = make_keys(folder, world_randomness())
    assert set(files_of(folder).values()) == {0o600}
    again = load_keys(folder)
    assert again.root_key_text == made.root_key_text
    assert again.card_secret("00000000000000c1", 1) == made.card_secret("00000000000000c1", 1)
    assert "root" not in repr(again)
    with pytest.raises(FileExistsError):
        make_keys(folder, world_randomness())


def test_a_card_and_its_replacement_have_different_secrets(world: World) -> None:
    secrets = {
        world.keys.card_secret(card_id, seq)
        for card_id in ("00000000000000c1", "00000000000000c2")
        for seq in (1, 2)
    }
    assert len(secrets) == 4
    assert {len(each) for each in secrets} == {16}


@pytest.mark.parametrize("name", ["root.key", "card-master.secret"])
def test_keys_that_others_can_read_or_that_are_damaged_are_refused(
    tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "p"
    make_keys(folder, world_randomness())
    (folder / name).chmod(0o644)
    with pytest.raises(KeysRefused, match="0600"):
        load_keys(folder)
    (folder / name).chmod(0o600)
    (folder / name).write_text("nonsense")
    with pytest.raises(KeysRefused, match=name):
        load_keys(folder)


def test_two_issuer_keys_never_share_a_number(tmp_path: Path) -> None:
    keys = make_keys(tmp_path / "p", world_randomness())
    twin = PoolKeys(
        root=keys.root,
        card_issuer=keys.card_issuer,
        slot_issuer=keys.card_issuer,
        card_master=keys.card_master,
        session_secret=keys.session_secret,
    )
    assert twin.slot_kid == (twin.card_kid + 1) % 256


def world_randomness() -> Callable[[int], bytes]:
    return Random("keys").randbytes
