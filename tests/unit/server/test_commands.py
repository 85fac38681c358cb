"""huidian-server as an operator uses it, on real files and a real port."""

import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import zxingcpp
from argon2 import PasswordHasher
from click.testing import CliRunner, Result
from PIL import Image

from protocol.codes import CardCode, SlotCode, parse_code, verify_code
from server.bootstrap.clock import simulated_clock, system_clock
from server.bootstrap.main import huidian_server
from server.db import open_engine, reading
from server.directory import sign_in_of
from server.directory.keys import load_keys
from server.ledger import Asset, balance
from tests.unit.server.world import ZHANG

LINES = (
    {
        "kind": "register_resident",
        "account": ZHANG,
        "name": "张阿姨",
        "household": "1-101",
        "place": "tinghoujie",
    },
    {"kind": "register_merchant", "merchant": "shop-a", "name": "听篌街小店"},
    {
        "kind": "open_shop",
        "shop": "shop-a",
        "merchant": "shop-a",
        "shop_kind": "store",
        "name": "听篌街小店",
        "place": "tinghoujie",
    },
    {
        "kind": "award_points",
        "award_id": "w-1",
        "account": ZHANG,
        "rule_id": "tidying",
        "performed_on": "2025-01-01",
        "awarded_by": "网格员",
    },
)


