import pytest

from drivers.cells import cells, char_cells, clean_line, clean_lines, fits_gbk, pad_between, wrap


@pytest.mark.parametrize("char", "“”‘’—…·×÷°①→℃№Ⅰαя￥：（）中")
def test_a_character_of_the_chinese_rom_is_two_cells_wide_whatever_unicode_says(char: str) -> None:
    assert char_cells(char) == 2
    assert len(char.encode("gbk")) == 2


def test_ascii_is_one_cell_wide() -> None:
    assert cells("abc 12.50") == 9


@pytest.mark.parametrize("char", "䶮𠮷🍜ש")
def test_a_character_outside_gbk_takes_two_cells_and_does_not_fit_the_rom(char: str) -> None:
    assert char_cells(char) == 2
    assert not fits_gbk(char)


def test_the_halfwidth_yen_sign_becomes_the_one_that_the_rom_has() -> None:
    assert clean_line("¥12.50") == "￥12.50"
    assert clean_line("¥").encode("gbk") == b"\xa3\xa4"


def test_no_control_character_of_an_item_name_survives() -> None:
    assert clean_line("酱油\x1bp\x00\x19\xfa\x10\x04\x01\x7f\x9b") == "酱油pú"


def test_invisible_formatting_is_dropped_and_breaks_become_spaces() -> None:
    assert clean_line("a\u200b\u202eb\ufe0f\u00adc\u2028d\te") == "abc d e"


def test_only_line_breaks_make_lines() -> None:
    assert clean_lines("一\r\n二\n三\x0b四") == ["一", "二", "三四"]


def test_a_line_is_cut_between_whole_characters() -> None:
    lines = wrap("中" * 20, 31)
    assert [cells(line) for line in lines] == [30, 10]
    assert "".join(lines) == "中" * 20


def test_a_word_moves_to_the_next_line_whole() -> None:
    assert wrap("USB cable 500ml", 12) == ["USB cable", "500ml"]


def test_a_word_longer_than_the_line_is_cut() -> None:
    assert wrap("x" * 25, 10) == ["x" * 10, "x" * 10, "x" * 5]


def test_closing_punctuation_does_not_begin_a_line() -> None:
    assert wrap("一二三四，五", 8) == ["一二三", "四，五"]


def test_no_room_for_one_character_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="no room"):
        wrap("中", 1)


def test_padding_is_counted_in_cells_and_never_negative() -> None:
    assert pad_between("合计", "7.10", 12) == "合计    7.10"
    assert pad_between("合计合计", "7.10", 8) == "合计合计7.10"
