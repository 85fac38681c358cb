"""The page's addresses: what they do to the till, and whom they refuse."""

import json
import sqlite3
import threading
from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient

from drivers.cells import cells
from drivers.document import (
    Align,
    Columns,
    Document,
    Size,
    Text,
    document_from_json,
    to_plain_text,
)
from drivers.escpos.encode import CHINESE_MODE, INITIALISE, encode_document
from drivers.escpos.profile import PrinterProfile
from protocol.messages import OrdersFound
from protocol.money import Points
from protocol.reasons import Declined, DeclineReason
from terminal.domain.ports import StoreFaultError
from terminal.domain.print_job import JobEvent
from terminal.store.sqlite import print_job_of
from terminal.store.tables import print_job
from terminal.web.bodies import MAX_BODY_BYTES, parse_quantity_milli
from terminal.web.guard import host_is_loopback
from terminal.web.screen import Screen
from tests.support.shop import BANNED, ZHANG, Shop, card_text, slot_text
from tests.support.till_web import app_of
from tests.unit.terminal.test_orders import order

OURS = {"X-Huidian": "1"}


def post(client: FlaskClient, path: str, **body: object) -> Screen:
    answer = client.post(path, json=body, headers=OURS)
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.data, type=Screen)


def view(client: FlaskClient) -> Screen:
    return msgspec.json.decode(client.get("/api/view").data, type=Screen)


def test_a_sale_by_the_pages_addresses_alone(shop: Shop, client: FlaskClient) -> None:
    post(client, "/api/item", item_id="bun", quantity="5")
    screen = post(client, "/api/item", item_id="fresh", quantity="1.3")
    assert (screen.due_text, screen.points_text) == ("7.18 元", "最多 71")
    assert screen.cash_text == "不用积分，收现金 7.18 元"
    assert screen.hint_text == "请居民出示居民码"
    shop.pool.approve(71, 100)
    screen = post(client, "/api/scan", text=slot_text())
    assert screen.confirm_text == "用 71 积分，还需付 0.00 元"
    assert screen.remainder_text == "抹零 0.08 元"
    screen = post(client, "/api/complete", sale_id=screen.sale_id, points=71)
    assert [(one.label, one.text) for one in screen.figures] == [
        ("使用前", "100"),
        ("本次用", "71"),
        ("使用后", "29"),
        ("还需付", "0.00 元"),
    ]
    assert (screen.state, screen.receipt_text) == ("captured", "小票号 T0001-000001")
    assert post(client, "/api/clear").state == "open"


def test_a_voucher_that_nobody_brought_in_time_is_shown_as_expired(
    shop: Shop, client: FlaskClient
) -> None:
    late = msgspec.structs.replace(
        order("ab-1", 0),
        state="expired",
        valid_until=date(2026, 3, 12),
        last_on=None,
        last_where="",
    )
    shop.pool.orders = OrdersFound(account=ZHANG, orders=(late,))
    shop.orders.show_text(slot_text())
    assert "已过期 · 2026年3月12日" in client.get("/more/orders").text


def test_a_code_that_is_declined_at_the_orders_page_says_why(
    shop: Shop, client: FlaskClient
) -> None:
    shop.pool.orders = Declined(DeclineReason.CODE_REVOKED)
    answer = client.post("/more/orders/code", json={"text": slot_text()}, headers=OURS)
    assert answer.status_code == 200
    assert answer.get_json()["level"] == "refused"
    assert answer.get_json()["text"]


def test_another_sites_page_holds_none_of_the_streams(client: FlaskClient) -> None:
    """It may open ours, as a link does; what it embeds or streams is refused."""
    foreign = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
    streams = [client.get("/api/events", headers=foreign) for _ in range(30)]
    assert {each.status_code for each in streams} == {403}
    assert client.get("/", headers=foreign | {"Sec-Fetch-Mode": "navigate"}).status_code == 200
    own = client.get("/api/events", headers={"Sec-Fetch-Site": "same-origin"}, buffered=False)
    assert own.status_code == 200
    own.close()


