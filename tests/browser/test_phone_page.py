"""The resident's page in Chromium: enrols, goes offline, shows and confirms."""

import base64
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
import qrcode
import qrcode.constants
import qrcode.util
import zxingcpp
from PIL import Image, ImageFilter
from playwright.sync_api import Browser, BrowserContext, Page, expect

from protocol.codes import ShowCode, SlotCode, read_code, to_digits, verify_code
from protocol.codes.phone import ConfirmCode
from protocol.evidence import ConfirmEvidence, ShowEvidence
from protocol.messages import Approved
from server.directory import issuer_keys
from server.directory.enrolment import shown_code
from server.directory.phones import EndPhone
from tests.browser.conftest import PHONE
from tests.support.phones import challenge_of, invite_phone
from tests.unit.server.world import LIU, ZHANG, World, money_line, sold

pytestmark = pytest.mark.browser
DIGITS = re.compile(r"^\d{100,}$")


def enrolled(context: BrowserContext, world: World, address: str, account: str = ZHANG) -> Page:
    page = context.new_page()
    page.on("pageerror", lambda error: pytest.fail(f"the page has a fault: {error}"))
    page.goto(address)
    page.fill("#enrol-code", shown_code(invite_phone(world, account)).lower())
    page.click("#enrol button")
    expect(page.locator("#show")).to_be_visible()
    expect(page.locator("#code")).to_have_attribute("data-digits", DIGITS)
    page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
    return page


def read_from(shot: bytes) -> str:
    found = zxingcpp.read_barcodes(Image.open(BytesIO(shot)))
    assert len(found) == 1
    return found[0].text


def test_a_phone_enrols_goes_offline_and_its_code_is_taken(
    context: BrowserContext, world: World, address: str, tmp_path: Path
) -> None:
    page = enrolled(context, world, address)
    expect(page.locator("#balance")).to_have_text("1000")
    expect(page.locator("#name")).to_have_text("张**")
    page.screenshot(path=tmp_path / "phone-show.png")
    context.set_offline(True)
    page.reload()  # flight mode: the page itself comes from what is kept
    expect(page.locator("#code")).to_have_attribute("data-digits", DIGITS)
    code = read_code(read_from(page.screenshot(path=tmp_path / "phone-offline.png")))
    assert isinstance(code, ShowCode)
    keys = world.read(lambda tx: issuer_keys(tx, world.pool))
    assert verify_code(code, keys, world.keys.tag, datetime.now(UTC)) is None
    first = code.counter
    page.click("#renew")
    shown = to_digits(code.payload)
    expect(page.locator("#code")).not_to_have_attribute("data-digits", shown)
    code = read_code(read_from(page.screenshot()))
    assert isinstance(code, ShowCode)
    assert code.counter > first
    world.clock.now = datetime.now(UTC)
    till = world.till()
    evidence = ShowEvidence(payload_hex=code.payload.hex())
    assert isinstance(till.authorise(world.sale_id(), evidence, optional=50), Approved)


def test_the_key_cannot_be_read_not_even_by_the_page(
    context: BrowserContext, world: World, address: str
) -> None:
    page = enrolled(context, world, address)
    found = page.evaluate(
        """async () => {
          const { load } = await import("/phone/store.js");
          const { key } = await load("phone");
          const tried = await crypto.subtle.exportKey("pkcs8", key.pair.privateKey)
            .then(() => "read", (error) => error.name);
          return [key.algorithm, key.pair.privateKey.extractable, tried];
        }"""
    )
    assert found == ["ed25519", False, "InvalidAccessError"]


