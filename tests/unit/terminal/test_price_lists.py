"""The shop's own price list: looked through, taken over as a whole, given out, sold from."""

import hashlib
import io
import threading
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator

import openpyxl
import pytest

from protocol.prices import PriceChanged, PricesImported
from protocol.sales import SaleCaptured
from terminal.domain.notice import Notice, NoticeCode
from terminal.domain.own_goods import MAX_OWN_ITEMS, MAX_QUICK_KEYS
from terminal.domain.staff import Role
from terminal.prices.files import FileProblem, FileProblemError
from terminal.prices.looking_through import Looked
from terminal.prices.rows import RowProblem
from tests.support.at_till import complete, happenings, notice
from tests.support.shop import ITEMS, NOON, Shop, directory, policy
from tests.unit.terminal.test_staff import OWNER

HEADER = "编号,条码,名称,类别,单位,单价（元）,称重,快捷键"
SHOP = f"""{HEADER}
1001,6901234567892,酱油,调料,瓶,7.50,,
1002,,葱花饼,食品,个,2.00,,是
2001,30127,猪肉,肉,公斤,36.80,是,
"""


@pytest.fixture
def owned(shop: Shop) -> Shop:
    shop.staff.add("店主", Role.OWNER, OWNER, None)
    return shop


def looked(shop: Shop, text: str | bytes, *, replaces: bool = False) -> Looked:
    data = text if isinstance(text, bytes) else text.encode()
    found = shop.prices.check(data, replaces=replaces)
    assert isinstance(found, Looked), found
    return found


def take(shop: Shop, found: Looked, *, without_bad: bool = False, pin: str = OWNER) -> Notice:
    return shop.prices.take(found.file_sha256, pin=pin, reason="换供货商", without_bad=without_bad)


def imported(shop: Shop, text: str | bytes, *, replaces: bool = False) -> Notice:
    said = take(shop, looked(shop, text, replaces=replaces))
    assert said.code is NoticeCode.PRICES_IMPORTED, said
    return said


def problems(shop: Shop, row: str, header: str = HEADER) -> list[RowProblem]:
    bad = looked(shop, f"{header}\n{row}\n").bad
    assert all(each.row_no == 2 for each in bad)
    return [wrong.problem for each in bad for wrong in each.wrong]


def exported(shop: Shop) -> bytes:
    return b"".join(shop.prices.csv_file())


def bought(shop: Shop) -> SaleCaptured:
    complete(shop)
    return [each for each in happenings(shop) if isinstance(each, SaleCaptured)][-1]


def test_goods_of_the_list_are_scanned_weighed_and_sold(owned: Shop) -> None:
    imported(owned, SHOP)
    owned.till.scan("6901234567892")
    owned.till.scan("2230127012340")  # no digit that holds
    assert notice(owned) == NoticeCode.BARCODE_MISREAD.value
    owned.till.scan("2530127012504")  # 1.250 kg by the scale
    owned.till.add_item("own:1002", 2_000)
    sale = bought(owned)
    assert [(x.name, x.quantity_milli, x.amount_fen) for x in sale.lines] == [
        ("酱油", 1_000, 750),
        ("猪肉", 1_250, 4_600),
        ("葱花饼", 2_000, 400),
    ]
    assert [x.item_id for x in sale.lines] == ["own:1001", "own:2001", "own:1002"]


def test_the_record_of_an_import_holds_hashes_counts_owner_and_reason(owned: Shop) -> None:
    imported(owned, SHOP)
    owned.staff.add("小王", Role.CASHIER, "2580", OWNER)
    owned.staff.sign_in("小王", "2580")
    newer = SHOP.replace("7.50", "8.00").replace("葱花饼", "大葱花饼") + "3001,,盐,调料,包,2.50,,\n"
    said = imported(owned, newer)
    assert said.figures == {"items": 4, "added": 1, "changed": 2, "removed": 0}
    record = happenings(owned)[-1]
    assert record == PricesImported(
        file_sha256=hashlib.sha256(newer.encode()).hexdigest(),
        list_sha256=hashlib.sha256(exported(owned)).hexdigest(),
        items=4,
        added=1,
        changed=2,
        repriced=1,
        removed=0,
        refused_rows=0,
        reason="换供货商",
        person="小王",
        approved_by="店主",
    )


