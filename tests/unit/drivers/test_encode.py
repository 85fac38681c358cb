from io import BytesIO
from pathlib import Path

import pytest
import zxingcpp
from escpos.printer import Dummy
from PIL import Image

from drivers.document import (
    Align,
    Barcode,
    Beep,
    Columns,
    Cut,
    Document,
    Drawer,
    Element,
    Feed,
    Line,
    Picture,
    Qr,
    Size,
    Symbology,
    Text,
    document_from_json,
    document_to_json,
    to_plain_text,
)
from drivers.escpos.encode import EncodedJob, encode_document, native_qr
from drivers.escpos.painter import PillowPainter
from drivers.escpos.profile import ChineseEncoding, PrinterProfile, usual_dots
from drivers.escpos.raster import FRAGMENT_ROWS, Painter, Raster, raster_command
from drivers.fonts import KNOWN_FONTS, FontFile
from drivers.heavy import painter_or_none
from tests.support.golden import on_paper

BEGIN, END = b"\x1b@\x1c&", b"\x1b@"
INSTALLED_FONTS = [font for font in KNOWN_FONTS if font.path.is_file()]
needs_font = pytest.mark.skipif(
    not INSTALLED_FONTS, reason="no Chinese font: apt-get install fonts-wqy-zenhei"
)


def no_painter() -> Painter | None:
    return None


def encode(*elements: Element, profile: PrinterProfile | None = None) -> EncodedJob:
    return encode_document(Document(elements), profile or PrinterProfile(), no_painter)


def body(*elements: Element) -> bytes:
    data = encode(*elements).data
    assert data.startswith(BEGIN)
    assert data.endswith(END)
    return data[len(BEGIN) : -len(END)]


def test_chinese_goes_out_as_gbk_in_chinese_mode() -> None:
    assert encode(Text("合计：¥12.50")).data == (
        b"\x1b@\x1c&\xba\xcf\xbc\xc6\xa3\xba\xa3\xa412.50\n\x1b@"
    )


@pytest.mark.parametrize(
    ("char", "bytes_sent"),
    [("“", "a1b0"), ("”", "a1b1"), ("…", "a1ad"), ("—", "a1aa"), ("×", "a1c1"), ("①", "a2d9"),
     ("℃", "a1e6"), ("№", "a1ed"), ("¥", "a3a4"), ("￥", "a3a4"), ("·", "a1a4"), ("－", "a3ad")],
)  # fmt: skip
def test_each_sign_has_the_code_of_the_rom(char: str, bytes_sent: str) -> None:
    assert body(Text(char)) == bytes.fromhex(bytes_sent) + b"\n"


def test_sizes_alignment_and_bold_are_sent_where_they_change() -> None:
    assert body(
        Text("甲", Align.CENTER, Size.BIG, bold=True),
        Text("乙", Align.CENTER, Size.BIG, bold=True),
        Text("丙", size=Size.TALL),
    ) == (
        b"\x1ba\x01\x1d!\x11\x1bE\x01\xbc\xd7\n\xd2\xd2\n"
        b"\x1ba\x00\x1d!\x01\x1bE\x00\xb1\xfb\n\x1d!\x00"
    )


def test_columns_are_spaces_counted_by_gbk_bytes() -> None:
    assert body(Columns("“盐”", "5.00")) == (b"\xa1\xb0\xd1\xce\xa1\xb1" + b" " * 22 + b"5.00\n")


def test_an_item_name_cannot_open_the_drawer_or_print_elsewhere() -> None:
    evil = "糖\x1bp\x00\x19\xfa\x1b@\x10\x14\x01\x00\x05\n\x1dV\x00"
    data = body(Columns(evil, "1.00"), Text(evil))
    assert not set(data) & (set(range(0x20)) - {0x0A})


@pytest.mark.parametrize("encoding", list(ChineseEncoding))
def test_no_control_of_any_name_reaches_the_printer(encoding: ChineseEncoding) -> None:
    """With the control and without it the bytes are the same, wherever the name stands."""
    profile = PrinterProfile(32, 384, encoding=encoding)

    def sent(sign: str) -> bytes:
        name = f"特{sign}级{sign}"
        return encode_document(
            Document(
                (
                    Text(f"{sign}{name}", align=Align.CENTER, size=Size.BIG, bold=True),
                    Columns(name, f"{sign}1.00{sign}"),
                    Columns(name, "1.00", middle=f"{sign}2"),
                    Columns("单号", name * 9),
                )
            ),
            profile,
            lambda: None,
        ).data

    plain = sent("")
    spaced = sent(" ")
    breaks = {0x09, 0x0A, 0x0D, 0x85}
    for code in sorted({*range(0x20), *range(0x7F, 0xA0)} - breaks):
        assert sent(chr(code)) == plain, hex(code)
    for code in breaks - {0x0A, 0x0D}:
        assert sent(chr(code)) == spaced, hex(code)
    assert sent("\n").replace(b"\n", b"").count(b"\x1b") == plain.count(b"\x1b")


