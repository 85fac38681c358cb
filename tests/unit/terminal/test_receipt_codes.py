"""The code on a receipt: signed by this terminal, the same on a copy, and read by any decoder."""

from pathlib import Path

import msgspec
import pytest

from drivers.document import Document, Qr, document_from_json
from drivers.escpos.encode import encode_document
from drivers.escpos.painter import PillowPainter
from drivers.escpos.profile import PrinterProfile, usual_dots
from drivers.fonts import FontFile, find_cjk_font
from protocol.codes import read_code
from protocol.codes.challenge import ReceiptCode, ReceiptKind, check_digits, record_digest
from protocol.codes.verifying import receipt_holds
from protocol.documents import Catalogue
from protocol.journal import Envelope
from protocol.sales import SaleCaptured
from terminal.domain.print_job import JobEvent
from terminal.receipts.coded import MAX_PAGE_CHARS, CodedReceipts, page_of
from terminal.receipts.composer import ReceiptComposer
from terminal.shifts.shifts import Counted
from tests.support.decoders import by_zbar, by_zxing
from tests.support.golden import on_paper
from tests.support.shop import ITEMS, NOON, TAG, TERMINAL_KEY, Shop, directory, policy, slot_text

NUMBER = "T0001-000001"
LONGEST_PAGE = "https://" + "p" * (MAX_PAGE_CHARS - 10) + "/r"


@pytest.fixture
def ready(shop: Shop) -> Shop:
    """A pool is there, and one sale is done."""
    shop.take(policy(), Catalogue(version=1, made_at=NOON, items=ITEMS), directory())
    shop.till.add_item("bun", 5_000)
    shop.pool.approve(25, 100)
    shop.till.scan(slot_text())
    shop.till.complete(shop.till.snapshot()[0].sale_id)
    return shop


def painters_font() -> FontFile:
    found = find_cjk_font()
    assert found is not None
    return found


def printed(shop: Shop) -> Document:
    """The next paper, which the printer confirms."""
    job = shop.spool.next_job()
    assert job is not None
    shop.spool.move(job.job_no, JobEvent.SEND)
    shop.spool.move(job.job_no, JobEvent.PRINTED)
    return document_from_json(job.document_json)


def code_text(document: Document) -> str:
    (code,) = [each for each in document.elements if isinstance(each, Qr)]
    return code.data


def code_on(document: Document) -> ReceiptCode:
    code = read_code(code_text(document))
    assert isinstance(code, ReceiptCode)
    return code


def journalled(shop: Shop) -> list[bytes]:
    """What happened, as the server will be told it."""
    bodies = [each.record.body for each in shop.outbox.next_batch()]
    return [bytes(msgspec.json.decode(body, type=Envelope).happening) for body in bodies]


def test_a_sales_paper_carries_what_this_terminal_signed_of_its_record(ready: Shop) -> None:
    paper = printed(ready)
    code = code_on(paper)
    assert receipt_holds(code, TERMINAL_KEY.public_key(), TAG)
    assert (code.kind, code.points, code.total_fen, code.cash_fen) == (
        ReceiptKind.SALE,
        25,
        250,
        0,
    )
    assert code.digest in {record_digest(each) for each in journalled(ready)}
    number = check_digits(code.digest)
    assert f"{number[:3]} {number[3:7]} {number[7:]}" in str(paper.elements)


def test_a_copy_carries_the_same_code_and_a_return_its_own(ready: Shop) -> None:
    first = code_text(printed(ready))
    ready.after_sale.reprint(NUMBER)
    assert code_text(printed(ready)) == first
    ready.shifts.close(1, Counted(cash_fen=None, others_fen={}))
    printed(ready)
    ready.returns.refund(NUMBER, "不新鲜", {1: 2_000})
    back = code_on(printed(ready))
    assert receipt_holds(back, TERMINAL_KEY.public_key(), TAG)
    assert (back.kind, back.points, back.total_fen) == (ReceiptKind.REFUND, 10, 100)
    assert back.digest in {record_digest(each) for each in journalled(ready)}
    ready.after_sale.reprint("T0001-000002")
    assert code_on(printed(ready)) == back


