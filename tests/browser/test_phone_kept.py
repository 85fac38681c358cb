"""What the resident's phone keeps: one version of the page at a time, and counters that only rise."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from protocol.codes import ShowCode, read_code
from server.phone import pages
from server.phone.pages import STATIC, shell_files
from tests.browser.test_phone_page import DIGITS, enrolled, read_from
from tests.unit.server.world import World

pytestmark = pytest.mark.browser
NEWEST_IS_KEPT = """async () => {
  // Noted as the newest, not only put aside: the worker looks once more at the server in between.
  const noted = await (await caches.open("huidian-phone-shell-state")).match("/phone/newest");
  const newest = await caches.open(`huidian-phone-shell-${await noted.text()}`);
  const words = await newest.match("/phone/words.js");
  return words !== undefined && (await words.text()).includes("// the next version");
}"""
SERVED = """async () => {
  const [page, words] = await Promise.all(
    ["/phone/", "/phone/words.js"].map(async (path) => (await fetch(path)).text()));
  return [page, words].map((text) => text.includes("the next version"));
}"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's files as a server has them that can be updated."""
    folder = tmp_path / "static"
    shutil.copytree(STATIC, folder)
    monkeypatch.setattr(pages, "STATIC", folder)
    monkeypatch.setattr(pages, "SHELL", shell_files(folder))
    return folder


def update(folder: Path) -> None:
    with (folder / "index.html").open("a", encoding="utf-8") as page:
        page.write("<!-- the next version -->")
    with (folder / "words.js").open("a", encoding="utf-8") as words:
        words.write("\n// the next version\n")


def test_an_open_page_keeps_its_version_and_the_next_one_comes_whole(
    context: BrowserContext, world: World, address: str, files: Path
) -> None:
    page = enrolled(context, world, address)
    update(files)
    page.reload()
    page.wait_for_function(NEWEST_IS_KEPT, polling=100)
    assert page.evaluate(SERVED) == [False, False], "opened before, it goes on as it was"
    context.set_offline(True)
    page.reload()
    expect(page.locator("#code")).to_have_attribute("data-digits", DIGITS)
    assert page.evaluate(SERVED) == [True, True]
    assert len(page.evaluate("() => caches.keys()")) == 2, "the old version is gone"


def test_an_update_in_the_middle_is_no_version(
    context: BrowserContext, world: World, address: str, files: Path
) -> None:
    page = enrolled(context, world, address)
    (files / "words.js").unlink()
    page.reload()
    expect(page.locator("#code")).to_have_attribute("data-digits", DIGITS)
    page.reload()
    expect(page.locator("#code")).to_have_attribute("data-digits", DIGITS)


def counter_shown(page: Page) -> int:
    expect(page.locator("#code")).to_have_attribute("data-digits", DIGITS)
    code = read_code(read_from(page.screenshot()))
    assert isinstance(code, ShowCode)
    return code.counter


def test_a_browser_that_clears_its_store_under_an_open_page_gives_no_counter_twice(
    context: BrowserContext, world: World, address: str
) -> None:
    """It would look like a copied key, and the page keeps that key and saves it again."""
    page = enrolled(context, world, address)
    for _ in range(3):
        before = page.locator("#code").get_attribute("data-digits")
        page.click("#renew")
        expect(page.locator("#code")).not_to_have_attribute("data-digits", before or "")
    last, digits = counter_shown(page), page.locator("#code").get_attribute("data-digits")
    page.evaluate(
        """() => new Promise((resolve) => {
          localStorage.clear();
          indexedDB.deleteDatabase("huidian-phone").onsuccess = resolve;
        })"""
    )
    page.click("#renew")
    expect(page.locator("#code")).not_to_have_attribute("data-digits", digits or "")
    assert counter_shown(page) > last