def test_nothing_is_taken_over_while_a_row_is_wrong_unless_the_owner_says_so(owned: Shop) -> None:
    found = looked(owned, SHOP + "1003,6901234567890,醋,调料,瓶,3.5.0,,\n")
    assert [(x.row_no, [w.problem for w in x.wrong]) for x in found.bad] == [
        (5, [RowProblem.BARCODE_CHECK_DIGIT, RowProblem.PRICE_NOT_A_NUMBER])
    ]
    assert take(owned, found).code is NoticeCode.PRICES_BAD_ROWS
    assert owned.prices.count() == 0
    assert take(owned, found, without_bad=True).code is NoticeCode.PRICES_IMPORTED
    assert owned.prices.count() == 3
    record = happenings(owned)[-1]
    assert isinstance(record, PricesImported)
    assert (record.items, record.refused_rows) == (3, 1)


def test_prices_need_the_owners_pin_and_a_reason(owned: Shop) -> None:
    found = looked(owned, SHOP)
    assert take(owned, found, pin="2580").code is NoticeCode.PIN_WRONG
    assert take(owned, found, pin="").code is NoticeCode.OWNER_NEEDED
    said = owned.prices.take(found.file_sha256, pin=OWNER, reason=" ", without_bad=False)
    assert said.code is NoticeCode.REASON_NEEDED
    assert owned.prices.count() == 0
    assert take(owned, found).code is NoticeCode.PRICES_IMPORTED
    for pin, reason, code in (
        ("2580", "涨价", NoticeCode.PIN_WRONG),
        (OWNER, "", NoticeCode.REASON_NEEDED),
    ):
        assert owned.prices.change("1001", "7.90", pin=pin, reason=reason).code is code
    item = owned.store.own_item("1001")
    assert item is not None
    assert item.price_fen == 750


def test_one_price_is_changed_and_its_record_says_from_what_to_what(owned: Shop) -> None:
    imported(owned, SHOP)
    owned.till.scan("6901234567892")
    assert owned.prices.change("1001", "7.90", pin=OWNER, reason="涨价").code is (
        NoticeCode.PRICE_CHANGED
    )
    owned.till.scan("6901234567892")  # the next one; what is in the basket keeps its price
    assert [x.amount_fen for x in bought(owned).lines] == [750, 790]
    record = [x for x in happenings(owned) if isinstance(x, PriceChanged)][-1]
    assert (record.before_fen, record.after_fen, record.reason) == (750, 790, "涨价")


