import pytest
from cryptography.exceptions import InvalidSignature

from bench.code_samples import samples
from bench.codes import CodesReport, Size, _bare, measure, print_codes

KINDS = {"0x11", "0x13", "0x15", "0x21", "0x31", "0x41", "0x51"}


def test_every_kind_is_measured_on_both_sides() -> None:
    report: CodesReport = measure(Size(rounds=1, times=1))
    assert {each.name[-5:-1] for each in report.kinds} == KINDS
    assert all(each.whole_us > 0 and each.bare_us > 0 for each in report.kinds)
    said: list[str] = []
    print_codes(report, said.append)
    assert len(said) == 1 + len(report.kinds)


def test_the_bare_side_verifies_for_real() -> None:
    for sample in samples():
        for raw, message, signature, is_loaded in sample.checks:
            _bare(raw, message, signature, is_loaded=is_loaded)()
            with pytest.raises(InvalidSignature):
                _bare(raw, message + b"x", signature, is_loaded=is_loaded)()
