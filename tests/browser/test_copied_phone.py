"""A phone that was copied whole, key and all: from the first wrong code to the new phone's first sale."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from argon2 import PasswordHasher
from playwright.sync_api import Browser, BrowserContext, Page, expect

from protocol.codes import ShowCode, read_code, to_digits
from protocol.documents import DirectoryPage, DocumentKind
from protocol.evidence import ShowEvidence
from protocol.messages import Approved
from protocol.reasons import Declined, DeclineReason
from server.directory import SignInRole
from server.directory.commands import RegisterSignIn
from server.directory.enrolment import shown_code
from server.directory.phones import EndPhone
from tests.browser.conftest import PHONE
from tests.browser.test_phone_page import DIGITS, enrolled, read_from
from tests.support.key_office import DistantTill, distant_tills
from tests.support.phones import invite_phone
from tests.unit.server.world import ZHANG, World

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture
def phone(browser: Browser, chromium_path: Path) -> Iterator[Callable[[Path], BrowserContext]]:
    """Starts the phone whose storage is this folder."""
    with ExitStack() as running:

        def start(storage: Path) -> BrowserContext:
            context = browser.browser_type.launch_persistent_context(
                storage,
                executable_path=chromium_path,
                args=["--no-sandbox"] if os.geteuid() == 0 else [],
                env={**os.environ, "HOME": str(storage.parent)},
                viewport=PHONE,
                locale="zh-CN",
            )
            running.callback(context.close)
            return context

        yield start


@pytest.fixture
def new_till(world: World, tmp_path: Path) -> Iterator[Callable[[str], DistantTill]]:
    with distant_tills(world, tmp_path) as make:
        yield make


def now(world: World) -> None:
    """The pool's clock goes with the phones', which are this machine's."""
    world.clock.now = datetime.now(UTC)


def shown_on(page: Page) -> ShowCode:
    expect(page.locator("#show")).to_be_visible()
    expect(page.locator("#code")).to_have_attribute("data-digits", DIGITS)
    code = read_code(read_from(page.screenshot()))
    assert isinstance(code, ShowCode)
    return code


def renewed(page: Page) -> ShowCode:
    before = page.locator("#code").get_attribute("data-digits") or ""
    page.click("#renew")
    expect(page.locator("#code")).not_to_have_attribute("data-digits", before)
    return shown_on(page)


def copied_whole(
    phone: Callable[[Path], BrowserContext], world: World, address: str, folder: Path
) -> tuple[Page, Page]:
    """The resident's page, and that of somebody who had the phone in hand and copied all that it
    keeps: the page cannot read its key, and a copy of the whole storage signs with it all the same.
    """
    own = phone(folder / "own")
    enrolled(own, world, address)
    own.close()
    shutil.copytree(folder / "own", folder / "copy", ignore=shutil.ignore_patterns("Singleton*"))
    resident, thief = (opened(phone(folder / name), address) for name in ("own", "copy"))
    return resident, thief


def numbered_alike(one: Page, other: Page) -> tuple[ShowCode, ShowCode]:
    """What both show, once neither was renewed more often than the other."""
    codes = shown_on(one), shown_on(other)
    while codes[0].counter != codes[1].counter:
        renewed(one if codes[0].counter < codes[1].counter else other)
        codes = shown_on(one), shown_on(other)
    return codes


def as_evidence(code: ShowCode) -> ShowEvidence:
    return ShowEvidence(payload_hex=code.payload.hex())


def opened(context: BrowserContext, address: str) -> Page:
    page = context.new_page()
    page.goto(address)
    return page


def heard_of(till: DistantTill, account: str) -> int:
    """The till comes online for a moment, and what it hears is the change alone: the lowest number
    that a phone of this resident has from now on.
    """
    before = len(till.wire.heard)
    till.hear()
    told = [each for answer in till.wire.heard[before:] for each in answer.documents]
    (signed,) = [each for each in told if each.kind is DocumentKind.DIRECTORY]
    page = msgspec.json.decode(signed.body, type=DirectoryPage)
    assert page.base is not None, "changes since what the till has, not the whole directory"
    (entry,) = page.residents()
    assert entry.account == account
    return entry.phone_seq


def says_that_it_was_copied(page: Page, picture: Path) -> None:
    page.bring_to_front()
    page.reload()
    expect(page.locator("#notice")).to_contain_text("可能被人复制，已停用，请到社区重新登记")
    expect(page.locator("#enrol")).to_be_visible()
    page.screenshot(path=picture)
    assert not has_digits(page)


