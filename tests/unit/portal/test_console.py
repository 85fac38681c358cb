"""The pages of the pool's own people: answering, paying with four eyes, settling, pool health."""

import re
from datetime import timedelta
from itertools import product

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from server.db import reading
from server.directory.accounts import BANK, merchant_account
from server.facts.tables import fact
from server.ledger import Asset, balance
from server.portal import console, console_runs
from server.portal.wording import Wording
from server.settlement import runs as run_module
from server.settlement.disputes_values import Dispute, RaiseDispute
from server.settlement.payments_values import Payment
from server.settlement.statements import is_closed, runs, statements_of
from server.settlement.states_standing import Standing, standing_of
from tests.unit.audit.pool_world import RESIDENT
from tests.unit.portal.portal_world import (
    FINANCE,
    MERCHANT,
    OPERATOR,
    OTHER,
    SECOND,
    PortalWorld,
    csrf_of,
    send,
    sign_in,
    text_of,
)

FIRST = "xiaodian-20260302"
PAGE = f"/console/statements/{FIRST}"
OPERATORS_ROOMS = ("/console/cards", "/console/orders", "/console/counter")


@pytest.fixture
def office(portal: PortalWorld) -> PortalWorld:
    portal.people()
    return portal


def standing(portal: PortalWorld, statement: str = FIRST) -> Standing:
    with reading(portal.pool.engine) as tx:
        found = standing_of(tx, portal.pool.pool, statement)
    assert found is not None
    return found


def facts(portal: PortalWorld) -> int:
    with reading(portal.pool.engine) as tx:
        return int(tx.execute(select(func.count()).select_from(fact)).scalar_one())


def fen(portal: PortalWorld, account: str) -> int:
    with reading(portal.pool.engine) as tx:
        return balance(tx, portal.pool.pool, account, Asset.FEN)


def dispute(portal: PortalWorld) -> Dispute:
    """The merchant disputes the first statement; answers what stands in the books."""
    send(
        portal.signed_in(),
        f"/portal/statements/{FIRST}/dispute",
        dispute="d-1",
        reason="少算 5 元",
    )
    (found,) = standing(portal).disputes
    return found


def confirm(portal: PortalWorld, statement: str = FIRST) -> None:
    send(portal.signed_in(), f"/portal/statements/{statement}/confirm")


def proposed(portal: PortalWorld, client: FlaskClient, amount: str = "3.30") -> Payment:
    send(client, f"{PAGE}/payments", payment="p-1", direction="pay", amount=amount)
    (found,) = standing(portal).payments
    return found


# ── who may come in ──


def test_only_the_pools_own_people_come_in(office: PortalWorld) -> None:
    client = office.browser()
    refused = sign_in(client, MERCHANT, door="console")
    assert refused.status_code == 403
    assert "不是工作人员的" in refused.text
    assert sign_in(office.browser(), OPERATOR).status_code == 403
    merchant = office.signed_in()
    answer = merchant.get("/console/waiting")
    assert (answer.status_code, answer.location) == (302, "/console/sign-in")
    # Looking at a door that is not his costs the merchant nothing.
    assert merchant.get("/portal/statements").status_code == 200


def test_wrong_tries_at_one_door_count_at_the_other(office: PortalWorld) -> None:
    for door, _ in product(("portal", "console"), range(3)):
        answer = sign_in(office.browser(), OPERATOR, "wrong", door)
    assert answer.status_code == 429


def test_no_page_of_the_office_opens_for_anybody_else(office: PortalWorld) -> None:
    dispute(office)
    before = facts(office)
    values = {"statement": FIRST, "dispute": "d-1", "payment": "p-1", "merchant": MERCHANT}
    values |= {"kind": "csv", "key": "sale:1", "run": "r", "account": RESIDENT, "order_id": "0-1"}
    adapter = office.app.url_map.bind("localhost")
    walked = 0
    for client in (office.browser(), office.signed_in(), office.signed_in(OTHER)):
        token = csrf_of(client)
        for rule in office.app.url_map.iter_rules():
            name = rule.endpoint
            if not name.startswith("console.") or name in {"console.sign_in", "console.sign_out"}:
                continue
            address = adapter.build(name, {each: values[each] for each in rule.arguments})
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                answer = client.open(address, method=method, data={"csrf": token})
                assert (answer.status_code, answer.location) == (302, "/console/sign-in"), address
                walked += 1
    assert walked >= 3 * 20
    assert facts(office) == before


