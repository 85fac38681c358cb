import pytest

from drivers.cells import cells
from drivers.document import (
    MAX_ELEMENTS,
    MAX_QR_BYTES,
    MAX_TEXT_CHARS,
    Align,
    Beep,
    Columns,
    Cut,
    Document,
    DocumentFormatError,
    Drawer,
    Feed,
    Line,
    Qr,
    Rule,
    Size,
    Text,
    document_from_json,
    document_to_json,
    lay_out,
    to_plain_text,
)


def lines_of(document: Document, columns: int) -> list[Line]:
    return [block for block in lay_out(document, columns) if isinstance(block, Line)]


def test_a_document_reads_back_from_its_json_as_it_was() -> None:
    document = Document(
        (
            Text("广惠小店", Align.CENTER, Size.BIG, bold=True),
            Columns("馒头", "2.50", middle="5", bold=True),
            Rule(heavy=True),
            Qr("HD1:𠮷"),
            Feed(3),
            Beep(2),
            Drawer(),
            Cut(),
        )
    )
    assert document_from_json(document_to_json(document)) == document
    assert document_from_json(document_to_json(document).decode()) == document


@pytest.mark.parametrize(
    "stored",
    [b"", b"{", b"[]", b'{"elements":[{"type":"explode"}]}', b'{"elements":[{"type":"qr"}]}',
     b'{"elements":[{"type":"feed","lines":99}]}', b"\xff\xfe", b'{"elements":null}'],
)  # fmt: skip
def test_stored_bytes_that_are_no_document_are_refused(stored: bytes) -> None:
    with pytest.raises(DocumentFormatError):
        document_from_json(stored)


def test_limits_are_kept_where_a_document_is_made() -> None:
    with pytest.raises(ValueError, match="elements"):
        Document((Rule(),) * (MAX_ELEMENTS + 1))
    with pytest.raises(ValueError, match="characters"):
        Text("x" * (MAX_TEXT_CHARS + 1))
    with pytest.raises(ValueError, match="QR"):
        Qr("x" * (MAX_QR_BYTES + 1))
    with pytest.raises(ValueError, match="QR"):
        Qr("")
    with pytest.raises(ValueError, match="feed"):
        Feed(0)


@pytest.mark.parametrize("columns", [32, 42, 48])
@pytest.mark.parametrize("size", list(Size))
def test_no_line_is_wider_than_the_paper(columns: int, size: Size) -> None:
    names = ["馒头", "中牟大蒜礼盒（精选特级紫皮独头蒜5斤装）" * 8, "x" * 300, "", "𠮷🍜" * 40]
    elements = [Columns(name, "￥1234567.89", middle="12.345", size=size) for name in names]
    elements += [Columns(name, "9" * 60, size=size) for name in names]
    document = Document((*elements, *(Text(name, size=size) for name in names)))
    for line in lines_of(document, columns):
        assert cells(line.text) * line.size.wide <= columns


def test_figures_of_three_columns_stand_below_each_other() -> None:
    rows = Document(
        (Columns("商品", "金额", middle="数量"), Columns("“酱油”—①级", "12.80", middle="2"))
    )
    assert to_plain_text(rows, 32) == (
        "商品              数量      金额\n"
        "“酱油”—①级       2     12.80\n"
    )  # fmt: skip
    assert [cells(line.text) for line in lines_of(rows, 32)] == [32, 32]


def test_a_long_name_wraps_and_its_figures_are_never_cut() -> None:
    document = Document(
        (Columns("中牟大蒜礼盒（精选特级紫皮独头蒜5斤装）", "￥38.00", middle="1"),)
    )
    assert to_plain_text(document, 32) == (
        "中牟大蒜礼盒（精选特级紫皮独头蒜\n"
        "5斤装）              1   ￥38.00\n"
    )  # fmt: skip


def test_a_large_line_gives_up_width_before_it_breaks() -> None:
    title = Text("广惠街街道·惠积分", Align.CENTER, Size.BIG)
    assert [line.size for line in lines_of(Document((title,)), 32)] == [Size.TALL]
    assert [line.size for line in lines_of(Document((title,)), 48)] == [Size.BIG]


def test_plain_text_leaves_out_what_a_qr_code_holds() -> None:
    text = to_plain_text(Document((Qr("CARD-SECRET"), Drawer(), Beep(), Cut())), 32)
    assert text == "            [二维码]\n[开钱箱]\n[蜂鸣]\n[切纸]\n"
