"""A settings file that is wrong says where and what is allowed."""

from pathlib import Path

import pytest

from config.load import MAX_FILE_BYTES, ConfigError, load, parse
from config.pool import PoolPreset, load_pool, pool_names
from config.server import ServerSettings
from config.terminal import TerminalSettings

ROOT = Path(__file__).resolve().parents[3]
POOLS = ROOT / "config" / "pools"
FILE = Path("/etc/huidian/terminal.toml")


def refusal(
    text: str, kind: type[TerminalSettings | ServerSettings] = TerminalSettings
) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse(text, kind, file=FILE)
    return caught.value


def pool_refusal(name: str, old: str, new: str) -> tuple[ConfigError, int]:
    """The error after changing one text of a preset, and the line the change stands on."""
    text = (POOLS / f"{name}.toml").read_text(encoding="utf-8")
    assert old in text
    at = text.index(old)
    with pytest.raises(ConfigError) as caught:
        parse(text[:at] + new + text[at + len(old) :], PoolPreset, file=POOLS / f"{name}.toml")
    marked = new.index("@") if "@" in new else 0
    return caught.value, text.count("\n", 0, at) + new.count("\n", 0, marked) + 1


def test_an_unknown_key_names_file_line_and_the_key_that_was_probably_meant() -> None:
    error = refusal('# till\ndata_dir = "x"\n\nprintr = "none://" # here\n')
    assert (error.file, error.line, error.key) == (FILE, 4, "printr")
    assert "第 4 行" in error.zh
    assert "是不是“printer”？" in error.zh
    assert 'did you mean "printer"?' in error.en
    assert str(FILE) in str(error)


def test_an_unknown_key_that_resembles_nothing_lists_what_is_allowed() -> None:
    error = refusal('data_dir = "x"\nzzz = 1\n')
    assert error.line == 2
    assert "did you mean" not in error.en
    assert "listen_port" in error.en
    assert "breaker_open_s" in error.zh


def test_a_table_that_is_unknown_is_found_by_its_header() -> None:
    assert refusal('data_dir = "x"\n\n[ printers ]\na = 1\n').line == 3


@pytest.mark.parametrize(
    ("line", "key", "allowed"),
    [
        ('listen_port = "8801"', "listen_port", "a whole number 1…65535"),
        ("listen_port = 0", "listen_port", "a whole number 1…65535"),
        ("listen_port = true", "listen_port", "a whole number 1…65535"),
        ('language = "fr"', "language", 'one of "en" | "zh"'),
        ("ask_timeout_s = 0", "ask_timeout_s", "a number > 0, ≤ 10"),
        ("printer = 9100", "printer", "text in quotes"),
        ('printer = "usb"', "printer", "text in quotes ("),
        ('clock = "simulated://here"', "clock", "simulated:"),
        ('listen_host = "0.0.0.0"', "listen_host", "this machine's own address"),
        ('server_url = "ftp://a"', "server_url", "https?"),
    ],
)
def test_a_wrong_value_names_the_line_and_what_is_allowed(
    line: str, key: str, allowed: str
) -> None:
    error = refusal(f'data_dir = "x"\n# between\n{line}\n')
    assert (error.line, error.key) == (3, key)
    assert allowed in error.en
    assert key in error.zh


@pytest.mark.parametrize(
    ("line", "key", "says"),
    [
        ('receipt_header = "x"', "receipt_header", ("最多 8 项", "最多 100 字", '现在是 "x"')),
        (f"receipt_header = {['a'] * 9}", "receipt_header", ("最多 8 项", "现在是 9 项的列表")),
        ('receipt_footer = ["a", 2]', "receipt_footer[1]", ("带引号的文字", "现在是 2")),
        (f'receipt_header = ["{"字" * 101}"]', "receipt_header[0]", ("最多 100 字", "101 字")),
        ("drawer = []", "drawer", (" true 或 false", "现在是 0 项的列表")),
        ("drawer = 1", "drawer", (" true 或 false", "现在是 1")),
        ("refund_limit_fen = 10.5", "refund_limit_fen", ("整数 0…5000000", "现在是 10.5")),
        ("listen_port = 2026-01-01", "listen_port", ("整数", "现在是 2026-01-01")),
        ('printer = "/dev/lp0"', "printer", ("例如", "escpos+usb://", '现在是 "/dev/lp0"')),
        ('scanner = "ttyACM0"', "scanner", ("例如", "scanner+serial://", '"ttyACM0"')),
        ("[display]\nurl = 1", "display", ("display+serial://", "现在是一个表")),
        ('server_url = "pool"', "server_url", ("例如", "https://", '现在是 "pool"')),
        ('second_medium = ""', "second_medium", ("带引号的路径", '现在是 ""')),
        ('second_medium = "a\\u0000"', "second_medium", ("带引号的路径",)),
        ('listen_host = "0.0.0.0"', "listen_host", ("127.0.0.1", '现在是 "0.0.0.0"')),
        ('rounding = "fen"', "rounding", ('"jiao"', '现在是 "fen"')),
    ],
)
def test_a_wrong_value_says_what_stands_there_and_what_may(
    line: str, key: str, says: tuple[str, ...]
) -> None:
    error = refusal(f'data_dir = "x"\n{line}\n')
    assert (error.line, error.key) == (2, key)
    assert [words for words in says if words not in error.zh] == []
    assert "None" not in str(error)
    assert len(str(error)) < 700


