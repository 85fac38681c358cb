"""Tables as people keep them, and as they should not be: read in little memory, named by line."""

import codecs
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import datetime
from itertools import islice
from pathlib import Path

import openpyxl
import pytest

from server.awards.files import AWARD_COLUMNS
from server.awards.sheet import (
    MAX_CSV_BYTES,
    MAX_ROWS,
    SheetRefused,
    SheetRow,
    read_sheet,
)

HEADER = "居民账号,积分标准,日期,事项"
ROW = "00000000000000a1,clean-up,2026-03-02,清扫院落"
TABLE = f"{HEADER}\n{ROW}\n"
FIELDS = {
    "account": "00000000000000a1",
    "rule_id": "clean-up",
    "performed_on": "2026-03-02",
    "memo": "清扫院落",
}
Write = Callable[[bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: bytes) -> Path:
        file = tmp_path / "table.csv"
        file.write_bytes(content)
        return file

    return write


def rows(file: Path) -> list[SheetRow]:
    return list(read_sheet(file, AWARD_COLUMNS))


def refusal(file: Path) -> str:
    with pytest.raises(SheetRefused) as refused:
        rows(file)
    return str(refused.value)


def workbook(file: Path, *lines: list[object]) -> Path:
    book = openpyxl.Workbook()
    assert book.active is not None
    for line in lines:
        book.active.append(line)
    book.save(file)
    return file


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk"])
def test_a_table_is_read_in_the_encodings_that_spreadsheets_write(
    write: Write, encoding: str
) -> None:
    assert rows(write(TABLE.encode(encoding))) == [SheetRow(2, FIELDS, ())]


def test_headers_are_chinese_or_english_in_any_order_and_blank_lines_are_none(
    write: Write,
) -> None:
    table = "Date, RULE ,account\r\n2026-03-02,clean-up,00000000000000a1\r\n\r\n,,\r\n"
    expected = {key: FIELDS[key] for key in ("performed_on", "rule_id", "account")}
    assert rows(write(table.encode())) == [SheetRow(2, expected, ())]


def test_a_quoted_cell_keeps_its_comma_and_a_row_is_named_by_its_first_line(
    write: Write,
) -> None:
    table = f'{HEADER}\n00000000000000a1,clean-up,2026-03-02,"扫地,\n擦窗"\n{ROW}\n'
    first, second = rows(write(table.encode()))
    assert (first.line, second.line) == (2, 4)
    assert first.texts["memo"] == "扫地,\n擦窗"
    assert "看不见的字符" in first.bad[0].says


@pytest.mark.parametrize("cell", ["=cmd|'/C calc'!A0", "+86", "-1", "@SUM(A1)", "＝1+1", " =1"])
def test_a_cell_that_is_a_formula_is_named(write: Write, cell: str) -> None:
    (row,) = rows(write(f'{HEADER}\n00000000000000a1,clean-up,2026-03-02,"{cell}"\n'.encode()))
    assert [(bad.line, bad.column) for bad in row.bad] == [(2, "事项")]
    assert "公式" in row.bad[0].says


def test_wrong_columns_are_all_named(write: Write) -> None:
    said = refusal(write("姓名,积分标准,标准,分数\n".encode()))
    for name in ("居民账号", "日期", "姓名", "分数", "积分标准"):
        assert name in said


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "空的"),
        (f"{HEADER}\n{ROW}\n".encode() + b"a,\xff\xff\xff,b,c\n", "第 3 行的编码不对"),
        (codecs.BOM_UTF8 + TABLE.encode("gbk"), "编码不对"),
        (codecs.BOM_UTF16_LE + TABLE.encode("utf-16-le"), "UTF-16"),
        (f'{HEADER}\n"{ROW}\n'.encode(), "第 2 行的引号"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "旧版 Excel"),
        (b"PK\x03\x04 and no more", "已损坏"),
    ],
)
def test_a_file_that_is_no_table_says_what_to_do(write: Write, content: bytes, says: str) -> None:
    assert says in refusal(write(content))


def test_a_row_says_everything_that_is_wrong_with_it(write: Write) -> None:
    (row,) = rows(write(f"{HEADER}\n,clean-up,,{'长' * 600},多\n".encode()))
    assert [bad.column for bad in row.bad] == ["事项", "", "居民账号", "日期"]


