"""``huidian-server keys`` as an operator uses it, with a machine for the root key beside it."""

import json
from pathlib import Path

import pytest

from protocol.codes import CardCode, read_code
from server.directory.keys import load_keys
from tests.unit.server.test_commands import LINES, Operator
from tests.unit.server.world import ZHANG


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    operator = Operator(tmp_path / "data")
    operator.do("init", "--pool", "guanghui")
    operator.do("import", "-", given=operator.import_lines(*LINES))
    return operator


@pytest.fixture
def machine(tmp_path: Path) -> Operator:
    """With the root key, and no pool."""
    return Operator(tmp_path / "nothing-here")


def told(operator: Operator) -> dict[str, object]:
    answer: dict[str, object] = json.loads(operator.do("keys", "list", "--json"))
    return answer


def kid_on_card(operator: Operator) -> int:
    code = read_code(operator.do("card", "--account", ZHANG).strip())
    assert isinstance(code, CardCode)
    return code.kid


def test_the_root_key_goes_into_a_drawer_and_signs_from_there(
    operator: Operator, machine: Operator, tmp_path: Path
) -> None:
    drawer, request, signed = (tmp_path / name for name in ("root.key", "ask.json", "list.json"))
    assert told(operator)["version"] == 0
    old = kid_on_card(operator)
    assert "两个介质" in operator.do("keys", "root-away", "--out", str(drawer))
    assert drawer.stat().st_mode & 0o777 == 0o600
    folder = operator.data / "keys" / "guanghui"
    assert not (folder / "root.key").exists()
    assert load_keys(folder).root is None
    assert (told(operator)["version"], told(operator)["root_here"]) == (1, False)
    assert "已经不在" in operator.refused("keys", "root-away", "--out", str(tmp_path / "x"))

    rotate = ("keys", "rotate", "--role", "card", "--lead-days", "0")
    assert "--request" in operator.refused(*rotate)
    shown = operator.do(*rotate, "--request", str(request))
    assert "新 new" in shown
    assert kid_on_card(operator) == old, "nothing is changed before the root key has signed"
    certify = ("keys", "certify", str(request), "--out", str(signed))
    assert "签吗" in machine.run(*certify, "--root", str(drawer), given="n\n").output
    assert not signed.exists()
    wrong = tmp_path / "wrong.key"
    wrong.write_text((folder / "card-issuer.key").read_text())
    wrong.chmod(0o600)
    assert "不是这个积分池的根密钥" in machine.refused(*certify, "--root", str(wrong), "--yes")
    seen = machine.do(*certify, "--root", str(drawer), given="y\n")
    assert next(line for line in shown.splitlines() if line.startswith("新")) in seen
    operator.do("keys", "take", str(signed))
    assert kid_on_card(operator) != old
    assert "不比第 2 版新" in operator.refused("keys", "take", str(signed))
    assert "不是密钥请求" in machine.refused(
        "keys", "certify", str(signed), "--root", str(drawer), "--out", str(tmp_path / "y"), "--yes"
    )
    assert "audit" not in operator.do("audit")


def test_a_key_is_retired_where_the_root_key_is_at_hand(operator: Operator) -> None:
    old = kid_on_card(operator)
    operator.do("keys", "rotate", "--role", "card", "--lead-days", "0", "--overlap-days", "10")
    operator.do("keys", "retire", str(old), "--yes")
    keys = {each["kid"]: each for each in told(operator)["keys"]}  # type: ignore[attr-defined] # JSON
    assert keys[old]["revoked_at"] is not None
    assert kid_on_card(operator) != old
    assert "没有在用的密钥" in operator.refused("keys", "retire", str(old), "--yes")
    assert "没有可用的 card" in operator.refused(
        "keys", "retire", str(kid_on_card(operator)), "--yes"
    )


def test_a_list_whose_private_half_is_lost_is_not_taken(
    operator: Operator, machine: Operator, tmp_path: Path
) -> None:
    drawer, request, signed = (tmp_path / name for name in ("root.key", "ask.json", "list.json"))
    operator.do("keys", "root-away", "--out", str(drawer))
    operator.do("keys", "rotate", "--role", "phone", "--request", str(request))
    kept = set((operator.data / "keys" / "guanghui").glob("issuer-*.key"))
    newest = max(kept, key=lambda each: each.stat().st_mtime_ns)
    machine.do(
        "keys", "certify", str(request), "--root", str(drawer), "--out", str(signed), "--yes"
    )
    newest.unlink()
    assert "私钥不在本机" in operator.refused("keys", "take", str(signed))
    assert told(operator)["version"] == 1


def test_a_drawer_that_is_full_keeps_the_key_here(operator: Operator, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("something of somebody's")
    assert "已经存在" in operator.refused("keys", "root-away", "--out", str(there))
    missing = str(tmp_path / "no-folder" / "root.key")
    assert "没有移走" in operator.refused("keys", "root-away", "--out", missing)
    assert load_keys(operator.data / "keys" / "guanghui").root is not None


def test_two_lost_keys_are_taken_back_one_after_the_other(operator: Operator) -> None:
    """The server came back from a copy that is older than two rotations."""
    folder = operator.data / "keys" / "guanghui"
    before = set(folder.iterdir())
    for role in ("card", "phone"):
        operator.do("keys", "rotate", "--role", role, "--lead-days", "0")
    for each in set(folder.iterdir()) - before:
        each.unlink()
    lost = [each["kid"] for each in listed(operator)][-2:]
    for kid in lost:
        operator.do("keys", "retire", str(kid), "--yes")
    revoked = {each["kid"] for each in listed(operator) if each.get("revoked_at")}
    assert revoked == set(lost)


def listed(operator: Operator) -> list[dict[str, object]]:
    found = told(operator)["keys"]
    assert isinstance(found, list)
    return found
