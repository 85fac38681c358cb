import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from sqlalchemy import Engine

from server.bootstrap.desk import make_desk
from server.portal import frame
from tests.unit.audit.pool_world import PoolWorld
from tests.unit.portal.portal_world import MERCHANT, OTHER, PortalWorld, send, text_of

FOLDER = Path(frame.__file__).parent
OPEN_TO_ALL = {"portal.sign_in", "portal.sign_out", "portal.static"}


def links_of(page: str, part: str) -> list[str]:
    return re.findall(rf'href="(/portal/{part}[^"]*)"', page)


def everything_of(portal: PortalWorld, merchant: str) -> dict[str, str]:
    """Every address that a merchant's pages lead to, with its page."""
    client = portal.signed_in(merchant)
    found: dict[str, str] = {}
    wanted = ["/portal/statements", "/portal/orders"]
    while wanted:
        path = wanted.pop()
        if path not in found:
            answer = client.get(path)
            assert answer.status_code == 200, path
            found[path] = answer.get_data().decode(errors="replace")
            if answer.mimetype != "text/html":
                continue
            wanted += links_of(found[path], "statements")
    return found


def test_a_merchant_reads_nothing_of_another_on_any_route(portal: PortalWorld) -> None:
    own, others = everything_of(portal, MERCHANT), everything_of(portal, OTHER)
    client = portal.signed_in(MERCHANT)
    forbidden = set(others) - set(own)
    assert len(forbidden) >= 4
    secrets = {"听篌街兑换站", "t-zhan", *re.findall(r"t-zhan-\d{4}", "".join(others.values()))}
    for path in forbidden:
        answer = client.get(path)
        assert answer.status_code == 404, path
        assert "不是您的" in answer.text
    for path, page in own.items():
        assert not [secret for secret in secrets if secret in page], path


def test_ids_of_two_merchants_do_not_mix_on_any_route_that_takes_two(portal: PortalWorld) -> None:
    own, others = everything_of(portal, MERCHANT), everything_of(portal, OTHER)
    client = portal.signed_in(MERCHANT)
    own_lines = [path for path in own if re.search("/lines/[^/]+$", path)]
    other_lines = [path for path in others if re.search("/lines/[^/]+$", path)]
    assert own_lines
    assert other_lines
    for mine in own_lines:
        for theirs in other_lines:
            statement, key = mine.split("/lines/")[0], theirs.split("/lines/")[1]
            assert client.get(f"{statement}/lines/{key}").status_code == 404
            statement, key = theirs.split("/lines/")[0], mine.split("/lines/")[1]
            assert client.get(f"{statement}/lines/{key}").status_code == 404


def test_a_line_is_found_only_on_its_own_statement(portal: PortalWorld) -> None:
    own = everything_of(portal, MERCHANT)
    first = next(path for path in own if path.startswith("/portal/statements/xiaodian-20260302/"))
    moved = first.replace("xiaodian-20260302", "xiaodian-20260303")
    assert portal.signed_in().get(moved).status_code == 404


def test_every_route_of_the_portal_is_walked_by_these_tests(portal: PortalWorld) -> None:
    """A route that a later change adds is bounded here as well, or this test says so."""
    walked = {
        "portal.home",
        "portal.statements",
        "portal.statement",
        "portal.line",
        "portal.orders",
        "portal.file",
        "portal.confirm",
        "portal.dispute",
        "portal.dispute_line",
    }
    routes = {
        rule.endpoint
        for rule in portal.app.url_map.iter_rules()
        if rule.endpoint.startswith("portal.")
    }
    assert routes == walked | OPEN_TO_ALL


def test_nobody_sees_any_page_without_signing_in(portal: PortalWorld) -> None:
    paths = [*everything_of(portal, MERCHANT), "/portal/", "/portal/statements/none"]
    for path in paths:
        answer = portal.browser().get(path)
        assert (answer.status_code, answer.location) == (302, "/portal/sign-in"), path


