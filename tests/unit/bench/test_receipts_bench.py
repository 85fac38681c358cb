import json
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.receipts import LIMIT_RATIO, LINES, receipt
from drivers.escpos.encode import encode_document
from drivers.escpos.profile import PrinterProfile, usual_dots
from tests.support.golden import on_paper


def test_the_receipts_benchmark_runs_and_the_bytes_stay_within_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    assert main(["receipts", "--quick", "--json", str(file), "--folder", str(tmp_path)]) == 0
    papers = json.loads(file.read_text())["receipts"]["papers"]
    assert [paper["columns"] for paper in papers] == [32, 48]
    for paper in papers:
        assert paper["lines"] == LINES
        assert 1 <= paper["ratio"] <= LIMIT_RATIO
        assert paper["seconds_at_baud"]["9600"] == pytest.approx(paper["sent_bytes"] / 960)


@pytest.mark.parametrize("columns", [32, 48])
def test_the_measured_receipt_is_one_that_prints(columns: int, tmp_path: Path) -> None:
    job = encode_document(receipt(), PrinterProfile(columns, usual_dots(columns)), lambda: None)
    paper = on_paper(job.data, columns, tmp_path)
    assert paper.unknown == ()
    assert len([line for line in paper.lines if line.strip()]) == LINES + 1  # and the QR code
    assert len(paper.qr_texts) == 1
