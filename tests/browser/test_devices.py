"""The technician tests a printer in Debian's Chromium and keeps what came out."""

import os
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from drivers.registry import open_scanner
from drivers.simulated.printer import SimulatedPrinter
from drivers.simulated.scanner import SimulatedScanner
from terminal.app import create_app
from terminal.diagnostics.desk import PrinterDesk
from terminal.domain.changes import Changes, Surroundings
from terminal.domain.staff import Role
from terminal.workers.scanning import ScanRound
from tests.support.shop import NOON, Shop, slot_text
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
def scanner(tmp_path: Path) -> Iterator[SimulatedScanner]:
    with SimulatedScanner(tmp_path / "scanner", suffix=b"\r\n") as made:
        yield made


@pytest.fixture
def url(
    shop: Shop, simulated: SimulatedPrinter, scanner: SimulatedScanner, settings_file: Path
) -> Iterator[str]:
    scanner_url = f"scanner+serial://{scanner.path}?baud=9600"
    printer_url = f"escpos+tcp://127.0.0.1:{simulated.port}"
    desk = PrinterDesk(printer_url, scanner_url, settings_file, lambda: NOON)
    opened = open_scanner(scanner_url, utc_now=lambda: NOON)
    assert opened is not None
    turn = ScanRound(opened, shop.till, Surroundings(Changes()), desk.echo())
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            turn()

    thread = threading.Thread(target=read)
    thread.start()
    with served(create_app(desk_of(shop), desk)) as address:
        yield f"{address}/devices"
    done.set()
    thread.join()
    opened.close()


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


@pytest.mark.parametrize(("width", "height"), [(800, 480), (390, 844)])
def test_what_the_scanner_sends_is_shown_and_how_it_is_set_is_kept(
    page: Page,
    url: str,
    shop: Shop,
    scanner: SimulatedScanner,
    settings_file: Path,
    width: int,
    height: int,
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.goto(url)
    page.locator("#listen").click()
    expect(page.locator("#listen-says")).to_contain_text("请扫码，还有")
    before = shop.page.view()  # with the record that somebody listens
    scanner.scan("]E06901234567892")
    first = page.locator("#scans li").first
    expect(first).to_contain_text("6901234567892")
    expect(first).to_contain_text("标识 AIM ]E0 · 后缀 suffix CR LF")
    scanner.scan(slot_text())
    expect(page.locator("#scans li")).to_have_count(2)
    expect(first).to_contain_text("居民码")
    scanner.send(b"6901234567892")
    expect(page.locator("#scans li").first).to_contain_text("没有后缀：请把扫码枪设成加回车")
    keep(page, f"devices_scan_{width}")
    assert slot_text()[:12] not in page.content()
    page.locator("#unlisten").click()
    expect(page.locator("#listen")).to_be_visible()
    assert shop.page.view() == before  # nothing of it came to the till
    page.locator('#scanner input[name="prefix"]').fill("$")
    page.locator('#scanner input[name="baud"][value="115200"]').check()
    page.locator("#scanner button").click()
    expect(page.locator("#scanner-says")).to_contain_text("已写进设置")
    kept = tomllib.loads(settings_file.read_text(encoding="utf-8"))["scanner"]
    assert kept == f"scanner+serial://{scanner.path}?baud=115200&prefix=%24"
    expect(page.locator("#scanner-url")).to_have_text(kept)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_a_scanner_that_types_is_seen_with_its_suffix(page: Page, url: str) -> None:
    page.goto(url)
    page.locator("#typed").click()
    page.keyboard.type("6901234567892")
    page.keyboard.press("Enter")
    expect(page.locator("#typed-says")).to_contain_text("6901234567892 · 13 个字符")
    expect(page.locator("#typed-says")).to_contain_text("后缀 suffix Enter")
    page.keyboard.type("134567890123456789")
    page.keyboard.press("Tab")
    expect(page.locator("#typed-says")).to_contain_text("1345… · 18 个字符")
    expect(page.locator("#typed-says")).to_contain_text("后缀 suffix Tab")


def test_the_drawer_opens_with_a_pin_and_a_record(
    page: Page, url: str, shop: Shop, simulated: SimulatedPrinter
) -> None:
    page.goto(url)
    page.locator("#drawer #pin").fill("4719")
    page.locator("#drawer button").click()
    expect(page.locator("#drawer-says")).to_contain_text("店主")  # there is none yet
    assert simulated.drawer_pulses() == 0
    shop.staff.add("店主", Role.OWNER, "4719", None)
    page.locator("#drawer #pin").fill("4719")
    page.locator("#drawer button").click()
    expect(page.locator("#drawer-says")).to_contain_text("已叫钱箱打开")
    expect(page.locator("#drawer #pin")).to_have_value("")
    assert simulated.drawer_pulses() == 1
    assert shop.shifts.now().figures.drawer_openings == 1


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
    desk = PrinterDesk("none://", "none://", settings_file, lambda: NOON)
    client = create_app(desk_of(shop), desk).test_client()
    assert client.post("/devices/level", data="{}").status_code == 403
    headers = {"X-Huidian": "1"}
    assert client.post("/devices/level", json={"x": 1}, headers=headers).status_code == 400
    wrong = {"encoding": "big5", "columns": 32, "native_qr": True, "cutter": True}
    assert client.post("/devices/choice", json=wrong, headers=headers).status_code == 400
    assert client.post("/devices/level", json={}, headers=headers).status_code == 409


def test_a_drawer_that_hangs_on_no_printer_is_not_journalled(
    shop: Shop, settings_file: Path
) -> None:
    desk = PrinterDesk("none://", "none://", settings_file, lambda: NOON)
    client = create_app(desk_of(shop), desk).test_client()
    shop.staff.add("店主", Role.OWNER, "4719", None)
    answer = client.post("/devices/drawer", json={"pin": "4719"}, headers={"X-Huidian": "1"})
    assert answer.status_code == 409
    assert shop.shifts.now().figures.drawer_openings == 0
