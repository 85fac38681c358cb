"""A terminal that must not sell says why, and what to do, whatever the cause is."""

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


def test_a_start_on_a_disk_that_would_not_sync_is_such_a_stop(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRAGMAS, "synchronous", ("NORMAL", PRAGMAS["synchronous"][1]))
    with pytest.raises(StoppedError) as stopped:
        sound_store(tmp_path / "till.db", shop.store.sealer, Quarantine(tmp_path))
    assert stopped.value.stop.cause is StopCause.STORAGE_DAMAGED
    assert "synchronous is 1" in stopped.value.stop.detail
