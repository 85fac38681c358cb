"""huidian-server's award commands as the office uses them, on real files."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.keys import public_key_text
from server.bootstrap.main import huidian_server
from server.db import open_engine, reading
from server.ledger import Asset, balance
from tests.unit.server.world import LIU, ZHANG

HEADER = "居民账号,积分标准,日期,事项\n"


class Office:
    """The street office's operator."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def run(self, *arguments: str, given: str = "") -> Result:
        return CliRunner().invoke(huidian_server, ["--data", str(self.data), *arguments], given)

    def do(self, *arguments: str, given: str = "") -> str:
        result = self.run(*arguments, given=given)
        assert result.exit_code == 0, result.output
        return result.output

    def refused(self, *arguments: str, given: str = "") -> str:
        """What is said when a command is refused, which is no traceback."""
        result = self.run(*arguments, given=given)
        assert result.exit_code == 1, result.output
        assert isinstance(result.exception, SystemExit), result.exception
        return result.output

    def file(self, content: str, name: str = "table.csv") -> str:
        path = self.data.parent / name
        path.write_text(content, encoding="utf-8")
        return str(path)

    def points(self, account: str = ZHANG) -> int:
        engine = open_engine(f"sqlite:///{self.data}/huidian.sqlite3")
        with reading(engine) as tx:
            found = balance(tx, "wenhuajie", f"resident:{account}", Asset.POINTS)
        engine.dispose()
        return found


@pytest.fixture
def office(tmp_path: Path) -> Office:
    office = Office(tmp_path / "data")
    office.do("init", "--pool", "wenhuajie")
    place = "wenhuajie"
    lines = [
        {
            "kind": "register_resident",
            "account": account,
            "name": name,
            "household": "1-101",
            "place": place,
        }
        for account, name in ((ZHANG, "居民甲"), (LIU, "刘大爷"))
    ]
    office.do("import", "-", given="".join(json.dumps(line) + "\n" for line in lines))
    return office


def test_a_file_is_checked_first_then_booked_and_again_changes_nothing(office: Office) -> None:
    file = office.file(
        HEADER
        + f"{ZHANG},clean-up,2025-03-02,扫院子\n"
        + f"{ZHANG.upper()},大扫除两小时,2025/3/9,扫院子\n"
        + f"{LIU},registration,2025年3月2日,\n"
    )
    assert "3 行，25 积分" in office.do("award-file", file, "--dry-run")
    assert office.points() == 0
    assert "3 行，25 积分" in office.do("award-file", file)
    assert (office.points(), office.points(LIU)) == (20, 5)
    assert "以前登记过 3 行" in office.do("award-file", file)
    assert (office.points(), office.points(LIU)) == (20, 5)


def test_a_file_with_bad_rows_names_every_one_and_books_nothing(office: Office) -> None:
    file = office.file(
        HEADER
        + f"{ZHANG},clean-up,2025-03-02,好的\n"
        + f"{ZHANG},clean-up,2025-03-02,好的\n"
        + f"{ZHANG},napping,2025-03-02,\n"
        + f"{'f' * 16},clean-up,2025-03-02,\n"
        + "xyz,clean-up,2025-03-02,\n"
        + f"{ZHANG},clean-up,2025-02-30,\n"
        + f"{ZHANG},clean-up,2125-03-02,\n"
        + f"{ZHANG},hazard,2025-03-02,\n"
        + f"{ZHANG},clean-up,2025-03-02,=cmd\n"
    )
    for arguments in (("award-file", file, "--dry-run"), ("award-file", file)):
        said = office.refused(*arguments)
        for line, column in (
            (3, "编号"),
            (4, "积分标准"),
            (5, "居民账号"),
            (6, "居民账号"),
            (7, "日期"),
            (8, "日期"),
            (9, "事实编号"),
            (10, "事项"),
        ):
            assert f"第 {line} 行 / line {line}，{column}：" in said
        assert "共 8 处要改，没有登记任何内容" in said
    assert office.points() == 0