def test_the_shop_prices_goods_of_the_pool_in_money_and_none_in_points(owned: Shop) -> None:
    """大米 costs points and 血压测量 nothing: both are the pool's word."""
    imported(owned, f"{HEADER}\nbun,6900000000014,馒头,食品,个,0.60,,\n")
    owned.till.scan("6900000000014")
    line = bought(owned).lines[0]
    assert (line.item_id, line.category, line.amount_fen) == ("bun", "食品", 60)
    assert problems(owned, "rice,,大米,礼品,袋,30.00,,") == [RowProblem.POINTS_GOODS]
    assert problems(owned, "pressure,,血压,服务,次,5.00,,") == [RowProblem.POINTS_GOODS]
    assert problems(owned, "77,6900000000014,馒头,食品,个,0.60,,") == [RowProblem.BARCODE_OF_POOL]
    for code in ("rice", "pressure", "nothing"):
        assert owned.prices.change(code, "1", pin=OWNER, reason="试").code is (
            NoticeCode.PRICE_OF_POOL
        )
    assert owned.prices.change("greens", "5", pin=OWNER, reason="菜贵").code is (
        NoticeCode.PRICE_CHANGED
    )


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("=1+1,,名,类,个,1.00,,", [RowProblem.FORMULA]),
        ("1,,=cmd|' /C calc'!A0,类,个,1.00,,", [RowProblem.FORMULA]),
        ("1,,@SUM(A1),类,个,1.00,,", [RowProblem.FORMULA]),
        ("1,,＝1+1,类,个,1.00,,", [RowProblem.FORMULA]),
        ("1,,名,＠SUM(A1),个,1.00,,", [RowProblem.FORMULA]),
        ("1,,名,类,个,－7,,", [RowProblem.PRICE_NEGATIVE]),
        ("1,,名,类,个,=7,,", [RowProblem.FORMULA]),
        ("1,,名,类,个,+A1,,", [RowProblem.FORMULA]),
        ("1,,名,类,个,-7,,", [RowProblem.PRICE_NEGATIVE]),
        ("1,,名,类,个,0.00,,", [RowProblem.PRICE_ZERO]),
        ("1,,名,类,个,7.005,,", [RowProblem.PRICE_TOO_MANY_DECIMALS]),
        ("1,,名,类,个,50000.01,,", [RowProblem.PRICE_TOO_LARGE]),
        ("1,,名,类,个,七块,,", [RowProblem.PRICE_NOT_A_NUMBER]),
        ("1,,名,类,个,,,", [RowProblem.PRICE_MISSING]),
        ("1,,,类,个,1.00,,", [RowProblem.NAME_MISSING]),
        (f"1,,{'名' * 61},类,个,1.00,,", [RowProblem.TEXT_WRONG]),
        ("1,,a\u202eb,类,个,1.00,,", [RowProblem.TEXT_WRONG]),
        (",,名,类,个,1.00,,", [RowProblem.CODE_MISSING]),
        ("1 2,,名,类,个,1.00,,", [RowProblem.CODE_WRONG]),
        ("1,6901234567893,名,类,个,1.00,,", [RowProblem.BARCODE_CHECK_DIGIT]),
        ("1,6.90123E+12,名,类,个,1.00,,", [RowProblem.BARCODE_ROUNDED]),
        ("1,条码,名,类,个,1.00,,", [RowProblem.BARCODE_WRONG]),
        ("1,2530127012504,肉,类,公斤,1.00,是,", [RowProblem.BARCODE_OF_LABEL]),
        ("1,,名,类,个,1.00,也许,", [RowProblem.YES_OR_NO]),
    ],
)
def test_every_row_that_is_wrong_is_told(owned: Shop, row: str, expected: list[RowProblem]) -> None:
    assert problems(owned, row) == expected


def test_what_stands_twice_is_told_with_the_row_that_it_is_like(owned: Shop) -> None:
    found = looked(
        owned,
        f"{HEADER}\n1,012345678905,一,类,个,1.00,,\n1,,二,类,个,1.00,,\n\n"
        "3,0012345678905,三,类,个,1.00,,\n",
    )
    assert [(x.row_no, x.wrong[0].problem, x.wrong[0].shown) for x in found.bad] == [
        (3, RowProblem.CODE_TWICE, "2"),
        (5, RowProblem.BARCODE_TWICE, "2"),  # a UPC-A is the EAN-13 with a 0 before it
    ]


def test_a_barcode_of_goods_that_stay_is_not_given_to_others(owned: Shop) -> None:
    imported(owned, SHOP)
    other = f"{HEADER}\n9,6901234567892,生抽,调料,瓶,9.00,,\n"
    found = looked(owned, other)
    assert [x.wrong[0].problem for x in found.bad] == [RowProblem.BARCODE_KEPT]
    assert not looked(owned, other, replaces=True).bad


def test_a_list_adds_to_the_one_in_use_or_takes_its_place(owned: Shop) -> None:
    imported(owned, SHOP)
    salt = f"{HEADER}\n3001,,盐,调料,包,2.50,,\n"
    assert imported(owned, salt).figures["items"] == 4
    said = imported(owned, salt, replaces=True)
    assert (said.figures["items"], said.figures["removed"]) == (1, 3)
    owned.till.scan("6901234567892")
    assert notice(owned) == NoticeCode.ITEM_UNKNOWN.value
    with owned.store.reading() as connection:  # lists of before take no room
        assert connection.exec_driver_sql("select count(*) from own_item").scalar() == 1