def test_the_root_leads_a_merchant_to_his_statements(portal: PortalWorld) -> None:
    answer = portal.signed_in().get("/", follow_redirects=True)
    assert answer.request.path == "/portal/statements"


def test_pages_forbid_scripts_frames_and_storing(portal: PortalWorld) -> None:
    for path, page in everything_of(portal, MERCHANT).items():
        if "/files/" in path:
            continue
        assert "<script" not in page, path
        assert "style=" not in page, path
        assert "//" not in re.sub(r"<!doctype html>|</", "", page), path
    headers = portal.signed_in().get("/portal/statements").headers
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"


def test_the_list_says_what_is_owed_for_each_period(portal: PortalWorld) -> None:
    text = text_of(portal.signed_in().get("/portal/statements").text)
    # Day 1: 7.10 reimbursed, 38.00 cash at 10 % share. Day 2: 1.00 taken back.
    assert "2026-03-02 应收 3.30 元 2 笔销售 实收现金 38.00 元" in text
    assert "2026-03-03 应付 1.00 元 0 笔销售 1 笔退货 实收现金 0.00 元" in text


def test_a_statement_shows_how_its_net_comes_about(portal: PortalWorld) -> None:
    text = text_of(portal.signed_in().get("/portal/statements/xiaodian-20260302").text)
    assert "本期积分池应付给您 3.30 元" in text
    assert "居民支付的积分 71 积分" in text
    assert "积分池为居民支付的积分付给您 +7.10 元" in text
    assert "实收现金 38.00 元 × 10 %，合约 c-xiaodian −3.80 元" in text
    assert "本期净额 +3.30 元" in text
    assert "小票 t-xiaodian-0001 现金 0.00 元 71 积分 补偿 7.10 元 纳入积分池 0.00 元" in text


def test_a_period_of_refunds_alone_tells_the_period_from_the_balance_in_the_same_words(
    portal: PortalWorld,
) -> None:
    client = portal.signed_in()
    text = text_of(client.get("/portal/statements/xiaodian-20260303").text)
    assert "本期您应付给积分池 1.00 元" in text
    assert "连同以往的和已付的，期末余额是积分池应付给您 2.30 元。" in text
    assert "期末余额 应收" not in text
    english = text_of(client.get("/portal/statements/xiaodian-20260303?lang=en").text)
    assert "For this period you owe the pool" in english
    assert "that the pool owes you." in english


def test_a_late_fact_is_marked_with_its_own_day(portal: PortalWorld) -> None:
    text = text_of(portal.signed_in(OTHER).get("/portal/statements/zhan-20260303").text)
    assert "迟到，属于 2026-03-02" in text
    assert "积分池应付给您 10.00 元" in text


def test_a_sale_opens_to_goods_payment_record_and_ledger(portal: PortalWorld) -> None:
    client = portal.signed_in()
    statement = client.get("/portal/statements/xiaodian-20260302").text
    text = text_of(client.get(links_of(statement, "statements/[^/]+/lines")[0]).text)
    assert "馒头 0.50 元 / 个 5 个 2.50 元 普通青菜 4.60 元 / kg 1 kg 4.60 元" in text
    assert "积分抵扣 71 积分 现金 0.00 元 核验 B 手机出示 居民 尾号 00aa" in text
    assert "终端 t-xiaodian，第 1 段第 1 条" in text
    with portal.pool.engine.connect() as connection:
        query = "SELECT hash FROM journal_record WHERE terminal = 't-xiaodian' AND seq = 1"
        assert str(connection.exec_driver_sql(query).scalar_one()) in text
    assert "居民的积分 尾号 00aa 商户收到的积分 71 积分 积分池资金 积分池应付商户 7.10 元" in text