def test_no_form_of_the_office_works_without_its_token(office: PortalWorld) -> None:
    client = office.officer(FINANCE)
    confirm(office)
    proposed(office, client)
    before = facts(office)
    form = {"csrf": "0" * 32, "payment": "p-2", "direction": "pay", "amount": "1", "reason": "r"}
    for address in (f"{PAGE}/payments", f"{PAGE}/carry", "/console/payments/p-1/withdraw"):
        assert client.post(address, data=form).status_code == 400
    assert facts(office) == before


def test_every_page_opens_for_the_office_in_both_languages_and_writes_nothing(
    office: PortalWorld,
) -> None:
    line = re.search(
        r"/lines/([^\"/]+)", office.signed_in().get(f"/portal/statements/{FIRST}").text
    )
    assert line is not None
    dispute(office)
    confirm(office, "xiaodian-20260303")
    with reading(office.pool.engine) as tx:
        run = runs(tx, office.pool.pool)[0].run
    values = {"statement": FIRST, "dispute": "d-1", "merchant": MERCHANT, "key": line.group(1)}
    values |= {"kind": "csv", "run": run, "account": RESIDENT}
    before = facts(office)
    adapter = office.app.url_map.bind("localhost")
    for user, language in product((OPERATOR, FINANCE), ("zh", "en")):
        client = office.officer(user)
        opened = 0
        for rule in office.app.url_map.iter_rules():
            if not rule.endpoint.startswith("console.") or "GET" not in (rule.methods or set()):
                continue
            # No order waits in this pool: its page is opened where one does (test_console_orders).
            if {"payment", "order_id"} & rule.arguments:
                continue
            address = adapter.build(rule.endpoint, {each: values[each] for each in rule.arguments})
            answer = client.get(f"{address}?lang={language}&through=2026-03-04")
            if user == FINANCE and rule.rule.startswith(OPERATORS_ROOMS):
                assert answer.status_code == 403, address
                continue
            assert answer.status_code in {200, 302}, address
            opened += answer.status_code == 200
            if answer.mimetype == "text/html" and answer.status_code == 200:
                assert "<script" not in answer.text, address
                assert "style=" not in answer.text, address
        assert opened >= 10
    assert facts(office) == before


def test_cards_orders_and_counter_are_not_finances(office: PortalWorld) -> None:
    """Finance is separate: money is theirs, residents are the operators'."""
    finance, operator = office.officer(FINANCE), office.officer(OPERATOR)
    before = facts(office)
    for room in OPERATORS_ROOMS:
        assert room in operator.get("/console/waiting").text
        assert room not in finance.get("/console/waiting").text
        assert "请街道工作人员来办" in finance.get(room).text
    acts = [
        (f"/console/cards/{RESIDENT}", {"act": "lost", "reason": "丢了"}),
        (f"/console/cards/{RESIDENT}/record", {"first": "2026-03-01", "last": "2026-03-04"}),
        ("/console/cards", {"account": RESIDENT}),
        ("/console/orders/o-1", {"merchant": MERCHANT}),
    ]
    for address, typed in acts:
        answer = send(finance, address, **typed)
        assert answer.status_code == 403, address
        assert "请街道工作人员来办" in answer.text
    assert facts(office) == before
    english = text_of(finance.get("/console/cards?lang=en").text)
    assert "office staff" in english