def test_a_browser_without_ed25519_makes_a_key_of_the_other_kind_and_checks_all_the_same(
    context: BrowserContext, world: World, address: str
) -> None:
    context.add_init_script(
        """for (const name of ["generateKey", "importKey"]) {
          const real = crypto.subtle[name].bind(crypto.subtle);
          crypto.subtle[name] = (...all) =>
            JSON.stringify(all).includes("Ed25519")
              ? Promise.reject(new DOMException("no", "NotSupportedError"))
              : real(...all);
        }"""
    )
    page = enrolled(context, world, address)
    code = read_code(read_from(page.screenshot()))
    assert isinstance(code, ShowCode)
    assert code.payload[0] == 0x15
    keys = world.read(lambda tx: issuer_keys(tx, world.pool))
    assert verify_code(code, keys, world.keys.tag, datetime.now(UTC)) is None
    challenge = challenge_of(world.till(), world.sale_id(), 800)
    read = """async (digits) => {
      const { readChallenge } = await import("/phone/codes.js");
      const { load } = await import("/phone/store.js");
      const read = await readChallenge(digits, await load("phone"));
      return read && [read.shop, read.points];
    }"""
    assert page.evaluate(read, to_digits(challenge)) == ["门店shop-a", 800]
    for place in range(0, len(challenge) * 8, 97):
        flipped = bytearray(challenge)
        flipped[place // 8] ^= 1 << place % 8
        assert page.evaluate(read, to_digits(bytes(flipped))) is None, place


# The camera is Chromium's own, fed from a file; only the engine that finds codes in its pictures
# is zxing's instead of the phone maker's.
DETECTOR = """
window.BarcodeDetector = class {
  static async getSupportedFormats() { return ["qr_code"]; }
  async detect(video) {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    if (!canvas.width) return [];
    canvas.getContext("2d").drawImage(video, 0, 0);
    return (await window.zxing(canvas.toDataURL())).map((rawValue) => ({ rawValue }));
  }
};
"""
CAMERA_SIZE = (1280, 720)


def zxing(data_url: str) -> list[str]:
    raw = base64.b64decode(data_url.partition(",")[2])
    return [found.text for found in zxingcpp.read_barcodes(Image.open(BytesIO(raw)))]


def film(path: Path, digits: str) -> None:
    """A till's screen before a camera, as raw video: one grey picture for each frame."""
    matrix = qr_svg_rows(digits)
    code = Image.new("L", (len(matrix), len(matrix)), 255)
    for y, row in enumerate(matrix):
        for x, dark in enumerate(row):
            code.putpixel((x, y), 0 if dark else 255)
    side = len(matrix) * 9
    picture = Image.new("L", CAMERA_SIZE, 90)
    picture.paste(code.resize((side, side), Image.Resampling.NEAREST), (320, 60))
    picture = picture.rotate(3, fillcolor=90).filter(ImageFilter.GaussianBlur(1.2))
    width, height = CAMERA_SIZE
    colour = b"\x80" * (width * height // 2)
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F10:1 Ip A1:1 C420mpeg2\n".encode())
        for _ in range(5):
            file.write(b"FRAME\n" + picture.tobytes() + colour)


def qr_svg_rows(digits: str) -> list[list[bool]]:
    code = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_L, border=4)
    code.add_data(qrcode.util.QRData(digits, mode=qrcode.util.MODE_NUMBER))
    return [[bool(dark) for dark in row] for row in code.get_matrix()]


def agreed(page: Page, challenge: bytes) -> ConfirmEvidence:
    """The resident presses yes to ``challenge``; the answer as a till reads it off the phone."""
    page.click("#yes")
    expect(page.locator("#answer-code")).to_have_attribute("data-digits", DIGITS)
    answer = read_code(read_from(page.screenshot()))
    assert isinstance(answer, ConfirmCode)
    certificate = page.evaluate(
        'async () => (await (await import("/phone/store.js")).load("phone")).certificate'
    )
    return ConfirmEvidence(
        certificate_hex=certificate,
        challenge_hex=challenge.hex(),
        answer_hex=answer.payload.hex(),
    )


@contextmanager
def seeing(browser: Browser, chromium_path: Path, video: Path) -> Iterator[BrowserContext]:
    """A phone whose camera sees a film."""
    args = [
        "--no-sandbox",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={video}",
    ]
    home: dict[str, str | float | bool] = {**os.environ, "HOME": str(video.parent)}
    chromium = browser.browser_type.launch(executable_path=chromium_path, args=args, env=home)
    context = chromium.new_context(viewport=PHONE, device_scale_factor=2, locale="zh-CN")
    context.expose_function("zxing", zxing)
    context.add_init_script(DETECTOR)
    yield context
    chromium.close()


def test_the_confirm_dance_with_no_network_on_either_side(
    browser: Browser, chromium_path: Path, world: World, address: str, tmp_path: Path
) -> None:
    till, sale_id = world.till(), world.sale_id()
    challenge = challenge_of(till, sale_id, 800)
    film(tmp_path / "till.y4m", to_digits(challenge))
    with seeing(browser, chromium_path, tmp_path / "till.y4m") as context:
        page = enrolled(context, world, address)
        context.set_offline(True)
        # A phone that has lost the time confirms all the same: nothing in it asks for the clock.
        page.clock.set_system_time(datetime(2001, 1, 1, tzinfo=UTC))
        page.click("#tab-confirm")
        expect(page.locator("#ask-shop")).to_have_text("门店shop-a", timeout=20_000)
        expect(page.locator("#ask-points")).to_have_text("800 积分")
        page.screenshot(path=tmp_path / "phone-ask.png")
        yes = agreed(page, challenge)
    answered = till.authorise(sale_id, yes, optional=800)
    assert isinstance(answered, Approved)
    assert answered.points == 800


def test_a_question_that_no_terminal_of_the_pool_asks_is_not_put_to_the_resident(
    browser: Browser, chromium_path: Path, world: World, address: str, tmp_path: Path
) -> None:
    forged = bytearray(challenge_of(world.till(), world.sale_id(), 80))
    forged[147] ^= 64  # the points
    film(tmp_path / "till.y4m", to_digits(bytes(forged)))
    with seeing(browser, chromium_path, tmp_path / "till.y4m") as context:
        page = enrolled(context, world, address)
        page.click("#tab-confirm")
        expect(page.locator("#notice")).to_contain_text("请不要确认", timeout=20_000)
        expect(page.locator("#ask")).to_be_hidden()
        page.screenshot(path=tmp_path / "phone-scan.png")


def test_a_phone_that_was_ended_says_so_and_forgets(
    context: BrowserContext, world: World, address: str, tmp_path: Path
) -> None:
    page = enrolled(context, world, address)
    page.click("#tab-record")
    expect(page.locator("#lines li")).to_have_count(10)
    expect(page.locator("#lines b").first).to_have_text(re.compile(r"^[+-]?\d+ 积分$"))
    page.screenshot(path=tmp_path / "phone-record.png")
    page.click("#language")
    expect(page.locator("#tab-record")).to_have_text("Record")
    expect(page.locator("#lines b").first).to_have_text(re.compile(r"^[+-]?\d+ points$"))
    page.screenshot(path=tmp_path / "phone-record-en.png")
    world.do(EndPhone(account=ZHANG, reason="遗失"))
    page.reload()
    expect(page.locator("#enrol")).to_be_visible()
    expect(page.locator("#notice")).to_contain_text("the code of this phone is stopped")
    page.screenshot(path=tmp_path / "phone-ended.png")


def test_what_was_used_beyond_the_balance_stands_on_the_page(
    context: BrowserContext, world: World, address: str, tmp_path: Path
) -> None:
    page = enrolled(context, world, address, LIU)
    expect(page.locator("#overdraft")).to_be_hidden()
    day = (world.clock.now + timedelta(hours=8)).date()  # the shop's, in Shanghai
    beyond = sold(world, money_line("套餐", 800), points=80, account=LIU, day=day)
    assert world.till().outcome(beyond).overdraft_points == 80
    page.reload()
    expect(page.locator("#overdraft")).to_have_text("断网时多用了 80 积分，以后得到的先补上。")
    expect(page.locator("#owed")).to_be_hidden()
    page.screenshot(path=tmp_path / "phone-overdraft.png")
    page.click("#language")
    expect(page.locator("#overdraft")).to_contain_text("80 points used offline beyond your balance")
    page.set_viewport_size({"width": 800, "height": 480})
    expect(page.locator("#as-of")).to_be_in_viewport(ratio=1)
    page.screenshot(path=tmp_path / "phone-overdraft-en.png")


def test_when_the_key_is_lost_a_slot_is_shown(
    context: BrowserContext, world: World, address: str, tmp_path: Path
) -> None:
    page = enrolled(context, world, address)
    page.evaluate("indexedDB.deleteDatabase('huidian-phone')")
    context.set_offline(True)
    page.reload()
    expect(page.locator("#slot-text")).to_be_visible()
    digits = read_from(page.screenshot(path=tmp_path / "phone-slot.png", full_page=True))
    code = read_code(digits)
    keys = world.read(lambda tx: issuer_keys(tx, world.pool))
    assert verify_code(code, keys, world.keys.tag, datetime.now(UTC)) is None  # type: ignore[arg-type] # a slot


def test_everything_that_the_page_needs_comes_from_its_own_server(
    context: BrowserContext, world: World, address: str
) -> None:
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = enrolled(context, world, address)
    manifest = page.evaluate("async () => (await fetch('/phone/manifest.webmanifest')).json()")
    assert (manifest["display"], manifest["start_url"]) == ("standalone", "/phone/")
    origin = re.match(r"http://[^/]+/", address)
    assert origin is not None
    assert asked
    assert all(url.startswith(origin.group()) for url in asked)


def test_a_wrong_code_is_told_and_costs_nothing_else(
    context: BrowserContext, world: World, address: str, tmp_path: Path
) -> None:
    page = context.new_page()
    page.goto(address)
    page.screenshot(path=tmp_path / "phone-enrol.png")
    page.fill("#enrol-code", "BCDFGH-JKLMNP")
    page.click("#enrol button")
    expect(page.locator("#notice")).to_contain_text("登记码不对")
    assert page.locator("#enrol").is_visible()


def test_a_phone_that_has_numbered_all_its_codes_registers_again(
    context: BrowserContext, world: World, address: str, tmp_path: Path
) -> None:
    page = enrolled(context, world, address)
    left = page.evaluate(
        """async () => {
          const { nextCounter, save } = await import("/phone/store.js");
          await save("counter", { seq: 1, counter: 65_533 });
          const left = [await nextCounter(1), await nextCounter(1), await nextCounter(1)];
          const { number } = await import("/phone/codes.js");
          const wrapped = (() => { try { return number(65_536, 2); } catch (error) { return error.name; } })();
          return [...left, wrapped];
        }"""
    )
    assert left == [65_534, 65_535, None, "RangeError"]
    page.click("#renew")
    expect(page.locator("#notice")).to_contain_text("重新登记")
    expect(page.locator("#enrol")).to_be_visible()
    page.screenshot(path=tmp_path / "phone-used-up.png", full_page=True)
    digits = page.locator("#code").get_attribute("data-digits")
    assert isinstance(read_code(digits or ""), SlotCode)
    page.fill("#enrol-code", "WWWWWW-WWWWWW")
    page.screenshot(path=tmp_path / "phone-widest.png", full_page=True)
    cut = page.evaluate(
        "(({scrollWidth: all, clientWidth: seen}) => all > seen)(document.querySelector('#enrol-code'))"
    )
    assert not cut, "the whole code is to be seen"
    page.fill("#enrol-code", shown_code(invite_phone(world)))
    page.click("#enrol button")
    expect(page.locator("#tabs")).to_be_visible()
    again = read_code(read_from(page.screenshot()))
    assert isinstance(again, ShowCode)
    assert (again.certificate.seq, again.counter) == (2, 1)
