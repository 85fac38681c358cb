"""What tests share: a throw-away PostgreSQL, Debian's Chromium, and honest skips.

A test whose system part is missing is skipped with a line at the very end that says how to get
it; with CI=true it fails instead.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg
import pytest
from playwright.sync_api import Browser, Page, Request, ViewportSize, sync_playwright

ROOT: Final = Path(__file__).resolve().parent.parent
ARTEFACTS: Final = ROOT / "test-artefacts"

POSTGRES_START_S: Final = 60
POSTGRES_STOP_S: Final = 30
POSTGRES_OPTIONS: Final = (
    "--listen_addresses= --fsync=off --full_page_writes=off --max_connections=60 "
    "--shared_buffers=32MB --timezone=UTC"
)
TILL_SCREEN: Final[ViewportSize] = {"width": 800, "height": 480}
CHROMIUM_ARGS: Final = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
FONTS: Final = (
    Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"),
    Path("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc"),
)

_skipped = pytest.StashKey[dict[str, int]]()
_failed = pytest.StashKey[bool]()
_SKIPPED_THERE: Final = "skipped_for_want_of_a_part"


@dataclass(frozen=True, slots=True)
class Part:
    """A system part that some tests need, and the Debian package that brings it."""

    name: str
    package: str
    found: Callable[[], Path | None]


def _find_chromium() -> Path | None:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    return Path(found) if found else None


def _find_postgres() -> Path | None:
    """The folder of the newest PostgreSQL server's programs."""
    versions = [folder for folder in Path("/usr/lib/postgresql").glob("*/bin") if folder.is_dir()]
    versions.sort(key=lambda folder: int(folder.parent.name))
    for folder in reversed(versions):
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def _find_strace() -> Path | None:
    found = shutil.which("strace")
    return Path(found) if found else None


def _find_font() -> Path | None:
    return next((file for file in FONTS if file.exists()), None)


def _find_atomic() -> Path | None:
    places = (*Path("/usr/lib").glob("*/libatomic.so.1"), Path("/usr/lib/libatomic.so.1"))
    return next((file for file in places if file.exists()), None)


def _find_zbar() -> Path | None:
    found = shutil.which("zbarimg")
    return Path(found) if found else None


CHROMIUM: Final = Part("Chromium", "chromium", _find_chromium)
# Playwright's driver is linked against it, and a bare Debian has none.
ATOMIC: Final = Part("libatomic", "libatomic1", _find_atomic)
POSTGRES: Final = Part("PostgreSQL", "postgresql", _find_postgres)
FONT: Final = Part("Chinese font", "fonts-wqy-zenhei", _find_font)
STRACE: Final = Part("strace", "strace", _find_strace)
ZBAR: Final = Part("zbar", "zbar-tools", _find_zbar)
PARTS_OF_MARK: Final = {"browser": (CHROMIUM, ATOMIC), "postgres": (POSTGRES,)}


