"""The receipts that customers get, byte for byte, with what can be read on the paper beside them.

Each comes from a real sale at a till on a real store. After a wanted change:
HUIDIAN_WRITE_GOLDEN=1 writes the files anew; look at the pictures (HUIDIAN_PICTURES=folder keeps
them) and at the difference.
"""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from drivers.document import document_from_json
from drivers.escpos.encode import encode_document
from drivers.escpos.profile import PrinterProfile, usual_dots
from drivers.fonts import find_cjk_font
from protocol.documents import Catalogue
from protocol.proxy import Consent
from protocol.redemption import FenRemainder
from terminal.domain.discounts import DiscountRules
from terminal.domain.print_job import JobEvent
from terminal.receipts.blocks import PaperLanguage
from terminal.receipts.coded import CodedReceipts
from terminal.receipts.composer import ReceiptComposer
from terminal.shifts.shifts import Counted
from tests.support.golden import as_hex, check, keep_picture, kept_bytes, kept_text, on_paper
from tests.support.shop import (
    ITEMS,
    NOON,
    TAG,
    TERMINAL_KEY,
    WANG,
    Shop,
    card_text,
    directory,
    policy,
    slot_text,
)
from tests.unit.terminal.test_awarding import PIN
from tests.unit.terminal.test_proxies import proxied_awards

PAPERS = pytest.mark.parametrize("columns", [32, 48])
LONGEST = "中牟大蒜礼盒（精选特级紫皮独头蒜5斤装，附保鲜袋、说明书和产地证明各一份，请放阴凉处）"


def printed(shop: Shop) -> None:
    """The printer confirms what is queued."""
    job = shop.spool.next_job()
    assert job is not None
    shop.spool.move(job.job_no, JobEvent.SEND)
    shop.spool.move(job.job_no, JobEvent.PRINTED)


def complete(shop: Shop) -> str:
    shop.till.complete(shop.till.snapshot()[0].sale_id)
    completed = shop.page.view().completed
    assert completed is not None, shop.page.view().notice
    return completed.receipt_no


def buns_and(shop: Shop, item_id: str, quantity_milli: int = 1000) -> None:
    shop.till.add_item("bun", 5000)
    shop.till.add_item(item_id, quantity_milli)


def a1(shop: Shop) -> None:
    buns_and(shop, "greens")
    shop.pool.approve(71, 100)
    shop.till.scan(slot_text())
    complete(shop)


def a1b_waived(shop: Shop) -> None:
    buns_and(shop, "fresh", 1300)
    shop.pool.approve(71, 100)
    shop.till.scan(slot_text())
    complete(shop)


def a1b_rounded_up(shop: Shop) -> None:
    shop.take(policy(FenRemainder.ROUND_UP, version=2))
    buns_and(shop, "fresh", 1300)
    shop.pool.approve(72, 100)
    shop.till.scan(slot_text())
    complete(shop)


def c2_points_only(shop: Shop) -> None:
    shop.till.add_item("rice")
    shop.pool.approve(15, 39, WANG)
    shop.till.scan(card_text())
    complete(shop)


def offline(shop: Shop) -> None:
    """Money, points and goods priced in points, and nobody who knows the balance."""
    buns_and(shop, "greens")
    shop.till.add_item("rice", 2000)
    shop.till.scan(slot_text())
    shop.till.choose_points(60)
    complete(shop)


def close_shift(shop: Shop) -> None:
    """The evening's Z: what comes back after it is a refund and no void."""
    shop.shifts.close(1, Counted(cash_fen=None, others_fen={}))
    printed(shop)


def refund(shop: Shop) -> None:
    a1b_waived(shop)
    printed(shop)
    close_shift(shop)
    shop.wall.at = NOON + timedelta(days=1, minutes=5)
    shop.returns.refund("T0001-000001", "不新鲜")


def void(shop: Shop) -> None:
    a1b_waived(shop)
    printed(shop)
    shop.wall.at = NOON + timedelta(minutes=5)
    shop.returns.refund("T0001-000001", "拿错了")


def reprint(shop: Shop) -> None:
    a1(shop)
    printed(shop)
    shop.wall.at = NOON + timedelta(hours=1)
    shop.after_sale.reprint("T0001-000001")


def cash_and_free(shop: Shop) -> None:
    shop.till.add_item("pressure")
    shop.till.add_amount("12.60", "其他商品")
    complete(shop)


