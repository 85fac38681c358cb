"""Papers beside a sale's receipt, and receipts in two languages, byte for byte and as text.

After a wanted change: HUIDIAN_WRITE_GOLDEN=1 writes the files anew; look at the pictures
(HUIDIAN_PICTURES=folder keeps them) and at the difference.
"""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from drivers.document import Document
from drivers.escpos.encode import encode_document
from drivers.escpos.profile import PrinterProfile, usual_dots
from protocol.evidence import ProofGrade
from protocol.sales import AnsweredBy, Payment, SaleCaptured, SaleLine
from terminal.diagnostics import sample_papers
from terminal.domain.papers import (
    AwardGiven,
    CardHandedOver,
    Delivery,
    Paper,
    ServiceOrder,
    ShiftReport,
    StatementFigures,
    TenderTotal,
    VoidedSale,
)
from terminal.domain.ports import ReceiptFacts
from terminal.receipts.blocks import PaperLanguage, ShopLines
from terminal.receipts.composer import ReceiptComposer
from tests.support.golden import as_hex, check, keep_picture, kept_bytes, on_paper

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
ZHANG = "00000000000000a1"
SHOP = ShopLines(("兴华路 18 号 · 电话 0371-0000000",), ("每月 8 日会员日", "扫码看更多好货"))
FACTS = ReceiptFacts(
    occurred_at=NOON,
    shop_name="原点小店",
    merchant_name="社区合伙人一号",
    pool_name="原点在线",
    unit_name="活力值",
    unit_name_en="vitality points",
    balance_before_points=100,
    copy_no=0,
)

X_REPORT = ShiftReport(
    z_no=None,
    opened_at=NOON - timedelta(hours=4),
    cashier="3 号",
    sales=41,
    refunds=1,
    voids=2,
    sold_fen=128_650,
    refunded_fen=1_200,
    tenders=(TenderTotal("cash", 30, 61_230), TenderTotal("wechat", 9, 25_100)),
    points_used=4_112,
    points_returned=71,
    waived_fen=24,
    rounded_up_fen=0,
    float_fen=20_000,
    expected_cash_fen=81_230,
    counted_fen=None,
    drawer_openings=33,
    untold=4,
    first_receipt="T0001-000101",
    last_receipt="T0001-000144",
)
Z_REPORT = ShiftReport(
    **{name: getattr(X_REPORT, name) for name in X_REPORT.__struct_fields__}
    | {"z_no": 17, "counted_fen": 81_030, "untold": 0, "record_hash": "9f3a" * 16}
)
Z_WITH_PARKED = ShiftReport(
    **{name: getattr(Z_REPORT, name) for name in Z_REPORT.__struct_fields__}
    | {"z_no": 18, "parked": 3, "parked_points": 1_205, "parked_fen": 12_345, "untold": 2}
)

PAPERS: dict[str, Paper] = {
    "x_report": X_REPORT,
    "z_report": Z_REPORT,
    "z_with_parked": Z_WITH_PARKED,
    "void": VoidedSale(
        receipt_no="T0001-000145",
        voided_receipt_no="T0001-000144",
        points=71,
        cash_fen=0,
        account=ZHANG,
        reason="扫错了商品",
        cashier="3 号",
    ),
    "statement": StatementFigures(
        statement_no="S-2026-03-0017",
        period="2026-03-01 至 2026-03-31",
        sales=1_160,
        redeemed_points=69_600,
        returned_points=120,
        redeemed_fen=694_800,
        share_fen=20_880,
        rent_fen=100_000,
        other_fen=0,
        net_fen=573_920,
    ),
    "statement_owed": StatementFigures(
        statement_no="S-2026-03-0018",
        period="2026-03-01 至 2026-03-31",
        sales=12,
        redeemed_points=600,
        returned_points=0,
        redeemed_fen=6_000,
        share_fen=1_805,
        rent_fen=50_000,
        other_fen=-300,
        net_fen=-46_105,
    ),
    "award": AwardGiven(
        slip_no="T0001-000146",
        rule="调解邻里噪声纠纷",
        points=80,
        account=ZHANG,
        worker="网格员 5 号",
        balance_before_points=25,
    ),
    "award_offline": AwardGiven(
        slip_no="T0001-000147",
        rule="河道巡查",
        points=100,
        account=ZHANG,
        worker="网格员 5 号",
        offline=True,
    ),
    "card": CardHandedOver(
        card_no="…00c2", account=ZHANG, points=None, replaces="…00c1", worker="窗口 2 号"
    ),
    "bearer_card": CardHandedOver(
        card_no="…0f07", account=None, points=15, replaces="", worker="窗口 2 号"
    ),
    "order": ServiceOrder(
        order_no="T0001-000148-2",
        receipt_no="T0001-000148",
        service="上门修水管",
        quantity="1次",
        points=20,
        place="饮马街 3 号楼东单元 5 层",
        when="3 月 3 日 上午 9 点",
        provider="饮马帮办中心",
        note="水表在楼道",
    ),
    "delivery": Delivery(
        order_no="T0001-000149-1",
        receipt_no="T0001-000149",
        goods=(("大米 5kg", "1袋"), ("菜籽油", "1桶"), ("特级紫皮独头蒜礼盒（附说明书）", "2盒")),
        place="兴华路 22 号院 1 号楼 302",
        account=ZHANG,
        presented_by="网格员 5 号",
        to_pay_fen=360,
    ),
}


