"""The PDF's pages as an eye sees them: nothing cut, nothing small, every page numbered."""

import re
from pathlib import Path

import pypdfium2
import pypdfium2.raw as pdfium
import pytest
from PIL import Image, ImageChops

from server.exports.canonical import payload_of
from server.exports.export import Exported, export_statement
from server.exports.fonts import PageFont, find_page_font
from server.exports.paper import MARGIN_MM
from server.exports.seal import StatementFormat
from server.settlement.document import StatementDocument
from tests.unit.exports.conftest import ROOT_KEY
from tests.unit.exports.example import example, long, negative

POINTS_A_MM = 72 / 25.4
SCALE = 1.5
DOCUMENTS = {"example": example(), "negative": negative(), "long": long(90)}


class Pages:
    """A PDF, opened by a reader that is not the writer."""

    def __init__(self, document: StatementDocument, font: PageFont) -> None:
        made = export_statement(document, StatementFormat.PDF, ROOT_KEY, font)
        assert isinstance(made, Exported)
        self.content = made.content
        self._pdf = pypdfium2.PdfDocument(made.content)
        self.count = len(self._pdf)

    def close(self) -> None:
        self._pdf.close()

    def text(self, page: int) -> str:
        return str(self._pdf[page].get_textpage().get_text_bounded())

    def characters(self, page: int) -> list[tuple[str, float, float, float, float, float]]:
        """Sign, left, bottom, right, top (in mm from the lower left corner), size in points."""
        textpage = self._pdf[page].get_textpage()
        found = []
        for place in range(textpage.count_chars()):
            sign = chr(pdfium.FPDFText_GetUnicode(textpage, place))
            if not sign.isspace():
                box = [edge / POINTS_A_MM for edge in textpage.get_charbox(place)]
                size = pdfium.FPDFText_GetFontSize(textpage, place)
                found.append((sign, box[0], box[1], box[2], box[3], float(size)))
        return found

    def picture(self, page: int) -> Image.Image:
        drawn: Image.Image = self._pdf[page].render(scale=SCALE).to_pil()
        return drawn.convert("L")

    def attachments(self) -> dict[str, bytes]:
        return {
            each.get_name(): bytes(each.get_data())
            for each in map(self._pdf.get_attachment, range(self._pdf.count_attachments()))
        }


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_character_is_cut_off_small_or_drawn_over_another(
    name: str, font: PageFont, artefacts: Path
) -> None:
    pages = Pages(DOCUMENTS[name], font)
    for page in range(pages.count):
        pages.picture(page).save(artefacts / f"statement-{name}-{font.package}-{page + 1}.png")
        signs = pages.characters(page)
        assert signs
        for sign, left, bottom, right, top, size in signs:
            assert size >= 11, sign
            assert left >= MARGIN_MM - 1, f"{sign} begins at {left}"
            assert right <= 210 - MARGIN_MM + 1, f"{sign} ends at {right}"
            assert bottom >= 8, sign
            assert top <= 297 - 8, sign
        assert overlapping(signs) == []
    pages.close()


def overlapping(
    signs: list[tuple[str, float, float, float, float, float]],
) -> list[tuple[str, str]]:
    """Signs of which one stands on the other, by more than half a millimetre each way."""
    found = []
    by_left = sorted(signs, key=lambda each: each[1])
    for place, (sign, _, bottom, right, top, _) in enumerate(by_left):
        for other, left, other_bottom, other_right, other_top, _ in by_left[place + 1 :]:
            if left > right - 0.5:
                break
            high = min(top, other_top) - max(bottom, other_bottom)
            if high > 0.5 and other_right - left > 0.5:
                found.append((sign, other))
    return found


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_page_says_which_of_how_many_it_is_and_whose(name: str, font: PageFont) -> None:
    pages = Pages(DOCUMENTS[name], font)
    for page in range(pages.count):
        text = re.sub(r"\s+", "", pages.text(page))
        assert f"第{page + 1}页，共{pages.count}页" in text
        assert "shop-a-20260331" in text
        assert re.search(r"核对码[0-9A-Z]{4}(-[0-9A-Z]{4}){3}", text)
        assert "2026-03-01至2026-03-31" in text
    pages.close()


def test_a_table_that_runs_over_pages_repeats_its_header(font: PageFont) -> None:
    pages = Pages(long(90), font)
    with_lines = [
        re.sub(r"\s+", "", pages.text(page))
        for page in range(pages.count)
        if "小票" in pages.text(page)
    ]
    assert len(with_lines) >= 4
    assert all("序号时间类型实收积分补偿纳入" in text for text in with_lines)
    pages.close()


def test_who_owes_is_seen_from_afar(font: PageFont) -> None:
    """The box is white where the pool pays and dark where the merchant does."""
    shades = {}
    for name in ("example", "negative"):
        pages = Pages(DOCUMENTS[name], font)
        text = "本期应付商户" if name == "example" else "本期商户应付"
        assert text in pages.text(0)
        picture = pages.picture(0)
        column = int((MARGIN_MM + 4) * POINTS_A_MM * SCALE)
        strip = picture.crop((column, 0, column + 1, picture.height)).tobytes()
        shades[name] = sum(1 for shade in strip if shade < 60)
        pages.close()
    # 25 mm of darkness, against the box's two thin lines and some letters.
    assert shades["negative"] - shades["example"] > 20 * POINTS_A_MM * SCALE


def test_negative_amounts_are_drawn_in_another_colour(font: PageFont) -> None:
    pages = Pages(example(), font)
    drawn = pages._pdf[0].render(scale=SCALE).to_pil().convert("RGB")
    red, green, _ = drawn.split()
    reddest = ImageChops.subtract(red, green).tobytes()
    assert max(reddest) > 100
    pages.close()


def test_the_document_is_attached_and_readers_are_not_disturbed_by_the_seal(
    font: PageFont,
) -> None:
    pages = Pages(example(), font)
    assert pages.attachments() == {"huidian-statement.json": payload_of(example())}
    # A reader looks for the end of the file in its last 1024 bytes.
    assert b"%%EOF" in pages.content[-1024:]
    pages.close()


def test_a_font_is_found_and_none_is_none(tmp_path: Path, cjk_font: Path) -> None:
    found = find_page_font()
    assert found is not None
    assert found.path.is_file()
    assert find_page_font((PageFont(tmp_path / "none.ttc", 0, "none"),)) is None