def test_an_address_with_a_password_in_it_is_not_repeated() -> None:
    error = refusal('data_dir = "x"\ndatabase_url = "mysql://me:secret@host"\n', ServerSettings)
    assert error.key == "database_url"
    assert "secret" not in str(error)


def test_a_path_that_is_no_text_is_refused_on_its_line() -> None:
    error = refusal("\ndata_dir = 5\n")
    assert (error.line, error.key) == (2, "data_dir")
    assert "path" in error.en


def test_a_missing_key_is_named() -> None:
    error = refusal('language = "zh"\n')
    assert error.key == "data_dir"
    assert "缺少“data_dir”" in error.zh


def test_bad_toml_names_the_line() -> None:
    error = refusal('data_dir = "x"\nlisten_host = 127.0.0.1\n')
    assert error.line == 2
    assert "TOML" in error.zh


def test_bad_toml_at_the_end_of_the_file_names_the_last_line() -> None:
    assert refusal('data_dir = "x"\nlanguage = "zh\n').line == 2
    assert refusal('data_dir = "x"\nlanguage =').line == 2


def test_a_key_given_twice_is_refused_on_its_second_line() -> None:
    assert refusal('data_dir = "x"\nlanguage = "zh"\nlanguage = "en"\n').line in {2, 3}


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "none.toml", TerminalSettings)
    assert caught.value.line == 0
    assert "none.toml" in caught.value.zh
    assert "找不到" in caught.value.zh


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path, TerminalSettings)


def test_a_file_that_is_not_utf8_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "gbk.toml"
    file.write_bytes('data_dir = "x"\n# 终端\n'.encode("gbk"))
    with pytest.raises(ConfigError, match="UTF-8") as caught:
        load(file, TerminalSettings)
    assert caught.value.line == 2


def test_a_file_without_end_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "large.toml"
    file.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(ConfigError, match="too large"):
        load(file, TerminalSettings)


def test_relative_paths_start_at_the_settings_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "t.toml").write_text('data_dir = "../var"\n')
    monkeypatch.chdir(tmp_path)
    settings = load(Path("etc/t.toml"), TerminalSettings)
    assert settings.data_dir == tmp_path / "etc" / ".." / "var"
    assert load(tmp_path / "etc" / "t.toml", TerminalSettings) == settings


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("per_sale_points = 100", "per_sales_points = 100", "standin.per_sales_points"),
        ('parent = "binhe" }', 'parnt = "binhe" }', "places[4].parnt"),
        ("points = 60", "point = 60", "award_rules[3].point"),
        ("price_fen = 3800", "price_yuan = 38", "catalogue[3].price_yuan"),
    ],
)
def test_in_a_preset_the_line_is_right_inside_tables_arrays_and_inline_tables(
    old: str, new: str, key: str
) -> None:
    error, line = pool_refusal("guanghui", old, new)
    assert (error.key, error.line) == (key, line)