def test_a_file_is_held_to_the_limits_that_its_own_rows_use_up(office: Office) -> None:
    amend = "amend-rule clean-up --from 2025-01-01 --category 大扫除 --points 10"
    office.do(*amend.split(), "--per-person-a-day", "1")
    file = office.file(
        HEADER + f"{ZHANG},clean-up,2025-03-02,上午\n" + f"{ZHANG},clean-up,2025-03-02,下午\n"
    )
    # The dry run knows it as well: it has the first row to count, which nothing booked yet.
    for arguments in (("award-file", file, "--dry-run"), ("award-file", file)):
        said = office.refused(*arguments)
        assert "第 3 行" in said
        assert "每人每天最多登记 1 次" in said
        assert office.points() == 0


def test_the_same_fact_twice_in_a_file_is_named(office: Office) -> None:
    file = office.file(
        "account,rule,date,fact\n"
        f"{ZHANG},hazard,2025-03-02,T-1\n"
        f"{LIU},quick-report,2025-03-02,t-1\n"
    )
    assert "第 3 行 / line 3，事实编号：同一事实已登记过" in office.refused("award-file", file)


def test_opening_balances_come_from_a_file_once(office: Office) -> None:
    file = office.file(
        f"卡号,居民账号,积分,日期\nA-1,{ZHANG},10,2025-01-01\nA-2,{LIU},40,2025-01-01\n"
    )
    assert "2 行，50 积分" in office.do("open-balances", file, "--dry-run")
    assert office.points() == 0
    office.do("open-balances", file)
    assert "以前登记过 2 行" in office.do("open-balances", file)
    assert (office.points(), office.points(LIU)) == (10, 40)
    other = office.file(
        f"卡号,居民账号,积分,日期\nA-1,{ZHANG},11,2025-01-01\nA-3,{ZHANG},1.5,2025-01-01\n"
    )
    said = office.refused("open-balances", other)
    assert "第 2 行 / line 2，卡号：" in said
    assert "第 3 行 / line 3，积分：" in said
    assert "I11" in office.do("audit")


def test_an_events_list_is_typed_or_scanned_and_counts_everybody_once(office: Office) -> None:
    scanned = office.do("card", "--account", LIU).strip()
    phone = office.do("code", "--account", ZHANG, "--text").strip()
    arguments = ("award-event", "--event", "三月大扫除", "--rule", "clean-up", "-")
    said = office.do(*arguments, given=f"{ZHANG}\n{scanned}\n\n{phone}\n")
    assert "+20：登记 2 人，以前登记过 0 人，名单里重复 1 次" in said
    assert "以前登记过 2 人" in office.do(*arguments, given=f"{LIU}\n{ZHANG}\n")
    assert (office.points(), office.points(LIU)) == (10, 10)
    office.do("card", "--account", LIU, "--replace")
    said = office.refused(*arguments, given=f"{ZHANG}\n{scanned}\n123\n")
    assert "第 2 行：不是居民账号" in said
    assert "第 3 行：不是居民账号" in said
    assert "没有登记任何人" in office.refused(*arguments, given=f"{'f' * 16}\n{'e' * 16}\n")
    assert "名单是空的" in office.refused(*arguments)
    assert "最多 500 人" in office.refused(*arguments, given=f"{ZHANG}\n" * 501)
    bad_name = ("award-event", "--event", "=cmd", "--rule", "clean-up", "-")
    assert "内容不对" in office.refused(*bad_name, given=ZHANG)


def test_an_award_is_clawed_back_by_its_id(office: Office) -> None:
    office.do("award", "--account", ZHANG, "--rule", "clean-up", "--id", "x-1")
    said = office.do("claw-back", "x-1", "--reason", "没有参加")
    assert "扣余额 10，欠 0" in said
    assert office.points() == 0
    assert "没有这笔登记" in office.refused("claw-back", "x-2", "--reason", "x")


