"""The backup is older than the last change of keys: a terminal brings the list of keys back."""

from pathlib import Path

import pytest

from protocol.issuers import IssuerRole
from protocol.keys import key_fingerprint, read_public_key
from server.db import open_engine
from server.directory.issuers import forgotten_key_list
from tests.support.key_office import KeyOffice
from tests.unit.awards.running import run
from tests.unit.server.test_directory_changes import Terminal, terminal
from tests.unit.server.test_restored_server import copy
from tests.unit.server.world import World

__all__ = ["terminal"]


@pytest.fixture
def office(world: World, terminal: Terminal, tmp_path: Path) -> KeyOffice:
    """The pool changed a key since the backup, and a till knows; the backup is put in."""
    made = KeyOffice(world, tmp_path / "root.key")
    made.root_away()
    terminal.fetch()
    copy(Path(str(world.engine.url.database)), tmp_path / "backup.sqlite3")
    made.rotate(IssuerRole.PHONE, lead_days=0, overlap_days=30)
    terminal.fetch()
    world.serve(open_engine(f"sqlite:///{tmp_path / 'backup.sqlite3'}"))
    return made


def test_the_list_that_a_terminal_has_is_kept_shown_and_taken_in(
    world: World, terminal: Terminal, office: KeyOffice
) -> None:
    before = office.listed()
    assert "终端有" not in run(world, "keys", "list").output
    terminal.fetch()
    terminal.fetch()
    shown = run(world, "keys", "list").output
    assert f"终端有第 {before.version + 1} 版" in shown
    assert "keys take --shown" in shown
    assert '"terminals_have":2' in run(world, "keys", "list", "--json").output
    assert office.listed() == before, "it does not count until the office says so"
    taken = run(world, "keys", "take", "--shown")
    assert taken.exit_code == 0, taken.output
    assert office.listed().version == before.version + 1
    assert world.read(lambda tx: forgotten_key_list(tx, world.pool)) is None
    assert "终端有" not in run(world, "keys", "list").output
    assert run(world, "audit").exit_code == 0
    terminal.fetch()
    assert terminal.wire.answers[-1].unknown == (), "both sides have the same list again"


def test_a_list_whose_private_halves_are_lost_is_not_taken_in(
    world: World, terminal: Terminal, office: KeyOffice
) -> None:
    terminal.fetch()
    known = {each.public_key for each in office.listed().keys}
    shown = run(world, "keys", "list", "--json").output
    for path in office.folder.glob("issuer-*.key"):
        if all(key_fingerprint(read_public_key(each)) not in path.name for each in known):
            path.unlink()
    refused = run(world, "keys", "take", "--shown")
    assert refused.exit_code != 0
    assert "请从备份恢复" in refused.output
    assert run(world, "keys", "list", "--json").output == shown
    assert "私钥不在" in run(world, "keys", "list").output


def test_take_wants_one_of_both(world: World, tmp_path: Path) -> None:
    for arguments in ((), (str(tmp_path / "x"), "--shown")):
        refused = run(world, "keys", "take", *arguments)
        assert refused.exit_code != 0
        assert "--shown" in refused.output
    nothing = run(world, "keys", "take", "--shown")
    assert "没有终端手里有更新的密钥表" in nothing.output
