"""A resident's record card printed at the office: what stands on it, who may, and who did."""

import re
from datetime import date
from pathlib import Path

import pypdfium2
import pytest
from playwright.sync_api import Page, ViewportSize, expect

from server.bootstrap.desk import make_desk
from server.db import reading, writing
from server.directory.queries import residents
from server.directory.record_prints import PrintRecordCard, record_prints
from server.directory.values import Resident
from server.exports.record_card import TITLE
from server.facts.refused import Refused
from server.reports.record import record_card_of, record_lines
from tests.support.serving import listening
from tests.unit.audit.pool_world import PASSWORD
from tests.unit.portal.portal_world import MERCHANT, OPERATOR, PortalWorld, send, text_of

PHONE: ViewportSize = {"width": 390, "height": 844}
TILL: ViewportSize = {"width": 800, "height": 480}
A4_PT, A5_PT = (595, 842), (420, 595)


@pytest.fixture
def office(portal: PortalWorld) -> PortalWorld:
    portal.people()
    return portal


def days(first: str, last: str) -> tuple[date, date]:
    return date.fromisoformat(first), date.fromisoformat(last)


def resident(portal: PortalWorld) -> Resident:
    """Somebody who has been awarded points and has spent some."""
    with reading(portal.pool.engine) as tx:
        for each in residents(tx, portal.pool.pool):
            points = [line.points for line in record_lines(tx, portal.pool.pool, each.account)]
            if len(points) > 2 and min(points) < 0 < max(points):
                return each
    raise AssertionError("nobody here has earned and spent")


def printed(portal: PortalWorld, account: str, **form: str) -> bytes:
    days = {"first_day": "2000-01-01", "last_day": "2099-12-31", "paper": "A4"}
    answer = send(portal.officer(OPERATOR), f"/console/cards/{account}/record", **days | form)
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "application/pdf"
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.get_data()


def words_of(pdf: bytes) -> str:
    """The text of all pages, each run of space as one."""
    pages = pypdfium2.PdfDocument(pdf)
    return re.sub(r"\s+", " ", " ".join(each.get_textpage().get_text_bounded() for each in pages))


def size_of(pdf: bytes) -> tuple[int, int]:
    width, height = pypdfium2.PdfDocument(pdf)[0].get_size()
    return round(width), round(height)


def test_the_paper_has_every_line_of_the_days_and_adds_up(office: PortalWorld) -> None:
    who = resident(office)
    with reading(office.pool.engine) as tx:
        lines = record_lines(tx, office.pool.pool, who.account)
    pdf = printed(office, who.account)
    words = words_of(pdf)
    assert size_of(pdf) == A4_PT
    assert words.count(TITLE) >= 1
    assert f"{who.name[:1]}*" in words
    assert who.name not in words
    assert who.account not in words
    assert who.account[-4:] in words
    shown = [int(each) for each in re.findall(r"\d\d:\d\d ([+-]\d+)\b", words)]
    assert shown == [each.points for each in lines]
    assert f"结余 2099-12-31 {sum(shown)}" in words
    assert size_of(printed(office, who.account, paper="A5")) == A5_PT


def test_what_lies_before_the_first_day_is_brought_forward(office: PortalWorld) -> None:
    who = resident(office)
    with reading(office.pool.engine) as tx:
        whole = record_card_of(tx, office.pool.pool, who.account, *days("2000-01-01", "2099-12-31"))
        last = whole.lines[-1].registered_at.date()
        part = record_card_of(tx, office.pool.pool, who.account, last, last)
        late = record_card_of(tx, office.pool.pool, who.account, *days("2099-12-30", "2099-12-31"))
    assert (whole.before, whole.after) == (0, sum(each.points for each in whole.lines))
    assert 0 < len(part.lines) <= len(whole.lines)
    assert part.before + sum(each.points for each in part.lines) == part.after == whole.after
    assert (late.before, late.lines, late.after) == (whole.after, (), whole.after)
    words = words_of(printed(office, who.account, first_day="2099-12-30", last_day="2099-12-31"))
    assert "这段时间没有" in words


