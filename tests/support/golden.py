"""Files that were looked at, and the paper that a printer makes of bytes."""

import os
import shutil
import socket
from pathlib import Path
from typing import Final

from drivers.escpos.profile import usual_dots
from drivers.simulated.machine import Paper
from drivers.simulated.printer import SimulatedPrinter

FOLDER: Final = Path(__file__).parent.parent / "golden"


def check(name: str, now: str) -> None:
    """Compare with a kept file; HUIDIAN_WRITE_GOLDEN=1 keeps what is there now instead."""
    path = FOLDER / name
    if os.environ.get("HUIDIAN_WRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(now, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == now


def kept_bytes(name: str) -> bytes:
    return bytes.fromhex((FOLDER / name).read_text(encoding="utf-8"))


def kept_text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def as_hex(data: bytes) -> str:
    rows = (data[at : at + 32] for at in range(0, len(data), 32))
    return "".join(f"{row.hex(' ')}\n" for row in rows)


def keep_picture(name: str, paper: Paper) -> None:
    """Keep a paper's picture to be looked at, in the folder that HUIDIAN_PICTURES names."""
    folder = os.environ.get("HUIDIAN_PICTURES")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        shutil.copy(paper.png_path, Path(folder) / f"{name}.png")


def on_paper(data: bytes, columns: int, output_dir: Path) -> Paper:
    """What the simulated printer, whose decoder shares no code with the encoder, makes of it."""
    with SimulatedPrinter(output_dir, dots=usual_dots(columns)) as printer:
        with socket.create_connection(("127.0.0.1", printer.port), timeout=10) as plug:
            plug.sendall(data)
            plug.shutdown(socket.SHUT_WR)
            while plug.recv(100):
                pass
        paper = printer.wait_for_paper(10)
    assert paper is not None
    return paper
