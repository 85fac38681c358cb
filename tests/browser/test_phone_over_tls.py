"""The residents' page under a name of its own: through TLS it is whole, without it says why not."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect

from protocol.codes import ShowCode, read_code
from protocol.evidence import ShowEvidence
from protocol.messages import Approved
from server.directory import SignInRole
from server.directory.commands import RegisterSignIn
from tests.browser.conftest import PHONE
from tests.browser.test_phone_page import DIGITS, enrolled, read_from
from tests.support.serving import listening
from tests.unit.server.world import World

pytestmark = pytest.mark.browser
NAME = "points.example"
LYING: ViewportSize = {"width": 800, "height": 480}


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate that the pool's name signed for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, SHA256())
    )
    files = tmp_path / "tls.pem", tmp_path / "tls.key"
    files[0].write_bytes(made.public_bytes(Encoding.PEM))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    files[1].write_bytes(pem)
    return files


@pytest.fixture
def outside(browser: Browser, chromium_path: Path, tmp_path: Path) -> Iterator[BrowserContext]:
    """A phone for which the pool's server has a name, as in the town: for 127.0.0.1 a browser
    makes exceptions. It takes any certificate.
    """
    args = ["--ignore-certificate-errors", f"--host-resolver-rules=MAP {NAME} 127.0.0.1"]
    chromium = browser.browser_type.launch(
        executable_path=chromium_path,
        args=[*args, "--no-sandbox"] if os.geteuid() == 0 else args,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    yield chromium.new_context(viewport=PHONE, device_scale_factor=2, locale="zh-CN")
    chromium.close()


@pytest.fixture
def town(world: World) -> World:
    """The pool's server answers to its name, and its cookies need https."""
    world.names = (NAME,)
    world.serve(world.engine)
    return world


def named(url: str) -> str:
    return url.replace("127.0.0.1", NAME)


def test_through_tls_the_page_registers_works_in_flight_mode_and_its_code_pays(
    outside: BrowserContext, town: World, certificate: tuple[Path, Path]
) -> None:
    with listening(town.app, certificate) as url:
        page = enrolled(outside, town, f"{named(url)}/phone/")
        assert page.url.startswith(f"https://{NAME}:")
        assert page.evaluate("[isSecureContext, location.protocol]") == [True, "https:"]
        scope = page.evaluate("async () => (await navigator.serviceWorker.ready).scope")
        assert scope == f"{named(url)}/phone/"
        assert page.evaluate("async () => 'mediaDevices' in navigator")
    # The server is gone, not only the network: what opens is what the service worker kept.
    page.reload()
    expect(page.locator("#code")).to_have_attribute("data-digits", DIGITS)
    code = read_code(read_from(page.screenshot()))
    assert isinstance(code, ShowCode)
    town.clock.now = datetime.now(UTC)
    shown = ShowEvidence(payload_hex=code.payload.hex())
    assert isinstance(town.till().authorise(town.sale_id(), shown, optional=50), Approved)


def signs_in(page: Page, url: str) -> None:
    page.goto(f"{named(url)}/console/cards")
    page.fill("#user", "jiedao")
    page.fill("#password", "uncommon-words")
    page.click("button.go")


def test_a_cookie_of_the_pages_goes_through_tls_alone(
    outside: BrowserContext, town: World, certificate: tuple[Path, Path]
) -> None:
    hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("uncommon-words")
    town.do(
        RegisterSignIn(user="jiedao", role=SignInRole.OPERATOR, merchant=None, password_hash=hashed)
    )
    page = outside.new_page()
    with listening(town.app, certificate) as url:
        signs_in(page, url)
        expect(page.locator("#password")).to_have_count(0)
        cookies = outside.cookies()
        assert cookies
        assert all(each.get("secure") and each.get("httpOnly") for each in cookies)
        # A later visit without TLS, to the same name: the browser keeps the cookie to itself.
        with listening(town.app) as plain:
            sent: list[dict[str, str]] = []
            page.on("request", lambda request: sent.append(request.all_headers()))
            page.goto(f"{named(plain)}/console/cards")
            expect(page.locator("#password")).to_be_visible()
            assert sent
            assert not any("cookie" in each for each in sent)


@pytest.mark.parametrize("size", [PHONE, LYING], ids=["upright", "lying"])
def test_without_tls_the_page_says_in_both_languages_that_it_needs_it(
    outside: BrowserContext, town: World, size: ViewportSize, artefacts: Path
) -> None:
    page = outside.new_page()
    page.on("pageerror", lambda error: pytest.fail(f"the page has a fault: {error}"))
    page.set_viewport_size(size)
    with listening(town.app) as url:
        page.goto(f"{named(url)}/phone/")
        notice = page.locator("#notice")
        for words in ("请把地址开头改成 https:// 再打开", "Open it with https://"):
            expect(notice).to_contain_text(words)
            expect(notice).to_be_in_viewport(ratio=1)
            # No form that could only fail, and nothing that looks as if it worked.
            for part in ("#enrol", "#tabs", "#show"):
                expect(page.locator(part)).to_be_hidden()
            page.screenshot(path=artefacts / f"phone-http-{size['width']}-{words[:2]}.png")
            page.click("#language")
        page.goto(f"{named(url)}/r")
        for words in ("请用 https:// 打开本页", "Open this page with https://"):
            page.click("#scan-paper")
            expect(page.locator("#notice")).to_contain_text(words)
            # Typing needs no camera: that much works.
            expect(page.locator("#typed")).to_be_visible()
            page.screenshot(path=artefacts / f"receipt-http-{size['width']}-{words[:2]}.png")
            page.click("#language")