def test_each_print_is_written_down_with_who_when_and_which_days(office: PortalWorld) -> None:
    who = resident(office)
    client = office.officer(OPERATOR)
    address = f"/console/cards/{who.account}/record"
    assert "没有。" in text_of(client.get(address).text)
    printed(office, who.account, paper="A5")
    printed(office, who.account)
    with reading(office.pool.engine) as tx:
        kept = record_prints(tx, office.pool.pool, who.account)
    assert [(each.paper, each.printed_by) for each in kept] == [
        ("A4", f"portal:{OPERATOR}"),
        ("A5", f"portal:{OPERATOR}"),
    ]
    page = text_of(client.get(address).text)
    assert f"{OPERATOR} 2000-01-01 – 2099-12-31 · A4" in page
    assert "Printed before" in text_of(client.get(f"{address}?lang=en").text)


def test_a_refused_print_leaves_no_trace_and_no_paper(office: PortalWorld) -> None:
    who = resident(office)
    client = office.officer(OPERATOR)
    address = f"/console/cards/{who.account}/record"
    good = {"first_day": "2026-01-01", "last_day": "2026-12-31", "paper": "A4"}
    for wrong, says in (
        ({"first_day": "2027-01-01"}, "第一天晚于最后一天"),
        ({"first_day": "yesterday"}, "日期要写成"),
        ({"paper": "A3"}, "不能保存"),
    ):
        answer = send(client, address, **good | wrong)
        assert answer.status_code in {400, 409}
        assert says in text_of(answer.text)
    assert send(client, f"/console/cards/{'f' * 16}/record", **good).status_code == 404
    assert client.post(address, data=good).status_code == 400, "a form without its token"
    with reading(office.pool.engine) as tx:
        assert record_prints(tx, office.pool.pool, who.account) == []


@pytest.mark.parametrize("actor", [f"portal:{MERCHANT}", "portal:nobody", "terminal:t-1"])
def test_nobody_but_the_office_has_a_record_printed(office: PortalWorld, actor: str) -> None:
    who = resident(office)
    first_day, last_day = days("2026-01-01", "2026-12-31")
    command = PrintRecordCard(
        account=who.account, first_day=first_day, last_day=last_day, paper="A4"
    )
    with writing(office.pool.engine) as tx:
        outcome = make_desk().submit(
            tx, office.pool.pool, command, actor=actor, recorded_at=office.pool.now
        )
    assert isinstance(outcome, Refused)
    assert outcome.reason == "not_allowed"
    door = office.signed_in().get(f"/console/cards/{who.account}/record")
    assert door.status_code == 302


@pytest.mark.browser
@pytest.mark.parametrize("page", [PHONE, TILL], indirect=True, ids=["phone", "till"])
def test_the_office_prints_a_record_from_the_residents_page(
    office: PortalWorld, page: Page, artefacts: Path
) -> None:
    who, size = resident(office), page.viewport_size
    assert size is not None
    with listening(office.app) as address:
        page.goto(f"{address}/console")
        page.get_by_label("用户名").fill(OPERATOR)
        page.get_by_label("密码").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.get_by_role("link", name="积分卡").click()
        page.get_by_label("居民账号（16 位）").fill(who.account)
        page.get_by_role("button", name="查卡").click()
        page.get_by_role("link", name="打印个人记录卡").click()
        page.get_by_label("纸张").select_option("A5")
        # What the button sends; the browser's own viewer of the answer is no page of ours.
        filled_in = page.locator("form.form").evaluate("it => Object.fromEntries(new FormData(it))")
        made = page.request.post(page.url, form=filled_in)
        assert size_of(made.body()) == A5_PT
        assert f"{who.name[:1]}*" in words_of(made.body())
        page.reload()
        expect(page.get_by_role("listitem")).to_contain_text("A5")
        for language in ("zh", "en"):
            page.goto(f"{page.url.partition('?')[0]}?lang={language}")
            page.screenshot(
                path=artefacts / f"console-record-{size['width']}-{language}.png", full_page=True
            )
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