def test_what_waits_beyond_the_listed_is_counted_and_its_way_told(
    office: PortalWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    dispute(office)
    client = office.officer(OPERATOR)
    assert "只列出前" not in text_of(client.get("/console/waiting").text)
    monkeypatch.setattr(console, "SHOWN_MAX", 0)
    text = text_of(client.get("/console/waiting").text)
    assert "异议，待答复 (1)" in text
    assert "只列出前 0 条，共 1 条。前面的办好以后，后面的就列出来。" in text
    assert "少算 5 元" not in text
    english = text_of(client.get("/console/waiting?lang=en").text)
    assert "The first 0 of 1 are listed." in english


# ── disputes ──


def test_an_answer_with_an_adjustment_stands_on_the_next_statement(office: PortalWorld) -> None:
    found = dispute(office)
    client = office.officer(OPERATOR)
    waiting = text_of(client.get("/console/waiting").text)
    assert f"广惠小店一号 {found.raised_at:%Y-%m-%d}" in waiting
    assert "少算 5 元" in waiting
    page = send(
        client,
        f"/console/disputes/{found.dispute}",
        verdict="adjusted",
        way="more",
        amount="5.00",
        reason="核对属实",
    )
    assert "要另一个人批准" in page.text
    address = f"/console/disputes/{found.dispute}"
    assert "批准这笔调整" not in client.get(address).text
    own = text_of(office.signed_in().get(f"/portal/statements/{FIRST}").text)
    assert "同意，调整" not in own
    second = office.officer(FINANCE)
    assert "广惠小店一号 +5.00 元" in text_of(second.get("/console/waiting").text)
    assert "批准这笔调整" in second.get(address).text
    other = send(second, address, verdict="approved", amount_fen="501")
    assert other.status_code == 409
    assert send(second, address, verdict="approved", amount_fen="5元").status_code == 400
    assert "已答复" in send(second, address, verdict="approved", amount_fen="500").text
    again = send(second, address, verdict="approved", amount_fen="501")
    assert again.status_code == 409
    assert 'role="alert"' in again.text
    own = text_of(office.signed_in().get(f"/portal/statements/{FIRST}").text)
    assert "同意，调整 +5.00 元" in own
    assert "核对属实" in own
    assert "确认无误" in own
    assert "少算 5 元" not in client.get("/console/waiting").text
    office.pool.now += timedelta(days=1)
    office.pool.settle(office.pool.now.date() - timedelta(days=1))
    following = office.signed_in().get("/portal/statements/xiaodian-20260304").text
    assert f"对账单 {FIRST}：核对属实 +5.00 元" in text_of(following)
    line = re.search(r'href="([^"]+/lines/adjustment:d-1)"', following)
    assert line is not None
    opened = text_of(office.signed_in().get(line.group(1)).text)
    assert "这一笔合计 +5.00 元" in opened
    assert "积分池资金 积分池应付商户 5.00 元" in opened


def test_a_refusal_says_why_and_books_nothing(office: PortalWorld) -> None:
    found = dispute(office)
    owed = fen(office, merchant_account(MERCHANT))
    send(
        office.officer(OPERATOR),
        f"/console/disputes/{found.dispute}",
        verdict="refused",
        reason="小票上没有",
    )
    own = text_of(office.signed_in().get(f"/portal/statements/{FIRST}").text)
    assert "不同意" in own
    assert "小票上没有" in own
    assert fen(office, merchant_account(MERCHANT)) == owed


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"reason": "r"}, "请选择"),
        ({"verdict": "adjusted", "amount": "5"}, "请写明原因"),
        ({"verdict": "adjusted", "amount": "", "reason": "r"}, "金额要大于 0"),
        ({"verdict": "adjusted", "amount": "-5", "reason": "r"}, "金额要大于 0"),
        ({"verdict": "adjusted", "amount": "1.005", "reason": "r"}, "金额要大于 0"),
        ({"verdict": "adjusted", "amount": "9" * 13, "reason": "r"}, "金额要大于 0"),
    ],
)
def test_an_answer_that_cannot_be_taken_is_told(
    office: PortalWorld, typed: dict[str, str], says: str
) -> None:
    found = dispute(office)
    answer = send(office.officer(OPERATOR), f"/console/disputes/{found.dispute}", **typed)
    assert answer.status_code == 400
    assert says in answer.text
    assert standing(office).disputes[0].answer is None


def test_whoever_disputed_for_the_merchant_reads_that_another_must_answer(
    office: PortalWorld,
) -> None:
    command = RaiseDispute(dispute="d-2", statement=FIRST, reason="少", on_behalf="电话")
    desk = office.pool.desk
    with office.pool.engine.begin() as tx:
        desk.submit(
            tx, office.pool.pool, command, actor=f"portal:{OPERATOR}", recorded_at=office.pool.now
        )
    assert "要由另一个人来答复" in office.officer(OPERATOR).get("/console/disputes/d-2").text
    refused = send(office.officer(OPERATOR), "/console/disputes/d-2", verdict="refused", reason="r")
    assert refused.status_code == 409
    assert "答复商户" in office.officer(FINANCE).get("/console/disputes/d-2").text


# ── money ──


