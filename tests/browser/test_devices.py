"""The technician tests a printer in Debian's Chromium and keeps what came out."""

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from drivers.simulated.printer import SimulatedPrinter
from terminal.app import create_app
from terminal.diagnostics.desk import PrinterDesk
from tests.support.shop import NOON, Shop
from tests.support.till_web import desk_of, served

pytestmark = pytest.mark.browser


@pytest.fixture
def simulated(tmp_path: Path) -> Iterator[SimulatedPrinter]:
    with SimulatedPrinter(tmp_path / "paper") as made:
        yield made


@pytest.fixture
def settings_file(tmp_path: Path, simulated: SimulatedPrinter) -> Path:
    file = tmp_path / "terminal.toml"
    url = f"escpos+tcp://127.0.0.1:{simulated.port}"
    file.write_text(f'# 一号店\ndata_dir = "x"\nprinter = "{url}"\n', encoding="utf-8")
    return file


@pytest.fixture
def url(shop: Shop, simulated: SimulatedPrinter, settings_file: Path) -> Iterator[str]:
    desk = PrinterDesk(f"escpos+tcp://127.0.0.1:{simulated.port}", settings_file, lambda: NOON)
    with served(create_app(desk_of(shop), desk)) as address:
        yield f"{address}/devices"


def keep(page: Page, name: str) -> None:
    folder = os.environ.get("HUIDIAN_PICTURES")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.mark.parametrize(("width", "height"), [(800, 480), (390, 844)])
def test_a_printer_is_tested_and_the_choice_is_kept(
    page: Page, url: str, simulated: SimulatedPrinter, settings_file: Path, width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.goto(url)
    page.locator("#level").click()
    expect(page.locator("#level-says")).to_contain_text("打完会回报（最好）")
    page.locator("#papers").click()
    expect(page.locator("#papers-says")).to_contain_text("已打印，请看纸", timeout=20_000)
    for name, value in (
        ("columns", "32"),
        ("encoding", "gbk"),
        ("native_qr", "yes"),
        ("cutter", ""),
    ):
        page.locator(f'input[name="{name}"][value="{value}"]').check()
    page.locator("#choice button").click()
    expect(page.locator("#choice-says")).to_contain_text("已写进设置", timeout=20_000)
    keep(page, f"devices_{width}")
    kept = tomllib.loads(settings_file.read_text(encoding="utf-8"))["printer"]
    assert kept.endswith("?encoding=gbk&columns=32&qr=native&cutter=no&status=process_id")
    expect(page.locator("#url")).to_have_text(kept)
    papers = []
    while (paper := simulated.wait_for_paper(0.5)) is not None:
        papers.append(paper.text)
    assert "打印机自检" in papers[0]
    assert "已选定" in papers[-1]
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0


def test_a_printer_without_paper_is_told_with_what_to_do(
    page: Page, url: str, simulated: SimulatedPrinter, settings_file: Path
) -> None:
    simulated.set_paper_out(out=True)
    before = settings_file.read_text(encoding="utf-8")
    page.goto(url)
    page.locator("#level").click()
    expect(page.locator("#level-says")).to_have_text("打印机缺纸，请装纸")
    page.locator("#papers").click()
    expect(page.locator("#papers-says")).to_contain_text("打印机缺纸，请装纸")
    expect(page.locator("#papers-says")).to_have_attribute("data-good", "false")
    assert settings_file.read_text(encoding="utf-8") == before


def test_a_settings_file_that_cannot_be_written_is_told(
    page: Page, url: str, settings_file: Path
) -> None:
    settings_file.unlink()
    page.goto(url)
    for name, value in (
        ("columns", "48"),
        ("encoding", "utf8"),
        ("native_qr", ""),
        ("cutter", "yes"),
    ):
        page.locator(f'input[name="{name}"][value="{value}"]').check()
    page.locator("#choice button").click()
    expect(page.locator("#choice-says")).to_contain_text(
        "encoding=utf8&columns=48&qr=image&cutter=yes", timeout=20_000
    )
    expect(page.locator("#choice-says")).to_contain_text("请手工写入")


def test_another_page_can_press_nothing(shop: Shop, settings_file: Path) -> None:
    desk = PrinterDesk("none://", settings_file, lambda: NOON)
    client = create_app(desk_of(shop), desk).test_client()
    assert client.post("/devices/level", data="{}").status_code == 403
    headers = {"X-Huidian": "1"}
    assert client.post("/devices/level", json={"x": 1}, headers=headers).status_code == 400
    wrong = {"encoding": "big5", "columns": 32, "native_qr": True, "cutter": True}
    assert client.post("/devices/choice", json=wrong, headers=headers).status_code == 400
    assert client.post("/devices/level", json={}, headers=headers).status_code == 409
