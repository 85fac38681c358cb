"""A whole receipt, byte for byte, with what can be read on its paper beside it.

The text is read from the bytes by the simulated printer, whose decoder shares no code with the
encoder. After a wanted change: HUIDIAN_WRITE_GOLDEN=1 writes the files anew; look at the pictures
and at the difference before keeping them.
"""

from pathlib import Path

import pytest
import zxingcpp
from PIL import Image

from drivers.document import (
    Align,
    Columns,
    Cut,
    Document,
    Qr,
    Rule,
    Size,
    Text,
    document_from_json,
    document_to_json,
)
from drivers.escpos.encode import encode_document
from drivers.escpos.profile import PrinterProfile, usual_dots
from drivers.fonts import find_cjk_font
from tests.support.golden import as_hex, check, kept_bytes, kept_text, on_paper

RECEIPT_CODE = "HD1:R:0001-000027:7Q2M9X"
PAPERS = pytest.mark.parametrize("columns", [32, 48])


def receipt() -> Document:
    return Document(
        (
            Text("广惠街街道·惠积分", Align.CENTER, Size.BIG, bold=True),
            Text("听篌街社区 广惠小店（示例）", Align.CENTER),
            Columns("小票 0001-000027", "2026-03-14 09:26"),
            Rule(heavy=True),
            Columns("商品", "金额", middle="数量", bold=True),
            Rule(),
            Columns("馒头", "2.50", middle="5"),
            Columns("青菜", "4.60", middle="1.00"),
            Columns("中牟大蒜礼盒（精选特级紫皮独头蒜5斤装）", "38.00", middle="1"),
            Columns("“老字号”酱油—500ml×2 ①级", "12.80", middle="2"),
            Columns("体温计 35~42℃…", "9.90", middle="1"),
            Columns("血压测量", "免费", middle="1"),
            Rule(),
            Columns("合计", "67.80 元", size=Size.TALL, bold=True),
            Columns("积分抵扣 71 积分", "-7.10 元"),
            Columns("应付", "60.70 元", size=Size.BIG, bold=True),
            Rule(),
            Columns("居民", "张*姨"),
            Columns("原有积分", "100"),
            Columns("本次使用", "71"),
            Columns("剩余积分", "29", bold=True),
            Rule(),
            Qr(RECEIPT_CODE),
            Text("离线受理，联网后自动上传\n凭此小票对账，谢谢惠顾！", Align.CENTER),
            Cut(),
        )
    )


def job(columns: int) -> bytes:
    profile = PrinterProfile(columns, usual_dots(columns))
    return encode_document(receipt(), profile, lambda: None).data


@PAPERS
def test_the_bytes_of_a_receipt_are_those_that_were_looked_at(columns: int) -> None:
    check(f"receipt_{columns}.hex", as_hex(job(columns)))


@PAPERS
def test_the_bytes_that_were_looked_at_read_as_the_text_beside_them(
    columns: int, tmp_path: Path
) -> None:
    data = kept_bytes(f"receipt_{columns}.hex")
    paper = on_paper(data, columns, tmp_path)
    check(f"receipt_{columns}.txt", paper.text)
    assert paper.unknown == ()
    assert paper.qr_texts == (RECEIPT_CODE,)
    assert paper.cut


@PAPERS
def test_a_receipt_that_was_stored_prints_the_same_bytes(columns: int) -> None:
    stored = document_from_json(document_to_json(receipt()))
    profile = PrinterProfile(columns, usual_dots(columns))
    assert encode_document(stored, profile, lambda: None).data == job(columns)


@PAPERS
def test_every_line_fills_the_paper_and_no_more(columns: int) -> None:
    lines = kept_text(f"receipt_{columns}.txt").splitlines()
    widths = [len(line.encode("gbk")) for line in lines]
    assert max(widths) == columns
    figures = [line for line in lines if line.endswith(("2.50", "4.60", "38.00", "12.80", "9.90"))]
    assert len(figures) == 5
    assert {len(line.encode("gbk")) for line in figures} == {columns}


@PAPERS
@pytest.mark.skipif(
    find_cjk_font() is None, reason="no Chinese font: apt-get install fonts-wqy-zenhei"
)
def test_the_picture_of_the_paper_is_whole_and_its_code_can_be_read(
    columns: int, tmp_path: Path
) -> None:
    paper = on_paper(job(columns), columns, tmp_path)
    assert paper.warnings == ()
    with Image.open(paper.png_path) as picture:
        grey = picture.convert("L")
    assert grey.width == usual_dots(columns) + 32
    assert [code.text for code in zxingcpp.read_barcodes(grey)] == [RECEIPT_CODE]
    title = grey.crop((0, 16, grey.width, 16 + 60))
    assert title.getextrema() == (0, 255)
    right_edge = grey.crop((grey.width - 16 - 12, 0, grey.width - 16, grey.height))
    assert right_edge.getextrema() == (0, 255)
    margin = grey.crop((grey.width - 16, 0, grey.width, grey.height))
    assert margin.getextrema() == (255, 255)
