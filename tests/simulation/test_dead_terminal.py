"""A dead terminal is replaced: real programs, real files, from the stick, the old card and nothing.

What the dead one's page acknowledged is what the pool has in the end, once; what is lost is named.
"""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.real_pool import WITHIN_S, Pool, Terminal

INCOMPLETE, NOTHING_DONE = 1, 2
CUTS = 6


def dead(pool: Pool, name: str, stick: Path | None = None, *, told: int, untold: int) -> Terminal:
    """A terminal that sold with the pool and without it, and then lost its power for good."""
    terminal = pool.terminal(name, stick=stick)
    terminal.start()
    terminal.sell(told)
    terminal.wait_until_told()
    pool.program.end(signal.SIGTERM)
    terminal.sell(untold)
    terminal.program.end()
    pool.program.start()
    return terminal


@pytest.fixture(scope="module")
def heir(pool: Pool) -> Terminal:
    """The new terminal: enrolled, nothing else."""
    return pool.terminal("new-1")


def test_from_the_stick(pool: Pool, heir: Terminal, stick: Path) -> None:
    lost = dead(pool, "s1", stick, told=3, untold=5)
    shutil.rmtree(lost.data)  # the card is dead with it
    assert len(pool.sales_of("s1")) == 3
    before = sorted(path.read_bytes() for path in (stick / "huidian").iterdir())
    report = heir.report(str(stick))
    assert (report["terminal"], report["by"], report["source"]) == ("s1", "new-1", "stick")
    assert (report["sales_recovered"], report["missing"], report["complete"]) == (5, [], True)
    assert report["cash_fen_recovered"] == sum(fen for _, fen in list(lost.shown.values())[3:])
    assert report["outcomes"]["known"] >= 4
    assert pool.sales_of("s1") == lost.shown
    again = heir.report(str(stick))
    assert (again["sales_recovered"], again["complete"]) == (0, True)
    assert pool.sales_of("s1") == lost.shown
    assert sorted(path.read_bytes() for path in (stick / "huidian").iterdir()) == before
    said = heir.recover(str(stick)).stdout
    assert "没有已知的缺失" in said
    assert "备份U盘" in said
    pool.command("audit", "--only", "I1,I2,I4,I5")


def test_from_the_old_card_and_from_a_copy_that_was_altered(
    pool: Pool, heir: Terminal, tmp_path: Path
) -> None:
    lost = dead(pool, "c1", told=2, untold=4)
    copy = tmp_path / "card"
    shutil.copytree(lost.data, copy / "var/lib/huidian-terminal")  # as a whole card is mounted
    altered = tmp_path / "altered"
    shutil.copytree(lost.data, altered)
    with closing(sqlite3.connect(altered / "terminal.db")) as database, database:
        last = database.execute("select max(seq) from journal where epoch = 1").fetchone()[0]
        epoch, last = database.execute(
            "select epoch, seq from journal order by epoch desc, seq desc limit 1"
        ).fetchone()
        database.execute(
            "update journal set body = cast(replace(body, '馒头', '包子') as blob)"
            " where epoch = ? and seq = ?",
            (epoch, last - 1),
        )
    refused = heir.recover(str(altered))
    assert refused.returncode == NOTHING_DONE
    assert "1 处损坏或被改过，什么也没有交" in refused.stderr
    assert f"{epoch}/{last - 1}" in refused.stderr
    assert len(pool.sales_of("c1")) == 2, "nothing half-applied"
    salvaged = heir.report(str(altered), "--salvage", status=INCOMPLETE)
    assert salvaged["missing"] == [f"{epoch}/{last - 1}"]
    assert salvaged["sales_recovered"] == 3
    assert len(pool.sales_of("c1")) == 5
    (row,) = [each for each in pool.recoveries() if each["terminal"] == "c1"]
    assert row["missing_records"] == 1
    report = heir.report(str(copy))  # the card itself turns up
    assert (report["sales_recovered"], report["missing"], report["complete"]) == (1, [], True)
    assert pool.sales_of("c1") == lost.shown
    (row,) = [each for each in pool.recoveries() if each["terminal"] == "c1"]
    assert row["missing_records"] == 0
    pool.command("audit", "--only", "I1,I2,I4,I5")


