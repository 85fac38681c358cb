"""Where Debian keeps fonts in which a Chinese character is exactly two ASCII characters wide."""

from pathlib import Path
from typing import Final

from msgspec import Struct


class FontFile(Struct, frozen=True):
    """One face of an installed font file."""

    path: Path
    face: int
    package: str


# Only faces that are 12 and 24 dots wide at size 24: others break a receipt's columns.
KNOWN_FONTS: Final = (
    FontFile(Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"), 7, "fonts-noto-cjk"),
    FontFile(Path("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc"), 1, "fonts-wqy-zenhei"),
)
HOW_TO_GET_A_FONT: Final = "apt-get install fonts-wqy-zenhei"


def find_cjk_font(candidates: tuple[FontFile, ...] = KNOWN_FONTS) -> FontFile | None:
    """Give the first installed Chinese font, or None where there is none."""
    return next((font for font in candidates if font.path.is_file()), None)