def test_utf8_gbk_tabs_and_workbooks_are_the_same_list(owned: Shop) -> None:
    tabs = SHOP.replace(",", "\t")
    for data in (
        SHOP.encode(),
        b"\xef\xbb\xbf" + SHOP.replace("\n", "\r\n").encode(),
        SHOP.encode("gbk"),
        tabs.encode("utf-16"),
        workbook(SHOP),
    ):
        imported(owned, data, replaces=True)
        assert exported(owned).decode("utf-8-sig").replace("\r\n", "\n") == SHOP


def workbook(text: str) -> bytes:
    """As another program makes one: numbers as numbers, texts shared."""
    book = openpyxl.Workbook()
    sheet = book.active
    for row in text.strip().split("\n"):
        sheet.append([float(x) if "." in x else x or None for x in row.split(",")])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_what_is_given_out_comes_back_the_same_to_the_byte(owned: Shop) -> None:
    tricky = '5,,"O\'Neil ""大"" 酱, 辣",调料,瓶,0.01,,\n6,,<b>&amp;,其他,件,50000.00,,是\n'
    imported(owned, SHOP + tricky)
    as_csv, as_xlsx = exported(owned), owned.prices.xlsx_file()
    for data in (as_csv, as_xlsx):
        assert imported(owned, data, replaces=True).figures["changed"] == 0
        assert (exported(owned), owned.prices.xlsx_file()) == (as_csv, as_xlsx)
    assert as_csv.startswith(b"\xef\xbb\xbf")
    sheet = openpyxl.load_workbook(io.BytesIO(as_xlsx)).active  # an independent judge
    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert rows[1] == ["1001", "6901234567892", "酱油", "调料", "瓶", 7.5, None, None]
    assert rows[-1][2] == "<b>&amp;"


def test_a_workbooks_formula_is_told_and_never_computed(owned: Shop) -> None:
    book = openpyxl.Workbook()
    book.active.append(["编号", "名称", "单价（元）"])
    book.active.append(["1", "名", "=3+4"])
    book.active.append(["2", "名", 7.1 + 0.2])  # 7.299999999999999…: Excel shows 7.3
    out = io.BytesIO()
    book.save(out)
    found = looked(owned, out.getvalue())
    assert [(x.row_no, x.wrong[0].problem) for x in found.bad] == [(2, RowProblem.FORMULA)]
    assert take(owned, found, without_bad=True).code is NoticeCode.PRICES_IMPORTED
    item = owned.store.own_item("2")
    assert item is not None
    assert item.price_fen == 730


def bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"<workbook><sheets/></workbook>")
        archive.writestr("xl/sharedStrings.xml", b" " * (80 * 1024 * 1024))
    return out.getvalue()


def entities() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(
            "xl/sharedStrings.xml",
            '<!DOCTYPE a [<!ENTITY b "bbbb">]><sst><si><t>&b;</t></si></sst>',
        )
    return out.getvalue()


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: b"  \n", FileProblem.EMPTY),
        (lambda: b"x" * (8 * 1024 * 1024 + 1), FileProblem.TOO_LARGE),
        (lambda: b"\xd0\xcf\x11\xe0\xa1\xb1", FileProblem.OLD_EXCEL),
        (lambda: b"PK\x03\x04 and nothing", FileProblem.DAMAGED),
        (bomb, FileProblem.DAMAGED),
        (entities, FileProblem.DAMAGED),
        (lambda: workbook(SHOP)[:-900], FileProblem.DAMAGED),
        (lambda: b"\x80\xff\xfe\x00" * 9, FileProblem.NOT_TEXT),
        ("一,二,三\n1,2,3\n".encode, FileProblem.NO_HEADER),
        ("编号,名称\n1,盐\n".encode, FileProblem.COLUMN_MISSING),
        ("名称,单价\n盐,2\n".encode, FileProblem.COLUMN_MISSING),
        ("编号,名称,名称,单价\n1,盐,盐,2\n".encode, FileProblem.COLUMN_TWICE),
        ("编号,名称,价格（分）\n1,盐,250\n".encode, FileProblem.PRICE_IN_FEN),
    ],
)
def test_a_file_that_is_no_price_list_is_told_and_nothing_changes(
    owned: Shop, make: Callable[[], bytes], problem: FileProblem
) -> None:
    imported(owned, SHOP)
    before = exported(owned)
    found = owned.prices.check(make(), replaces=True)
    assert isinstance(found, FileProblemError)
    assert found.problem is problem
    assert exported(owned) == before
    assert owned.prices.looked() is None


