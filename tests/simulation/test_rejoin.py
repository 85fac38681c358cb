"""Stopped over an old card, and let go on: the real commands at both ends, end to end."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import urllib3

from tests.support.real_pool import WITHIN_S, Pool, Terminal


def image_of(terminal: Terminal, where: Path) -> Path:
    shutil.copytree(terminal.data, where)
    return where


def put_back(terminal: Terminal, image: Path) -> None:
    terminal.program.end()
    shutil.rmtree(terminal.data)
    shutil.copytree(image, terminal.data)


def rejoin(terminal: Terminal, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "terminal", "--config", str(terminal.config), "rejoin", *arguments],
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )


def is_stopped(terminal: Terminal) -> bool:
    return (terminal.data / "stopped.json").exists()


def start_stopped(terminal: Terminal) -> str:
    """Start a terminal that shows why it does not sell; the page."""
    terminal.program.start_unwatched()
    deadline_s = time.monotonic() + WITHIN_S
    while True:
        try:
            answer = urllib3.request(
                "GET", f"http://127.0.0.1:{terminal.port}/", retries=False, timeout=5
            )
        except urllib3.exceptions.HTTPError:
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        else:
            assert answer.status == 503
            return answer.data.decode()


def test_a_rolled_back_card_is_stopped_reopened_and_sells_on_with_new_numbers(
    pool: Pool, tmp_path: Path
) -> None:
    terminal = pool.terminal("f1")
    terminal.start()
    terminal.sell(2)
    terminal.wait_until_told()
    terminal.program.end()
    image = image_of(terminal, tmp_path / "image")
    terminal.start()
    terminal.sell(3)
    terminal.wait_until_told()
    put_back(terminal, image)
    terminal.program.start()
    terminal.wait(lambda: is_stopped(terminal))
    terminal.program.end()
    early = rejoin(terminal)
    assert early.returncode == 1
    assert "街道办还没有放行" in early.stderr
    assert is_stopped(terminal)
    pool.command("terminal", "reopen", "f1", "--reason", "还原过旧的存储卡")
    done = rejoin(terminal)
    assert done.returncode == 0, done.stderr
    assert "可以继续收款" in done.stdout
    assert not is_stopped(terminal)
    terminal.start()
    terminal.sell(2)
    terminal.wait_until_told()
    terminal.program.end()
    assert len(terminal.shown) == 7, "no receipt's number was given twice"
    assert pool.sales_of("f1") == terminal.shown
    assert "没有停用" in rejoin(terminal).stderr
    pool.command("audit", "--only", "I1,I2,I4,I5")


def test_a_card_and_a_stick_that_went_different_ways_both_count(
    pool: Pool, stick: Path, tmp_path: Path
) -> None:
    """The old image sold without the stick, and the stick has what the image lost."""
    terminal = pool.terminal("d1", stick=stick)
    terminal.start()
    terminal.sell(2)
    terminal.wait_until_told()
    terminal.program.end()
    image = image_of(terminal, tmp_path / "image")
    terminal.start()
    terminal.wait_until_told()
    pool.program.end()
    terminal.sell(3)  # nobody but the stick and the card has these
    put_back(terminal, image)
    away = stick.with_name(stick.name + "-away")
    (stick / "huidian").rename(away)
    terminal.program.start()
    terminal.sell(2)
    terminal.program.end()
    shutil.rmtree(stick / "huidian", ignore_errors=True)
    away.rename(stick / "huidian")
    pool.program.start()
    assert "流水和备份U盘上的不一样" in start_stopped(terminal)
    terminal.program.end()
    (stick / "huidian").rename(away)
    absent = rejoin(terminal)
    assert absent.returncode == 1
    assert "请插上停用时的那个备份U盘" in absent.stderr
    shutil.rmtree(stick / "huidian", ignore_errors=True)
    away.rename(stick / "huidian")
    first = rejoin(terminal)
    assert first.returncode == 1
    assert "补记 3 条" in first.stdout, first.stdout
    assert "街道办还没有放行" in first.stderr
    assert is_stopped(terminal)
    pool.command("terminal", "reopen", "d1", "--reason", "还原过旧的存储卡")
    done = rejoin(terminal)
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert "旧的流水留在 huidian-" in done.stdout
    terminal.start()
    terminal.sell(1)
    terminal.wait_until_told()
    terminal.program.end()
    counted = pool.every_sale_of("d1")
    assert len(counted) == 2 + 3 + 2 + 1
    assert len({sale for sale, _ in counted}) == len(counted)
    numbers = [receipt for _, receipt in counted]
    assert len(set(numbers)) == 6, "the two ways gave the same two numbers"
    pool.command("audit", "--only", "I1,I2,I4,I5")
