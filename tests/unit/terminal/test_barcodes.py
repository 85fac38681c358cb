"""Check digits and scale labels: what a shop scans, and what is misread."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.documents import Catalogue
from terminal.domain.barcodes import LabelKind, check_digit_holds, read_label, same_goods
from terminal.domain.notice import NoticeCode
from tests.support.shop import ITEMS, NOON, Shop


def with_check_digit(digits: str) -> str:
    return next(digits + x for x in "0123456789" if check_digit_holds(digits + x))


def notice(shop: Shop) -> NoticeCode | None:
    said = shop.till.snapshot()[1]
    return said.code if said is not None else None


@pytest.fixture
def market(shop: Shop) -> Shop:
    """Greens at 4.60 a kilogram, which the scale calls 00012."""
    greens = msgspec.structs.replace(ITEMS[1], barcode="00012")
    cola = msgspec.structs.replace(ITEMS[0], item_id="cola", barcode="049000006346")
    shop.take(Catalogue(version=9, made_at=NOON, items=(ITEMS[0], greens, cola)))
    return shop


@pytest.mark.parametrize("digits", ["4006381333931", "96385074", "036000291452", "6901234567892"])
def test_real_check_digits_hold(digits: str) -> None:
    assert check_digit_holds(digits)


@given(st.sampled_from([7, 11, 12]), st.data())
def test_any_one_digit_misread_is_noticed(length: int, data: st.DataObject) -> None:
    digits = data.draw(st.text("0123456789", min_size=length, max_size=length))
    whole = with_check_digit(digits)
    place = data.draw(st.integers(0, length))
    other = data.draw(st.sampled_from([x for x in "0123456789" if x != whole[place]]))
    assert not check_digit_holds(whole[:place] + other + whole[place + 1 :])


def test_a_upc_is_the_ean_with_a_nought_before_it() -> None:
    assert same_goods("049000006346", "0049000006346")
    assert same_goods("0049000006346", "049000006346")
    assert not same_goods("49000006346", "0049000006346")
    assert not same_goods(None, "0049000006346")


def test_a_labels_parts() -> None:
    label = read_label(with_check_digit("220001200468"))
    assert label is not None
    assert (label.goods, label.kind, label.value) == ("00012", LabelKind.PRICE, 468)
    label = read_label(with_check_digit("250001201300"))
    assert label is not None
    assert (label.kind, label.value) == (LabelKind.WEIGHT, 1_300)
    assert read_label("6901234567892") is None


def test_a_label_with_a_weight_is_priced_to_the_fen(market: Shop) -> None:
    market.till.scan(with_check_digit("250001201303"))
    (line,) = market.page.view().lines
    assert (line.quantity_milli, line.amount_fen) == (1_303, 599)  # 5.9938 yuan


def test_a_label_with_a_price_costs_what_it_says(market: Shop) -> None:
    market.till.scan(with_check_digit("220001200468"))
    (line,) = market.page.view().lines
    assert (line.name, line.amount_fen) == ("青菜", 468)
    market.till.complete(market.till.snapshot()[0].sale_id)
    found = market.store.captured("T0001-000001")
    assert found is not None
    assert [(x.category, x.amount_fen) for x in found[1].lines] == [("蔬菜", 468)]


@pytest.mark.parametrize(
    ("scanned", "said"),
    [
        ("2500012013009", NoticeCode.BARCODE_MISREAD),
        ("6901234567893", NoticeCode.BARCODE_MISREAD),
        (with_check_digit("250001200000"), NoticeCode.QUANTITY_WRONG),
        (with_check_digit("220001200000"), NoticeCode.QUANTITY_WRONG),
        (with_check_digit("259999901000"), NoticeCode.ITEM_UNKNOWN),
        ("6901234567892", NoticeCode.ITEM_UNKNOWN),
    ],
)
def test_what_cannot_be_sold_is_said_and_stays_out(
    market: Shop, scanned: str, said: NoticeCode
) -> None:
    market.till.scan(scanned)
    assert (notice(market), market.page.view().lines) == (said, ())


def test_the_shops_own_barcodes_need_no_check_digit(market: Shop) -> None:
    own = msgspec.structs.replace(ITEMS[0], item_id="own", barcode="12345678")
    market.take(Catalogue(version=10, made_at=NOON, items=(own,)))
    market.till.scan("12345678")
    assert len(market.page.view().lines) == 1


def test_nobody_buys_nothing_and_nobody_buys_ten_tons(market: Shop) -> None:
    market.till.add_item("greens", 0)
    assert notice(market) is NoticeCode.QUANTITY_WRONG
    market.till.add_item("greens", 9_999_000)
    assert notice(market) is NoticeCode.BASKET_TOO_LARGE
    assert market.page.view().lines == ()
