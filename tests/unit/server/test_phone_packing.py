"""What ``./run build-phone`` puts beside the page, from packages that npm has checked."""

import json
from pathlib import Path

import pytest

from server.phone.packing import DECODER, MAX_FILE_BYTES, WANTED, NotPacked, main, pack
from server.phone.pages import STATIC, shell_files

VERSION = json.loads(WANTED.read_text())["dependencies"]["qr"]


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """A package shaped like the one that is asked for."""
    folder = tmp_path / "node_modules" / "qr"
    folder.mkdir(parents=True)
    (folder / "package.json").write_text(json.dumps({"version": VERSION, "license": "MIT"}))
    (folder / "LICENSE-MIT").write_text("Permission is hereby granted */ …\n")
    (folder / "index.js").write_text("export const table = 1;\n")
    (folder / "decode.js").write_text(
        "import { table } from './index.js';\nexport default table;\n"
    )
    return folder.parent


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    return tmp_path / "packed"


def test_the_decoder_is_put_beside_the_page_with_its_licence(modules: Path, packed: Path) -> None:
    written = pack(modules, packed)
    assert written[-1].name == DECODER, "what is looked for comes last"
    assert {each.name for each in packed.iterdir()} == {each.name for each in written}
    decode = (packed / "vendor-qr-decode.js").read_text()
    assert 'from "./vendor-qr-index.js"' in decode
    assert decode.startswith(f"/* qr {VERSION}, MIT")
    assert "Permission is hereby granted * / …" in decode, "the licence ends where it ends"
    assert pack(modules, packed) == written


def test_the_page_serves_what_was_packed_and_nothing_half_written(
    modules: Path, packed: Path
) -> None:
    assert DECODER not in shell_files(STATIC, packed), "there is no such folder"
    pack(modules, packed)
    (packed / f".{DECODER}.new").write_text("half")
    shell = shell_files(STATIC, packed)
    assert shell[DECODER] == packed
    assert shell["app.js"] == STATIC
    assert {name for name, folder in shell.items() if folder == packed} == {
        DECODER,
        "vendor-qr-decode.js",
        "vendor-qr-index.js",
    }


def test_anything_else_is_not_packed(modules: Path, packed: Path) -> None:
    package = modules / "qr"
    (package / "package.json").write_text(json.dumps({"version": "9.9.9"}))
    with pytest.raises(NotPacked, match=r"9\.9\.9"):
        pack(modules, packed)
    (package / "package.json").write_text(json.dumps({"version": VERSION}))
    (package / "decode.js").write_text("import { table } from './other.js';\n")
    with pytest.raises(NotPacked, match="does not import"):
        pack(modules, packed)
    (package / "decode.js").write_text("x" * (MAX_FILE_BYTES + 1))
    with pytest.raises(NotPacked, match="too large"):
        pack(modules, packed)
    assert not packed.exists()
    assert main([str(modules.parent / "nowhere")]) == 1


def test_the_lock_names_hashes_and_no_address() -> None:
    lock = json.loads(WANTED.with_name("package-lock.json").read_text())
    packages = {name: each for name, each in lock["packages"].items() if name}
    assert {name: each["version"] for name, each in packages.items()} == {
        "node_modules/qr": VERSION
    }
    assert all(each["integrity"].startswith("sha512-") for each in packages.values())
    assert "://" not in json.dumps(lock)