def test_completing_twice_is_one_sale(shop: Shop, client: FlaskClient) -> None:
    screen = post(client, "/api/amount", text="12.60")
    for _ in range(2):
        post(client, "/api/complete", sale_id=screen.sale_id)
    assert len(shop.store.recent_sales(10)) == 1


def test_a_press_on_a_page_that_has_changed_takes_nothing(shop: Shop, client: FlaskClient) -> None:
    seen = post(client, "/api/amount", text="7.10")
    shop.pool.approve(71, 100)
    shop.till.scan(slot_text())
    screen = post(client, "/api/complete", sale_id=seen.sale_id, points=0)
    assert (screen.state, screen.notice_text) == ("authorised", "页面刚刚变了，这一下没有算数。")
    assert list(shop.store.recent_sales(10)) == []


def test_a_press_that_names_other_money_than_is_due_now_takes_nothing(
    shop: Shop, client: FlaskClient
) -> None:
    screen = post(client, "/api/item", item_id="bun")
    shop.till.scan("6900000000014")  # the scanner, while the finger was on its way
    pressed = {"sale_id": screen.sale_id, "points": 0, "cash_fen": 50}
    answer = post(client, "/api/complete", **pressed)
    assert (answer.state, answer.notice_text) == ("open", "页面刚刚变了，这一下没有算数。")
    assert post(client, "/api/complete", **{**pressed, "cash_fen": 100}).state == "captured"


def test_fewer_points_leave_money_to_pay(shop: Shop, client: FlaskClient) -> None:
    post(client, "/api/amount", text="7.10")
    shop.pool.approve(71, 100)
    assert post(client, "/api/scan", text=slot_text()).fewer_text == "用多少积分？0 到 71"
    screen = post(client, "/api/points", points=50)
    assert screen.confirm_text == "用 50 积分，还需付 2.10 元"
    assert post(client, "/api/points", points=72).notice_text == "这一单只能用 0 到 71 积分。"
    assert post(client, "/api/back").state == "open"


def test_lines_can_be_changed_and_taken_out(client: FlaskClient) -> None:
    line = post(client, "/api/item", item_id="greens", quantity="1").lines[0]
    screen = post(client, "/api/quantity", line_no=line.line_no, quantity="1.5")
    assert (screen.line_texts[0].price, screen.due_text) == ("4.60 元 × 1.5 kg", "6.90 元")
    assert post(client, "/api/quantity", line_no=line.line_no, quantity="0").lines == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0", "金额不能是 0。"),
        ("-7", "金额不能是负数。"),
        ("99999999", "金额太大，一笔最多 50000 元。"),
        ("7.105", "金额最多两位小数。"),
        ("seven", "金额要填数字。"),
    ],
)
def test_a_wrong_amount_is_explained(client: FlaskClient, text: str, says: str) -> None:
    screen = post(client, "/api/amount", text=text)
    assert (screen.notice_text, screen.lines) == (says, ())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("134567890123456789", "这是微信付款码，不是居民码。（付款码未保存）"),
        ("https://example.invalid/code", "这不是商品条码，也不是居民码。"),
        ("7" * 100, "这个码没有读全。"),
        ("6" * 5000, "扫到的内容太长，不是商品条码，也不是居民码。"),
        ("6999999999997", "商品目录里没有“6999999999997”。"),
        ("6999999999999", "条码“6999999999999”没有读对。"),
    ],
)
def test_a_wrong_scan_is_explained(client: FlaskClient, text: str, says: str) -> None:
    screen = post(client, "/api/scan", text=text)
    assert (screen.notice_text, screen.lines) == (says, ())
    assert screen.notice is not None
    assert screen.notice.level == "refused"


def test_a_payment_code_is_nowhere_in_the_answer_or_on_the_disk(
    shop: Shop, client: FlaskClient
) -> None:
    code = "134567890123456789"
    answer = client.post("/api/scan", json={"text": code}, headers=OURS)
    assert code.encode() not in answer.data
    files = [file for file in shop.path.rglob("*") if file.is_file()]
    assert files
    assert [file for file in files if code.encode() in file.read_bytes()] == []