def test_a_payment_takes_two_people_and_the_bank(office: PortalWorld) -> None:
    confirm(office)
    first, second = office.officer(FINANCE), office.officer(SECOND)
    assert 'value="3.30"' in first.get(PAGE).text
    proposed(office, first)
    page = first.get("/console/payments/p-1").text
    assert "您提出的付款要由另一位批准。" in page
    assert "/approve" not in page
    refused = send(first, "/console/payments/p-1/approve")
    assert "提出的人不能自己批准" in refused.text
    assert standing(office).payments[0].state.value == "proposed"
    assert "已批准" in send(second, "/console/payments/p-1/approve").text
    paid = send(first, "/console/payments/p-1/record", bank_ref="ICBC-7", paid_on="2026-03-04")
    assert "已记账" in paid.text
    assert fen(office, BANK) == -330
    assert standing(office).state.value == "settled"
    own = text_of(office.signed_in().get(f"/portal/statements/{FIRST}").text)
    assert "付给商户 3.30 元 已付 2026-03-04 银行流水号 ICBC-7" in own
    assert "现在还没有结清的： 两清" in own
    bounced = send(second, "/console/payments/p-1/bounce", reason="账号不符")
    assert "已记退回" in bounced.text
    assert standing(office).open_fen == 330
    assert "应收 3.30 元" in office.signed_in().get(f"/portal/statements/{FIRST}").text


def test_no_more_than_is_open_is_proposed_and_the_figure_is_told(office: PortalWorld) -> None:
    confirm(office)
    answer = send(
        office.officer(FINANCE), f"{PAGE}/payments", payment="p", direction="pay", amount="3.31"
    )
    assert "现在最多还能付款" in answer.text
    assert "3.30 元" in answer.text
    assert standing(office).payments == ()


@pytest.mark.parametrize("amount", ["", "0", "-1", "abc", "1e3", "1,000"])
def test_an_amount_that_is_none_is_told(office: PortalWorld, amount: str) -> None:
    confirm(office)
    answer = send(
        office.officer(FINANCE), f"{PAGE}/payments", payment="p", direction="pay", amount=amount
    )
    assert "金额要大于 0" in answer.text


def test_an_operator_sees_payments_and_moves_none(office: PortalWorld) -> None:
    confirm(office)
    client = office.officer(OPERATOR)
    page = client.get(PAGE).text
    assert "收付款和结转由财务人员办理" in page
    assert "/payments" not in page
    answer = send(client, f"{PAGE}/payments", payment="p", direction="pay", amount="1")
    assert "收付款只能由财务人员办理" in answer.text
    proposed(office, office.officer(FINANCE))
    assert "收付款只能由财务人员办理" in send(client, "/console/payments/p-1/approve").text
    assert standing(office).payments[0].state.value == "proposed"


def test_withdrawing_and_carrying_forward(office: PortalWorld) -> None:
    confirm(office)
    client = office.officer(FINANCE)
    proposed(office, client)
    assert "还有 3.30 元收付款没有办完" in send(client, f"{PAGE}/carry", reason="小额").text
    assert "已撤回" in send(client, "/console/payments/p-1/withdraw", reason="写错").text
    assert "已结转" in send(client, f"{PAGE}/carry", reason="小额").text
    assert standing(office).state.value == "settled"


def test_a_record_needs_the_banks_reference_and_a_day_that_has_come(office: PortalWorld) -> None:
    confirm(office)
    proposed(office, office.officer(FINANCE))
    client = office.officer(SECOND)
    send(client, "/console/payments/p-1/approve")
    address = "/console/payments/p-1/record"
    assert "请按银行回单填写流水号" in send(client, address, paid_on="2026-03-04").text
    assert "日期要写成" in send(client, address, bank_ref="B", paid_on="昨天").text
    assert "还没有到" in send(client, address, bank_ref="B", paid_on="2026-04-01").text
    assert standing(office).payments[0].state.value == "approved"


def test_what_is_not_there_is_not_found(office: PortalWorld) -> None:
    client = office.officer(FINANCE)
    for address in (
        "merchants/none",
        "statements/none",
        f"statements/{FIRST}/lines/sale:none",
        f"statements/{FIRST}/files/exe",
        "disputes/none",
        "payments/none",
        "runs/none",
    ):
        assert client.get(f"/console/{address}").status_code == 404, address
    for address in ("statements/none/payments", "payments/none/approve", "runs/none/go"):
        assert send(client, f"/console/{address}").status_code == 404, address


# ── settling ──


def test_a_run_is_looked_at_and_then_made(office: PortalWorld) -> None:
    office.pool.sell(MERCHANT, office.pool.line("massage"))
    office.pool.now += timedelta(days=1)
    client = office.officer(OPERATOR)
    before = facts(office)
    seen = text_of(client.get("/console/runs/preview?through=2026-03-04").text)
    assert "这里的数字还没有写入账本" in seen
    assert "广惠小店一号 · 2026-03-04" in seen
    assert facts(office) == before
    page = send(client, "/console/runs", through="2026-03-04")
    assert "这一次结算已做完" in page.text
    assert "已出 2 份对账单" in page.text
    assert "2026-03-04" in office.signed_in().get("/portal/statements").text
    again = send(client, "/console/runs", through="2026-03-04")
    assert again.request.path == page.request.path