def test_from_nothing_what_is_known_is_said_and_stays_open(pool: Pool, heir: Terminal) -> None:
    lost = dead(pool, "n1", told=2, untold=3)
    shutil.rmtree(lost.data)
    unnamed = heir.recover()
    assert unnamed.returncode == NOTHING_DONE
    assert "--terminal" in unnamed.stderr
    report = heir.report("--terminal", "n1")
    newest_told = sorted(lost.shown)[1]
    assert (report["source"], report["last_receipt"]) == ("nothing", newest_told)
    assert report["server_records"] >= 3
    said = heir.recover("--terminal", "n1").stdout
    assert f"最后的小票 {newest_told}" in said
    (row,) = [each for each in pool.recoveries() if each["terminal"] == "n1"]
    assert row["source"] == "nothing"
    assert len(pool.sales_of("n1")) == 2


def test_the_wrong_stick_a_torn_one_and_one_that_is_not_there(
    pool: Pool, heir: Terminal, stick: Path, tmp_path: Path
) -> None:
    lost = dead(pool, "w1", stick, told=1, untold=3)
    others = heir.recover(str(stick), "--terminal", "w9")
    assert others.returncode == NOTHING_DONE
    assert "拿错了" in others.stderr
    nothing = heir.recover(str(tmp_path))
    assert nothing.returncode == NOTHING_DONE
    assert "没有惠点的流水" in nothing.stderr
    stranger = pool.terminal("o1", shop=1)
    refused = stranger.recover(str(stick))
    assert refused.returncode == NOTHING_DONE
    assert "不是本商户的" in refused.stderr
    # The same name in another pool: its records are signed with another key.
    foreign = tmp_path / "foreign"
    shutil.copytree(stick, foreign)
    (foreign / "huidian/terminal.txt").write_text("new-1\n")
    for path in (foreign / "huidian").glob("w1-*"):
        path.rename(path.with_name(path.name.replace("w1", "new-1")))
    wrong = heir.recover(str(foreign))
    assert wrong.returncode == NOTHING_DONE
    assert "拿错了，或者是别的积分池的" in wrong.stderr
    unknown = tmp_path / "unknown"
    shutil.copytree(stick, unknown)
    (unknown / "huidian/terminal.txt").write_text("z9\n")
    assert "没有终端 z9" in heir.recover(str(unknown)).stderr
    assert len(pool.sales_of("w1")) == 1, "nothing was handed over by any of these"
    newest = max((stick / "huidian").glob("w1-*.jsonl"))
    newest.write_bytes(newest.read_bytes()[:-50])  # pulled out while it wrote
    torn = heir.report(str(stick), status=INCOMPLETE)
    assert torn["torn_end"] is True
    assert torn["missing_records"] == 1
    assert torn["sales_recovered"] == 2
    assert pool.sales_of("w1") == dict(list(lost.shown.items())[:3])


def test_power_pulled_in_the_middle_of_it_and_run_again(
    pool: Pool, heir: Terminal, stick: Path
) -> None:
    lost = dead(pool, "p1", stick, told=1, untold=6)
    chance = random.Random(20261129)
    for _ in range(CUTS):
        started = subprocess.Popen(
            heir.recover_command(str(stick)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(chance.uniform(0.3, 1.5))
        os.kill(started.pid, signal.SIGKILL)
        started.wait(WITHIN_S)
    pool.program.end()  # and the server with it
    gone = heir.recover(str(stick))
    assert gone.returncode == NOTHING_DONE
    assert "再运行一次，不会重复入账" in gone.stderr
    pool.program.start()
    report = heir.report(str(stick))
    assert report["complete"] is True
    assert pool.sales_of("p1") == lost.shown
    assert list(heir.data.glob("recover-*")) == []
    pool.command("audit", "--only", "I1,I2,I4,I5")