def test_an_empty_basket_asks_for_items_first(client: FlaskClient) -> None:
    assert post(client, "/api/scan", text=slot_text()).notice_text == "还没有商品。"
    screen = view(client)
    assert post(client, "/api/complete", sale_id=screen.sale_id).notice_text == "还没有商品。"


def test_a_ban_names_its_last_day(shop: Shop, client: FlaskClient) -> None:
    post(client, "/api/item", item_id="bun", quantity="5")
    screen = post(client, "/api/scan", text=slot_text(BANNED))  # offline: the directory knows
    assert "暂停兑换至2026年12月31日，积分照常累计" in screen.notice_text
    assert "收现金 2.50 元" in screen.notice_next


def test_scenario_c2_says_that_sixteen_points_are_missing(shop: Shop, client: FlaskClient) -> None:
    screen = post(client, "/api/item", item_id="oil")
    assert (screen.due_text, screen.points_text, screen.cash_text) == ("40 积分", "要用 40", "")
    reason = DeclineReason.INSUFFICIENT_POINTS
    shop.pool.answers.append(Declined(reason, missing_points=Points(16)))
    assert "还差16积分" in post(client, "/api/scan", text=card_text()).notice_text


def test_offline_the_balance_is_unknown_and_said_so(client: FlaskClient) -> None:
    post(client, "/api/amount", text="5.00")
    screen = post(client, "/api/scan", text=slot_text())
    assert [one.text for one in screen.figures] == ["离线，未知", "50", "离线，未知", "0.00 元"]


def test_free_goods_need_no_code_and_no_money(client: FlaskClient) -> None:
    screen = post(client, "/api/item", item_id="pressure")
    assert (screen.cash_text, screen.hint_text) == ("免费，直接完成", "")
    screen = post(client, "/api/complete", sale_id=screen.sale_id, points=0)
    assert [one.text for one in screen.figures] == ["0.00 元"]


def test_a_printer_without_paper_leaves_the_sale_and_offers_a_reprint(
    shop: Shop, client: FlaskClient
) -> None:
    sold = post(client, "/api/amount", text="5.00")
    post(client, "/api/complete", sale_id=sold.sale_id)
    job = shop.spool.next_job()
    assert job is not None
    shop.spool.move(job.job_no, JobEvent.REFUSED, "paper_out")
    screen = view(client)
    assert screen.print_text == ("打印机缺纸，小票没有打出，这一单照样成交。请装纸，再按“补打”。")
    assert (screen.state, screen.print_level) == ("captured", "refused")
    assert (
        post(client, "/api/reprint", receipt_no="T0001-000001").notice_text == "小票已交给打印机。"
    )
    assert post(client, "/api/reprint", receipt_no="nonsense").notice_text == "找不到这张小票。"


def sales(client: FlaskClient) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = client.get("/api/sales").get_json()["sales"]
    return listed


def test_a_refund_is_done_once_and_listed(shop: Shop, client: FlaskClient) -> None:
    sold = post(client, "/api/amount", text="7.20")
    shop.pool.approve(71, 71)
    post(client, "/api/scan", text=slot_text())
    post(client, "/api/complete", sale_id=sold.sale_id, points=71)
    (row,) = sales(client)
    assert (row["time"], row["paid"]) == ("12:00", "71 积分 + 现金 0.10 元")
    looked = client.post("/api/return", json={"receipt_no": row["receipt_no"]}, headers=OURS)
    assert looked.get_json()["give"] == "退回 71 积分，退现金 0.10 元"
    body = {"receipt_no": row["receipt_no"], "reason": "拿错了"}
    said = post(client, "/api/refund", **body).notice_text
    assert said == "这一单已撤销：退回 71 积分，退现金 0.10 元。"
    said = post(client, "/api/refund", **body).notice_text
    assert said == "这一单已经全部退回，不能再退。"
    (row,) = sales(client)
    assert (row["can_return"], row["marks"]) == (False, ["已退货", "待上传"])


def sold_for_cash(client: FlaskClient) -> str:
    sold = post(client, "/api/amount", text="7.20")
    post(client, "/api/complete", sale_id=sold.sale_id)
    (row,) = sales(client)
    return str(row["receipt_no"])


