"""The units hold no logic, so what they promise can be read off them."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

import click
import pytest

from config.server import ServerSettings
from config.terminal import TerminalSettings
from server.bootstrap.main import huidian_server
from terminal.bootstrap import cli as huidian_terminal

UNITS: Final = Path(__file__).resolve().parents[2] / "systemd"
# Fails above an exposure of 1.5 of 10.
JUDGE: Final = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15"]


def settings_of(unit: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (UNITS / unit).read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd to judge by")
@pytest.mark.parametrize(
    "unit",
    [
        "huidian-terminal.service",
        "huidian-server.service",
        "huidian-server-upgrade.service",
        "huidian-server-roll-up.service",
        "huidian-server-lapse.service",
    ],
)
def test_a_unit_is_hardened(unit: str) -> None:
    judged = subprocess.run(
        [*JUDGE, str(UNITS / unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout + judged.stderr


@pytest.mark.parametrize(
    ("unit", "port"),
    [
        ("huidian-terminal.service", TerminalSettings(data_dir=Path("/")).listen_port),
        ("huidian-server.service", ServerSettings(data_dir=Path("/")).listen_port),
    ],
)
def test_a_unit_may_bind_the_port_of_its_settings_and_no_other(unit: str, port: int) -> None:
    settings = settings_of(unit)
    assert settings["SocketBindDeny"] == ["any"]
    assert settings["SocketBindAllow"] == [f"ipv4:tcp:{port}"]


@pytest.mark.parametrize("name", ["terminal", "server"])
def test_a_unit_starts_the_program_with_the_users_and_folders_that_are_made_for_it(
    name: str,
) -> None:
    settings = settings_of(f"huidian-{name}.service")
    start = f"/opt/huidian/bin/huidian-{name} --config /etc/huidian/{name}.toml serve"
    assert settings["ExecStart"] == [start]
    program = {"terminal": huidian_terminal, "server": huidian_server}[name]
    assert "serve" in program.commands
    assert "--config" in [option for one in program.params for option in one.opts]
    assert settings["User"] == [f"huidian-{name}"]
    assert settings["StateDirectory"] == [f"huidian-{name}"]
    for kind in ("sysusers", "tmpfiles"):
        made = (UNITS / f"huidian-{name}.{kind}.conf").read_text(encoding="utf-8")
        assert f"huidian-{name}" in made


def test_a_timer_rolls_up_with_the_rights_of_the_upgrade_and_without_the_owners_password() -> None:
    upgrade, roll_up = (
        settings_of(f"huidian-server-{name}.service") for name in ("upgrade", "roll-up")
    )
    assert roll_up["ExecStart"] == [
        "/opt/huidian/bin/huidian-server --config /etc/huidian/server.toml roll-up"
    ]
    assert "roll-up" in huidian_server.commands
    assert upgrade.keys() - roll_up.keys() == {"Before", "LoadCredential", "Environment"}
    differing = {name for name in roll_up if roll_up[name] != upgrade.get(name)}
    assert differing == {"Description", "ExecStart"}
    # A oneshot is never "active" afterwards, so the timer counts from the end of the last run.
    timer = settings_of("huidian-server-roll-up.timer")
    assert timer["OnUnitInactiveSec"] == ["5min"]
    assert timer["OnBootSec"] == ["5min"]
    assert timer["WantedBy"] == ["timers.target"]
    assert "Unit" not in timer  # then it starts the service of its own name


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd to judge by")
@pytest.mark.parametrize("unit", [each.name for each in sorted(UNITS.glob("huidian-*.timer"))])
def test_a_timer_is_understood(unit: str, tmp_path: Path) -> None:
    # The programs are not installed here: in the copies, one that is there stands for them.
    for each in UNITS.glob("huidian-server*.*"):
        text = each.read_text(encoding="utf-8")
        (tmp_path / each.name).write_text(
            text.replace("/opt/huidian/bin/huidian-server", "/bin/true"), encoding="utf-8"
        )
    judged = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in judged.stderr.splitlines() if "huidian-" in line]
    assert (judged.returncode, complaints) == (0, [])


def test_only_the_upgrade_sees_the_owners_password_and_may_do_no_more_than_the_server() -> None:
    server, upgrade = (
        settings_of(f"huidian-{name}.service") for name in ("server", "server-upgrade")
    )
    assert upgrade["ExecStart"] == [
        "/opt/huidian/bin/huidian-server --config /etc/huidian/server.toml upgrade"
    ]
    assert "upgrade" in huidian_server.commands
    assert upgrade["LoadCredential"] == ["owner.pgpass:/etc/huidian/owner.pgpass"]
    assert "LoadCredential" not in server
    of_a_service = {"Restart", "RestartSec", "TimeoutStopSec", "KillSignal", "SocketBindAllow"}
    of_a_service |= {"RuntimeDirectory", "RuntimeDirectoryMode", "WantedBy"}
    missing = server.keys() - upgrade.keys() - of_a_service
    assert missing == set()
    differing = {name for name in server.keys() & upgrade.keys() if server[name] != upgrade[name]}
    assert differing == {"Description", "Type", "ExecStart"}


JOBS: Final = {"lapse": ["settling", "lapse"]}


@pytest.mark.parametrize("job", JOBS)
def test_a_job_is_a_command_of_the_program_with_the_servers_rights_and_a_timer(job: str) -> None:
    server, unit = (
        settings_of("huidian-server.service"),
        settings_of(f"huidian-server-{job}.service"),
    )
    words = JOBS[job]
    assert unit["ExecStart"] == [
        f"/opt/huidian/bin/huidian-server --config /etc/huidian/server.toml {' '.join(words)}"
    ]
    command: click.Command = huidian_server
    for word in words:
        assert isinstance(command, click.Group)
        command = command.commands[word]
    assert not [param.name for param in command.params if param.required]
    of_a_service = {"Restart", "RestartSec", "TimeoutStopSec", "KillSignal", "SocketBindAllow"}
    of_a_service |= {"RuntimeDirectory", "RuntimeDirectoryMode", "WantedBy"}
    assert server.keys() - unit.keys() == of_a_service
    differing = {name for name in server.keys() & unit.keys() if server[name] != unit[name]}
    assert differing == {"Description", "Type", "ExecStart", "After"}
    timer = settings_of(f"huidian-server-{job}.timer")
    assert timer["WantedBy"] == ["timers.target"]
    assert "Unit" not in timer  # it starts the service of its own name
    assert {"OnCalendar", "OnUnitInactiveSec"} & timer.keys()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd to judge by")
def test_the_night_of_lapsed_statements_is_a_time_that_systemd_knows() -> None:
    (when,) = settings_of("huidian-server-lapse.timer")["OnCalendar"]
    judged = subprocess.run(
        ["systemd-analyze", "calendar", when], capture_output=True, text=True, check=False
    )
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_the_example_settings_use_the_names_that_udev_gives() -> None:
    rules = (UNITS / "70-huidian-devices.rules").read_text(encoding="utf-8")
    example = UNITS.parent / "config" / "examples" / "terminal.toml"
    text = example.read_text(encoding="utf-8")
    for name in ("huidian/printer", "huidian/scanner"):
        assert f'SYMLINK+="{name}"' in rules
        assert f"/dev/{name}" in text