def test_a_refund_opens_to_what_came_back_and_names_its_receipt(portal: PortalWorld) -> None:
    client = portal.signed_in()
    statement = client.get("/portal/statements/xiaodian-20260303").text
    assert "退货" in text_of(statement)
    text = text_of(client.get(links_of(statement, "statements/[^/]+/lines")[0]).text)
    assert "退 2026-03-02 的销售：小票 t-xiaodian-0001（终端 t-xiaodian）" in text
    assert "馒头 0.50 元 / 个 2 个 1.00 元" in text
    assert "积分抵扣 10 积分" in text
    assert "这一笔合计 −1.00 元" in text


def test_a_sale_that_moved_nothing_is_a_line_that_opens_and_can_be_disputed(
    portal: PortalWorld,
) -> None:
    pool = portal.pool
    sale = pool.sell(MERCHANT, pool.line("blood-pressure"))
    day = sale.business_date
    pool.now += timedelta(days=1)
    pool.run(day)
    client = portal.signed_in()
    statement = client.get(f"/portal/statements/{statement_id(day)}")
    shown = text_of(statement.text)
    assert "销售笔数 另有 1 笔不动积分和钱" in shown
    assert "血压测量 商品 · 数量 1" in shown
    (address,) = (
        each
        for each in links_of(statement.text, "statements/[^/]+/lines")
        if str(sale.sale_id) in each
    )
    text = text_of(client.get(address).text)
    assert "血压测量 0.00 元 / 次 1 次 0.00 元" in text
    assert f"小票 {sale.receipt_no}" in text
    assert "没有动积分和钱，不记凭证。" in text
    assert "终端 t-xiaodian，第 1 段第" in text
    dispute = f"{address}/dispute"
    assert "这一笔不对，提出异议" in text
    assert "提出异议" in client.get(dispute).text
    sent = send(client, dispute, dispute="d-free", reason="量了两次，只记了一次")
    assert "异议已提交" in text_of(sent.text)
    assert "量了两次，只记了一次" in text_of(client.get(address).text)
    for kind in ("pdf", "xlsx", "csv", "json"):
        assert client.get(f"/portal/statements/{statement_id(day)}/files/{kind}").status_code == 200


def statement_id(day: date) -> str:
    return f"{MERCHANT}-{day:%Y%m%d}"


def test_pages_speak_english_when_asked_and_keep_to_it(portal: PortalWorld) -> None:
    client = portal.signed_in()
    text = text_of(client.get("/portal/statements/xiaodian-20260302?lang=en").text)
    assert "For this period the pool owes you 3.30 yuan" in text
    assert "Paid by residents in points 71 points" in text
    assert "2 sales" in text_of(client.get("/portal/statements").text)
    assert 'lang="zh-Hans"' in client.get("/portal/statements?lang=zh").text


@pytest.mark.parametrize(
    ("accepted", "word"), [("en-GB,en;q=0.8", "Sign in"), ("de", "登录"), ("zh-CN", "登录")]
)
def test_the_browsers_language_decides_first(portal: PortalWorld, accepted: str, word: str) -> None:
    page = portal.browser().get("/portal/sign-in", headers={"Accept-Language": accepted})
    assert word in page.text


def test_points_have_the_pools_own_name(engine: Engine) -> None:
    pool = PoolWorld(engine, "yuandian")
    pool.open_merchant("shangjia", "原点商家")
    pool.settle(pool.now.date() - timedelta(days=1))
    portal = PortalWorld.of(pool)
    assert "还没有对账单" in portal.signed_in("shangjia").get("/portal/statements").text
    pool.now += timedelta(days=1)
    pool.settle(pool.now.date() - timedelta(days=1))
    page = portal.signed_in("shangjia").get("/portal/statements/shangjia-20260302").text
    assert "居民支付的活力值 0 活力值" in text_of(page)
    assert "本期没有交易" in page


