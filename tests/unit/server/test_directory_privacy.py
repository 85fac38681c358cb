"""What a stolen terminal tells of residents: pseudonyms, buckets, numbers, and verifiers of PINs that
nobody can search without the card itself.
"""

import base64
import hashlib
import sqlite3
from pathlib import Path

import msgspec
from sqlalchemy import select

from protocol.card_pins import read_verifier
from protocol.codes.key import public_half
from protocol.documents import DirectoryCard, DirectoryEntry
from server.directory import commands as c
from server.directory.tables import resident
from tests.support.phones import PhoneInHand, invite_phone
from tests.unit.server.test_card_pins import CARD_ID, CHEAP, PIN, set_pin
from tests.unit.server.test_card_pins import made as pin_made
from tests.unit.server.test_directory_changes import Terminal
from tests.unit.server.world import LIU, ZHANG, World, money_line, sold

SALT_DOMAIN = b"HUIDIAN1/card-pin-salt\0"


def with_pin_and_phone(world: World) -> PhoneInHand:
    world.issue_card(ZHANG)
    set_pin(world, PIN)
    phone = PhoneInHand(world)
    phone.enrol(invite_phone(world))
    return phone


def kept_bytes(terminal: Terminal) -> bytes:
    terminal.store.close()
    return b"".join(each.read_bytes() for each in terminal.path.glob("terminal.db*"))


def entries(terminal: Terminal) -> list[DirectoryEntry]:
    with sqlite3.connect(terminal.path / "terminal.db") as db:
        bodies = [body for (body,) in db.execute("select body from directory_entry")]
    assert all(
        set(msgspec.json.decode(body)) <= set(DirectoryEntry.__struct_fields__) for body in bodies
    )
    return [msgspec.json.decode(body, type=DirectoryEntry) for body in bodies]


def cards_of(terminal: Terminal) -> list[DirectoryCard]:
    return [card for entry in entries(terminal) for card in entry.cards]


def test_the_terminals_directory_names_nobody_and_tells_no_balance(
    world: World, tmp_path: Path
) -> None:
    """Every column and every byte of what is kept, against everything the server knows."""
    place = world.preset.places[0].id
    world.do(
        c.RegisterResident(
            account="00000000000000ab", name="欧阳独一", household="户七七八八", place=place
        )
    )
    world.do(c.BlockResident(account=LIU, reason="核实中，住户不在"))
    phone = with_pin_and_phone(world)
    world.award(ZHANG, "river-patrol")
    till = world.till(terminal="t-9")
    assert till.outcome(sold(world, money_line("套餐", 130), points=13)).outcome == "posted"
    assert world.free(ZHANG) == 87
    made = Terminal(world, tmp_path / "looked-at")
    made.fetch()
    rows = world.read(lambda tx: list(tx.execute(select(resident)).mappings()))
    told = {str(row[key]) for row in rows for key in ("name", "household")}
    told |= {"核实中，住户不在", '"allowance_points":87', '"balance'}
    assert "欧阳独一" in told
    kept = kept_bytes(made)
    assert ZHANG.encode() in kept
    for each in told:
        assert each.encode() not in kept, each
    for secret in (*secrets_of_the_card(world), public_half(phone.key).raw):
        for form in (secret, secret.hex().encode(), base64.urlsafe_b64encode(secret).rstrip(b"=")):
            assert form not in kept
    assert any(entry.phone_seq > 0 for entry in entries(made)), "a number is all of a phone"
    assert [card.pin_verifier is not None for card in cards_of(made)] == [True]
    for entry in entries(made):
        assert entry.allowance_points in world.preset.standin.allowance_buckets_points


def secrets_of_the_card(world: World) -> tuple[bytes, ...]:
    """PIN, secret, the salt that the secret makes, and the key that proves a typed PIN."""
    secret = world.keys.card_secret(CARD_ID, 1)
    salt = hashlib.sha256(SALT_DOMAIN + bytes.fromhex(CARD_ID) + secret).digest()
    return PIN.encode(), secret, salt, pin_made(world).proof_key


def test_a_stolen_terminal_alone_cannot_be_searched_for_a_pin(world: World, tmp_path: Path) -> None:
    """Its verifier fits one PIN with the card in hand, and none with any other secret: the salt
    has 128 bits that no terminal keeps. The card alone has nothing to try a PIN against.
    """
    with_pin_and_phone(world)
    made = Terminal(world, tmp_path / "stolen")
    made.fetch()
    made.store.close()
    (card,) = cards_of(made)
    rule = read_verifier(card.pin_verifier or "")
    assert rule is not None
    assert rule.verifier is not None
    tried = [PIN, *(f"{int(PIN) + n:06d}" for n in range(1, 40))]
    assert [x for x in tried if pin_made(world, x).verifier == rule.verifier] == [PIN]
    secret = world.keys.card_secret(CARD_ID, 1)
    assert len(secret) == 16
    for other in (bytes(16), secret[::-1], bytes([secret[0] ^ 1]) + secret[1:]):
        found = {CHEAP.make(pin, other, bytes.fromhex(CARD_ID)).verifier for pin in tried}
        assert rule.verifier not in found
    again = CHEAP.make(PIN, world.keys.card_secret(CARD_ID, 2), bytes.fromhex(CARD_ID))
    assert again.verifier != rule.verifier, "the same PIN on the next card is another verifier"
    printed = bytes.fromhex(CARD_ID) + secret
    assert rule.verifier not in printed
    assert pin_made(world).proof_key not in printed