@pytest.mark.parametrize(
    ("name", "old", "new", "key"),
    [
        ("guanghui", "points = 60", 'points = "60"', "award_rules[3].points"),
        ("guanghui", "price_fen = 3800", "price_fen = 38.00", "catalogue[3].price_fen"),
        ("guanghui", "weighed = true", 'weighed = "yes"', "catalogue[1].weighed"),
        ("guanghui", "first_day = 2024-01-01", 'first_day = "soon"', "award_rules[0].first_day"),
        ("guanghui", "pays_share = false", "pays_share = false\nusual_share_bp = 5 # @",
         "shop_kinds[1].usual_share_bp"),
        ("guanghui", "cut_off_hour = 0", "cut_off_hour = 7", "cut_off_hour"),
        ("guanghui", "[0, 20,", "[20,", "standin.allowance_buckets_points"),
        ("guanghui", "per_terminal_soft_points = 5000", "per_terminal_soft_points = 20000",
         "standin.per_terminal_soft_points"),
        ("guanghui", "card_cap_points = 100", "card_cap_points = 70000", "codes.card_cap_points"),
        ("guanghui", '["烟", "酒"]', '["烟", "烟"]', "redemption.excluded_categories"),
        ("guanghui", '["烟", "酒"] # [I]', "[]\nbill_share_bp = 10001 # @",
         "redemption.bill_share_bp"),
        ("guanghui", '["烟", "酒"] # [I]', "[]\nper_sale_points = 9 # @\nper_day_points = 8 #",
         "redemption.per_sale_points"),
        ("guanghui", '["烟", "酒"] # [I]', "[]\nminimum_points = 9 # @\nper_day_points = 8 #",
         "redemption.minimum_points"),
        ("guanghui", '["烟", "酒"] # [I]', "[]\nper_hour_points = 8 # @",
         "redemption.per_hour_points"),
        ("guanghui", "[standin]", "[cover]\nwarning_bp = 5000\nhard_bp = 6000 # @\n[standin]",
         "cover.hard_bp"),
        ("guanghui", "hold_s = 300", "hold_s = 300\npoints_expire_after_days = 0 # @",
         "points_expire_after_days"),
        ("yamen", "limit_per_household = 2", "limit_per_household = 0",
         "catalogue[3].limit_per_household"),
        ("yamen", 'limit_period = "month"', 'limit_period = "year"', "catalogue[3].limit_period"),
        ("guanghui", "weighed = true", "weighed = true\nlimit_per_resident = 1 # @",
         "catalogue[1].limit_per_resident"),
        ("yamen", "reimbursement_fen = 700", "# none", "catalogue[0].reimbursement_fen"),
        ("wenhuajie", "last_day = 2024-03-31", "last_day = 2022-03-31", "award_rules[1].last_day"),
    ],
)  # fmt: skip
def test_in_a_preset_a_wrong_value_names_its_own_key(
    name: str, old: str, new: str, key: str
) -> None:
    error, line = pool_refusal(name, old, new)
    assert error.key == key
    # A key that is not there at all is shown by the table that misses it.
    assert error.line == line or new == "# none"


def test_a_key_missing_in_an_element_shows_that_elements_header() -> None:
    text = (POOLS / "yamen.toml").read_text(encoding="utf-8")
    header = text.index("[[catalogue]]", text.index("[[catalogue]]") + 1)
    error, _ = pool_refusal("yamen", 'name_en = "Detergent"\n', "\n")
    assert error.key == "catalogue[1].name_en"
    assert error.line == text.count("\n", 0, header) + 1


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("yamen", 'id = "detergent"', 'id = "soy-sauce"', '"soy-sauce" stands there twice'),
        ("yamen", "price_points = 6", "price_fen = 600", "reimbursement_fen"),
        ("yamen", "[standin]", '[redemption]\nexcluded_categories = ["食品"]\n[standin]',
         "excluded category"),
        ("yamen", "[standin]", "[cover]\nwarning_bp = 5000\n[standin]", "needs a pool"),
        ("guanghui", 'parent = "binhe"', 'parent = "nowhere"', '"binhe-1"'),
        ("guanghui", 'kind = "grid"', 'kind = "microgrid"', '"tinghoujie-1"'),
        ("wenhuajie", "first_day = 2024-04-01", "first_day = 2024-03-31", "overlap"),
        ("wenhuajie", 'same_fact_as = "hazard"', 'same_fact_as = "hazzard"', "another rule"),
    ],
)  # fmt: skip
def test_a_preset_that_contradicts_itself_is_refused(
    name: str, old: str, new: str, says: str
) -> None:
    error, _ = pool_refusal(name, old, new)
    assert says in error.en
    assert error.line > 0


def test_a_barcode_with_a_wrong_check_digit_is_refused_with_the_right_one() -> None:
    barcode = next(item.barcode for item in load_pool("yamen").catalogue if item.barcode)
    wrong = barcode[:-1] + str((int(barcode[-1]) + 1) % 10)
    error, line = pool_refusal("yamen", barcode, wrong)
    assert error.line == line
    assert f"the last digit should be {barcode[-1]}" in error.en


def test_weighed_goods_cannot_have_a_barcode() -> None:
    error, _ = pool_refusal(
        "guanghui", "weighed = true", 'weighed = true\nbarcode = "6999990000014"'
    )
    assert "weighed goods have no barcode" in error.en


@pytest.mark.parametrize("name", pool_names())
def test_every_preset_that_comes_with_the_project_loads(name: str) -> None:
    assert load(POOLS / f"{name}.toml", PoolPreset).id == name


def test_the_examples_load_and_show_every_default_as_it_is() -> None:
    examples = ROOT / "config" / "examples"
    terminal = load(examples / "terminal.toml", TerminalSettings)
    server = load(examples / "server.toml", ServerSettings)
    assert server == ServerSettings(data_dir=server.data_dir)
    plain = TerminalSettings(data_dir=terminal.data_dir)
    shown = {"printer", "scanner"}
    for key in set(TerminalSettings.__struct_fields__) - shown:
        assert getattr(terminal, key) == getattr(plain, key), key


def test_the_examples_mention_every_setting() -> None:
    for kind, name in ((TerminalSettings, "terminal"), (ServerSettings, "server")):
        text = (ROOT / "config" / "examples" / f"{name}.toml").read_text(encoding="utf-8")
        for key in kind.__struct_fields__:
            assert f"{key} = " in text, key