def test_every_character_of_the_first_plane_is_sent_as_letters_alone() -> None:
    """None becomes a control on the way: not by NFC, by a substitute or by its code in GBK."""
    every = [chr(code) for code in range(0x1_0000)]
    for start in range(0, len(every), 4000):
        data = body(Text("".join(every[start : start + 4000])))
        assert not set(data) & ({*range(0x20), 0x7F} - {0x0A}), hex(start)


def test_cut_drawer_beep_and_feed_are_the_usual_commands() -> None:
    assert body(Feed(2), Beep(3), Drawer(), Cut()) == (
        b"\n\n\x1bB\x03\x02\x1bp\x00\x19\xfa\n\n\n\x1dVB\x00"
    )


def test_a_printer_without_a_knife_feeds_to_the_tear_bar() -> None:
    data = encode(Cut(), profile=PrinterProfile(cutter=False)).data
    assert data == BEGIN + b"\n" * 5 + END


@pytest.mark.parametrize("text", ["小䶮", "𠮷田", "小馆🍜", "שלום"])
def test_without_a_font_a_character_outside_gbk_is_a_box_and_counted(text: str) -> None:
    job = encode(Text(text))
    outside = sum(1 for char in text if char not in "小田馆")
    assert job.replaced_chars == outside
    assert job.data.count(b"\xa1\xf5") == outside
    assert b"?" not in job.data


@needs_font
def test_a_line_with_a_rare_name_is_drawn_and_the_others_stay_text() -> None:
    document = Document((Text("积分"), Columns("居民", "小䶮"), Text("元")))
    job = encode_document(document, PrinterProfile(), painter_or_none)
    assert (job.raster_lines, job.replaced_chars) == (1, 0)
    start = job.data.index(b"\x1dv0\x00")
    assert job.data[:start] == BEGIN + "积分".encode("gbk") + b"\n"
    assert job.data[start + 4 : start + 8] == bytes([48, 0, 30, 0])
    assert job.data[start + 8 + 48 * 30 :] == "元".encode("gbk") + b"\n" + END


