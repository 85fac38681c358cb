"""The merchant's word about his statements: confirming, disputing, and taking them home."""

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from server.db import reading
from server.exports.canonical import payload_of
from server.exports.seal import Verdict, verify_file
from server.facts.tables import fact
from server.settlement.document import document_of
from server.settlement.states_standing import Standing, standing_of
from server.settlement.states_values import REASON_MAX
from tests.unit.portal.portal_world import MERCHANT, OTHER, PortalWorld, csrf_of, send, text_of

FIRST = "xiaodian-20260302"
PAGE = f"/portal/statements/{FIRST}"


def standing(portal: PortalWorld, statement: str = FIRST) -> Standing:
    with reading(portal.pool.engine) as tx:
        found = standing_of(tx, portal.pool.pool, statement)
    assert found is not None
    return found


def facts(portal: PortalWorld) -> int:
    with reading(portal.pool.engine) as tx:
        return int(tx.execute(select(func.count()).select_from(fact)).scalar_one())


def first_line(client: FlaskClient) -> str:
    found = re.search(rf'href="({PAGE}/lines/[^"/]+)"', client.get(PAGE).text)
    assert found is not None
    return found.group(1)


def dispute_id(client: FlaskClient, address: str) -> str:
    found = re.search(r'name="dispute" value="([^"]+)"', client.get(address).text)
    assert found is not None
    return found.group(1)


def test_a_merchant_confirms_and_the_page_says_so_from_then_on(portal: PortalWorld) -> None:
    client = portal.signed_in()
    before = text_of(client.get(PAGE).text)
    assert "请在 2026-03-10 09:00 以前确认" in before
    after = send(client, f"{PAGE}/confirm")
    assert (after.status_code, after.request.path) == (200, PAGE)
    assert "已确认。谢谢您核对。" in after.text
    assert "确认无误" not in after.text
    assert standing(portal).state.value == "confirmed"
    assert standing(portal).history[0].moved_by == f"portal:{MERCHANT}"
    assert "已确认，待收付" in text_of(client.get("/portal/statements").text)


def test_confirming_twice_is_one_confirmation(portal: PortalWorld) -> None:
    client = portal.signed_in()
    send(client, f"{PAGE}/confirm")
    assert "已确认" in send(client, f"{PAGE}/confirm").text
    assert len(standing(portal).history) == 1


def test_a_line_is_disputed_with_a_reason_and_waits_for_an_answer(portal: PortalWorld) -> None:
    client = portal.signed_in()
    line = first_line(client)
    assert f'href="{line}/dispute"' in client.get(line).text
    address = f"{line}/dispute"
    page = send(client, address, dispute=dispute_id(client, address), reason="少算 <b>5</b> 元")
    assert page.request.path == PAGE
    text = text_of(page.text)
    assert "异议已提交" in text
    assert "等积分池答复" in text
    assert "少算 &lt;b&gt;5&lt;/b&gt; 元" in page.text
    (found,) = standing(portal).disputes
    assert found.line == line.rpartition("/")[2]
    assert found.reason == "少算 <b>5</b> 元"
    assert standing(portal).state.value == "disputed"
    refused = send(client, f"{PAGE}/confirm")
    assert "请先等异议全部答复，再确认" in refused.text


def test_the_same_form_sent_twice_is_one_dispute(portal: PortalWorld) -> None:
    client = portal.signed_in()
    address = f"{PAGE}/dispute"
    name = dispute_id(client, address)
    for _ in range(2):
        assert send(client, address, dispute=name, reason="租金不对").status_code == 200
    assert [each.line for each in standing(portal).disputes] == [""]


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("", "请写明原因"),
        (" 　", "请写明原因"),
        ("长" * (REASON_MAX + 1), f"写了 {REASON_MAX + 1} 个字，最多 {REASON_MAX} 个"),
        ("错\0了", "不能保存的字符"),
    ],
)
def test_a_reason_that_cannot_be_taken_is_told_and_kept(
    portal: PortalWorld, reason: str, says: str
) -> None:
    client = portal.signed_in()
    before = facts(portal)
    answer = send(client, f"{PAGE}/dispute", dispute="d-1", reason=reason)
    assert answer.status_code == 400
    assert says in answer.text
    assert reason.strip() in answer.text
    assert facts(portal) == before


