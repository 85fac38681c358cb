"""``card-pin`` and ``card-lost`` as an operator uses them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from protocol.card_pin_hash import ArgonPinMaker
from server.db import open_engine, reading
from server.directory import Card, cards
from server.directory.card_pins import CardPin, pin_of
from server.directory.keys import load_keys
from tests.unit.server.test_commands import LINES, Operator
from tests.unit.server.world import ZHANG

PIN = "580231"


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    operator = Operator(tmp_path / "data")
    operator.do("init", "--pool", "guanghui")
    operator.do("import", "-", given=operator.import_lines(*LINES))
    operator.do("card", "--account", ZHANG)
    return operator


def live(operator: Operator) -> tuple[list[Card], CardPin | None]:
    engine = open_engine(f"sqlite:///{operator.data}/huidian.sqlite3")
    try:
        with reading(engine) as tx:
            found = cards(tx, "guanghui")
            if not found:
                return [], None
            card = found[-1]
            return found, pin_of(tx, "guanghui", card.card_id, card.seq, datetime.now(UTC))
    finally:
        engine.dispose()


def test_a_pin_is_typed_twice_and_nobody_sees_it_again(operator: Operator) -> None:
    said = operator.do("card-pin", "set", "--account", ZHANG, given=f"{PIN}\n{PIN}\n")
    assert "已设置" in said
    assert PIN not in said
    (card,), pin = live(operator)
    assert pin is not None
    secret = load_keys(operator.data / "keys" / "guanghui").card_secret(card.card_id, card.seq)
    made = ArgonPinMaker().make(PIN, secret, bytes.fromhex(card.card_id))
    assert pin.verifier_hex == made.verifier.hex()
    for file in operator.data.rglob("*"):
        assert not file.is_file() or PIN.encode() not in file.read_bytes()
    assert "可用" in operator.do("card-pin", "show", "--account", ZHANG)
    assert "没有锁定的密码" in operator.do("card-pin", "locked")
    unlocked = operator.do("card-pin", "unlock", "--account", ZHANG, "--reason", "本人到场")
    assert "已解锁" in unlocked


@pytest.mark.parametrize(
    ("given", "says"),
    [("123456", "太简单"), ("58023", "6 位数字"), ("５８０２３１", "6 位数字"), ("", "6 位数字")],
)
def test_what_is_no_good_pin_is_refused(operator: Operator, given: str, says: str) -> None:
    typed = f"{given}\n"
    assert says in operator.refused(
        "card-pin", "set", "--account", ZHANG, "--pin-stdin", given=typed
    )
    assert live(operator)[1] is None


def test_a_lost_card_is_dead_until_another_is_made_and_its_pin_is_gone(operator: Operator) -> None:
    operator.do("card-pin", "set", "--account", ZHANG, "--pin-stdin", given=f"{PIN}\n")
    (before,), _ = live(operator)
    assert "已挂失" in operator.do("card-lost", "--account", ZHANG, "--reason", "买菜时丢失")
    assert live(operator) == ([], None)
    assert "没有可用的积分卡" in operator.refused(
        "card-pin", "unlock", "--account", ZHANG, "--reason", "x"
    )
    operator.do("card", "--account", ZHANG, "--replace")
    (after,), pin = live(operator)
    assert (after.account, after.card_id != before.card_id) == (ZHANG, True)
    assert pin is None
    assert "没有设密码" in operator.do("card-pin", "show", "--account", ZHANG)


def test_whoever_is_not_there_has_no_pin(operator: Operator) -> None:
    nobody = "f" * 16
    assert "没有这位居民" in operator.refused("card-pin", "show", "--account", nobody)
    assert "没有这位居民" in operator.refused("card-lost", "--account", nobody, "--reason", "x")


def test_the_limit_without_a_pin_is_one_of_the_redemption_terms(operator: Operator) -> None:
    operator.do("redemption-terms", "set", "--from", "2099-01-01", "--card-no-pin", "50")
    assert "免密每天 / a card without its PIN and day 50" in operator.do("redemption-terms", "list")