def rows_of(count: int) -> Iterator[str]:
    yield HEADER
    for number in range(1, count + 1):
        yield f"{number},,商品{number},类别{number % 20},件,{number % 500 + 1}.50,,"


def test_fifty_thousand_goods_in_gbk_while_the_till_sells(owned: Shop) -> None:
    data = "\n".join(rows_of(MAX_OWN_ITEMS)).encode("gbk")
    sold: list[int] = []
    ended = threading.Event()

    def sell() -> None:
        while not ended.is_set() or not sold:
            owned.till.clear()
            owned.till.add_item("bun")
            complete(owned)
            sold.append(owned.prices.count())

    selling = threading.Thread(target=sell)
    selling.start()
    try:
        tracemalloc.start()
        found = looked(owned, data)
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        said = take(owned, found)
    finally:
        ended.set()
        selling.join()
    assert said.code is NoticeCode.PRICES_IMPORTED
    assert len(sold) > 3  # in the midst of it
    assert set(sold) <= {0, MAX_OWN_ITEMS}  # nobody ever saw a part of a list
    assert peak_bytes < 48 * 1024 * 1024
    record = [x for x in happenings_of(owned) if isinstance(x, PricesImported)][-1]
    assert (record.items, record.added) == (MAX_OWN_ITEMS, MAX_OWN_ITEMS)
    again = owned.prices.check(exported(owned) + b"99999,,x,x,x,1,,\r\n", replaces=False)
    assert isinstance(again, FileProblemError)
    assert again.problem is FileProblem.TOO_MANY_ROWS


def happenings_of(shop: Shop) -> list[object]:
    return [each.happening for each in shop.store.newest_told("prices_imported", 5)]


def test_a_power_cut_before_the_list_is_taken_leaves_the_one_in_use(owned: Shop) -> None:
    imported(owned, SHOP)
    found = looked(owned, SHOP.replace("7.50", "8.50"))
    owned.power_cut()
    assert take(owned, found).code is NoticeCode.PRICES_AGAIN
    assert b"7.50" in exported(owned)
    looked(owned, SHOP.replace("7.50", "9.50"))  # and what was made ready is in nobody's way
    assert owned.prices.change("1001", "7.60", pin=OWNER, reason="改").code is (
        NoticeCode.PRICE_CHANGED
    )
    assert owned.prices.looked() is None  # the list was held against another one


def test_a_parked_basket_comes_back_at_the_lists_new_prices(owned: Shop) -> None:
    imported(owned, SHOP)
    owned.till.scan("6901234567892")
    owned.till.parking.park()
    owned.prices.change("1001", "7.90", pin=OWNER, reason="涨价")
    owned.till.parking.take_up(1)
    assert [(x.name, x.amount_fen) for x in bought(owned).lines] == [("酱油", 790)]


def test_keys_have_an_end(owned: Shop) -> None:
    keyed = "\n".join(f"{x},,键{x},类,件,1.00,,是" for x in range(MAX_QUICK_KEYS + 1))
    found = looked(owned, f"{HEADER}\n{keyed}")
    assert [x.wrong[0].problem for x in found.bad] == [RowProblem.TOO_MANY_KEYS]


def test_a_new_catalogue_that_prices_it_in_points_wins(owned: Shop, shop: Shop) -> None:
    imported(owned, f"{HEADER}\nbun,6900000000014,馒头,食品,个,0.60,,\n")
    assert {x.item_id for x in ITEMS} >= {"bun"}
    owned.take(policy(version=2), directory(version=2, made_at=NOON))
    owned.till.add_item("bun")
    assert bought(owned).lines[0].amount_fen == 60