def test_a_copy_is_of_the_record_and_not_of_what_a_later_program_makes_of_it(ready: Shop) -> None:
    """A program that knows another field would write the same sale in other bytes."""
    first = code_on(printed(ready))
    (sale,) = [each for each in journalled(ready) if record_digest(each) == first.digest]
    assert ready.store.record_of(NUMBER) == sale
    assert ready.store.record_of("T0001-000009") == b""
    reread = msgspec.json.decode(sale, type=SaleCaptured)
    later = msgspec.structs.replace(reread, receipt_no=NUMBER, cashier="somebody")
    facts = ready.after_sale._facts(policy(), NOON, None, 1, sale)
    composer = CodedReceipts(ReceiptComposer(), TERMINAL_KEY, TAG)
    assert code_on(composer.sale(later, facts)).digest == first.digest


def test_other_papers_carry_none(ready: Shop) -> None:
    printed(ready)
    ready.shifts.close(1, Counted(cash_fen=None, others_fen={}))
    assert not [each for each in printed(ready).elements if isinstance(each, Qr)]


def test_the_page_stands_in_the_code_where_strangers_can_reach_it() -> None:
    assert page_of("https://points.example/", None) == "https://points.example/r"
    assert page_of("http://192.168.1.2:8800", None) == ""
    assert page_of("https://" + "p" * 90, None) == ""
    assert page_of("https://points.example", "") == ""
    assert page_of("http://127.0.0.1:8800", "https://other.example/r") == "https://other.example/r"
    with pytest.raises(ValueError, match="80 characters"):
        CodedReceipts(ReceiptComposer(), TERMINAL_KEY, TAG, "x" * (MAX_PAGE_CHARS + 1))


@pytest.mark.parametrize("columns", [32, 48])
@pytest.mark.parametrize("page", ["", "https://points.example/r", LONGEST_PAGE])
@pytest.mark.parametrize("native", [True, False], ids=["native", "drawn"])
def test_zbar_and_zxing_read_the_paper(
    ready: Shop,
    columns: int,
    page: str,
    native: bool,
    tmp_path: Path,
    zbarimg: Path,
    cjk_font: Path,
) -> None:
    found = ready.store.captured(NUMBER)
    assert found is not None
    facts = ready.after_sale._facts(policy(), NOON, 100, 0, ready.store.record_of(NUMBER))
    composer = CodedReceipts(ReceiptComposer(), TERMINAL_KEY, TAG, page)
    document = composer.sale(found[1], facts)
    profile = PrinterProfile(columns, usual_dots(columns), native_qr=native)
    painter = PillowPainter(painters_font())
    data = encode_document(document, profile, lambda: painter).data
    paper = on_paper(data, columns, tmp_path / "paper")
    text = code_text(document)
    assert text.startswith(page)
    assert by_zxing(paper.png_path) == [text]
    assert by_zbar(zbarimg, paper.png_path) == [text]
    code = read_code(text.rpartition("#")[2])
    assert isinstance(code, ReceiptCode)
    assert receipt_holds(code, TERMINAL_KEY.public_key(), TAG)


def test_the_code_fits_narrow_paper_in_modules_of_half_a_millimetre(cjk_font: Path) -> None:
    digits = "5" * 299
    painter = PillowPainter(painters_font())
    for text, version, module_dots in (
        (digits, 8, 6),
        (f"https://points.example/r#{digits}", 8, 6),
        (f"{LONGEST_PAGE}#{digits}", 10, 5),
    ):
        raster = painter.paint_qr(text, usual_dots(32))
        side = (17 + 4 * version + 8) * module_dots
        assert (raster.rows, raster.row_bytes) == (side, (side + 7) // 8), text[:30]
        assert module_dots * 25.4 / 203 >= 0.5  # a module, in millimetres