def refund_paper(shop: Shop) -> Document:
    with shop.store.reading() as connection:
        rows = connection.execute(print_job.select().order_by(print_job.c.job_no)).all()
    return document_from_json(print_job_of(rows[-1]).document_json)


def plain_wire(document: Document) -> bytes:
    """What a printer gets of a document's words alone: no sizes, no code, no knife."""
    words = tuple(
        msgspec.structs.replace(each, size=Size.NORMAL, bold=False)
        for each in document.elements
        if isinstance(each, Text | Columns)
    )
    words = tuple(
        msgspec.structs.replace(each, align=Align.LEFT) if isinstance(each, Text) else each
        for each in words
    )
    data = encode_document(Document(words), PrinterProfile(), lambda: None).data
    return data.removeprefix(INITIALISE + CHINESE_MODE).removesuffix(INITIALISE)


@pytest.mark.parametrize("columns", [32, 48])
@pytest.mark.parametrize(
    "reason",
    [
        "不新鲜",
        "顾客说买回去发现包装袋破了，保质期只剩三天，老人家不放心，经店长同意当场退货退积分并登记在册，下次先看好日期再买谢谢",
        "长" * 64,
        "W" * 64,
        "the bag was torn at home and the customer wants the money back!!",
    ],
)
def test_a_refunds_reason_stands_whole_on_its_paper(
    shop: Shop, client: FlaskClient, reason: str, columns: int
) -> None:
    receipt_no = sold_for_cash(client)
    post(client, "/api/refund", receipt_no=receipt_no, reason=reason)
    lines = to_plain_text(refund_paper(shop), columns).splitlines()
    assert all(cells(line) <= columns for line in lines)
    at = next(number for number, line in enumerate(lines) if line.startswith("原因"))
    end = lines.index("-" * columns)
    told = lines[at].removeprefix("原因").strip(), *lines[at + 1 : end]
    assert "".join(told).replace(" ", "") == reason.replace(" ", "")
    assert not any(line.startswith(" ") for line in told), "a paragraph begins at the left"


@pytest.mark.parametrize(
    ("reason", "printed"),
    [
        ("坏\x1bp\x01\x19了", "坏p了"),
        ("\x1d\x56\x42\x10\x14\x01破", "VB破"),
        ("一\n二\r\n三\u2028四\x0b五", "一 二  三 四五"),
        ("\u202e反\u202c\u200b\x7f\x9b正", "反正"),
        ("\x1b\x1d\u200b", ""),
    ],
)
def test_a_refunds_reason_does_nothing_but_print(
    shop: Shop, client: FlaskClient, reason: str, printed: str
) -> None:
    receipt_no = sold_for_cash(client)
    post(client, "/api/refund", receipt_no=receipt_no, reason=reason)
    paper = refund_paper(shop)
    assert not set(plain_wire(paper)) & ({*range(0x20), 0x7F} - {0x0A})
    (*row,) = (x for x in to_plain_text(paper, 48).splitlines() if x.startswith("原因"))
    assert [x.removeprefix("原因").strip() for x in row] == ([printed] if printed else [])


@pytest.mark.parametrize("bad", ["\\u0000", "\\ud800", "\\udc80"])
@pytest.mark.parametrize("path", ["/api/refund", "/api/discount"])
def test_no_text_that_the_server_could_not_keep_gets_into_a_record(
    shop: Shop, client: FlaskClient, path: str, bad: str
) -> None:
    """The server parks a record with a NUL: the points of the refund would not be booked."""
    asked = {
        "/api/refund": {"receipt_no": sold_for_cash(client), "reason": "坏BAD了"},
        "/api/discount": {"how": "amount", "text": "1", "reason": "熟BAD客"},
    }[path]
    body = json.dumps(asked).replace("BAD", bad)
    answer = client.post(path, data=body, headers=OURS, content_type="application/json")
    assert answer.status_code == 400
    (row,) = sales(client)
    assert row["can_return"] is True