class Operator:
    """Somebody at the server's machine."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def run(self, *arguments: str, given: str = "") -> Result:
        command: click.Command = huidian_server
        return CliRunner().invoke(command, ["--data", str(self.data), *arguments], input=given)

    def do(self, *arguments: str, given: str = "") -> str:
        result = self.run(*arguments, given=given)
        assert result.exit_code == 0, result.output
        return result.output

    def refused(self, *arguments: str, given: str = "") -> str:
        """What is said when a command is refused, which is no traceback."""
        result = self.run(*arguments, given=given)
        assert result.exit_code == 1, result.output
        assert isinstance(result.exception, SystemExit)
        return result.output

    def import_lines(self, *lines: dict[str, str]) -> str:
        return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)

    def points(self) -> int:
        engine = open_engine(f"sqlite:///{self.data}/huidian.sqlite3")
        with reading(engine) as tx:
            found = balance(tx, "guanghui", f"resident:{ZHANG}", Asset.POINTS)
        engine.dispose()
        return found


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    operator = Operator(tmp_path / "data")
    operator.do("init", "--pool", "guanghui")
    operator.do("import", "-", given=operator.import_lines(*LINES))
    return operator


def test_init_makes_a_pool_once(tmp_path: Path) -> None:
    operator = Operator(tmp_path / "data")
    assert "guanghui" in operator.do("init", "--pool", "guanghui")
    assert (operator.data / "huidian.sqlite3").exists()
    assert "已经建立" in operator.refused("init", "--pool", "guanghui")
    assert "guanghui" in operator.refused("init", "--pool", "market")


def test_init_that_was_interrupted_after_the_keys_goes_on_with_them(tmp_path: Path) -> None:
    operator = Operator(tmp_path / "data")
    operator.do("init", "--pool", "guanghui")
    keys = load_keys(operator.data / "keys" / "guanghui").root_key_text
    for file in operator.data.glob("huidian.sqlite3*"):
        file.unlink()
    assert "没有建完" in operator.refused("invite-terminal", "--shop", "shop-a")
    operator.do("init", "--pool", "guanghui")
    assert load_keys(operator.data / "keys" / "guanghui").root_key_text == keys


def test_what_needs_a_pool_says_how_to_make_one(tmp_path: Path) -> None:
    assert "init" in Operator(tmp_path).refused("invite-terminal", "--shop", "x")
    assert "market" in Operator(tmp_path).refused("init", "--pool", "nowhere")


def test_a_settings_file_with_a_wrong_key_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text('data_dir = "data"\nlisten_prot = 8800\n')
    result = CliRunner().invoke(huidian_server, ["--config", str(file), "serve"])
    assert result.exit_code == 1
    assert "listen_prot" in result.output
    assert "line 2" in result.output


def test_an_import_is_booked_and_may_be_repeated(operator: Operator) -> None:
    assert operator.points() == 60
    assert "4" in operator.do("import", "-", given=operator.import_lines(*LINES))
    assert operator.points() == 60


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"kind":"award_points"', "内容不对"),
        ('{"kind":"rob_the_bank"}', "rob_the_bank"),
        ('{"kind":"register_merchant","merchant":"shop-b"}', "name"),
        ('{"kind":"register_merchant","merchant":"shop-b","name":"乙","extra":1}', "extra"),
        ('{"kind":"register_merchant","merchant":"shop-a","name":"另一家"}', "shop-a"),
        ("\xff", "内容不对"),
        ("x" * 70_000, "太长"),
    ],
)
def test_an_import_with_a_bad_line_names_it_and_imports_nothing(
    operator: Operator, line: str, says: str
) -> None:
    good = dict(LINES[3], award_id="w-2")
    said = operator.refused("import", "-", given=f"{operator.import_lines(good)}\n{line}\n")
    assert "第 3 行" in said
    assert says in said
    assert operator.points() == 60


@pytest.mark.parametrize("terminal", ["T-1", "till 2", "二号", "x" * 32])
def test_an_id_that_is_none_is_refused_with_what_an_id_is(
    operator: Operator, terminal: str
) -> None:
    says = operator.refused("invite-terminal", "--shop", "shop-a", "--terminal", terminal)
    assert "编号只能用小写字母、数字和 -" in says
    assert "code" not in says


def test_an_invitation_prints_a_code_that_a_person_can_read(operator: Operator) -> None:
    answer = json.loads(operator.do("invite-terminal", "--shop", "shop-a", "--json"))
    assert answer["shop"] == "shop-a"
    assert len(answer["code"]) == len("BCDF-GHJK")
    assert not set(answer["code"]) & set("AEIOUY01")
    terminal = answer["terminal"]
    again = operator.do("invite-terminal", "--shop", "shop-a", "--terminal", terminal)
    assert terminal in again
    assert answer["code"] not in again
    assert "nowhere" in operator.refused("invite-terminal", "--shop", "nowhere")


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_card_is_issued_once_and_printed_as_often_as_wanted(
    operator: Operator, tmp_path: Path, suffix: str
) -> None:
    first = operator.do("card", "--account", ZHANG).strip()
    file = tmp_path / f"card.{suffix}"
    operator.do("card", "--account", ZHANG, "--out", str(file))
    if suffix == "png":
        (found,) = zxingcpp.read_barcodes(Image.open(file).convert("L"))
        assert found.text == first
    else:
        assert file.read_text().count("<path") == 1
    code = parse_code(first)
    assert isinstance(code, CardCode)
    keys = load_keys(operator.data / "keys" / "guanghui")
    issuers = {keys.card_kid: keys.card_issuer.public_key()}
    assert verify_code(code, issuers, keys.tag, system_clock()) is None
    assert code.secret == keys.card_secret(code.card_id.hex(), 1)
    replaced = parse_code(operator.do("card", "--account", ZHANG, "--replace").strip())
    assert isinstance(replaced, CardCode)
    assert (replaced.card_id, replaced.seq) == (code.card_id, 2)


def test_a_phone_code_is_a_slot_of_now(operator: Operator) -> None:
    code = parse_code(operator.do("code", "--account", ZHANG, "--text").strip())
    assert isinstance(code, SlotCode)
    keys = load_keys(operator.data / "keys" / "guanghui")
    issuers = {keys.slot_kid: keys.slot_issuer.public_key()}
    assert verify_code(code, issuers, keys.tag, system_clock()) is None
    assert "没有这位居民" in operator.refused("code", "--account", "f" * 16)
    assert ".png" in operator.refused("code", "--account", ZHANG, "--out", "code.gif")


def test_a_sign_in_gets_a_password_that_is_printed_once_or_read(operator: Operator) -> None:
    said = operator.do("sign-in", "laowang", "--merchant", "shop-a")
    password = said.partition("：")[2].split()[0]
    engine = open_engine(f"sqlite:///{operator.data}/huidian.sqlite3")
    with reading(engine) as tx:
        found = sign_in_of(tx, "guanghui", "laowang")
    assert found is not None
    assert PasswordHasher().verify(found.password_hash, password)
    arguments = ("sign-in", "laowang", "--merchant", "shop-a", "--password-stdin")
    said = operator.do(*arguments, given="豆腐脑要咸的12\n")
    assert "豆腐脑" not in said
    with reading(engine) as tx:
        found = sign_in_of(tx, "guanghui", "laowang")
    engine.dispose()
    assert found is not None
    assert PasswordHasher().verify(found.password_hash, "豆腐脑要咸的12")
    assert "8" in operator.refused(*arguments, given="short\n")


def test_an_award_by_hand_is_booked(operator: Operator) -> None:
    arguments = ("award", "--account", ZHANG, "--rule", "river-patrol", "--id", "x-1")
    assert operator.do(*arguments).startswith("+100")
    assert "awarded before" in operator.do(*arguments)
    assert operator.points() == 160
    assert "napping" in operator.refused("award", "--account", ZHANG, "--rule", "napping")
    assert "tomorrow" in operator.refused(*arguments[:-2], "--on", "tomorrow")


def test_the_simulated_clock_follows_its_file(tmp_path: Path) -> None:
    file = tmp_path / "offset"
    clock = simulated_clock(file)
    assert abs((clock() - system_clock()).total_seconds()) < 60
    file.write_text("86400")
    assert 86_300 < (clock() - system_clock()).total_seconds() < 86_500
    file.write_text("not yet written")
    assert abs((clock() - system_clock()).total_seconds()) < 60


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def config_file(operator: Operator, port: int) -> Path:
    file = operator.data / "server.toml"
    file.write_text(f'data_dir = "{operator.data}"\nlisten_port = {port}\n')
    return file


def test_a_port_in_use_is_one_clear_line(operator: Operator, taken_port: int) -> None:
    arguments = ["--config", str(config_file(operator, taken_port)), "serve"]
    result = CliRunner().invoke(huidian_server, arguments)
    assert result.exit_code == 1
    assert f"端口 {taken_port} 被占用" in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_the_server_answers_as_a_process_of_its_own_and_stops_when_told(
    operator: Operator,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "server", "--config", str(config_file(operator, port))]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [*command, "serve"], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        try:
            assert f":{port}" in process.stdout.readline()
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/health") as answer:
                assert json.load(answer) == {"ok": True}
        finally:
            process.terminate()
        process.wait(timeout=30)
    assert process.returncode == 0