def test_an_award_that_shares_facts_with_another_rule_names_its_fact(office: Office) -> None:
    arguments = ("award", "--account", ZHANG, "--rule", "hazard")
    assert "事实编号" in office.refused(*arguments)
    assert office.do(*arguments, "--fact", "T-1").startswith("+10")
    assert "同一事实已登记过" in office.refused(*arguments, "--fact", "T-1")
    assert "内容不对" in office.refused("award", "--account", "zhang", "--rule", "clean-up")


def test_a_claim_is_reviewed_by_a_registered_colleague(office: Office) -> None:
    amend = "amend-rule patrol --from 2025-01-01 --category 巡逻 --points 5 --review"
    assert "从 2025-01-01 起生效" in office.do(*amend.split())
    office.do("awarder", "wang", "--name", "王网格员", "--role", "grid_worker", "--account", ZHANG)
    office.do("awarder", "shen", "--name", "沈主任", "--role", "office")
    assert "--name" in office.refused("awarder", "li")
    claim = ("claim", "--account", ZHANG, "--rule", "patrol", "--id", "c-1", "--by", "wang")
    assert "待审核" in office.do(*claim)
    assert "c-1" in office.do("claims")
    assert "请换一位审核" in office.refused("review", "c-1", "--approve", "--by", "wang")
    assert "请写 --approve" in office.refused("review", "c-1", "--by", "shen")
    assert "+5" in office.do("review", "c-1", "--approve", "--by", "shen")
    assert "没有待审核" in office.do("claims")
    assert office.points() == 5
    office.do("awarder", "shen", "--retire", "调离")
    office.do(*claim[:6], "c-2", "--by", "wang")
    assert "已停用" in office.refused("review", "c-2", "--refuse", "--reason", "x", "--by", "shen")


def test_the_rules_of_a_day_are_listed(office: Office) -> None:
    amend = "amend-rule patrol --from 2025-01-01 --category 巡逻 --points 6 --until 2099-12-31"
    office.do(*amend.split(), "--per-day", "3", "--may-award", "office")
    said = office.do("award-rules", "--on", "2025-02-01")
    assert "patrol  巡逻  6" in said
    assert "每天 / a day 3；office；至 / until 2099-12-31" in said
    rules = json.loads(office.do("award-rules", "--on", "2024-12-31", "--json"))
    (patrol,) = [rule for rule in rules if rule["rule_id"] == "patrol"]
    assert patrol["points"] == 5
    assert "内容不对" in office.refused(*amend.replace("2025-01-01", "soon").split())


def test_a_partner_is_registered_and_closed(office: Office) -> None:
    key = public_key_text(Ed25519PrivateKey.from_private_bytes(b"k" * 32).public_key())
    said = office.do("partner", "mini", "--name", "惠生活", "--key", key)
    assert "partner:mini" in said
    assert "公钥格式不对" in office.refused("partner", "m2", "--name", "x", "--key", "abc")
    assert "--key" in office.refused("partner", "m2")
    assert "已停用" in office.do("partner", "mini", "--close", "到期")


def test_commands_about_awards_may_be_imported(office: Office) -> None:
    lines: tuple[dict[str, object], ...] = (
        {"kind": "register_awarder", "awarder": "wang", "name": "王网格员", "role": "grid_worker"},
        {
            "kind": "amend_award_rule",
            "rule_id": "visit",
            "valid_from": "2025-01-01",
            "category": "走访",
            "points": 5,
            "may_award": ["grid_worker"],
        },
        {
            "kind": "award_points",
            "award_id": "v-1",
            "account": ZHANG,
            "rule_id": "visit",
            "performed_on": "2025-02-01",
            "awarded_by": "wang",
        },
    )
    given = "".join(json.dumps(line) + "\n" for line in lines)
    assert "3" in office.do("import", "-", given=given)
    assert office.points() == 5
