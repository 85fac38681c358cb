"""Plays a script through the real processes and devices, and compares every figure."""

import json
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from demo.cashier import Screen
from demo.running import DemoFailedError
from demo.scripts import Refusal, Sale, Script, StatementFigures
from demo.stage import Shop, Stage
from drivers.simulated.machine import Paper

HAND_S = 0.5
"""Between two scans, at least: a scanner's worker takes the same code at once for one."""
PAPER_WITHIN_S = 20.0
TOLD_WITHIN_S = 90.0
WITH_PIN = "C"
"""The proof grade of a card whose holder typed its PIN."""
OFFLINE = "服务器停机 · server off"


@dataclass
class Outcome:
    """What came out. ``wrong`` has one sentence for each figure that is not as it must be."""

    pool: str
    scenarios: list[dict[str, Any]] = field(default_factory=list)
    receipts: list[dict[str, Any]] = field(default_factory=list)
    statements: list[dict[str, Any]] = field(default_factory=list)
    audit: dict[str, Any] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def check(self, what: str, expected: object, found: object) -> None:
        if expected != found:
            self.wrong.append(f"{what}: 应为 expected {expected!r}，实为 found {found!r}")


class Play:
    """One run of one programme's script."""

    def __init__(self, stage: Stage, script: Script, say: Callable[[str], None]) -> None:
        self._stage = stage
        self._script = script
        self._say = say
        self._codes: dict[str, str] = {}
        self._sale_ids: list[str] = []
        self._grades: dict[str, str] = {}
        self.outcome = Outcome(pool=stage.world.pool)

    def run(self) -> Outcome:
        """Play it all; figures that are wrong are collected, what does not work at all raises.

        Raises:
            DemoFailedError: a program does not do what it must for the play to go on.
        """
        script, stage = self._script, self._stage
        first, second = stage.shops
        for step in script.online:
            if isinstance(step, Refusal):
                self._refuse(step)
            else:
                self._sell(step)
        self._refund(self._sell(script.refunded), script.refunded)
        self._codes |= {key: self._code(key) for key in self._offline_residents()}
        self._wait_told(first, second)
        self._say(OFFLINE)
        stage.server.stop()
        self._sell(script.offline)
        self._sell(script.late)
        second.program.stop()
        self._say("服务器恢复，第二家店仍断着 · the server is back, the second shop is not")
        stage.server.start()
        self._wait_told(first)
        self._next_day_settled()
        second.start()
        self._wait_told(second)
        self._next_day_settled()
        self._compare_statements()
        self._compare_told()
        self._audit()
        return self.outcome

    def _offline_residents(self) -> Iterable[str]:
        steps = (self._script.offline, self._script.late)
        return {step.resident for step in steps if step.resident is not None}

    def _code(self, key: str) -> str:
        if key not in self._codes:
            self._codes[key] = self._stage.code_of(self._stage.world.resident(key))
        return self._codes[key]

    def _scan(self, shop: Shop, key: str) -> None:
        """A hand takes longer than a nervous trigger: the same code at once would be one scan."""
        time.sleep(HAND_S)
        shop.scanner.scan(self._code(key))

    def _fill(self, shop: Shop, step: Sale | Refusal) -> None:
        shop.cashier.next_customer()
        for item_id, quantity in step.items:
            shop.cashier.add_item(item_id, quantity)
        for amount in step.amounts if isinstance(step, Sale) else ():
            shop.cashier.add_amount(amount)

    def _sell(self, step: Sale) -> str:
        """Returns the receipt number."""
        shop = self._stage.shops[step.shop]
        self._fill(shop, step)
        if step.resident is not None:
            self._scan(shop, step.resident)
            if step.grade == WITH_PIN:
                self._type_pin(shop, step)
            screen = shop.cashier.wait_for(
                f"{step.name} 的答复 · the answer", lambda s: s["state"] == "authorised"
            )
            if step.points is not None:
                screen = shop.cashier.choose_points(step.points)
        screen = shop.cashier.complete()
        done = screen["completed"]
        if done is None:
            raise DemoFailedError(f"{step.name}: 没有成交 · not completed: {screen['notice']}")
        self._sale_ids.append(screen["sale_id"])
        if step.grade is not None:
            self._grades[f"sale:{screen['sale_id']}"] = step.grade
        paper = self._paper(shop, done["receipt_no"])
        self._note_sale(step, done, paper)
        return str(done["receipt_no"])

    def _type_pin(self, shop: Shop, step: Sale) -> None:
        """The pad must come up before anything is answered; then the holder types."""
        shop.cashier.wait_for(
            f"{step.name} 的密码键盘 · the PIN pad",
            lambda s: s["pin"] is not None and s["pin"]["state"] == "ready",
        )
        assert step.resident is not None
        shop.cashier.type_pin(self._stage.world.resident(step.resident).pin)

    def _note_sale(self, step: Sale, done: Screen, paper: Paper) -> None:
        expected = {
            "before": step.before,
            "used": step.used,
            "after": step.after,
            "to_pay_fen": step.to_pay_fen,
            "waived_fen": step.waived_fen,
        }
        found = {
            "before": done["balance_before_points"],
            "used": done["points"],
            "after": done["balance_after_points"],
            "to_pay_fen": done["cash_fen"],
            "waived_fen": done["waived_fen"],
        }
        self.outcome.check(f"{step.name} {step.title}", expected, found)
        self.outcome.scenarios.append(
            {
                "name": step.name,
                "title": step.title,
                "offline": done["offline"],
                "receipt_no": done["receipt_no"],
                "expected": expected,
                **found,
            }
        )
        self._note_paper(step.name, done["receipt_no"], paper)
        if step.grade is not None:
            named = re.search(r"凭证等级\s+([A-Z])", paper.text)
            self.outcome.check(
                f"{step.name} 小票的凭证等级 · proof grade",
                step.grade,
                named and named[1],
            )

    def _note_paper(self, name: str, receipt_no: str, paper: Paper) -> None:
        self.outcome.check(f"{name} 小票的警告 · warnings", (), paper.warnings)
        self.outcome.receipts.append(
            {
                "name": name,
                "receipt_no": receipt_no,
                "text": paper.text,
                "png": str(paper.png_path),
            }
        )

    def _refuse(self, step: Refusal) -> None:
        shop = self._stage.shops[step.shop]
        self._fill(shop, step)
        self._scan(shop, step.resident)
        screen = shop.cashier.wait_for(
            f"{step.name} 的拒绝 · the refusal",
            lambda s: s["notice"] is not None and s["notice"]["code"] == "declined",
        )
        says = f"{screen['notice_text']} {screen['notice_next']}"
        self.outcome.check(f"{step.name}: “{step.says}”", True, step.says in says)
        self.outcome.scenarios.append(
            {"name": step.name, "title": step.title, "refused": True, "says": says.strip()}
        )

    def _refund(self, receipt_no: str, step: Sale) -> None:
        shop = self._stage.shops[step.shop]
        shop.cashier.refund(receipt_no, "演示退货")
        paper = self._paper(shop, receipt_no)
        self._note_paper(f"{step.name} 退货", receipt_no, paper)

    @staticmethod
    def _paper(shop: Shop, receipt_no: str) -> Paper:
        """The next paper of the shop's printer, which must name this receipt."""
        paper = shop.printer.wait_for_paper(PAPER_WITHIN_S)
        if paper is None or receipt_no not in paper.text:
            raise DemoFailedError(f"小票没有打出来 · no paper for receipt {receipt_no}")
        return paper

    @staticmethod
    def _wait_told(*shops: Shop) -> None:
        for shop in shops:
            shop.cashier.wait_for(
                "全部上传 · all told",
                lambda s: s["untold"] == 0 and s["server"] == "online",
                TOLD_WITHIN_S,
            )

    def _next_day_settled(self) -> None:
        day = self._stage.today()
        self._stage.advance_one_day()
        self._say(f"结算到 · settling through {day}")
        self._stage.run_server("settle", "--through", day.isoformat(), "--json")

    def _compare_statements(self) -> None:
        found = self._stage.statements()
        self.outcome.statements = sorted(
            found, key=lambda row: (row["period_through"], row["merchant"])
        )
        days = sorted({row["period_through"] for row in found})
        self.outcome.check("结算期数 · periods", 2, len(days))
        expected_days = (self._script.first_day, self._script.second_day)
        for day, expected_rows in zip(days, expected_days, strict=False):
            for merchant, expected in zip(self._stage.world.merchants, expected_rows, strict=True):
                row = next(
                    x
                    for x in found
                    if x["merchant"] == merchant.merchant and x["period_through"] == day
                )
                figures = StatementFigures(**{key: row[key] for key in asdict(expected)})
                self.outcome.check(f"对账单 · statement {merchant.name} {day}", expected, figures)

    def _compare_told(self) -> None:
        """Every sale of the play stands in exactly one statement, once."""
        rows = json.loads(self._stage.run_server("statement", "--json", "--lines"))
        keys = [line["key"] for row in rows for line in row["lines"]]
        grades = {line["key"]: line["proof"] for row in rows for line in row["lines"]}
        self.outcome.check(
            "对账单的凭证等级 · proof grades",
            self._grades,
            {key: grades.get(key) for key in self._grades},
        )
        for sale_id in self._sale_ids:
            self.outcome.told[sale_id] = keys.count(f"sale:{sale_id}")
        self.outcome.check(
            "每笔恰好上传一次 · every sale told exactly once",
            dict.fromkeys(self._sale_ids, 1),
            self.outcome.told,
        )
        sales = sum(key.startswith("sale:") for key in keys)
        self.outcome.check("没有多出来的销售 · no sale too many", len(self._sale_ids), sales)

    def _audit(self) -> None:
        try:
            self.outcome.audit = json.loads(self._stage.run_server("audit", "--json"))
        except DemoFailedError as error:
            self.outcome.wrong.append(f"审计未通过 · the audit is not clean: {error}")
            return
        self.outcome.check("审计 · audit", True, self.outcome.audit["clean"])
