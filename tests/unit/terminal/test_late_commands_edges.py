"""The technician's commands go by the clock that the settings name, and a worn-out stick ends nothing."""

import errno
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import terminal.diagnostics.recover as recover_module
from terminal.bootstrap import cli
from terminal.diagnostics.linked import Wall
from terminal.diagnostics.own_stick import OwnStick, put_aside
from terminal.store.stick import Stick

AHEAD = timedelta(days=40)


def test_recover_goes_by_the_clock_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "offset").write_text(str(AHEAD.total_seconds()))
    config = tmp_path / "terminal.toml"
    config.write_text(
        f'data_dir = "{tmp_path}/data"\nserver_url = "http://127.0.0.1:9"\n'
        f'clock = "simulated://{tmp_path}/offset"\n'
    )
    (tmp_path / "data").mkdir()
    seen: list[Wall] = []

    def looked_at(_settings: object, _identity: object, _key: object, wall: Wall) -> None:
        seen.append(wall)
        raise click.ClickException("seen")

    monkeypatch.setattr(recover_module, "load_identity", lambda _folder: (None, None))
    monkeypatch.setattr(recover_module, "linked", looked_at)
    said = CliRunner().invoke(cli, ["--config", str(config), "recover", "--terminal", "t-1"])
    assert "seen" in said.output, said.output
    assert abs(seen[0]() - datetime.now(UTC) - AHEAD) < timedelta(hours=1)


def test_a_stick_that_takes_nothing_any_more_is_to_be_put_away_and_stops_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuses(_descriptor: int) -> None:
        raise OSError(errno.EROFS, "read-only file system")

    # Another file system than the stick's, as a card is.
    stick = Stick(tmp_path, terminal="t-1", own_storage=Path("/proc"), sync=lambda _fd: None)
    assert stick.head() is None
    worn = Stick(tmp_path, terminal="t-1", own_storage=Path("/proc"), sync=refuses)
    put_aside(OwnStick(worn, tmp_path, contradicts=True), datetime.now(UTC))
    said = capsys.readouterr().out
    assert "拔下它收好" in said
    assert "换一个空的U盘再开机" in said