def test_a_long_statement_comes_in_pages(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame, "ROWS_A_PAGE", 2)
    pool = PoolWorld(engine, desk=make_desk())
    pool.open_merchant("m", "商户")
    for _ in range(5):
        pool.sell("m", pool.line("bun"))
    pool.now += timedelta(days=1)
    pool.settle(pool.now.date() - timedelta(days=1))
    client = PortalWorld.of(pool).signed_in("m")
    seen = []
    for number in ("1", "2", "3"):
        page = client.get(f"/portal/statements/m-20260302?page={number}").text
        assert f"第 {number} 页，共 3 页" in page
        seen += re.findall(r"t-m-\d{4}", page)
        assert client.get(f"/portal/statements?page={number}").status_code == 200
    assert seen == [f"t-m-{number:04d}" for number in range(1, 6)]
    for odd in ("0", "99", "x", "-3"):
        assert client.get(f"/portal/statements/m-20260302?page={odd}").status_code == 200


def test_a_reader_of_many_lines_stays_at_them_from_page_to_page_and_back_from_a_line(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame, "ROWS_A_PAGE", 2)
    pool = PoolWorld(engine, desk=make_desk())
    pool.open_merchant("m", "商户")
    for _ in range(5):
        pool.sell("m", pool.line("bun"))
    pool.now += timedelta(days=1)
    pool.settle(pool.now.date() - timedelta(days=1))
    client = PortalWorld.of(pool).signed_in("m")
    address = "/portal/statements/m-20260302"
    page = client.get(f"{address}?page=2").text
    assert 'id="lines"' in page
    assert 'href="?page=1#lines"' in page
    assert 'href="?page=3#lines"' in page
    assert re.findall(r'<li id="(line-\d+)">', page) == ["line-3", "line-4"]
    for number, back in (("1", "#line-1"), ("3", "?page=3#line-5")):
        line = links_of(client.get(f"{address}?page={number}").text, "statements/[^/]+/lines/")[0]
        assert links_of(client.get(line).text, "statements/m-2")[0] == address + back


@pytest.mark.parametrize("path", ["/portal/nothing", "/console/nothing", "/nothing"])
def test_an_address_that_no_page_has_is_told_in_both_languages(
    portal: PortalWorld, path: str
) -> None:
    answer = portal.browser().get(path)
    assert answer.status_code == 404
    assert answer.text == "没有这一页。\nThere is no such page.\n"


def test_a_forms_address_opened_by_hand_and_a_text_beyond_measure_are_told_in_both_languages(
    portal: PortalWorld,
) -> None:
    client = portal.signed_in()
    by_hand = client.get("/portal/statements/xiaodian-20260302/confirm")
    assert by_hand.status_code == 405
    assert set(by_hand.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}
    assert "请返回上一页，再点一次按钮" in by_hand.text
    assert "Go back and press the button again" in by_hand.text
    long = client.post("/portal/sign-in", data={"user": "x" * 1024 * 1024})
    assert long.status_code == 413
    assert "提交的内容太长" in long.text
    assert "Too much was sent" in long.text


def test_every_text_of_the_pages_has_its_english_and_the_compiled_file_is_fresh() -> None:
    catalogue = FOLDER / "translations" / "en" / "LC_MESSAGES" / "messages"
    with catalogue.with_suffix(".po").open("rb") as file:
        written = read_po(file)
    with catalogue.with_suffix(".mo").open("rb") as file:
        compiled = read_mo(file)
    methods = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
    keywords = DEFAULT_KEYWORDS | {"lazy_gettext": None}
    found = extract_from_dir(FOLDER, methods, keywords=keywords)
    texts = {text if isinstance(text, str) else text[0] for _, _, text, _, _ in found}
    english = {each.id if isinstance(each.id, str) else each.id[0]: each for each in written}
    english.pop("", None)
    assert texts == set(english)
    assert all(each.string for each in english.values())
    for each in written:
        assert not each.id or list(compiled[each.id].string or ()) == list(each.string or ()), (
            each.id
        )
    assert len(compiled) == len(written)
