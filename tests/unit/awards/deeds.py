"""Short words for what tests ask the awards to do."""

from dataclasses import dataclass
from datetime import date

import msgspec

from server.awards import AmendAwardRule, AwarderRole, AwardPoints, RegisterAwarder
from server.bootstrap.desk import make_desk
from server.commands.audit import run_audit
from server.facts import Outcome
from server.facts.refused import Refused
from server.ledger import UnknownAccount
from tests.unit.server.world import TODAY, ZHANG, World


def award(
    award_id: str, rule_id: str, day: date = TODAY, account: str = ZHANG, **other: object
) -> AwardPoints:
    command = AwardPoints(
        award_id=award_id,
        account=account,
        rule_id=rule_id,
        performed_on=day,
        awarded_by="网格员",
    )
    return msgspec.structs.replace(command, **other)


def amended(rule_id: str, points: int, valid_from: date = TODAY, **other: object) -> AmendAwardRule:
    command = AmendAwardRule(
        rule_id=rule_id, valid_from=valid_from, category=f"事项{rule_id}", points=points
    )
    return msgspec.structs.replace(command, **other)


def staff(
    awarder: str, role: AwarderRole = AwarderRole.GRID_WORKER, account: str | None = None
) -> RegisterAwarder:
    return RegisterAwarder(awarder=awarder, name=f"工作人员{awarder}", role=role, account=account)


def reason(outcome: Outcome) -> str:
    """Why something was refused; its sentence is Chinese and English."""
    assert isinstance(outcome, Refused), outcome
    assert " / " in outcome.says
    assert outcome.says[0] > "z" or any(sign > "一" for sign in outcome.says)
    return outcome.reason


@dataclass(frozen=True)
class Points:
    """A resident's books, and where the pool's points come from."""

    balance: int
    overdraft: int = 0
    owed: int = 0
    issued: int = 0
    opened: int = 0


def points(world: World, account: str = ZHANG) -> Points:
    try:
        owed = world.points(f"owed:{account}")
    except UnknownAccount:
        owed = 0
    return Points(
        balance=world.points(f"resident:{account}"),
        overdraft=world.points(f"offline_overdraft:{account}"),
        owed=owed,
        issued=world.points("points_issued"),
        opened=world.points("opening_points"),
    )


def assert_audit_is_clean(world: World) -> None:
    """Every invariant, replay included."""
    found = world.read(lambda tx: run_audit(tx, world.pool, make_desk))
    assert {each.invariant: each.violations for each in found if each.violations} == {}
    assert len(found) > 5