def test_a_run_goes_on_where_it_stopped(
    office: PortalWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console_runs, "AT_ONCE_S", 0.0)
    # A request stops between two commands; each of them settles one merchant here.
    for module in (run_module, console_runs):
        monkeypatch.setattr(module, "MERCHANTS_AT_ONCE", 1)
    office.pool.now += timedelta(days=1)
    client = office.officer(OPERATOR)
    page = send(client, "/console/runs", through="2026-03-04")
    assert "已做 1 家，还有 1 家" in page.text
    assert "继续结算" in page.text
    with reading(office.pool.engine) as tx:
        run = runs(tx, office.pool.pool)[-1]
        assert not is_closed(tx, office.pool.pool, run)
    monkeypatch.undo()
    page = send(client, f"/console/runs/{run.run}/go", after=MERCHANT)
    assert "这一次结算已做完" in page.text
    with reading(office.pool.engine) as tx:
        assert is_closed(tx, office.pool.pool, run)
        assert len(statements_of(tx, office.pool.pool, run=run.run)) == 2


def test_a_day_that_is_not_over_is_not_settled(office: PortalWorld) -> None:
    client = office.officer(OPERATOR)
    today = f"{office.pool.now:%Y-%m-%d}"
    assert "这一天还没有结束" in client.get(f"/console/runs/preview?through={today}").text
    assert "还没有结束" in send(client, "/console/runs", through=today).text
    assert "日期要写成" in send(client, "/console/runs", through="31.3.").text
    far = client.get("/console/runs/preview?through=9999-12-31", follow_redirects=True)
    assert "这一天还没有到" in far.text
    behind = client.get("/console/runs/preview?through=2026-03-01").text
    assert "已经结算到更晚的一天" in behind


def test_who_lacks_a_contract_is_named_and_the_others_are_settled(office: PortalWorld) -> None:
    office.pool.open_merchant("wuyue", "无约小铺", contract=False)
    office.pool.sell("wuyue", office.pool.line("massage"))
    office.pool.now += timedelta(days=1)
    client = office.officer(OPERATOR)
    assert "无约小铺（2026-03-04）" in client.get("/console/runs/preview?through=2026-03-04").text
    page = send(client, "/console/runs", through="2026-03-04").text
    assert "无约小铺（2026-03-04）" in page
    assert "已出 2 份对账单" in page
    assert "再结算一次" in page


def test_what_nobody_answered_in_time_counts_as_confirmed(office: PortalWorld) -> None:
    office.pool.now += timedelta(days=30)
    client = office.officer(OPERATOR)
    assert "商户到期没有答复" in client.get("/console/waiting").text
    assert "4 份到期的对账单已按确认处理" in send(client, "/console/waiting/lapse").text
    assert standing(office).state.value in {"confirmed", "settled"}


# ── health ──


def test_the_health_page_shows_the_loop_in_figures_and_as_a_picture(office: PortalWorld) -> None:
    client = office.officer(OPERATOR)
    page = client.get("/console/health?first=2026-03-01&last=2026-03-31").text
    text = text_of(page)
    assert "<svg" in page
    assert "2026-03" in text
    assert "流入 3.80 元" in text
    english = client.get("/console/health?first=2026-03-01&last=2026-03-31&lang=en").text
    assert "The points loop" in english
    assert "in 3.80 yuan" in text_of(english)


def test_a_period_that_is_none_is_told(office: PortalWorld) -> None:
    client = office.officer(OPERATOR)
    for asked in ("first=x", "first=2026-03-05&last=2026-03-01"):
        answer = client.get(f"/console/health?{asked}")
        assert answer.status_code == 400
        assert 'role="alert"' in answer.text


@pytest.mark.parametrize(
    ("rate_bp", "shown"),
    [(350, "3.5 %"), (10_000, "100 %"), (0, "0 %"), (-65_790, "−657.9 %"), (-5, "−0.05 %")],
)
def test_a_rate_reads_the_same_on_both_sides_of_zero(rate_bp: int, shown: str) -> None:
    assert Wording.percent(rate_bp) == shown