def need(part: Part, config: pytest.Config) -> Path:
    """Where the part is; without it the test is skipped, or fails with CI=true."""
    found = part.found()
    if found is not None:
        return found
    reason = f"{part.name} is missing (Debian package {part.package})"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"{reason}; with CI=true nothing may be skipped for that", pytrace=False)
    counts = config.stash.setdefault(_skipped, {})
    counts[part.package] = counts.get(part.package, 0) + 1
    pytest.skip(reason)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cuts",
        type=int,
        default=100,
        help="how often the programs are killed (tests/simulation/test_crash_torture.py)",
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark, parts in PARTS_OF_MARK.items():
        if item.get_closest_marker(mark) is not None:
            for part in parts:
                need(part, item.config)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if call.when == "call" and call.excinfo is not None:
        item.stash[_failed] = True
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """One of several processes hands what it skipped to the one that prints."""
    handed_over = getattr(session.config, "workeroutput", None)
    if handed_over is not None:
        handed_over[_SKIPPED_THERE] = session.config.stash.get(_skipped, {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Adds up what the processes skipped; one that broke down has told nothing."""
    counts = node.config.stash.setdefault(_skipped, {})
    for package, count in getattr(node, "workeroutput", {}).get(_SKIPPED_THERE, {}).items():
        counts[package] = counts.get(package, 0) + count


def pytest_unconfigure(config: pytest.Config) -> None:
    """After pytest's own closing line, so that nobody overlooks it."""
    if hasattr(config, "workeroutput"):
        return
    counts = config.stash.get(_skipped, {})
    if counts:
        total = sum(counts.values())
        packages = " ".join(sorted(counts))
        config.get_terminal_writer().line(
            f"跳过 {total} 项测试 · {total} skipped for want of a system part; "
            f"get it: apt-get install {packages}"
        )


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """Where screenshots and other pictures for people go; not in git."""
    ARTEFACTS.mkdir(exist_ok=True)
    return ARTEFACTS


@pytest.fixture(scope="session")
def cjk_font(pytestconfig: pytest.Config) -> Path:
    """A font file with Chinese characters."""
    return need(FONT, pytestconfig)


@pytest.fixture(scope="session")
def zbarimg(pytestconfig: pytest.Config) -> Path:
    """The program that reads QR codes with zbar."""
    return need(ZBAR, pytestconfig)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running PostgreSQL of our own, reached through a socket in its folder."""

    folder: Path

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}"

    def run(self, statement: str) -> None:
        """Runs one statement outside a transaction, as CREATE DATABASE asks for."""
        with psycopg.connect(
            host=str(self.folder), user="postgres", dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(statement.encode())


@pytest.fixture(scope="session")
def postgres_cluster(pytestconfig: pytest.Config) -> Iterator[Cluster]:
    programs = need(POSTGRES, pytestconfig)
    folder = Path(tempfile.mkdtemp(prefix="huidian-pg-"))
    # PostgreSQL refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    if user is not None:
        shutil.chown(folder, user, user)
    try:
        initdb = "initdb -D data -U postgres -A trust --locale=C.UTF-8 --encoding=UTF8 --no-sync"
        _start(programs, initdb, folder, user).wait(POSTGRES_START_S)
        # The folder is ours alone, so the socket in it needs no password and no port.
        server = _start(programs, f"postgres -D data -k {folder} {POSTGRES_OPTIONS}", folder, user)
        try:
            cluster = Cluster(folder)
            _wait_until_up(cluster, server)
            yield cluster
        finally:
            server.send_signal(signal.SIGINT)  # "fast" shutdown: does not wait for clients
            server.wait(POSTGRES_STOP_S)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(programs: Path, command: str, folder: Path, user: str | None) -> subprocess.Popen[bytes]:
    program, *arguments = command.split()
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [programs / program, *arguments],
            user=user,
            group=user,
            extra_groups=[] if user else None,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def _wait_until_up(cluster: Cluster, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + POSTGRES_START_S
    while True:
        try:
            cluster.run("SELECT 1")
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                log = (cluster.folder / "log").read_text(errors="replace")
                pytest.fail(f"PostgreSQL did not start:\n{log}", pytrace=False)
            time.sleep(0.05)
        else:
            return


@pytest.fixture(scope="session")
def strace_path(pytestconfig: pytest.Config) -> Path:
    """The program that shows what a process asks of the system."""
    return need(STRACE, pytestconfig)


@pytest.fixture
def postgres_url(postgres_cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """SQLAlchemy URL of a fresh, empty database on a real PostgreSQL; dropped afterwards."""
    database = f"test_{time.monotonic_ns()}"
    postgres_cluster.run(f"CREATE DATABASE {database}")
    yield postgres_cluster.url(database)
    postgres_cluster.run(f"DROP DATABASE {database} WITH (FORCE)")


@pytest.fixture(scope="session")
def chromium_path(pytestconfig: pytest.Config) -> Path:
    need(ATOMIC, pytestconfig)
    return need(CHROMIUM, pytestconfig)


@pytest.fixture(scope="session")
def browser(chromium_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Debian's Chromium, driven by playwright; needs no usable home folder."""
    home = tmp_path_factory.mktemp("chromium-home")
    args = list(CHROMIUM_ARGS)
    if os.geteuid() == 0:
        args.append("--no-sandbox")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=chromium_path, args=args, env={**os.environ, "HOME": str(home)}
        )
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, artefacts: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A fresh page at the till's size, with touch, in Chinese.

    Another size: `@pytest.mark.parametrize("page", [{"width": 1280, "height": 720}],
    indirect=True)`. A failed test leaves its last screen in test-artefacts/. The test also fails
    if the page raised an error of its own or called any address outside this machine.
    """
    viewport: ViewportSize = getattr(request, "param", TILL_SCREEN)
    context = browser.new_context(
        viewport=viewport, locale="zh-CN", timezone_id="Asia/Shanghai", has_touch=True
    )
    context.set_default_timeout(15_000)
    troubles: list[str] = []

    def watch(sent: Request) -> None:
        if urlsplit(sent.url).hostname not in {None, "127.0.0.1", "localhost"}:
            troubles.append(f"called {sent.url}")

    context.on("request", watch)
    opened = context.new_page()
    opened.on("pageerror", lambda error: troubles.append(f"error on the page: {error}"))
    try:
        yield opened
        if request.node.stash.get(_failed, False):
            name = "".join(sign if sign.isalnum() else "-" for sign in request.node.name)
            opened.screenshot(path=artefacts / f"failed-{name[:80]}.png")
    finally:
        context.close()
    assert not troubles
