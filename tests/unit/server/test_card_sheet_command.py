"""``card-sheet`` and ``phone`` as an operator uses them."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import pypdfium2
import pytest
import zxingcpp

from protocol.codes import CardCode, read_code, verify_code
from server.db import open_engine, reading
from server.directory import card_of, issuer_keys
from server.directory.keys import load_keys
from tests.unit.server.test_commands import LINES, Operator
from tests.unit.server.world import LIU, ZHANG


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    operator = Operator(tmp_path / "data")
    operator.do("init", "--pool", "guanghui")
    liu = LINES[0] | {"account": LIU, "name": "刘大爷"}
    operator.do("import", "-", given=operator.import_lines(*LINES, liu))
    return operator


def codes_of(sheet: Path) -> list[CardCode]:
    page = pypdfium2.PdfDocument(sheet)[0].render(scale=200 / 72).to_pil()
    codes = [read_code(found.text) for found in zxingcpp.read_barcodes(page)]
    return [code for code in codes if isinstance(code, CardCode)]


def test_a_places_cards_are_printed_once_and_are_the_ones_that_the_pool_knows(
    operator: Operator, tmp_path: Path
) -> None:
    sheet = tmp_path / "cards.pdf"
    said = operator.do("card-sheet", "--place", "tinghoujie", "--out", str(sheet))
    assert "2 张卡，1 页" in said
    assert stat.S_IMODE(sheet.stat().st_mode) == 0o600
    first = codes_of(sheet)
    operator.do("card-sheet", "--account", LIU, "--account", ZHANG, "--out", str(sheet))
    assert {each.card_id for each in codes_of(sheet)} == {each.card_id for each in first}
    tag = load_keys(operator.data / "keys" / "guanghui").tag
    engine = open_engine(f"sqlite:///{operator.data}/huidian.sqlite3")
    with reading(engine) as tx:
        keys = issuer_keys(tx, "guanghui")
        found = [card_of(tx, "guanghui", each.card_id.hex()) for each in first]
    engine.dispose()
    assert {each.account for each in found if each} == {ZHANG, LIU}
    assert all(verify_code(each, keys, tag, datetime.now(UTC)) is None for each in first)


def test_a_lost_card_is_replaced_by_the_next_of_its_line(
    operator: Operator, tmp_path: Path
) -> None:
    sheet = tmp_path / "cards.pdf"
    operator.do("card-sheet", "--account", ZHANG, "--out", str(sheet))
    (before,) = codes_of(sheet)
    operator.do("card", "--account", ZHANG, "--replace")
    operator.do("card-sheet", "--account", ZHANG, "--out", str(sheet))
    (after,) = codes_of(sheet)
    assert (after.card_id, after.seq) == (before.card_id, before.seq + 1)
    assert after.secret != before.secret


def test_nobody_and_strangers_are_refused(operator: Operator, tmp_path: Path) -> None:
    sheet = str(tmp_path / "cards.pdf")
    assert "没有选到居民" in operator.refused("card-sheet", "--out", sheet)
    unknown = operator.refused("card-sheet", "--account", "f" * 16, "--out", sheet)
    assert "没有这位居民" in unknown
    assert not Path(sheet).exists()


def test_a_phone_is_invited_and_ended(operator: Operator) -> None:
    assert "登记码" in operator.do("phone", "invite", "--account", ZHANG)
    assert '"code"' in operator.do("phone", "invite", "--account", ZHANG, "--json")
    assert "没有在用的手机" in operator.do("phone", "end", "--account", ZHANG, "--reason", "遗失")
    assert "没有这个居民" in operator.refused("phone", "invite", "--account", "f" * 16)
