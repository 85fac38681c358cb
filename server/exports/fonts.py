"""Where Debian keeps fonts with Chinese characters that a PDF can embed.

The terminal's finder (``drivers/fonts.py``) is for receipts, where a Chinese character must be
exactly two Latin ones wide; a page wants the proportional faces of the same files. And the
server does not know the drivers.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True, slots=True)
class PageFont:
    """One face of an installed font file."""

    path: Path
    face: int
    package: str


KNOWN_FONTS: Final = (
    PageFont(Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"), 2, "fonts-noto-cjk"),
    PageFont(Path("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc"), 0, "fonts-wqy-zenhei"),
)
HOW_TO_GET_A_FONT: Final = "apt-get install fonts-wqy-zenhei"


def find_page_font(candidates: tuple[PageFont, ...] = KNOWN_FONTS) -> PageFont | None:
    """Give the first installed font with Chinese characters, or None where there is none."""
    return next((font for font in candidates if font.path.is_file()), None)
