"""One setting is changed in a person's own file, and nothing else."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.rewrite import SettingsFileError, set_text

FILE = """# 我的设置
data_dir = "/var/lib/x"
printer = "none://"  # 以后再接
listen_port = 8801

[table]
printer = "another"
"""


def test_one_line_changes_and_its_comment_stays(tmp_path: Path) -> None:
    file = tmp_path / "terminal.toml"
    file.write_text(FILE, encoding="utf-8")
    file.chmod(0o640)
    set_text(file, "printer", "escpos+usb:///dev/usb/lp0?columns=48")
    expected = FILE.replace('"none://"', '"escpos+usb:///dev/usb/lp0?columns=48"', 1)
    assert file.read_text(encoding="utf-8") == expected
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["terminal.toml"]


def test_a_setting_that_is_not_there_is_added_before_the_first_table(tmp_path: Path) -> None:
    file = tmp_path / "terminal.toml"
    file.write_text(FILE, encoding="utf-8")
    set_text(file, "scanner", "none://")
    assert tomllib.loads(file.read_text(encoding="utf-8"))["scanner"] == "none://"


@given(value=st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_text_is_read_back_as_it_was(
    value: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("config") / "terminal.toml"
    file.write_text(FILE, encoding="utf-8")
    set_text(file, "printer", value)
    assert tomllib.loads(file.read_text(encoding="utf-8")) == tomllib.loads(FILE) | {
        "printer": value
    }


@pytest.mark.parametrize(
    "text", ['printer = """\nnone://\n"""\n', "printer = {a = 1,\n b = 2}\n", "printer = [\n"]
)
def test_what_cannot_be_changed_safely_is_left_as_it_was(text: str, tmp_path: Path) -> None:
    file = tmp_path / "terminal.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsFileError):
        set_text(file, "printer", "none://")
    assert file.read_text(encoding="utf-8") == text


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsFileError):
        set_text(tmp_path / "no.toml", "printer", "none://")
