"""What each scan asks of 50,000 goods: the indexes answer, not the whole list."""

import pytest

from protocol.money import Fen
from terminal.domain.own_goods import OwnItem
from terminal.store.own_goods import _BY_BARCODES, _BY_CODES
from terminal.store.texts import Text
from tests.support.shop import Shop


def goods(code: str, barcode: str) -> OwnItem:
    return OwnItem(
        code=code, barcode=barcode, name=f"货{code}", category="", unit="袋", price_fen=Fen(250)
    )


@pytest.mark.parametrize(
    ("text", "key"), [(_BY_CODES, "code=?"), (_BY_BARCODES, "barcode_key=?")], ids=["code", "bars"]
)
def test_goods_are_found_by_the_index_of_what_was_scanned(shop: Shop, text: Text, key: str) -> None:
    with shop.store.reading() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        given = [{**text._fixed, "keys": '["1"]'}[name] for name in text._order]
        plan = driver.execute(f"EXPLAIN QUERY PLAN {text._text}", given).fetchall()
    (searched,) = [row[3] for row in plan if "own_item" in row[3]]
    assert searched.endswith(f"(list_no=? AND {key})")


def test_only_goods_of_the_list_in_use_are_found_and_in_order(shop: Shop) -> None:
    store = shop.store
    store.add_to_list(1, [goods("b", "20"), goods("a", "10")])
    assert not store.own_by_barcodes(["20", "10", ""])
    assert not store.own_by_codes(["b", "a"])
    with store.working() as work:
        work.use_list(1)
    assert [x.code for x in store.own_by_barcodes(["20", "10", ""])] == ["a", "b"]
    assert list(store.own_by_codes(["b", "a"])) == ["a", "b"]
    assert store.own_item("a") == goods("a", "10")
