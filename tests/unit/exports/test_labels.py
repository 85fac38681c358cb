"""Shelf labels and the price poster, read back by a PDF reader and a scanner's own decoder."""

import os
import re
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import pypdfium2
import pytest
import zxingcpp

from protocol.documents import Item
from server.exports.ean13 import bars_of, check_digit
from server.exports.fonts import find_page_font
from server.exports.labels import MAX_ITEMS, PriceList, price_of, price_poster, shelf_labels

FONT = find_page_font()
pytestmark = pytest.mark.skipif(FONT is None, reason="no font: apt-get install fonts-wqy-zenhei")
LONGEST = "中牟大蒜礼盒（精选特级紫皮独头蒜5斤装，附保鲜袋、说明书和产地证明各一份，请放阴凉处）"


def item(number: int, name: str, **more: object) -> Item:
    digits = f"690000000{number:03d}"
    fields: dict[str, object] = {
        "item_id": f"i{number}", "name": name, "name_en": "", "category": "食品", "unit": "袋",
        "barcode": f"{digits}{check_digit(digits)}", "price_fen": 460,
    } | more  # fmt: skip
    return msgspec.convert(fields, Item)


def prices(*items: Item) -> PriceList:
    return PriceList("惠积分", "积分", date(2026, 3, 2), datetime(2026, 3, 2, 4, tzinfo=UTC), items)


GOODS = (
    item(1, "大米", price_fen=None, price_points=15),
    item(2, "青菜", unit="kg"),
    item(3, "血压测量", price_fen=0, barcode=None, category="服务", unit="次"),
    item(4, LONGEST, price_fen=4_999_999),
    item(5, "坏条码", barcode="6900000000019"),
    item(6, "小包装", barcode="96385074"),
)


def read(pdf: bytes, name: str) -> tuple[list[str], list[str]]:
    """The text of each page, and the codes that a scanner finds on all of them."""
    texts, codes = [], []
    document = pypdfium2.PdfDocument(pdf)
    for number in range(len(document)):
        page = document[number]
        texts.append(re.sub(r"\s+", " ", page.get_textpage().get_text_range()))
        picture = page.render(scale=4).to_pil()
        codes += [found.text for found in zxingcpp.read_barcodes(picture)]
        if folder := os.environ.get("HUIDIAN_PICTURES"):
            picture.resize((picture.width // 3, picture.height // 3)).save(
                Path(folder) / f"{name}_{number}.png"
            )
    return texts, codes


def test_labels_say_name_price_unit_and_day_and_can_be_scanned() -> None:
    assert FONT is not None
    (text,), codes = read(shelf_labels(prices(*GOODS), FONT), "labels")
    for part in (
        "大米",
        "15 积分/袋",
        "4.60 元/kg",
        "免费",
        "49999.99 元/袋",
        "2026-03-02",
        "惠积分",
    ):
        assert part in text
    good = [each.barcode for each in GOODS if each.barcode and bars_of(each.barcode)]
    assert sorted(codes) == sorted(good)
    assert len(good) == 4  # a wrong check digit gets no bars: the till would not know it


def test_a_long_name_takes_two_lines_and_a_longer_one_is_told_by_an_ellipsis() -> None:
    assert FONT is not None
    (text,), _ = read(shelf_labels(prices(*GOODS), FONT), "labels")
    assert "中牟大蒜礼盒" in text
    assert "产地证明" in text.replace(" ", "")  # on its second line
    (text,), _ = read(shelf_labels(prices(item(7, LONGEST * 2)), FONT), "labels_longest")
    assert "…" in text
    (text,), _ = read(price_poster(prices(item(4, LONGEST)), FONT), "poster_long")
    assert "请放阴凉处" in text.replace(" ", "")


def test_the_poster_lists_every_item_once_by_category() -> None:
    assert FONT is not None
    many = [item(number, f"商品{number:02d}") for number in range(20)]
    texts, _ = read(price_poster(prices(*GOODS, *many), FONT), "poster")
    together = " ".join(texts)
    assert len(texts) == 3  # food on two pages, services on one
    assert [together.count(f"商品{number:02d}") for number in range(20)] == [1] * 20
    assert "明码标价 · 食品" in texts[0]
    assert "明码标价 · 服务" in together
    assert "第 3 页，共 3 页" in together


def test_points_are_named_by_the_pools_own_unit() -> None:
    assert price_of(GOODS[0], "活力值") == "15 活力值/袋"


def test_a_catalogue_past_the_limit_is_refused() -> None:
    with pytest.raises(ValueError, match=str(MAX_ITEMS)):
        prices(*[GOODS[0]] * (MAX_ITEMS + 1))


@pytest.mark.parametrize(
    "code", ["", "690000000001", "6900000000019", "ABCDEFGH", "１２３４５６７８"]
)
def test_what_is_no_ean_gets_no_bars(code: str) -> None:
    assert bars_of(code) is None