def has_digits(page: Page) -> bool:
    """Whether a code stands anywhere in the page, seen or not: as a text or an attribute, or
    painted on a canvas.
    """
    painted = page.evaluate(
        "() => [...document.querySelectorAll('canvas')].map((each) => each.width * each.height)"
    )
    return re.search(r"\d{100,}", page.content()) is not None or any(painted)


def office_of(world: World, context: BrowserContext, address: str) -> Page:
    hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("uncommon-words")
    world.do(
        RegisterSignIn(user="jiedao", role=SignInRole.OPERATOR, merchant=None, password_hash=hashed)
    )
    page = opened(context, address.replace("/phone/", "/console/cards"))
    page.fill("#user", "jiedao")
    page.fill("#password", "uncommon-words")
    page.click("button.go")
    page.goto(address.replace("/phone/", "/console/cards"))
    return page


def test_a_copied_phone_is_noticed_and_everybody_is_told(
    context: BrowserContext,
    phone: Callable[[Path], BrowserContext],
    new_till: Callable[[str], DistantTill],
    world: World,
    address: str,
    tmp_path: Path,
    artefacts: Path,
) -> None:
    away, longer_away = new_till("t-2"), new_till("t-3")
    for each in (away, longer_away):
        each.hear()
    counter = world.till()
    resident, thief = copied_whole(phone, world, address, tmp_path)

    # Both go on counting from where the copy was made, so every number comes twice.
    first, second = numbered_alike(resident, thief)
    assert second.certificate == first.certificate
    assert second.payload != first.payload
    now(world)
    paid = counter.authorise(world.sale_id(), as_evidence(first), optional=50)
    assert isinstance(paid, Approved)
    told = counter.authorise(world.sale_id(), as_evidence(second), optional=50)
    assert isinstance(told, Declined)
    assert told.reason is DeclineReason.CODE_COPIED

    # A till that was away takes the old certificate until it hears, and then never again.
    last, stolen = (to_digits(renewed(each).payload) for each in (resident, thief))
    now(world)
    assert away.scan(last) is None
    assert away.scan(stolen) is None
    assert heard_of(away, ZHANG) == 2
    assert away.scan(stolen) is DeclineReason.PHONE_REVOKED
    assert away.scan(last) is DeclineReason.PHONE_REVOKED

    # Both phones say so and forget; the office sees whom to call.
    for name, page in (("own", resident), ("copy", thief)):
        says_that_it_was_copied(page, artefacts / f"copied-phone-{name}.png")
    office = office_of(world, context, address)
    expect(office.locator("body")).to_contain_text("手机码可能被复制，已停用 (1)")
    expect(office.locator("body")).to_contain_text(ZHANG)
    office.screenshot(path=artefacts / "copied-phone-office.png", full_page=True)

    # The resident comes, and the phone is registered anew under the next number.
    now(world)
    resident.fill("#enrol-code", shown_code(invite_phone(world)))
    resident.click("#enrol button")
    anew = shown_on(resident)
    assert anew.certificate.seq == 2
    office.reload()
    expect(office.locator("body")).to_contain_text("手机码可能被复制，已停用 (0)")
    now(world)
    away.hear()
    away.sell(to_digits(anew.payload))
    away.hear()
    assert world.points(f"resident:{ZHANG}") == 1000 - 50, "what was only asked for is not taken"
    assert away.scan(stolen) is DeclineReason.PHONE_REVOKED
    # A till that heard nothing at all since takes the new phone too: its certificate is signed.
    assert longer_away.scan(to_digits(renewed(resident).payload)) is None
    assert heard_of(longer_away, ZHANG) == 2
    assert longer_away.scan(stolen) is DeclineReason.PHONE_REVOKED


def test_of_a_phone_that_is_stopped_while_its_page_is_open_nothing_is_left_in_the_page(
    context: BrowserContext, world: World, address: str, artefacts: Path
) -> None:
    page = enrolled(context, world, address)
    assert has_digits(page)
    assert "张**" in page.content()
    world.do(EndPhone(account=ZHANG, reason="遗失"))
    page.click("#tab-record")  # asks the server, and hears it
    expect(page.locator("#notice")).to_contain_text("已停用")
    expect(page.locator("#enrol")).to_be_visible()
    assert not has_digits(page)
    assert "张**" not in page.content()
    page.screenshot(path=artefacts / "stopped-while-open.png")
