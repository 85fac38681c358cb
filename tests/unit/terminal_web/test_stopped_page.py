"""A terminal that must not sell says why, and what to do, whatever the cause is."""

import shutil
from pathlib import Path

import pytest

from terminal.bootstrap import StoppedError, sound_store
from terminal.domain.stopped import Stop, StopCause
from terminal.store.disk import PRAGMAS
from terminal.store.quarantine import Quarantine
from terminal.web.language import LANGUAGE_COOKIE
from terminal.web.stopped import create_stopped_app
from tests.support.shop import Shop

SAYS = {
    StopCause.STORAGE_DAMAGED: ("存储卡坏了", "The storage is damaged"),
    StopCause.DISK_FULL: ("存储满了", "The storage is full"),
    StopCause.CHAIN_BROKEN: ("流水缺了一段，或者被改过", "Records are missing"),
    StopCause.FORKED: ("流水和服务器上的不一样", "that the server has"),
    StopCause.COPY_DIFFERS: ("流水和备份U盘上的不一样", "on the backup stick"),
}


@pytest.mark.parametrize("cause", StopCause)
def test_each_cause_has_its_own_words_and_the_same_three_steps(cause: StopCause) -> None:
    page = create_stopped_app(Stop(cause, "2/7: told"), "zh").test_client()
    chinese = page.get("/").get_data(as_text=True)
    page.set_cookie(LANGUAGE_COOKIE, "en")
    english = page.get("/").get_data(as_text=True)
    assert {x for x, (words, _) in SAYS.items() if words in chinese} == {cause}
    assert {x for x, (_, words) in SAYS.items() if words in english} == {cause}
    assert 'lang="zh-Hans"' in chinese
    assert 'lang="en"' in english
    for step in ("请先用纸笔记账", "不要拔备份U盘", "请联系技术员", "diagnose"):
        assert step in chinese
    assert f"{cause.value}: 2/7: told" in chinese
    assert page.post("/api/complete", json={}).status_code == 503


def test_a_start_without_room_says_so_keeps_no_note_and_is_over_once_there_is_room(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite says "disk I/O error" of a full disk: the advice was to change a card that is whole."""
    path, quarantine = tmp_path / "till.db", Quarantine(tmp_path)
    sound_store(path, shop.store.sealer, quarantine).close()
    in_the_way = tmp_path / "till.db-wal"  # it cannot be made, as where there is no room for it
    in_the_way.mkdir()

    def free(bytes_free: int) -> None:
        usage = shutil.disk_usage(tmp_path)._replace(free=bytes_free)
        monkeypatch.setattr("terminal.store.quarantine.shutil.disk_usage", lambda _folder: usage)

    for bytes_free, cause in ((4096, StopCause.DISK_FULL), (2**30, StopCause.STORAGE_DAMAGED)):
        free(bytes_free)
        with pytest.raises(StoppedError) as stopped:
            sound_store(path, shop.store.sealer, quarantine)
        assert stopped.value.stop.cause is cause
        assert quarantine.read() is None
    in_the_way.rmdir()
    sound_store(path, shop.store.sealer, quarantine).close()


def test_a_start_on_a_disk_that_would_not_sync_is_such_a_stop(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRAGMAS, "synchronous", ("NORMAL", PRAGMAS["synchronous"][1]))
    with pytest.raises(StoppedError) as stopped:
        sound_store(tmp_path / "till.db", shop.store.sealer, Quarantine(tmp_path))
    assert stopped.value.stop.cause is StopCause.STORAGE_DAMAGED
    assert "synchronous is 1" in stopped.value.stop.detail
