"""Two sales have one receipt number, since an old card was used: the cashier says which."""

import pytest

from protocol.messages import SaleChoice, SaleFound, SalesFound
from protocol.sales import Payment, SaleLine
from terminal.checkout.returns import Returnable, Several
from terminal.domain.notice import NoticeCode
from tests.support.shop import NOON, Shop
from tests.unit.terminal.test_returns import at_server, sell


def lost_sale(shop: Shop, receipt_no: str) -> SaleFound:
    """What this terminal sold before its card was rolled back, as the server has it."""
    line = SaleLine(
        line_no=1, item_id="oil", barcode=None, name="菜籽油", category="礼品",
        quantity_milli=1000, unit="桶", unit_price_fen=9500, amount_fen=9500,
    )  # fmt: skip
    return SaleFound(
        sale_id=shop.ids.new(NOON),
        receipt_no=receipt_no,
        business_date=NOON.date(),
        occurred_at=NOON,
        lines=(line,),
        payment=Payment(cash_fen=9500),
        account=None,
        backs=(),
    )


def test_the_servers_other_sale_is_not_taken_for_this_terminals_own(shop: Shop) -> None:
    receipt_no = sell(shop, "bun")
    own = at_server(shop, receipt_no)
    other = lost_sale(shop, receipt_no)
    shop.pool.sales[receipt_no] = other
    several = shop.returns.look(receipt_no)
    assert isinstance(several, Several)
    assert {each.sale_id for each in several.sales} == {own.sale_id, other.sale_id}
    assert {each.goods for each in several.sales} == {("馒头",), ("菜籽油",)}
    refused = shop.returns.refund(receipt_no, "拿错了")
    assert refused.code is NoticeCode.RECEIPT_TWICE
    assert shop.store.refunds_of(own.sale_id) == []


@pytest.mark.parametrize("which", ["own", "other"])
def test_the_chosen_sale_comes_back_and_the_other_stays(shop: Shop, which: str) -> None:
    receipt_no = sell(shop, "bun")
    own, other = at_server(shop, receipt_no), lost_sale(shop, receipt_no)
    shop.pool.sales[receipt_no] = SalesFound(
        sales=tuple(
            SaleChoice(sale_id=x.sale_id, occurred_at=NOON, goods=("x",), payment=x.payment)
            for x in (own, other)
        )
    )
    for each in (own, other):
        shop.pool.sales[f"{receipt_no} {each.sale_id}"] = each
    chosen, left = (own, other) if which == "own" else (other, own)
    found = shop.returns.look(receipt_no, chosen.sale_id)
    assert isinstance(found, Returnable)
    assert found.sale.sale_id == chosen.sale_id
    notice = shop.returns.refund(receipt_no, "拿错了", sale_id=chosen.sale_id)
    assert notice.code in {NoticeCode.REFUNDED, NoticeCode.VOIDED}
    assert notice.figures["cash_fen"] == chosen.payment.cash_fen
    assert len(shop.store.refunds_of(chosen.sale_id)) == 1
    assert shop.store.refunds_of(left.sale_id) == []
    again = shop.returns.refund(receipt_no, "拿错了", sale_id=chosen.sale_id)
    assert again.code is NoticeCode.ALREADY_REFUNDED
