"""QR decoders of other people's making, so that ours is not its own judge."""

import subprocess
from pathlib import Path

import zxingcpp
from PIL import Image


def by_zxing(picture: Path | Image.Image) -> list[str]:
    """The texts of all codes that zxing finds."""
    image = Image.open(picture) if isinstance(picture, Path) else picture
    return [found.text for found in zxingcpp.read_barcodes(image)]


def by_zbar(zbarimg: Path, picture: Path) -> list[str]:
    """The texts of all QR codes that zbar finds."""
    switches = ["--raw", "--quiet", "-S*.disable", "-Sqrcode.enable"]
    arguments = [str(zbarimg), *switches, str(picture)]
    ran = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    return ran.stdout.splitlines()
