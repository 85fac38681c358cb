"""`./run demo` as a newcomer uses it: real processes, real devices' links, every figure."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import urllib3

from demo.scripts import SCRIPTS, Refusal, Sale
from demo.world import WORLDS

STARTS_WITHIN_S = 150.0
ENDS_WITHIN_S = 60.0


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "demo", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def processes_of(folder: Path) -> list[str]:
    """Command lines of processes that name this folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(str(folder).encode() in word for word in words):
            found.append(b" ".join(words).decode(errors="replace"))
    return found


@pytest.mark.timeout(400)
@pytest.mark.parametrize("pool", sorted(WORLDS))
def test_every_programmes_scenarios_come_out(pool: str, tmp_path: Path, cjk_font: Path) -> None:
    folder, result = tmp_path / "demo", tmp_path / "result.json"
    arguments = ("--once", "--pool", pool, "--folder", str(folder), "--json", str(result))
    with started(*arguments) as demo:
        printed, _ = demo.communicate(timeout=350)
    assert demo.returncode == 0, printed[-4000:]
    data: dict[str, Any] = json.loads(result.read_text())
    assert data["wrong"] == []
    assert data["audit"]["clean"] is True
    assert set(data["told"].values()) == {1}
    assert sum(row["late_count"] for row in data["statements"]) == 1
    assert sum(row["refunds_count"] for row in data["statements"]) == 1
    for receipt in data["receipts"]:
        assert Path(receipt["png"]).stat().st_size > 1000
        assert receipt["receipt_no"] in receipt["text"]
        assert receipt["text"].rstrip() in printed
    assert processes_of(folder) == []


def test_the_scripts_figures_are_those_of_the_printed_scenarios() -> None:
    from_reports = {
        ("guanghui", "A1"): (100, 71, 29, 0),
        ("guanghui", "A2"): (100, 100, 0, 260),
        ("yamen", "C1"): (15, 15, 0, 0),
        ("yamen", "C2"): (24, 24, 0, 0),
        ("wenhuajie", "E1"): (25, 25, 0, 0),
    }
    for (pool, name), figures in from_reports.items():
        steps = [x for x in SCRIPTS[pool].online if isinstance(x, Sale) and x.name == name]
        assert [(x.before, x.used, x.after, x.to_pay_fen) for x in steps] == [figures]
    refusals = [x for x in SCRIPTS["yamen"].online if isinstance(x, Refusal)]
    assert [x.says for x in refusals] == ["还差16积分"]


@pytest.mark.timeout(300)
def test_ctrl_c_leaves_no_process_behind(tmp_path: Path, cjk_font: Path) -> None:
    folder, output = tmp_path / "demo", tmp_path / "printed"
    with output.open("wb") as out:
        demo = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "demo",
                "--pool",
                "yamen",
                "--folder",
                str(folder),
                "--free-ports",
            ],
            stdout=out,
            stderr=out,
        )
    deadline_s = time.monotonic() + STARTS_WITHIN_S
    while "--help" not in output.read_text():  # the last line of what it says when it is ready
        assert demo.poll() is None, output.read_text()
        assert time.monotonic() < deadline_s, output.read_text()
        time.sleep(0.1)
    urls = re.findall(r"http://127\.0\.0\.1:\d+/[a-z]*/?", output.read_text())
    assert len(urls) >= 4
    for url in urls:
        assert urllib3.request("GET", url, timeout=5.0, retries=3).status == 200, url
    assert len(processes_of(folder)) >= 3
    demo.send_signal(signal.SIGINT)
    assert demo.wait(ENDS_WITHIN_S) == 0
    assert processes_of(folder) == []
