"""The self-test as a technician runs it, against the simulated printer over TCP."""

import contextlib
import itertools
import threading
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from drivers.cells import cells
from drivers.fonts import find_cjk_font
from drivers.ports import StatusLevel
from drivers.simulated.printer import SimulatedPrinter
from drivers.simulated.scanner import SimulatedScanner
from terminal.bootstrap import cli
from terminal.diagnostics import print_test
from terminal.diagnostics.sample_papers import ENCODING_LINE, RULERS, ruler

WAIT_S = 10.0
CHOSEN = ["--encoding", "gbk", "--columns", "32", "--qr", "native", "--cutter", "yes"]


@pytest.fixture
def simulated(tmp_path: Path) -> Iterator[SimulatedPrinter]:
    with SimulatedPrinter(tmp_path / "paper", dots=576) as made:
        yield made


@pytest.fixture
def config(tmp_path: Path, simulated: SimulatedPrinter) -> Path:
    file = tmp_path / "terminal.toml"
    file.write_text(
        f'# 一号店\ndata_dir = "{tmp_path}"\n'
        f'printer = "escpos+tcp://127.0.0.1:{simulated.port}"  # 前台\n',
        encoding="utf-8",
    )
    return file


def run(config: Path, *arguments: str, said: str = "") -> Result:
    return CliRunner().invoke(cli, ["--config", str(config), "print-test", *arguments], input=said)


@pytest.fixture
def scanner(tmp_path: Path, config: Path) -> Iterator[SimulatedScanner]:
    with SimulatedScanner(tmp_path / "scanner", suffix=b"\r\n") as made:
        text = config.read_text(encoding="utf-8")
        text += f'scanner = "scanner+serial://{made.path}?baud=115200"  # 柜台\n'
        config.write_text(text, encoding="utf-8")
        yield made


@contextlib.contextmanager
def scanning(scanner: SimulatedScanner, codes: Sequence[str]) -> Iterator[None]:
    """Hold codes in front of it, one after the other, whether somebody reads or not."""
    done = threading.Event()

    def run_through() -> None:
        for code in itertools.cycle(codes):
            if done.wait(0.5):
                return
            scanner.scan(code)

    thread = threading.Thread(target=run_through)
    thread.start()
    yield
    done.set()
    thread.join()


def test_what_the_scanner_sends_is_shown_and_its_prefix_is_kept(
    config: Path, scanner: SimulatedScanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(print_test, "MOST_SCANS", 2)
    with scanning(scanner, ["$]E06901234567892", "$134567890123456789"]):
        result = run(config, *CHOSEN, "--scan", "--scan-prefix", "$", "--write")
    assert result.exit_code == 0, result.output
    assert "6901234567892  商品条码" in result.output
    assert "前缀 prefix $ · 标识 AIM ]E0 · 后缀 suffix CR LF" in result.output
    assert "134567890123456789" not in result.output  # somebody's money
    assert "付款码" in result.output
    text = config.read_text(encoding="utf-8")
    assert tomllib.loads(text)["scanner"].endswith("?baud=115200&prefix=%24")
    assert "# 柜台" in text


def test_a_scanner_that_sends_nothing_is_told(
    config: Path, scanner: SimulatedScanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(print_test, "SCAN_WAIT_S", 0.3)
    before = tomllib.loads(config.read_text(encoding="utf-8"))["scanner"]
    scanner.unplug()
    result = run(config, *CHOSEN, "--scan", "--write")
    assert "没有扫到（absent）" in result.output
    assert tomllib.loads(config.read_text(encoding="utf-8"))["scanner"] == before


def test_a_ruler_is_as_long_as_it_says() -> None:
    for columns in RULERS:
        assert cells(ruler(columns)) == columns
        assert ruler(columns).endswith(f"{columns}|")


@pytest.mark.skipif(find_cjk_font() is None, reason="no font: apt-get install fonts-wqy-zenhei")
def test_the_paper_has_all_that_a_person_must_look_at(
    config: Path, simulated: SimulatedPrinter
) -> None:
    result = run(config, *CHOSEN, "--drawer", "--no-write")
    assert result.exit_code == 0, result.output
    papers = []
    while (paper := simulated.wait_for_paper(0.5)) is not None:
        papers.append(paper)
    text = "".join(paper.text for paper in papers)
    assert [ruler(columns) in text for columns in RULERS] == [True] * 3
    assert text.count(ENCODING_LINE) == 3  # as GBK, as UTF-8, and on the paper of the choice
    assert "[图像" in text  # the third encoding is a picture
    assert "process_id" in text
    assert [qr for paper in papers for qr in paper.qr_texts] == ["HUIDIAN TEST"]
    assert all(paper.warnings == () for paper in papers)
    assert simulated.drawer_pulses() == 1


def test_what_is_answered_is_written_into_the_settings(config: Path) -> None:
    result = run(config, "--write", said="1\n3\ny\nn\n")
    assert result.exit_code == 0, result.output
    text = config.read_text(encoding="utf-8")
    url = tomllib.loads(text)["printer"]
    assert url.endswith("?encoding=gbk&columns=48&qr=native&cutter=no&status=process_id")
    assert "# 前台" in text
    assert "# 一号店" in text
    assert "已写入" in result.output


@pytest.mark.parametrize(
    ("level", "says"),
    [(StatusLevel.IN_ORDER, "会回报"), (StatusLevel.MUTE, "什么也不回报")],
)
def test_the_level_is_told_in_words(tmp_path: Path, level: StatusLevel, says: str) -> None:
    with SimulatedPrinter(tmp_path / "paper", level=level) as simulated:
        file = tmp_path / "terminal.toml"
        file.write_text(f'data_dir = "{tmp_path}"\n', encoding="utf-8")
        url = f"escpos+tcp://127.0.0.1:{simulated.port}"
        result = run(file, "--printer", url, *CHOSEN, "--no-write")
    assert result.exit_code == 0, result.output
    assert says in result.output
    assert f"status={level}" in result.output


def test_a_printer_without_paper_is_told_and_nothing_is_printed(
    config: Path, simulated: SimulatedPrinter
) -> None:
    simulated.set_paper_out(out=True)
    result = run(config, *CHOSEN)
    assert result.exit_code == 1
    assert "打印机现在不能用" in result.output
    assert simulated.wait_for_paper(0.3) is None


@pytest.mark.parametrize("url", ["none://", "escpos+tcp://", "usb://x"])
def test_a_wrong_address_is_told(config: Path, url: str) -> None:
    result = run(config, "--printer", url)
    assert result.exit_code == 1
    assert "设备地址不对" in result.output