def test_a_form_with_a_tampered_id_is_refused(portal: PortalWorld) -> None:
    client = portal.signed_in()
    answer = send(client, f"{PAGE}/dispute", dispute="x" * 65, reason="错")
    assert answer.status_code == 400
    assert standing(portal).disputes == ()


def test_what_was_confirmed_is_not_disputed_any_more(portal: PortalWorld) -> None:
    client = portal.signed_in()
    send(client, f"{PAGE}/confirm")
    answer = send(client, f"{PAGE}/dispute", dispute="d-1", reason="错")
    assert answer.status_code == 409
    assert "确认以后不能再提异议" in answer.text


def test_another_merchant_neither_confirms_nor_disputes_nor_downloads(portal: PortalWorld) -> None:
    client = portal.signed_in(OTHER)
    before = facts(portal)
    line = first_line(portal.signed_in())
    for address in (f"{PAGE}/confirm", f"{PAGE}/dispute", f"{line}/dispute"):
        form = {"csrf": csrf_of(client), "dispute": "d", "reason": "错"}
        assert client.post(address, data=form).status_code == 404, address
    assert client.get(f"{PAGE}/files/pdf").status_code == 404
    assert facts(portal) == before


def test_no_word_is_given_without_the_forms_token(portal: PortalWorld) -> None:
    client = portal.signed_in()
    before = facts(portal)
    for address in (f"{PAGE}/confirm", f"{PAGE}/dispute"):
        form = {"csrf": "0" * 32, "dispute": "d", "reason": "错"}
        assert client.post(address, data=form).status_code == 400
    assert client.get(f"{PAGE}/confirm").status_code == 405
    assert facts(portal) == before


@pytest.mark.parametrize("kind", ["pdf", "xlsx", "csv", "json"])
def test_a_download_is_the_sealed_statement(portal: PortalWorld, kind: str) -> None:
    client = portal.signed_in()
    assert f'href="{PAGE}/files/{kind}"' in client.get(PAGE).text
    answer = client.get(f"{PAGE}/files/{kind}")
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"] == f"attachment; filename={FIRST}.{kind}"
    assert answer.headers["Cache-Control"] == "no-store"
    content = answer.get_data()
    assert answer.content_length == len(content)
    found = verify_file(content, portal.pool.root.public_key())
    assert found.verdict is Verdict.WHOLE
    assert found.seal is not None
    assert found.seal.statement == FIRST


def test_a_page_has_the_figures_of_the_document_and_of_its_files(portal: PortalWorld) -> None:
    client = portal.signed_in()
    with reading(portal.pool.engine) as tx:
        document = document_of(tx, portal.pool.pool, FIRST)
    assert document is not None
    # The file's seal is one more field behind the last.
    assert payload_of(document)[:-1] in client.get(f"{PAGE}/files/json").get_data()
    text = text_of(client.get(PAGE).text)
    words = portal_words(document.closing_fen)
    assert f"期末余额 正数：积分池欠商户 {words}" in text
    assert f"本期净额 {portal_words(document.net_fen)}" in text


def portal_words(fen: int) -> str:
    assert fen > 0
    return f"+{fen // 100}.{fen % 100:02d} 元"


def test_no_other_kind_of_file_is_there(portal: PortalWorld) -> None:
    assert portal.signed_in().get(f"{PAGE}/files/exe").status_code == 404


def test_after_the_deadline_it_can_still_be_confirmed_until_it_lapses(portal: PortalWorld) -> None:
    portal.pool.now += timedelta(days=30)
    assert "已确认" in send(portal.signed_in(), f"{PAGE}/confirm").text