def test_two_refunds_at_once_give_back_once(shop: Shop, client: FlaskClient) -> None:
    sold = post(client, "/api/amount", text="7.20")
    post(client, "/api/complete", sale_id=sold.sale_id)
    body = {"receipt_no": "T0001-000001", "reason": "拿错了"}
    app, together, said = client.application, threading.Barrier(4), []

    def refund() -> None:
        together.wait()
        answer = app.test_client().post("/api/refund", json=body, headers=OURS)
        said.append(answer.status_code)

    before = shop.store.untold()
    threads = [threading.Thread(target=refund) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == [200] * 4
    assert shop.store.untold() == before + 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/scan", b"not json"),
        ("/api/scan", b'{"text": 7}'),
        ("/api/scan", b"{}"),
        ("/api/scan", b'{"text": "1", "more": 1}'),
        ("/api/scan", b'{"text": "\xff"}'),
        ("/api/item", b'{"item_id": null}'),
        ("/api/points", b'{"points": 1.5}'),
        ("/api/complete", b'{"sale_id": "no id"}'),
        ("/api/back", b"[]"),
        ("/api/clear", b'{"all": true}'),
    ],
)
def test_a_body_that_is_not_understood_changes_nothing(
    shop: Shop, client: FlaskClient, path: str, body: bytes
) -> None:
    version = shop.changes.version
    answer = client.post(path, data=body, content_type="application/json", headers=OURS)
    assert answer.status_code == 400
    assert answer.get_json()["problem"] == "bad_request"
    assert shop.changes.version == version


def test_a_body_too_large_is_not_read(client: FlaskClient) -> None:
    body = b'{"text": "' + b"1" * MAX_BODY_BYTES + b'"}'
    answer = client.post("/api/scan", data=body, content_type="application/json", headers=OURS)
    assert answer.status_code == 413
    assert answer.get_json()["problem"] == "http"


@pytest.mark.parametrize(
    "send",
    [
        lambda client: client.post("/api/clear", json={}),
        lambda client: client.post("/api/clear", data="{}", headers=OURS),
        lambda client: client.post("/api/clear", data={"a": "b"}, headers=OURS),
        lambda client: client.post(
            "/api/clear", data="{}", content_type="text/plain", headers=OURS
        ),
        lambda client: client.post("/api/clear", json={}, headers={"X-Huidian": "0"}),
    ],
)
def test_what_another_sites_form_could_send_is_refused(
    shop: Shop, client: FlaskClient, send: Callable[[FlaskClient], Any]
) -> None:
    post(client, "/api/amount", text="7.10")
    answer = send(client)
    assert (answer.status_code, answer.get_json()["problem"]) == (403, "foreign_request")
    assert len(view(client).lines) == 1


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("127.0.0.1:8801", True),
        ("localhost", True),
        ("LOCALHOST:8801", True),
        ("[::1]:8801", True),
        ("[::1]", True),
        ("127.0.0.1.evil.example", False),
        ("evil.example", False),
        ("192.0.2.1:8801", False),
        ("localhost.evil.example:8801", False),
        ("", False),
    ],
)
def test_only_this_machines_own_names_are_answered(
    client: FlaskClient, host: str, is_ours: bool
) -> None:
    assert host_is_loopback(host) is is_ours
    answer = client.get("/api/view", headers={"Host": host})
    assert answer.status_code == (200 if is_ours else 403)


def test_changing_addresses_take_no_get_and_unknown_ones_are_told(client: FlaskClient) -> None:
    assert client.get("/api/clear").status_code == 405
    assert client.post("/api/view", json={}, headers=OURS).status_code == 405
    assert client.post("/api/nothing", json={}, headers=OURS).status_code == 404
    assert client.head("/api/view").status_code == 200
    answer = client.get("/api/nothing")
    assert (answer.status_code, answer.get_json()["problem"]) == (404, "http")


def test_every_answer_forbids_foreign_scripts_frames_and_keeping(client: FlaskClient) -> None:
    for path in ("/", "/api/view", "/api/nothing", "/static/till.css"):
        headers = client.get(path).headers
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


