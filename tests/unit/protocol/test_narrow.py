import pytest

from protocol.narrow import narrow
from server.directory.enrolment import PHONE_CODE_LETTERS, read_code


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("１２３．４", "123.4"),
        ("\u3000ＡＢ－ｃｄ～！ ", "AB-cd~!"),
        ("12", "12"),
        ("²", "²"),
        ("三元", "三元"),
        ("", ""),
    ],
)
def test_what_was_typed_wide_is_read_narrow_and_nothing_else_changes(typed: str, read: str) -> None:
    assert narrow(typed) == read


def test_a_registration_code_is_read_as_a_chinese_keyboard_writes_it() -> None:
    assert read_code("ｂｃｄｆｇｈ－ｊｋｌｍｎｐ", PHONE_CODE_LETTERS) == "BCDFGHJKLMNP"
    assert read_code("ＢＣＤＦ　ＧＨＪ²") is None
