"""``huidian-terminal prices`` beside a running till, and what the page's addresses refuse."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result

from config.terminal import TerminalSettings
from terminal.diagnostics.prices import prices_command
from terminal.domain.staff import Role
from tests.support.shop import Shop
from tests.support.till_web import app_of, served
from tests.unit.terminal.test_price_lists import SHOP, exported
from tests.unit.terminal.test_staff import OWNER


@pytest.fixture
def settings(shop: Shop, tmp_path: Path) -> Iterator[TerminalSettings]:
    shop.staff.add("店主", Role.OWNER, OWNER, None)
    with served(app_of(shop)) as url:
        port = urlsplit(url).port
        assert port is not None
        yield TerminalSettings(data_dir=tmp_path, server_url="http://127.0.0.1:1", listen_port=port)


def run(settings: TerminalSettings, *words: str, typed: str = "") -> Result:
    return CliRunner().invoke(prices_command, list(words), obj=settings, input=typed)


def test_a_list_is_looked_through_and_then_taken_over(
    shop: Shop, settings: TerminalSettings, tmp_path: Path
) -> None:
    file = tmp_path / "shop.csv"
    file.write_bytes((SHOP + "9,,=cmd,类,件,1.005,,\n").encode("gbk"))
    told = run(settings, "import", str(file))
    assert told.exit_code == 1
    assert "第 5 行 row 5 · 名称 · Name" in told.output
    assert "是公式 · This is a formula  =cmd" in told.output
    assert "4 行，不对 1" in told.output
    file.write_text(SHOP)
    assert "没有换上" in run(settings, "import", str(file)).output
    assert shop.prices.count() == 0
    wrong = run(settings, "import", str(file), "--apply", "--reason", "新价", typed="2580\n")
    assert (wrong.exit_code, "PIN 码不对" in wrong.output) == (1, True)
    taken = run(settings, "import", str(file), "--apply", typed=f"新价\n{OWNER}\n")
    assert taken.exit_code == 0, taken.output
    assert OWNER not in taken.output
    assert shop.prices.count() == 3


def test_the_list_goes_out_and_comes_in_again(
    shop: Shop, settings: TerminalSettings, tmp_path: Path
) -> None:
    before = tmp_path / "before.csv"
    before.write_text(SHOP)
    run(settings, "import", str(before), "--apply", "--reason", "开店", typed=f"{OWNER}\n")
    for name in ("out.csv", "out.xlsx"):
        out = tmp_path / name
        assert run(settings, "export", str(out)).exit_code == 0
        again = run(settings, "import", str(out), "--replace")
        assert "新 0，改 0，去掉 0" in again.output
    assert (tmp_path / "out.csv").read_bytes() == exported(shop)
    assert run(settings, "export", str(tmp_path / "out.pdf")).exit_code == 1


def test_without_a_running_till_it_says_what_to_do(tmp_path: Path) -> None:
    settings = TerminalSettings(data_dir=tmp_path, server_url="http://127.0.0.1:1", listen_port=1)
    told = run(settings, "export", str(tmp_path / "out.csv"))
    assert (told.exit_code, "终端没有运行" in told.output) == (1, True)


def test_a_file_comes_only_from_our_own_page_and_only_to_its_address(shop: Shop) -> None:
    client = app_of(shop).test_client()
    kind = "application/octet-stream"
    sent = client.post("/more/prices/check", data=SHOP.encode(), content_type=kind)
    assert sent.status_code == 403
    ours = {"X-Huidian": "1"}
    large = b"x" * 100_000
    assert client.post("/api/scan", data=large, headers=ours, content_type=kind).status_code == 413
    most = client.post(
        "/more/prices/check", data=b"x" * (8 * 1024 * 1024 + 1), headers=ours, content_type=kind
    )
    assert "文件太大" in most.get_json()["text"]