def test_the_page_has_no_script_or_style_of_its_own_inside(client: FlaskClient) -> None:
    page = client.get("/").text
    assert "<style" not in page
    assert " style=" not in page
    assert " on" + "click=" not in page
    assert page.count("<script") == page.count('<script type="module" src="/static/') == 1


def test_the_language_is_the_settings_until_one_is_chosen(shop: Shop) -> None:
    assert '<html lang="zh-Hans">' in app_of(shop, "zh").test_client().get("/").text
    client = app_of(shop, "en").test_client()
    assert '<html lang="en">' in client.get("/").text
    assert client.get("/?lang=zh").headers["Location"] == "/"
    assert '<html lang="zh-Hans">' in client.get("/").text
    assert post(client, "/api/amount", text="0").notice_text == "金额不能是 0。"
    assert client.get("/?lang=en").status_code == 302
    assert view(client).notice_text == "An amount cannot be 0."


def test_the_catalogue_has_names_and_prices_in_words(client: FlaskClient) -> None:
    items = client.get("/api/catalogue").get_json()["items"]
    assert [(one["name"], one["price"]) for one in items[:1] + items[3:]] == [
        ("馒头", "0.50 元"),
        ("大米", "15 积分"),
        ("菜籽油", "40 积分"),
        ("血压测量", "免费"),
    ]


def test_a_till_without_policy_and_catalogue_says_that_it_is_not_ready(tmp_path: Any) -> None:
    shop = Shop(tmp_path)
    client = app_of(shop).test_client()
    empty = {"version": "0.0", "searches": False, "items": []}
    assert client.get("/api/catalogue").get_json() == empty
    screen = post(client, "/api/amount", text="7.10")
    assert screen.notice_text == "终端还没有收到积分池的规则和商品。"
    shop.store.close()


def test_a_disk_that_fails_is_said_on_the_page(shop: Shop, client: FlaskClient) -> None:
    screen = post(client, "/api/amount", text="7.10")
    other = sqlite3.connect(shop.path / "terminal.db")
    other.execute("DROP TABLE print_job")
    screen = post(client, "/api/complete", sale_id=screen.sale_id)
    other.close()
    assert (screen.state, screen.notice_text) == ("open", "终端存储出错，这一步没有算数。")
    assert screen.notice is not None
    assert screen.notice.level == "alarm"


def test_a_disk_that_cannot_even_be_read_is_a_503_with_words(
    shop: Shop, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> int:
        raise StoreFaultError("disk I/O error")

    monkeypatch.setattr(shop.store, "untold", fail)
    for path in ("/api/view", "/health"):
        answer = client.get(path)
        assert (answer.status_code, answer.get_json()["problem"]) == (503, "store_fault")
        assert "请停止收款" in answer.get_json()["says"]


def test_health_tells_the_surroundings(shop: Shop, client: FlaskClient) -> None:
    shop.surroundings.note(server="offline", printer="paper_out")
    shop.surroundings.note_disk(97)
    assert client.get("/health").get_json() == {
        "healthy": True,
        "server": "offline",
        "printer": "paper_out",
        "scanner": "",
        "untold": 1,
        "disk_days": 97,
        "practising": False,
    }
    marks = client.get("/api/view").get_json()["statuses"]
    assert "存储只够用 97 天，请联系技术员" in [mark["text"] for mark in marks]


def test_a_fault_of_the_program_is_told_without_its_inside(
    shop: Shop, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("inside")

    monkeypatch.setattr(shop.page, "view", fail)
    answer = client.get("/api/view")
    assert (answer.status_code, answer.get_json()["problem"]) == (500, "fault")
    assert "inside" not in answer.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1000),
        ("1.3", 1300),
        ("０．５", 500),
        (" 2 ", 2000),
        ("0", 0),
        ("1.2345", None),
        (".5", None),
        ("1.", None),
        ("-1", None),
        ("1e3", None),
        ("½", None),
        ("123456789", None),
        ("", None),
    ],
)
def test_a_quantity_is_read_as_people_type_it(text: str, expected: int | None) -> None:
    assert parse_quantity_milli(text) == expected