def long_names(shop: Shop) -> None:
    gift = msgspec.structs.replace(ITEMS[0], item_id="gift", name=LONGEST, price_fen=123_456)
    shop.take(Catalogue(version=2, made_at=NOON, items=(*ITEMS, gift)))
    shop.till.add_item("gift")
    shop.till.add_item("gift", 12_000)
    complete(shop)


def in_words_of(language: PaperLanguage, case: Callable[[Shop], None]) -> Callable[[Shop], None]:
    """The same receipt in other words."""

    def speaking(shop: Shop) -> None:
        receipts = CodedReceipts(ReceiptComposer(language), TERMINAL_KEY, TAG)
        shop.till._completing._receipts = receipts
        shop.returns._receipts = receipts
        case(shop)

    return speaking


def discounted(shop: Shop) -> None:
    buns_and(shop, "fresh", 1300)
    shop.discounts.amount_off(1, "0.30", "快到期", None)
    shop.discounts.folds(None, "9", "老顾客", None)
    shop.discounts.round_off(on=True)
    shop.pool.approve(60, 100)
    shop.till.scan(slot_text())
    complete(shop)


def discounted_back(shop: Shop) -> None:
    discounted(shop)
    printed(shop)
    shop.returns.refund("T0001-000001", "不新鲜", {1: 2000, 2: 1300})


def proxied(shop: Shop) -> None:
    """The worker redeems for 王 at home, goods for 张."""
    shop.take(proxied_awards())
    shop.staff.sign_in("worker:w-1", PIN)
    shop.proxies.begin("3号楼2单元501", Consent.PHONE, slot_text())
    c2_points_only(shop)


CASES: dict[str, Callable[[Shop], None]] = {
    "a1": a1,
    "a1b_waived": a1b_waived,
    "a1b_rounded_up": a1b_rounded_up,
    "c2_points_only": c2_points_only,
    "offline": offline,
    "refund": refund,
    "void": void,
    "reprint": reprint,
    "cash_and_free": cash_and_free,
    "long_names": long_names,
    "english": in_words_of(PaperLanguage.ENGLISH, a1b_waived),
    "both": in_words_of(PaperLanguage.BOTH, a1b_waived),
    "refund_english": in_words_of(PaperLanguage.ENGLISH, refund),
    "refund_both": in_words_of(PaperLanguage.BOTH, refund),
    "void_both": in_words_of(PaperLanguage.BOTH, void),
    "offline_both": in_words_of(PaperLanguage.BOTH, offline),
    "discounted": discounted,
    "discounted_back": discounted_back,
    "proxied": proxied,
    "proxied_english": in_words_of(PaperLanguage.ENGLISH, proxied),
    "proxied_both": in_words_of(PaperLanguage.BOTH, proxied),
}
RECEIPTS = pytest.mark.parametrize("case", CASES)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = Shop(tmp_path, rules=DiscountRules(rounding_step_fen=10))
    made.take(policy(), Catalogue(version=1, made_at=NOON, items=ITEMS), directory())
    made.till.start("test")
    return made


def job(shop: Shop, columns: int) -> bytes:
    queued = shop.spool.next_job()
    assert queued is not None
    document = document_from_json(queued.document_json)
    return encode_document(
        document, PrinterProfile(columns, usual_dots(columns)), lambda: None
    ).data


@PAPERS
@RECEIPTS
def test_the_bytes_of_a_receipt_are_those_that_were_looked_at(
    shop: Shop, case: str, columns: int
) -> None:
    CASES[case](shop)
    check(f"receipts/{case}_{columns}.hex", as_hex(job(shop, columns)))
    shop.store.close()


@PAPERS
@RECEIPTS
def test_the_bytes_that_were_looked_at_read_as_the_text_beside_them(
    case: str, columns: int, tmp_path: Path
) -> None:
    paper = on_paper(kept_bytes(f"receipts/{case}_{columns}.hex"), columns, tmp_path)
    keep_picture(f"receipt_{case}_{columns}", paper)
    check(f"receipts/{case}_{columns}.txt", paper.text)
    assert (paper.unknown, paper.cut) == ((), True)
    if find_cjk_font() is not None:
        assert paper.warnings == ()


@PAPERS
@RECEIPTS
def test_no_line_is_wider_than_the_paper_and_none_says_too_little(case: str, columns: int) -> None:
    text = kept_text(f"receipts/{case}_{columns}.txt")
    assert max(len(line.encode("gbk")) for line in text.splitlines()) <= columns
    assert "¥" not in text
    assert "None" not in text
    assert "{" not in text
