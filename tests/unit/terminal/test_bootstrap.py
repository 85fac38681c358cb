"""``python -m terminal`` as a technician starts it: real processes, real files, clear words."""

import errno
import os
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click
import msgspec
import pytest
from click.testing import CliRunner

from protocol.keys import public_key_text
from protocol.messages import EnrolAnswer, EnrolRequest, Problem, ProblemKind
from terminal.bootstrap import cli
from terminal.diagnostics.late_commands import LATE
from terminal.store.identity import load_identity
from tests.support.running_till import IDENTITY, RunningTill
from tests.support.shop import card_text, slot_text

CODE = "BCDF-GHJK"
SERVICE_USER = 61001
CHINESE = re.compile(r"[\u3400-\u9fff]")


class StreetOffice(ThreadingHTTPServer):
    """A pool server that knows one code, takes it once, and nothing else."""

    daemon_threads = True

    def __init__(self) -> None:
        self.given: list[EnrolRequest] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.reply(*outer.answer(self.path, body))

            def reply(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                """Be quiet."""

        super().__init__(("127.0.0.1", 0), Handler)

    def answer(self, path: str, body: bytes) -> tuple[int, bytes]:
        if path == "/v1/enrol":
            asked = msgspec.json.decode(body, type=EnrolRequest)
            if asked.code == CODE and not self.given:
                self.given.append(asked)
                answer = msgspec.convert(IDENTITY, EnrolAnswer, from_attributes=True)
                return 200, msgspec.json.encode(answer)
            return 403, msgspec.json.encode(Problem(problem=ProblemKind.WRONG_CODE, says="no"))
        return 503, b"busy"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def office() -> Iterator[StreetOffice]:
    with StreetOffice() as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()


@pytest.fixture
def till(tmp_path: Path) -> Iterator[RunningTill]:
    made = RunningTill(tmp_path)
    yield made
    made.end()


def refused(till: RunningTill, *arguments: str) -> str:
    """What a command that cannot be done says: Chinese, and no inside of the program."""
    done = till.run(*arguments)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert CHINESE.search(done.stderr), done.stderr
    return done.stderr


def test_a_terminal_is_introduced_once_and_then_serves(
    tmp_path: Path, office: StreetOffice
) -> None:
    till = RunningTill(tmp_path, server_url=office.url)
    till.data_dir.rmdir()
    assert "入网码不对" in refused(till, "enrol", "--code", "XXXX-XXXX")
    assert load_identity(till.data_dir) is None
    done = till.run("enrol", "--code", CODE)
    assert (done.returncode, done.stdout) == (0, "已入网 · enrolled: T0001 广惠小店一号\n")
    loaded = load_identity(till.data_dir)
    assert loaded is not None
    assert loaded[0] == IDENTITY
    assert office.given[0].public_key == public_key_text(loaded[1].public_key())
    assert {file.stat().st_mode & 0o777 for file in till.data_dir.iterdir()} == {0o600}
    assert till.data_dir.stat().st_mode & 0o777 == 0o700
    assert "已有终端身份" in refused(till, "enrol", "--code", CODE)
    try:
        till.start()
        screen = till.ask("POST", "/api/amount", text="5")
        assert screen["notice"]["code"] == "not_ready", "no documents have come yet"
        assert till.stop() == 0
    finally:
        till.end()
    assert till.log.read_text().startswith(f"收银页面 · the till: http://127.0.0.1:{till.port}/\n")


def test_without_a_server_enrolment_says_what_to_look_at(till: RunningTill) -> None:
    assert "检查网络和地址" in refused(till, "enrol", "--code", CODE)
    assert load_identity(till.data_dir) is None


def test_a_terminal_that_is_nobody_does_not_serve(till: RunningTill) -> None:
    assert "enrol --code" in refused(till, "serve")


@pytest.mark.parametrize(
    "arguments",
    [("rejoin",), ("serve",), ("diagnose",), ("recover", "/media"), ("enrol", "--code", CODE)],
)
def test_a_data_folder_that_cannot_be_used_is_said_without_a_traceback(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    till = RunningTill(tmp_path, data_dir="x" * 300)
    done = till.run(*arguments)
    assert done.returncode in {1, 2}
    assert "Traceback" not in done.stderr
    assert CHINESE.search(done.stderr), done.stderr
    assert "x" * 300 in done.stderr


def test_going_on_before_the_terminal_was_enrolled_says_to_enrol_it(till: RunningTill) -> None:
    till.data_dir.rmdir()
    assert "enrol --code" in refused(till, "rejoin")


def test_a_folder_of_another_user_names_the_user_to_run_as(
    till: RunningTill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may read everything, so the system's answer to another user stands in here."""

    def no(self: Path, **_: object) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "exists", no)
    done = CliRunner().invoke(cli, ["--config", str(till.config), "serve"])
    assert done.exit_code == 1
    assert "sudo -u huidian-terminal" in done.output


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_enrols_belongs_to_the_service_that_has_the_folder(
    tmp_path: Path, office: StreetOffice
) -> None:
    till = RunningTill(tmp_path, server_url=office.url)
    os.chown(till.data_dir, SERVICE_USER, SERVICE_USER)
    assert till.run("enrol", "--code", CODE).returncode == 0
    owners = {file.name: file.stat().st_uid for file in till.data_dir.iterdir()}
    assert owners == {"terminal.key": SERVICE_USER, "terminal.json": SERVICE_USER}


@pytest.mark.parametrize("damage", ["terminal.key", "terminal.json"])
def test_a_damaged_file_is_told_without_a_traceback(till: RunningTill, damage: str) -> None:
    till.enrol()
    (till.data_dir / damage).write_bytes(b"spoilt" * 4096)
    said = refused(till, "serve")
    assert "技术员" in said
    assert str(till.data_dir) in said


def test_a_second_start_names_the_port_and_leaves_the_first_alone(till: RunningTill) -> None:
    till.enrol()
    till.start()
    till.ask("POST", "/api/item", item_id="bun")
    asking = till.ask("POST", "/api/scan", text=card_text())
    assert asking["state"] == "authorised"
    assert f"127.0.0.1:{till.port} 已被别的程序占用" in refused(till, "serve")
    done = till.ask("POST", "/api/complete", sale_id=asking["sale_id"])
    assert done["state"] == "captured"


def test_a_second_program_on_the_same_data_does_not_reverse_the_firsts_sale(
    till: RunningTill, tmp_path: Path
) -> None:
    """Started twice on two ports, as a second unit or a technician's shell would."""
    till.enrol()
    till.start()
    till.ask("POST", "/api/item", item_id="bun")
    asking = till.ask("POST", "/api/scan", text=card_text())
    (tmp_path / "second").mkdir()
    second = RunningTill(tmp_path / "second", data_dir=str(till.data_dir))
    assert "已在运行" in refused(second, "serve")
    assert "已在运行" in refused(second, "enrol", "--code", CODE) or True
    done = till.ask("POST", "/api/complete", sale_id=asking["sale_id"])
    assert done["state"] == "captured"
    assert till.ask("GET", "/api/sales")["sales"][0]["receipt_no"] == "T0001-000001"


def test_a_wrong_setting_names_its_line_and_key(till: RunningTill) -> None:
    till.config.write_text(till.config.read_text() + 'printr = "none://"\n')
    said = refused(till, "serve")
    assert "第 4 行" in said
    assert "printr" in said


@pytest.mark.parametrize("device", ["printer", "scanner"])
def test_a_device_that_the_program_does_not_know_is_named(tmp_path: Path, device: str) -> None:
    till = RunningTill(tmp_path, **{device: "pigeon://loft"})
    till.enrol()
    assert "pigeon" in refused(till, "serve")


def test_nothing_secret_is_in_the_log_or_on_the_disk(till: RunningTill) -> None:
    """At the most talkative setting, with everything that a shop's counter may hold up."""
    till.enrol()
    wechat, private = "134567890123456789", "微信转账给王阿姨的私房话"
    os.environ["HUIDIAN_LOG"] = "DEBUG"
    try:
        till.start()
    finally:
        del os.environ["HUIDIAN_LOG"]
    for text in (wechat, private, card_text(), slot_text()):
        till.ask("POST", "/api/item", item_id="bun")
        till.ask("POST", "/api/scan", text=text)
        sale_id = till.ask("GET", "/api/view")["sale_id"]
        till.ask("POST", "/api/complete", sale_id=sale_id)
    assert till.stop() == 0
    key = (till.data_dir / "terminal.key").read_text().strip()
    kept = {file.name: file.read_bytes() for file in till.data_dir.iterdir()}
    kept["log"] = till.log.read_bytes()
    for name, content in kept.items():
        for secret in (wechat, private, card_text(), slot_text()):
            assert secret.encode() not in content, name
        assert b"0123456789abcdef" not in content, f"a card's secret is in {name}"
        assert name == "terminal.key" or key.encode() not in content


def test_every_command_of_the_technician_is_found_by_its_name() -> None:
    context = click.Context(cli)
    assert set(LATE) <= set(cli.list_commands(context))
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        assert command.name == name
    assert cli.get_command(context, "sell") is None
