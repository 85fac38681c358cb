"""Packs a QR decoder beside the residents' page, for browsers that have none of their own.

Run by ``./run build-phone`` with the folder into which npm has put the packages that
``server/phone/npm/package-lock.json`` names, each checked by its hash. The files it writes are not
in git, come with whatever is built from this folder afterwards, and are served from the page's own
address like the rest, each with the package's licence on top. Without them the page works, but for
the camera in such a browser.
"""

import json
import sys
from pathlib import Path
from typing import Final

from server.phone.pages import PACKED

PHONE: Final = Path(__file__).parent
WANTED: Final = PHONE / "npm" / "package.json"
PACKAGE: Final = "qr"
MAX_FILE_BYTES: Final = 1_000_000
DECODER: Final = "vendor-decoder.js"
"""What ``camera.js`` looks for: its default export takes ``(data, width, height)``, RGBA and a
picture's size, and gives ``{data}``, the text of the code in it, or null.
"""
_INDEX: Final = "vendor-qr-index.js"
_DECODE: Final = "vendor-qr-decode.js"
_GLUE: Final = f"""import decodeQR from "./{_DECODE}";

export default (data, width, height) => {{
  try {{
    return {{ data: decodeQR({{ data, width, height }}) }};
  }} catch {{
    return null; // it throws where there is no code in the picture
  }}
}};
"""


class NotPacked(Exception):  # noqa: N818 - named as the sentence it states
    """The packages are not those that were asked for; nothing was written."""


def pack(modules: Path, packed: Path, wanted: Path = WANTED) -> list[Path]:
    """Write the decoder's files into ``packed``; the one that is looked for comes last.

    Raises:
        NotPacked: another version, or files that are not as this version's.
        OSError: they cannot be read or written.
    """
    asked = json.loads(wanted.read_text())["dependencies"][PACKAGE]
    folder = modules / PACKAGE
    found = json.loads(_text(folder / "package.json"))
    if found.get("version") != asked:
        raise NotPacked(f"{PACKAGE} {found.get('version')} instead of {asked}")
    licence = _text(folder / "LICENSE-MIT").replace("*/", "* /")
    head = f"/* {PACKAGE} {asked}, {found.get('license')}\n\n{licence}*/\n"
    decode = _text(folder / "decode.js")
    imported = "from './index.js'"
    if decode.count(imported) != 1:
        raise NotPacked(f"{PACKAGE}/decode.js does not import what it did")
    files = {
        _INDEX: head + _text(folder / "index.js"),
        _DECODE: head + decode.replace(imported, f'from "./{_INDEX}"'),
        DECODER: _GLUE,
    }
    packed.mkdir(exist_ok=True)
    written = []
    for name, content in files.items():
        beside = packed / f".{name}.new"
        beside.write_text(content)
        written.append(beside.replace(packed / name))
    return written


def _text(path: Path) -> str:
    if path.stat().st_size > MAX_FILE_BYTES:
        raise NotPacked(f"{path.name} is too large")
    return path.read_text()


def main(arguments: list[str]) -> int:
    """Pack from the folder that is named."""
    try:
        written = pack(Path(arguments[0]), PACKED)
    except (NotPacked, OSError, ValueError, KeyError) as fault:
        sys.stderr.write(f"没有打包 · nothing was packed: {fault}\n")
        return 1
    for path in written:
        sys.stderr.write(f"{path.name}  {path.stat().st_size} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
