"""Statements made by hand for the exports: every field is filled and no two figures are alike."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import msgspec

from server.settlement.document import (
    AdjustmentRow,
    CoverageRow,
    DeclaredRow,
    GoodsRow,
    MinimumRow,
    PaymentRow,
    RentRow,
    ShareRow,
    StatementDocument,
    StatementLine,
    TakingsRow,
)
from tests.support.golden import kept_text

DAY = date(2026, 3, 1)
AT = datetime(2026, 3, 1, 1, 31, 5, tzinfo=UTC)


def example() -> StatementDocument:
    """A month of one merchant with everything in it; the pool pays him."""
    return StatementDocument(
        pool="guanghui",
        pool_name="广惠街街道惠积分",
        unit_name="积分",
        statement="shop-a-20260331",
        merchant="shop-a",
        merchant_name="听篌街小店",
        period_from=DAY,
        period_through=date(2026, 3, 31),
        cycle="month",
        issued_at=datetime(2026, 4, 1, 1, 2, 3, 456789, tzinfo=UTC),
        opening_fen=123_456,
        takings=(
            TakingsRow("basket", "粮油", 1_234_567, 45_670, 321, 4),
            TakingsRow("declared", "", 98_765, 0, 0, 0),
        ),
        takings_fen=1_333_332,
        sales_count=322,
        refunds_count=5,
        shares=(
            ShareRow("c1", "2026-03", "", "cash", 0, 500, 1_000_000, 50_000),
            ShareRow("c1", "2026-03", "", "cash", 1_000_000, 825, 333_332, 27_500),
        ),
        share_fen=77_500,
        minimum=(MinimumRow("c1", "2026-03", 31, 90_000, 77_500, 12_500),),
        minimum_fen=12_500,
        rents=(
            RentRow("c1", DAY, date(2026, 3, 14), 14, 45_161),
            RentRow("c2", date(2026, 3, 15), date(2026, 3, 31), 17, 54_839),
        ),
        rent_fen=100_000,
        redeemed_points=34_567,
        returned_points=321,
        reimbursement_fen=345_670,
        reimbursement_returned_fen=3_210,
        goods=(
            GoodsRow("soy", "酱油", "goods", 3_000, 9, 1_850, 0),
            GoodsRow("clean", "家庭保洁", "service", 2_500, 50, 0, 16_000),
        ),
        fee_fen=16_000,
        declared=(DeclaredRow("shop-a", 17, date(2026, 3, 9), 198_764, 99_999, 98_765),),
        adjustments=(AdjustmentRow("adjustment:d1", "三笔退货没有冲掉", 777, "shop-a-20260228"),),
        adjustment_fen=777,
        payments=(
            PaymentRow("p1", "pay", 123_400, "6222020200112233", date(2026, 3, 5), "paid"),
            PaymentRow("p2", "receive", 1_111, "", date(2026, 3, 6), "paid"),
        ),
        paid_fen=123_400,
        received_fen=1_111,
        net_fen=169_237,
        closing_fen=170_404,
        coverage=(
            CoverageRow("t-0001", "shop-a", 1, 1, 402, ((12, 15), (20, 20)), 2),
            CoverageRow("t-0002", "shop-a", 2, 1, 8_151, (), 0),
        ),
        lines=_lines(),
    )


def with_everything() -> StatementDocument:
    """The golden statement, which a run made of real records: contract change, tiers, a late fact,
    a part refund, vouchers, an adjustment, and a merchant who pays.
    """
    return msgspec.convert(
        json.loads(kept_text("statement_with_everything.json")), StatementDocument
    )


def empty() -> StatementDocument:
    """A statement with no rows in any table."""
    return replace(
        example(),
        takings=(),
        shares=(),
        minimum=(),
        rents=(),
        goods=(),
        declared=(),
        adjustments=(),
        payments=(),
        coverage=(),
        lines=(),
    )


def negative() -> StatementDocument:
    """The merchant pays the pool."""
    return replace(
        example(),
        reimbursement_fen=5_670,
        net_fen=-170_763,
        closing_fen=-169_596,
        merchant_name="建设路街道第二社区便民服务站兼原点在线活力值商城一号门店（临时安置点）有限公司",
    )


def long(count: int) -> StatementDocument:
    """A statement with so many lines."""
    lines = tuple(
        replace(
            _sale(number),
            occurred_at=AT + timedelta(minutes=number),
            takings_fen=number * 7 % 20_011,
            share_fen=number % 97,
        )
        for number in range(1, count + 1)
    )
    return replace(example(), lines=lines)


def _sale(number: int) -> StatementLine:
    return StatementLine(
        line_no=number,
        key=f"sale:01957c5e-2f1a-7000-8000-{number:012x}",
        kind="sale",
        source="basket",
        shop="shop-a",
        terminal="t-0001",
        epoch=1,
        seq=100 + number,
        receipt_no=f"{number:06d}",
        proof="C" if number % 2 else "",
        entry_no=200 + number,
        transfer_nos=(3 * number, 3 * number + 1, 3 * number + 2),
        occurred_at=AT,
        business_date=DAY,
        late=False,
        contract="c1",
        takings_fen=1_200,
        points=56,
        reimbursement_fen=560,
        share_fen=60,
        fee_fen=0,
        adjustment_fen=0,
        memo="",
    )


def _nowhere(number: int) -> StatementLine:
    """A line that no terminal told."""
    return replace(_sale(number), terminal="", epoch=0, seq=0, receipt_no="", proof="", points=0)


def _lines() -> tuple[StatementLine, ...]:
    sale = _sale(1)
    refund = replace(
        _sale(2),
        key="refund:01957c5e-2f1a-7000-8000-000000000002",
        kind="refund",
        late=True,
        business_date=date(2026, 2, 27),
        occurred_at=datetime(2026, 2, 27, 11, 59, tzinfo=UTC),
        takings_fen=-1_100,
        points=-32,
        reimbursement_fen=-320,
        share_fen=-55,
        of_business_date=date(2026, 2, 25),
        of_terminal="t-0002",
        of_receipt_no="000871",
        memo="商品有破损，整件退回；顾客为代领，已出示居民码",
    )
    declared = replace(
        _nowhere(3),
        key="declared:shop-a-17",
        kind="declared",
        source="declared",
        takings_fen=98_765,
        reimbursement_fen=0,
        share_fen=8_148,
    )
    fee = replace(
        _nowhere(4),
        key="fee:clean-1",
        kind="fee",
        source="",
        takings_fen=0,
        reimbursement_fen=0,
        share_fen=0,
        fee_fen=16_000,
        memo="=HYPERLINK(1)",
    )
    adjustment = replace(
        fee,
        line_no=5,
        key="adjustment:d1",
        kind="adjustment",
        fee_fen=0,
        adjustment_fen=777,
        memo="",
    )
    return (sale, refund, declared, fee, adjustment)
