"""What the tests of the exports share: a pool's key, and the fonts that are there."""

from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server.exports.export import Exported, export_statement
from server.exports.fonts import KNOWN_FONTS, PageFont, find_page_font
from server.exports.seal import StatementFormat
from server.settlement.document import StatementDocument

ROOT_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))

FONTS: list[object] = [font for font in KNOWN_FONTS if font.path.is_file()]


@cache
def exported(document: StatementDocument, kind: StatementFormat) -> Exported:
    made = export_statement(document, kind, ROOT_KEY, find_page_font())
    assert isinstance(made, Exported), made
    return made


@pytest.fixture(params=FONTS or ["none"], ids=lambda font: getattr(font, "package", "no font"))
def font(request: pytest.FixtureRequest, cjk_font: Path) -> PageFont:
    """Each font of this machine that a page may be drawn with; there is one at least."""
    assert isinstance(request.param, PageFont), f"{cjk_font} is a font, but none of ours"
    return request.param