def test_a_million_rows_are_refused_in_little_memory(tmp_path: Path) -> None:
    file = tmp_path / "million.csv"
    with file.open("w") as out:
        out.write("account,rule,date\n")
        for _ in range(1_000):
            out.write("a,b,2026-3-2\n" * 1_000)
    assert file.stat().st_size < MAX_CSV_BYTES
    reading = read_sheet(file, AWARD_COLUMNS)
    tracemalloc.start()
    assert sum(1 for _ in islice(reading, MAX_ROWS)) == MAX_ROWS
    with pytest.raises(SheetRefused, match=f"最多 {MAX_ROWS} 行"):
        next(reading)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 1024 * 1024
    with file.open("a") as out:
        out.write("#" * MAX_CSV_BYTES)
    assert f"最多 {MAX_ROWS} 行" in refusal(file)


def test_a_workbook_is_read_with_its_dates(tmp_path: Path) -> None:
    file = workbook(
        tmp_path / "awards.xlsx",
        ["居民账号", "积分标准", "日期", "事项", None],
        ["00000000000000a1", "clean-up", datetime(2026, 3, 2), "清扫院落"],  # noqa: DTZ001 - a spreadsheet has no time zone
        [None, None, None, None],
    )
    assert rows(file) == [SheetRow(2, FIELDS, ())]


def test_a_formula_and_a_long_number_in_a_workbook_are_named(tmp_path: Path) -> None:
    file = workbook(
        tmp_path / "awards.xlsx",
        ["居民账号", "积分标准", "日期", "事项"],
        [1234567890123456, "clean-up", "2026-03-02", "=1+1"],
    )
    (row,) = rows(file)
    assert [bad.column for bad in row.bad] == ["居民账号", "事项"]
    assert "文本" in row.bad[0].says
    assert "公式" in row.bad[1].says


def test_a_workbook_of_several_sheets_is_refused(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.create_sheet("另一个")
    file = tmp_path / "two.xlsx"
    book.save(file)
    assert "只留一个" in refusal(file)


def with_sheet(tmp_path: Path, data: str) -> Path:
    """A workbook whose sheet has this data, whatever it says about its size."""
    source = workbook(tmp_path / "small.xlsx", ["account"])
    target = tmp_path / "large.xlsx"
    with (
        zipfile.ZipFile(source) as old,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new,
    ):
        for name in old.namelist():
            content = old.read(name)
            if name == "xl/worksheets/sheet1.xml":
                head, _, rest = content.decode().partition("<sheetData>")
                content = f"{head}<sheetData>{data}</sheetData>{rest.partition('</sheetData>')[2]}".encode()
            new.writestr(name, content)
    return target


def xml_row(*texts: str) -> str:
    cells = "".join(f'<c t="inlineStr"><is><t>{text}</t></is></c>' for text in texts)
    return f"<row>{cells}</row>"


def test_a_million_rows_of_a_workbook_are_refused(tmp_path: Path) -> None:
    header = xml_row("account", "rule", "date")
    file = with_sheet(tmp_path, header + xml_row("a", "b") * 1_000_000)
    assert f"最多 {MAX_ROWS} 行" in refusal(file)


def test_a_workbook_that_unpacks_to_far_more_is_refused(tmp_path: Path) -> None:
    file = with_sheet(tmp_path, xml_row("a") + " " * (130 * 1024 * 1024))
    assert file.stat().st_size < 2 * 1024 * 1024
    assert f"最多 {MAX_ROWS} 行" in refusal(file)


@pytest.mark.parametrize(
    "filling",
    [
        '<row r="2">' + "<c/>" * 2_000_000 + "</row>",
        '<row r="2">' + ("<c/>" * 200_000 + "<!--</row>--><row/>") * 10 + "</row>",
        '<row r="2"><c t="inlineStr"><is><t>' + "x" * 8_000_000 + "</t></is></c></row>",
        '<row r="2" q="' + "x" * 8_000_000 + '"/>',
    ],
    ids=["cells", "rows in a row", "text", "attribute"],
)
def test_a_workbook_of_one_endless_row_is_refused_before_it_is_held(
    tmp_path: Path, filling: str
) -> None:
    file = with_sheet(tmp_path, xml_row("account", "rule", "date") + filling)
    tracemalloc.start()
    try:
        assert "有一行太长" in refusal(file)
        assert tracemalloc.get_traced_memory()[1] < 32 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_a_sheet_that_hides_elsewhere_in_the_file_is_refused(tmp_path: Path) -> None:
    """Where no spreadsheet puts one, it would not have been looked through."""
    target = tmp_path / "hidden.xlsx"
    with (
        zipfile.ZipFile(workbook(tmp_path / "small.xlsx", ["account"], ["a"])) as old,
        zipfile.ZipFile(target, "w") as new,
    ):
        for name in old.namelist():
            content = old.read(name).replace(b"worksheets/sheet1.xml", b"hidden/sheet1.xml")
            new.writestr(name.replace("worksheets", "hidden"), content)
    assert "已损坏" in refusal(target)
