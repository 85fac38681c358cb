"""Lines are drawn in a process of its own: the same pictures, and a terminal that stays small."""

import os
import subprocess
import sys
import threading
from io import BytesIO

import pytest

from drivers.cells import REPLACEMENT
from drivers.document import Align, Document, Line, Qr, Size, Text
from drivers.escpos.encode import encode_document
from drivers.escpos.painter import PillowPainter
from drivers.escpos.painter_process import ProcessPainter, serve
from drivers.escpos.profile import PrinterProfile
from drivers.escpos.raster import PainterFailedError
from drivers.fonts import find_cjk_font

FONT = find_cjk_font()
pytestmark = pytest.mark.skipif(FONT is None, reason="no font: apt-get install fonts-wqy-zenhei")
LINE = Line("䶮记𠮷祥 12.50", Align.CENTER, Size.BIG, bold=True)


def test_the_pictures_are_those_of_the_painter_itself() -> None:
    assert FONT is not None
    here, there = PillowPainter(FONT), ProcessPainter()
    assert there.paint_line(LINE, 32) == here.paint_line(LINE, 32)
    assert there.paint_qr("HUIDIAN", 384) == here.paint_qr("HUIDIAN", 384)
    there.close()


def test_a_child_that_ended_is_started_again() -> None:
    painter = ProcessPainter()
    first = painter.paint_line(LINE, 32)
    assert painter._child is not None
    painter._child.kill()
    painter._child.wait()
    assert painter.paint_line(LINE, 32) == first
    painter.close()


@pytest.mark.parametrize(
    "program", ["raise SystemExit(1)", "print('x' * 100)", "import sys; sys.stdin.read()"]
)
def test_a_child_that_does_not_draw_costs_the_picture_and_not_the_paper(
    program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.escpos.painter_process.ANSWER_TIMEOUT_S", 0.3)
    painter = ProcessPainter((sys.executable, "-c", program))
    with pytest.raises(PainterFailedError):
        painter.paint_line(LINE, 32)
    job = encode_document(
        Document((Text("䶮记"), Qr("X"))), PrinterProfile(native_qr=False), lambda: painter
    )
    assert (job.raster_lines, job.replaced_chars) == (0, 1)
    assert f"{REPLACEMENT}记".encode("gbk") in job.data
    assert b"\x1d(k" in job.data  # the printer's own QR code instead
    painter.close()


def test_a_child_goes_to_rest_by_itself() -> None:
    assert FONT is not None
    reader, writer = os.pipe()
    answers = BytesIO()
    thread = threading.Thread(target=serve, args=(PillowPainter(FONT), reader, answers, 0.1))
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert answers.getvalue() == b""
    os.close(writer)
    os.close(reader)


def test_the_terminals_own_process_loads_neither_pillow_nor_qrcode() -> None:
    program = (
        "import sys\n"
        "from drivers.document import Document, Text\n"
        "from drivers.escpos.encode import encode_document\n"
        "from drivers.escpos.profile import PrinterProfile\n"
        "from drivers.heavy import painter_or_none\n"
        "job = encode_document(Document((Text('䶮'),)), PrinterProfile(), painter_or_none)\n"
        "assert job.raster_lines == 1\n"
        "assert not {'PIL', 'qrcode'} & set(sys.modules), 'loaded here'\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
