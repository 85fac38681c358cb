"""What a table of awards or opening balances asks for, checked row by row without writing.

The dry run and the import make the same plan from a snapshot; the import then books it. Ids
follow from what a row says, so that the same file handed in twice is booked once.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TypeVar

import msgspec
from sqlalchemy import Connection

from server.awards.award import award_of, check_at_once, deed_of, id_taken
from server.awards.checks import Ahead, check_deed, check_fact_named
from server.awards.commands import AwardPoints, OpenBalance
from server.awards.opening import check_opening
from server.awards.rules import rules_on
from server.awards.sheet import BadCell, Column, SheetRow
from server.awards.values import AwardProblem, Opened
from server.facts.refused import Refused

Command = TypeVar("Command", AwardPoints, OpenBalance)

AWARD_COLUMNS = (
    Column("award_id", ("编号", "award_id", "id"), required=False),
    Column("account", ("居民账号", "账号", "account")),
    Column("rule_id", ("积分标准", "标准", "rule", "rule_id")),
    Column("performed_on", ("日期", "date", "performed_on")),
    Column("memo", ("事项", "备注", "memo"), required=False),
    Column("event", ("活动", "event"), required=False),
    Column("fact_ref", ("事实编号", "上报单号", "fact_ref", "fact"), required=False),
)
OPENING_COLUMNS = (
    Column("opening_id", ("卡号", "编号", "opening_id", "id")),
    Column("account", ("居民账号", "账号", "account")),
    Column("points", ("积分", "points")),
    Column("as_of", ("日期", "date", "as_of")),
    Column("memo", ("备注", "memo"), required=False),
)

_DATE = re.compile(r"([0-9]{4})[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})日?")
_AT_FIELD = re.compile(r"`\$\.([a-z_]+)`")
_HINTS = {
    # What the patterns of the commands ask for, in words.
    "award_id": "只能用字母、数字和 . _ : -，最多 64 个 / letters, digits, . _ : -, at most 64",
    "opening_id": "只能用字母、数字和 . _ : -，最多 64 个 / letters, digits, . _ : -, at most 64",
    "account": "居民账号是 16 位 0-9 和 a-f / a resident's account is 16 hex digits",
    "rule_id": "积分标准编号最多 32 个字 / a rule's id has at most 32 characters",
    "memo": "最多 200 个字 / at most 200 characters",
    "event": "只能用汉字、字母、数字和 . _ : / -，最多 64 个 / characters, digits, . _ : / -",
    "fact_ref": "只能用汉字、字母、数字和 . _ : / -，最多 64 个 / characters, digits, . _ : / -",
    "points": "积分是 1 到 1000000 的整数 / a whole number from 1 to 1,000,000",
}
_COLUMN_OF_REASON = {
    AwardProblem.UNKNOWN_RESIDENT: "account",
    AwardProblem.NO_RULE: "rule_id",
    AwardProblem.NEEDS_REVIEW: "rule_id",
    AwardProblem.NOT_ALLOWED: "rule_id",
    AwardProblem.SELF: "account",
    AwardProblem.FUTURE: "performed_on",
    AwardProblem.NEEDS_FACT: "fact_ref",
    AwardProblem.PAID_ALREADY: "fact_ref",
    AwardProblem.CONFLICT: "award_id",
}


@dataclass(frozen=True, slots=True)
class Planned:
    """A row that may be booked."""

    line: int
    command: AwardPoints | OpenBalance


@dataclass(slots=True)
class Plan:
    """What a file asks for: rows to book and the points that they come to, what is wrong with
    others, and how many rows were booked before. Nothing is booked while ``bad`` names a row.
    """

    rows: list[Planned] = field(default_factory=list)
    bad: list[BadCell] = field(default_factory=list)
    already: int = 0
    points: int = 0


def plan_awards(
    tx: Connection, pool: str, rows: Iterable[SheetRow], *, by: str, at: datetime
) -> Plan:
    """Every row checked as its award will be, those above it taken into account."""
    plan: Plan = Plan()
    seen: dict[str, int] = {}
    names: dict[date, dict[str, str]] = {}
    ahead = Ahead()
    for row in rows:
        command = _award(tx, pool, row, names, by)
        if not isinstance(command, AwardPoints):
            plan.bad += command
            continue
        twice = _twice(seen, row.line, command.award_id, AWARD_COLUMNS)
        if twice is not None:
            plan.bad.append(twice)
            continue
        before = award_of(tx, pool, command.award_id)
        if before == command:
            plan.already += 1
            continue
        points = (
            id_taken(deed_of(before), deed_of(command))
            if before
            else _points(tx, pool, command, at, ahead)
        )
        if isinstance(points, Refused):
            plan.bad.append(_refused(row.line, points, AWARD_COLUMNS))
            continue
        ahead.will_award(deed_of(command))
        plan.points += points
        plan.rows.append(Planned(row.line, command))
    return plan


def plan_openings(
    tx: Connection, pool: str, rows: Iterable[SheetRow], *, by: str, at: datetime
) -> Plan:
    """Every row checked as its opening balance will be."""
    plan: Plan = Plan()
    seen: dict[str, int] = {}
    for row in rows:
        command = _opening(row, by)
        if not isinstance(command, OpenBalance):
            plan.bad += command
            continue
        twice = _twice(seen, row.line, command.opening_id, OPENING_COLUMNS)
        if twice is not None:
            plan.bad.append(twice)
            continue
        checked = check_opening(tx, pool, at, command)
        if isinstance(checked, Opened):
            plan.already += 1
        elif checked is not None:
            plan.bad.append(_refused(row.line, checked, OPENING_COLUMNS))
        else:
            plan.points += command.points
            plan.rows.append(Planned(row.line, command))
    return plan


def derived_id(prefix: str, *parts: object) -> str:
    """An id that follows from what is awarded: the same again is the same id."""
    text = "\0".join(str(part) for part in parts)
    return f"{prefix}-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def _award(
    tx: Connection, pool: str, row: SheetRow, names: dict[date, dict[str, str]], by: str
) -> AwardPoints | list[BadCell]:
    day = _day(row, "performed_on", AWARD_COLUMNS)
    if row.bad or not isinstance(day, date):
        return [*row.bad, *([day] if isinstance(day, BadCell) else [])]
    if day not in names:
        names[day] = {rule.category: rule.rule_id for rule in rules_on(tx, pool, day)}
    given = row.texts
    rule_id = names[day].get(given["rule_id"], given["rule_id"])
    named = [rule_id, day, given["account"].lower()]
    named += [given.get(key, "") for key in ("event", "fact_ref", "memo")]
    fields = {
        "kind": "award_points",
        "memo": given.get("memo", ""),
        "event": given.get("event"),
        "fact_ref": given.get("fact_ref"),
        "award_id": given.get("award_id") or derived_id("f", *named),
        "account": given["account"].lower(),
        "rule_id": rule_id,
        "performed_on": day,
        "awarded_by": by,
    }
    return _converted(row.line, fields, AwardPoints, AWARD_COLUMNS)


def _opening(row: SheetRow, by: str) -> OpenBalance | list[BadCell]:
    day = _day(row, "as_of", OPENING_COLUMNS)
    if row.bad or not isinstance(day, date):
        return [*row.bad, *([day] if isinstance(day, BadCell) else [])]
    points = row.texts["points"]
    fields = {
        "kind": "open_balance",
        "opening_id": row.texts["opening_id"],
        "account": row.texts["account"].lower(),
        "points": int(points) if points.isascii() and points.isdigit() else points,
        "as_of": day,
        "opened_by": by,
        "memo": row.texts.get("memo", ""),
    }
    return _converted(row.line, fields, OpenBalance, OPENING_COLUMNS)


def _converted(
    line: int, fields: Mapping[str, object], command_type: type[Command], columns: Sequence[Column]
) -> Command | list[BadCell]:
    try:
        return msgspec.convert(fields, command_type)
    except msgspec.ValidationError as fault:
        found = _AT_FIELD.search(str(fault))
        key = found.group(1) if found else ""
        return [BadCell(line, _title(key, columns), _HINTS.get(key, str(fault)))]


def _day(row: SheetRow, key: str, columns: Sequence[Column]) -> date | BadCell | None:
    text = row.texts.get(key)
    if text is None:
        return None
    found = _DATE.fullmatch(text.removesuffix(" 00:00:00"))
    try:
        if found is not None:
            year, month, day = map(int, found.groups())
            return date(year, month, day)
    except ValueError:
        pass
    return BadCell(
        row.line, _title(key, columns), "日期要写成 2026-03-01 这样 / write a date as 2026-03-01"
    )


def _points(
    tx: Connection, pool: str, command: AwardPoints, at: datetime, ahead: Ahead
) -> int | Refused:
    deed = deed_of(command)
    rule = check_deed(tx, pool, at, deed, ahead)
    if isinstance(rule, Refused):
        return rule
    refusal = check_at_once(tx, pool, deed, rule) or check_fact_named(tx, pool, deed)
    return refusal or rule.points


def _twice(seen: dict[str, int], line: int, key: str, columns: Sequence[Column]) -> BadCell | None:
    first = seen.setdefault(key, line)
    if first == line:
        return None
    return BadCell(
        line,
        columns[0].headers[0],
        f"与第 {first} 行重复，请删去；确有两次的，各写一个编号"
        f" / same as line {first}: delete it, or give each an id of its own",
    )


def _refused(line: int, refusal: Refused, columns: Sequence[Column]) -> BadCell:
    key = _COLUMN_OF_REASON.get(AwardProblem(refusal.reason), "")
    own_key = {"award_id": "opening_id", "performed_on": "as_of"}.get(key, key)
    return BadCell(line, _title(key, columns) or _title(own_key, columns), refusal.says)


def _title(key: str, columns: Sequence[Column]) -> str:
    return next((column.headers[0] for column in columns if column.key == key), "")