@needs_font
@pytest.mark.parametrize("columns", [32, 48])
def test_a_printer_without_chinese_gets_every_line_as_a_picture(columns: int) -> None:
    profile = PrinterProfile(columns, usual_dots(columns), encoding=ChineseEncoding.RASTER)
    document = Document((Text("广惠小店", Align.CENTER, Size.BIG), Columns("应付", "2.60 元")))
    job = encode_document(document, profile, painter_or_none)
    assert job.raster_lines == 2
    assert "应付".encode("gbk") not in job.data
    assert job.data.count(b"\x1dv0\x00" + bytes([columns * 12 // 8, 0])) == 2


@needs_font
@pytest.mark.parametrize("font", INSTALLED_FONTS, ids=lambda font: font.package)
def test_every_character_is_drawn_on_its_own_cells(font: FontFile) -> None:
    painter = PillowPainter(font)
    for size in Size:
        room = 32 // size.wide
        for at in (0, room - 2):
            raster = painter.paint_line(Line(" " * at + "积", size=size), 32)
            assert (raster.row_bytes, raster.rows) == (48, 30 * size.high)
            ink = columns_with_ink(raster)
            assert min(ink) >= at * 12 * size.wide
            assert max(ink) < (at + 2) * 12 * size.wide


@needs_font
@pytest.mark.parametrize("font", INSTALLED_FONTS, ids=lambda font: font.package)
def test_a_character_that_no_font_has_is_drawn_as_a_box(font: FontFile) -> None:
    painter = PillowPainter(font)
    assert painter.paint_line(Line("\U0001f35c"), 32) == painter.paint_line(Line("□"), 32)
    assert painter.paint_line(Line("龦"), 32) != painter.paint_line(Line("□"), 32)


def columns_with_ink(raster: Raster) -> set[int]:
    return {
        x
        for x in range(raster.row_bytes * 8)
        for y in range(raster.rows)
        if raster.data[y * raster.row_bytes + x // 8] >> (7 - x % 8) & 1
    }


def test_a_tall_picture_is_cut_into_pieces_that_a_small_buffer_holds() -> None:
    raster = Raster(2, FRAGMENT_ROWS + 5, bytes(range(256)) + bytes(10))
    first, second = raster_command(raster)
    assert first == b"\x1dv0\x00\x02\x00\x80\x00" + raster.data[:256]
    assert second == b"\x1dv0\x00\x02\x00\x05\x00" + bytes(10)


def test_the_qr_commands_are_those_of_python_escpos() -> None:
    builder = Dummy()
    builder.qr("HD1:R:0001-000027", ec=1, size=6, native=True)
    assert native_qr(b"HD1:R:0001-000027", 384) == builder.output


@pytest.mark.parametrize(("length", "dots"), [(10, 384), (200, 384), (666, 384), (666, 576)])
def test_a_qr_code_fits_the_paper_with_its_quiet_zone(length: int, dots: int) -> None:
    command = native_qr(b"x" * length, dots)
    module_dots = command[command.index(b"1C") + 2]
    code = zxingcpp.create_barcode(
        b"x" * length, zxingcpp.BarcodeFormat.QRCode, ec_level="M"
    ).to_image(scale=1)
    assert (code.shape[0]) * module_dots <= dots
    assert module_dots >= 3


@needs_font
def test_an_image_qr_can_be_read() -> None:
    painter = painter_or_none()
    assert painter is not None
    raster = painter.paint_qr("HD1:R:0001-000027:原点", 384)
    picture = Image.frombytes("1", (raster.row_bytes * 8, raster.rows), raster.data)
    paper = Image.eval(picture.convert("L"), lambda dot: 255 - dot)
    assert [code.text for code in zxingcpp.read_barcodes(paper)] == ["HD1:R:0001-000027:原点"]
    data = encode_document(
        Document((Qr("HD1"),)), PrinterProfile(native_qr=False), painter_or_none
    ).data
    assert b"\x1d(k" not in data
    assert b"\x1dv0\x00" in data
    assert BytesIO(data).read(4) == BEGIN


def test_a_printer_that_wants_utf8_gets_it_and_its_paper_reads_the_same(tmp_path: Path) -> None:
    document = Document((Columns("馒头（大）", "2.50 元"), Text("“合计” ①"), Cut()))
    texts = []
    for encoding in (ChineseEncoding.GBK, ChineseEncoding.UTF8):
        job = encode_document(document, PrinterProfile(encoding=encoding), lambda: None)
        paper = on_paper(job.data, 32, tmp_path / encoding)
        assert paper.unknown == ()
        texts.append(paper.text)
    assert texts[0] == texts[1]
    assert "馒头（大）               2.50 元" in texts[1]


@pytest.mark.parametrize(
    ("data", "symbology"),
    [
        ("6900000000014", Symbology.EAN13),
        ("96385074", Symbology.EAN8),
        ("T0001-000150", Symbology.CODE128),
        ("aB!~ 09", Symbology.CODE128),
    ],
)
@pytest.mark.parametrize("columns", [32, 48])
def test_a_barcode_on_paper_can_be_scanned(
    data: str, symbology: Symbology, columns: int, tmp_path: Path
) -> None:
    document = Document((Text("上"), Barcode(data, symbology), Text("下"), Cut()))
    profile = PrinterProfile(columns, usual_dots(columns))
    paper = on_paper(encode_document(document, profile, no_painter).data, columns, tmp_path)
    assert paper.warnings == ()
    (found,) = zxingcpp.read_barcodes(Image.open(paper.png_path).convert("L"))
    assert found.text == data
    assert f"[条码 {data}]" in to_plain_text(document, columns)


def test_the_barcode_commands_are_those_of_python_escpos() -> None:
    judge = Dummy(profile="TM-T88V")
    judge.barcode("6900000000014", "EAN13", height=80, width=2, pos="BELOW", align_ct=False,
                  function_type="B", check=False)  # fmt: skip
    ours = encode(Barcode("6900000000014", Symbology.EAN13)).data
    command = b"\x1dk\x43\x0d6900000000014"
    assert command in ours
    assert command in judge.output


@pytest.mark.parametrize(
    ("data", "symbology"),
    [
        ("6900000000019", Symbology.EAN13), ("690000000001", Symbology.EAN13),
        ("６９００００００", Symbology.EAN8), ("", Symbology.CODE128), ("{C1", Symbology.CODE128),
        ("A" * 14, Symbology.CODE128), ("\x1bp0", Symbology.CODE128),
    ],
)  # fmt: skip
def test_a_barcode_that_no_scanner_would_read_is_refused(data: str, symbology: Symbology) -> None:
    with pytest.raises(ValueError, match=r"digit|CODE128"):
        Barcode(data, symbology)


def test_a_picture_is_printed_dot_for_dot(tmp_path: Path) -> None:
    rows = 300
    data = bytes((at * 7 + at // 11) % 256 for at in range(20 * rows))
    document = Document((Picture(20, rows, data), Cut()))
    assert document_from_json(document_to_json(document)) == document
    job = encode_document(document, PrinterProfile(), no_painter)
    heads = job.data.count(b"\x1dv0\x00\x14\x00")
    assert heads == -(-rows // FRAGMENT_ROWS)
    paper = on_paper(job.data, 32, tmp_path)
    assert paper.warnings == ()
    with pytest.raises(ValueError, match="as wide as"):
        Picture(49, 1, b"x" * 49)
    with pytest.raises(ValueError, match="bytes for"):
        Picture(2, 2, b"x")