def sale_with_everything() -> SaleCaptured:
    return SaleCaptured(
        sale_id=UUID(int=1),
        receipt_no="T0001-000150",
        business_date=date(2026, 3, 2),
        lines=(
            SaleLine(
                line_no=1, item_id="bun", barcode=None, name="馒头", category="食品",
                quantity_milli=5_000, unit="个", unit_price_fen=50, amount_fen=250,
            ),
            SaleLine(
                line_no=2, item_id="soup", barcode=None, name="䶮记𠮷祥汤圆", category="食品",
                quantity_milli=1_000, unit="袋", unit_price_fen=468, amount_fen=468,
            ),
            SaleLine(
                line_no=3, item_id="salt", barcode=None, name="食盐", category="食品",
                quantity_milli=1_000, unit="袋", unit_price_points=5, amount_points=5,
            ),
            SaleLine(
                line_no=4, item_id="smoke", barcode=None, name="打火机", category="杂货",
                quantity_milli=1_000, unit="个", unit_price_fen=200, amount_fen=200,
                money_only=True,
            ),
        ),
        payment=Payment(points_for_goods=5, points_for_money=71, cash_fen=200, waived_fen=8),
        answered_by=AnsweredBy.STAND_IN,
        account=ZHANG,
        proof_grade=ProofGrade.CONFIRM,
    )  # fmt: skip


def sale_document(language: PaperLanguage) -> Document:
    facts = ReceiptFacts(
        **{name: getattr(FACTS, name) for name in FACTS.__struct_fields__}
        | {"copy_no": 2, "receipt_code": "HDR:T0001-000150:7F3A99C2"}
    )
    return ReceiptComposer(language, SHOP).sale(sale_with_everything(), facts)


def document(case: str, language: PaperLanguage) -> Document:
    if case == "sale":
        return sale_document(language)
    return ReceiptComposer(language).paper(PAPERS[case], FACTS)


def encoded(made: Document, columns: int) -> bytes:
    return encode_document(made, PrinterProfile(columns, usual_dots(columns)), lambda: None).data


CASES = pytest.mark.parametrize("case", [*PAPERS, "sale"])


@pytest.mark.parametrize("columns", [32, 48])
@CASES
def test_a_papers_bytes_are_those_that_were_looked_at(
    case: str, columns: int, tmp_path: Path
) -> None:
    name = f"papers/{case}_{columns}"
    check(f"{name}.hex", as_hex(encoded(document(case, PaperLanguage.CHINESE), columns)))
    paper = on_paper(kept_bytes(f"{name}.hex"), columns, tmp_path)
    keep_picture(f"{case}_zh_{columns}", paper)
    check(f"{name}.txt", paper.text)
    assert (paper.unknown, paper.cut) == ((), True)


@pytest.mark.parametrize("language", [PaperLanguage.ENGLISH, PaperLanguage.BOTH])
@CASES
def test_a_paper_reads_well_in_english_and_in_both(
    case: str, language: PaperLanguage, tmp_path: Path
) -> None:
    made = document(case, language)
    texts = []
    for columns in (32, 48):
        paper = on_paper(encoded(made, columns), columns, tmp_path / str(columns))
        keep_picture(f"{case}_{language}_{columns}", paper)
        assert (paper.unknown, paper.cut) == ((), True)
        assert max(len(line.encode("gbk")) for line in paper.lines) <= columns
        texts.append(paper.text)
    check(f"papers/{case}_{language}.txt", "".join(texts))


@pytest.mark.parametrize("columns", [32, 48])
def test_the_test_page_is_the_one_that_was_looked_at(columns: int, tmp_path: Path) -> None:
    parts = [
        sample_papers.head_paper("2026-03-02 12:00", "process_id"),
        sample_papers.encoding_paper(1),
        sample_papers.tail_paper(),
    ]
    if columns == 48:
        parts.insert(1, sample_papers.ruler_paper())
    page = Document(tuple(element for part in parts for element in part.elements))
    name = f"papers/test_page_{columns}"
    check(f"{name}.hex", as_hex(encoded(page, columns)))
    paper = on_paper(kept_bytes(f"{name}.hex"), columns, tmp_path)
    keep_picture(f"test_page_{columns}", paper)
    check(f"{name}.txt", paper.text)
    assert (paper.unknown, paper.cut) == ((), True)


@CASES
def test_points_are_never_called_fen_and_nothing_is_left_blank(case: str) -> None:
    """分 alone could be 0.01 yuan or a point; the pool's own unit stands at every figure."""
    for language in PaperLanguage:
        texts = [str(element) for element in document(case, language).elements]
        for text in texts:
            assert "None" not in text.replace("middle=None", "")
            assert "{" not in text
            assert "分 " not in text.replace("分享", "")
            assert "¥" not in text


def test_a_resident_is_shown_by_the_last_digits_only() -> None:
    for case in [*PAPERS, "sale"]:
        assert ZHANG not in str(document(case, PaperLanguage.BOTH))


def test_a_shop_cannot_fill_the_paper_with_its_own_lines() -> None:
    with pytest.raises(ValueError, match="at most 8 lines"):
        ShopLines(header=("x",) * 9)
    with pytest.raises(ValueError, match="100 characters"):
        ShopLines(footer=("长" * 101,))
