"""The painting process's own start: the only one that loads Pillow and a font.

Run as ``python -m drivers.escpos.painter_main`` by `painter_process`.
"""

import sys

from drivers.escpos.painter import PillowPainter
from drivers.escpos.painter_process import serve
from drivers.fonts import find_cjk_font


def main() -> int:
    """Serve on the standard pipes; 1 without a font."""
    font = find_cjk_font()
    if font is None:
        return 1
    serve(PillowPainter(font), sys.stdin.fileno(), sys.stdout.buffer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
