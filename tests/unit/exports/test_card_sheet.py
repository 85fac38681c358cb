from datetime import UTC, date, datetime
from pathlib import Path

import pypdfium2
import pytest
import zxingcpp
from PIL import Image

from protocol.codes import CardCode, read_code, to_digits
from server.exports.card_sheet import CARD_MM, CARDS_A_PAGE, CODE_MM, PrintedCard, card_sheet_pdf
from server.exports.fonts import PageFont
from tests.support.code_examples import card
from tests.support.decoders import by_zbar, by_zxing

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DPI = 200
PRINTER_DPI = 300
MM = DPI / 25.4


def printed(number: int, **more: str) -> PrintedCard:
    texts = {"pool_name": "惠积分", "name": "张**", "unit_name": "积分"} | more
    return PrintedCard(
        card_no=f"…{number:04d}",
        expires_on=date(2028, 3, 1),
        cap_points=50,
        digits=to_digits(card(seq=number)),
        **texts,
    )


def pages(pdf: bytes, dpi: float = DPI) -> list[Image.Image]:
    document = pypdfium2.PdfDocument(pdf)
    return [page.render(scale=dpi / 72).to_pil().convert("L") for page in document]


def test_each_card_is_read_from_the_rendered_page_and_its_code_is_wide_enough(
    font: PageFont,
) -> None:
    cards = [printed(number) for number in range(1, CARDS_A_PAGE + 3)]
    made = pages(card_sheet_pdf(cards, font, AT))
    assert len(made) == 2
    found = [zxingcpp.read_barcodes(page) for page in made]
    texts = {each.text for page in found for each in page}
    assert texts == {each.digits for each in cards}
    assert CODE_MM >= 25
    for each in found[0]:
        corners = each.position
        width_px = corners.top_right.x - corners.top_left.x
        assert width_px / MM == pytest.approx(CODE_MM, abs=1)
        code = read_code(each.text)
        assert isinstance(code, CardCode)


@pytest.mark.parametrize("code_mm", [25, CODE_MM])
def test_zbar_and_zxing_both_read_every_card_also_when_its_code_is_25_mm_wide(
    font: PageFont, zbarimg: Path, tmp_path: Path, code_mm: float
) -> None:
    """A page that the printer shrinks ("fit to page") has smaller codes than ours."""
    cards = [printed(number) for number in range(1, CARDS_A_PAGE + 1)]
    (page,) = pages(card_sheet_pdf(cards, font, AT), PRINTER_DPI * code_mm / CODE_MM)
    picture = tmp_path / "sheet.png"
    page.save(picture)
    digits = sorted(each.digits for each in cards)
    assert sorted(by_zxing(picture)) == digits
    assert sorted(by_zbar(zbarimg, picture)) == digits


def test_marks_stand_outside_the_cards_and_a_card_is_as_large_as_a_wallets(
    font: PageFont,
) -> None:
    empty = pages(card_sheet_pdf([printed(1)], font, AT))[0]
    left, top = (210 - 2 * CARD_MM[0]) / 2, (297 - 5 * CARD_MM[1]) / 2
    for column in range(3):
        x = round((left + column * CARD_MM[0]) * MM)
        y = round((top - 4) * MM)
        around = empty.crop((x - 3, y, x + 4, y + 1)).tobytes()
        assert min(around) < 128, f"no mark at column {column}"
    # Between the cards of the empty places nothing is printed.
    inside = empty.crop(
        (round(left * MM) + 2, round((top + CARD_MM[1]) * MM) + 2, round((210 - left) * MM), 2200)
    )
    assert min(inside.tobytes()) > 250
    assert CARD_MM == (85.6, 54.0)


def test_long_names_stay_on_their_card(font: PageFont) -> None:
    long = printed(1, pool_name="惠积分" * 20, name="长" * 40, unit_name="活力值")
    page = pages(card_sheet_pdf([long], font, AT))[0]
    left, top = (210 - 2 * CARD_MM[0]) / 2, (297 - 5 * CARD_MM[1]) / 2
    beside = page.crop(
        (
            round((left + CARD_MM[0] - 1) * MM),
            round(top * MM) + 2,
            round((left + 2 * CARD_MM[0] - 1) * MM),
            round((top + CARD_MM[1]) * MM) - 2,
        )
    )
    assert min(beside.tobytes()) > 250


@pytest.mark.parametrize("count", [1, 2, 9, 10, 11, 20])
def test_no_page_is_empty(font: PageFont, count: int) -> None:
    made = pages(card_sheet_pdf([printed(1)] * count, font, AT))
    assert len(made) == -(-count // CARDS_A_PAGE)
