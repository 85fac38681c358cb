"""Files that are small on the disk and endless when they are read: they are refused on the way."""

import io
import zipfile
from collections.abc import Iterator

import pytest

from terminal.prices.files import FileProblem, FileProblemError, read_rows
from terminal.prices.workbook import MAX_CELL_CHARS, read_workbook, write_workbook

MANY = 500_000
HEADER = ("编号", "名称", "单价")
WHOLE = write_workbook("价目", HEADER, [("1", "大米", "5.00")], money_column=2)


def rewritten(part: str, text: str, old: bytes = WHOLE) -> bytes:
    """The same workbook with another part, or one more."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(old)) as before,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as after,
    ):
        for name in before.namelist():
            if name != part:
                after.writestr(name, before.read(name))
        after.writestr(part, text)
    return out.getvalue()


def attributes() -> Iterator[str]:
    return (f' a{number:x}=""' for number in range(MANY // 10))


@pytest.mark.parametrize(
    "data",
    [
        rewritten(
            "xl/worksheets/sheet1.xml", f"<worksheet>{'<c>' * MANY}{'</c>' * MANY}</worksheet>"
        ),
        rewritten(
            "xl/worksheets/sheet1.xml", f"<worksheet><row{''.join(attributes())}/></worksheet>"
        ),
        rewritten("xl/sharedStrings.xml", f"<sst>{'<si>' * MANY}{'</si>' * MANY}</sst>"),
        ("编号,名称,单价\n" + "," * MANY).encode(),
        ("编号,名称,单价\n" + '"\n",' * (MANY // 4)).encode(),
    ],
    ids=["nested", "attributes", "nested texts", "columns", "broken lines"],
)
def test_what_never_ends_is_not_collected_first(data: bytes) -> None:
    with pytest.raises(FileProblemError) as refused:
        list(read_rows(data))
    assert refused.value.problem is FileProblem.DAMAGED


def test_a_text_of_a_million_pieces_is_cut_like_any_other() -> None:
    sheet = '<worksheet><sheetData><row><c t="s"><v>0</v></c></row></sheetData></worksheet>'
    texts = "<sst><si>" + "<t>盐</t>" * MANY + "</si></sst>"
    book = rewritten("xl/sharedStrings.xml", texts, rewritten("xl/worksheets/sheet1.xml", sheet))
    ((_, (cell,)),) = read_workbook(book, 8)
    assert cell.text == "盐" * MAX_CELL_CHARS


def test_a_large_list_is_no_endless_one() -> None:
    rows = ((str(number), "大米 & <东北>" + "好" * 40, "5.00") for number in range(20_000))
    book = write_workbook("价目", HEADER, rows, money_column=2)
    assert sum(1 for _ in read_rows(book)) == 20_000
