"""Which number a new issuer key takes, so that another pool's code is seldom called forged."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import islice

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from protocol.codes import CardCode, make_card, read_code, to_digits, verify_code
from protocol.issuers import IssuerRole, KeyList
from protocol.keys import pool_tag
from protocol.money import Points
from protocol.reasons import DeclineReason
from server.directory.key_changes import with_key

NOW = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
EMPTY = KeyList(version=1, made_at=NOW, pool="town", keys=())


def keys() -> Iterator[Ed25519PrivateKey]:
    """Keys of no pool in particular, always the same."""
    for number in range(1, 5000):
        yield Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))


def own_number(key: Ed25519PublicKey) -> int:
    return hashlib.sha256(key.public_bytes_raw()).digest()[0]


def numbered(number: int, count: int) -> list[Ed25519PublicKey]:
    """Different keys whose own number this is."""
    found = (each.public_key() for each in keys())
    same = (each for each in found if own_number(each) == number)
    return [next(same) for _ in range(count)]


def listed(known: KeyList, key: Ed25519PublicKey) -> KeyList:
    return with_key(known, IssuerRole.CARD, key, signs_from=NOW, others_end_at=NOW)


def test_a_new_key_takes_the_number_that_follows_from_it() -> None:
    for key in numbered(0, 1) + numbered(9, 1) + numbered(200, 1):
        assert listed(EMPTY, key).keys[-1].kid == own_number(key)


def test_where_that_number_is_taken_the_next_free_one_is_and_after_255_comes_0() -> None:
    known = EMPTY
    for key in numbered(255, 3):
        known = listed(known, key)
    assert [each.kid for each in known.keys] == [255, 0, 1]


def refusal_of_the_others_card(ours: Ed25519PrivateKey, theirs: Ed25519PrivateKey) -> DeclineReason:
    """What a pool whose one key is ``ours`` says of an honest card of the pool of ``theirs``."""
    own = {listed(EMPTY, ours.public_key()).keys[0].kid: ours.public_key()}
    kid = listed(EMPTY, theirs.public_key()).keys[0].kid
    payload = make_card(
        theirs,
        pool_tag(theirs.public_key()),
        kid=kid,
        card_id=b"c" * 8,
        seq=1,
        expires_on=date(2028, 3, 1),
        cap=Points(50),
        secret=b"s" * 16,
    )
    code = read_code(to_digits(payload))
    assert isinstance(code, CardCode)
    declined = verify_code(code, own, pool_tag(ours.public_key()), NOW)
    assert declined is not None
    return declined.reason


def test_a_card_of_another_pools_later_key_is_called_foreign() -> None:
    ours, theirs = islice(keys(), 2)
    assert own_number(ours.public_key()) != own_number(theirs.public_key())
    assert refusal_of_the_others_card(ours, theirs) is DeclineReason.CODE_FOREIGN


def test_where_two_pools_number_alike_the_others_card_does_not_hold() -> None:
    """It has the same reason as a forged one, so its words must be true of both: see test_words."""
    ours, theirs = islice((one for one in keys() if own_number(one.public_key()) == 9), 2)
    assert refusal_of_the_others_card(ours, theirs) is DeclineReason.CODE_FORGED
