"""A sale that the server parks, from the page that sold it to the Z paper: real programs, real TCP."""

import json
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import urllib3

from tests.support.real_pool import Pool, Terminal
from tests.support.running_till import HEADERS

THREE_DAYS_S = 3 * 86_400
WAITS = "待处理的销售"


def page(terminal: Terminal, path: str) -> str:
    answer = urllib3.request(
        "GET", f"http://127.0.0.1:{terminal.port}{path}", retries=False, timeout=20
    )
    assert answer.status == 200
    return answer.data.decode()


def press(terminal: Terminal, path: str, **body: object) -> None:
    answer = urllib3.request(
        "POST",
        f"http://127.0.0.1:{terminal.port}{path}",
        body=json.dumps(body).encode(),
        headers=HEADERS,
        retries=False,
        timeout=20,
    )
    assert answer.status == 200, answer.data.decode()


def shift_papers(terminal: Terminal) -> list[str]:
    """What was given to the printer about shifts, in order."""
    with closing(sqlite3.connect(terminal.data / "terminal.db")) as database:
        rows = database.execute(
            "select document from print_job where kind = 'shift' order by job_no"
        ).fetchall()
    return [document.decode() for (document,) in rows]


def sell(terminal: Terminal, yuan: str) -> str:
    screen = terminal.ask("POST", "/api/amount", text=yuan)
    done = terminal.ask("POST", "/api/complete", sale_id=screen["sale_id"])["completed"]
    receipt_no: str = done["receipt_no"]
    return receipt_no


def test_a_parked_sale_is_on_both_pages_the_x_and_the_z(pool: Pool, tmp_path: Path) -> None:
    """The machine's clock was set to a day that has not come, while nobody could tell it."""
    terminal = pool.terminal("z1")
    offset = tmp_path / "offset"
    offset.write_text("0")
    with terminal.config.open("a") as config:
        config.write(f'clock = "simulated://{offset}"\n')
    terminal.start()
    booked = sell(terminal, "8.00")
    terminal.wait_until_told()
    terminal.program.end()
    pool.program.end(signal.SIGTERM)
    offset.write_text(f"{THREE_DAYS_S}")
    terminal.program.start()
    lost_in_time = sell(terminal, "5.00")
    pool.program.start()
    terminal.wait_until_told()
    assert set(pool.sales_of("z1")) == {booked}
    (waiting,) = pool.waiting("parked", "list")
    assert waiting["terminal"] == "z1"
    own = {each["receipt_no"]: each for each in terminal.ask("GET", "/api/sales")["sales"]}
    assert "待处理" in own[lost_in_time]["marks"]
    assert "还没有到" in own[lost_in_time]["says"]
    assert "待处理" not in own[booked]["marks"]
    for where in ("/more/shift", "/more/report"):
        shown = page(terminal, where)
        assert WAITS in shown, where
        assert "5.00" in shown[shown.index(WAITS) :][:400], where
    press(terminal, "/more/shift/x")
    press(
        terminal,
        "/more/shift/close",
        z_no="1",
        cash="13.00",
        wechat="",
        alipay="",
        other="",
        elsewhere=False,
    )
    x_paper, z_paper = shift_papers(terminal)
    assert "Z 报表" in z_paper
    for paper in (x_paper, z_paper):
        assert WAITS in paper
        assert "5.00" in paper[paper.index(WAITS) :][:400]
    terminal.program.end()
