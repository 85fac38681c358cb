"""Tasks that take several people (名额): nobody is awarded before all of them have handed in."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, insert, select

from server.awards.commands import PublishTask, Split
from server.awards.rules import rule_on
from server.awards.tables import award_claim, award_origin, award_review, task, task_seat
from server.awards.values import AwardProblem, Deed, Noted, RuleTerms
from server.directory.refusals import conflict_says
from server.facts import FactStamp
from server.facts.refused import Refused


@dataclass(frozen=True, slots=True)
class Task:
    """A task as it was published; its event is its name."""

    event: str
    rule_id: str
    performed_on: date
    headcount: int
    split: Split
    published_by: str


@dataclass(frozen=True, slots=True)
class Seat:
    """A place of a task, counted from 1, that a claim has which was not refused."""

    seat: int
    claim_id: str
    account: str
    approved: bool


def publish_task(tx: Connection, stamp: FactStamp, command: PublishTask) -> Noted | Refused:
    """Publish a task once. Refused: the event stands for something else, no rule is in force on
    that day, or its points do not go round.
    """
    before = task_of(tx, stamp.pool, command.event)
    asked = Task(
        command.event,
        command.rule_id,
        command.performed_on,
        command.headcount,
        command.split,
        command.published_by,
    )
    if before == asked:
        return Noted(command.event, again=True)
    if before is not None or _is_used(tx, stamp.pool, command.event):
        says = conflict_says(
            "活动",
            command.event,
            stands=("没有名额的活动 an event without places",) if before is None else _says(before),
            asked=_says(asked),
            do=("请核对，或换一个名称", "check them, or take another name"),
        )
        return Refused(AwardProblem.CONFLICT, says)
    rule = rule_on(tx, stamp.pool, command.rule_id, command.performed_on)
    if rule is None:
        return Refused(
            AwardProblem.NO_RULE,
            f"{command.performed_on} 没有生效的积分标准 {command.rule_id}，请核对标准和日期"
            f" / no rule {command.rule_id} is in force on that day",
        )
    problem = _does_not_go_round(asked, rule)
    if problem is not None:
        return problem
    tx.execute(
        insert(task).values(
            pool=stamp.pool,
            event=command.event,
            rule_id=command.rule_id,
            performed_on=command.performed_on,
            headcount=command.headcount,
            split=command.split.value,
            published_by=command.published_by,
            fact_no=stamp.fact_no,
        )
    )
    return Noted(command.event)


def _says(one: Task) -> tuple[object, ...]:
    return one.rule_id, one.performed_on, one.headcount, one.split, one.published_by


def task_of(tx: Connection, pool: str, event: str | None) -> Task | None:
    """The task of this event, or None where the event takes anybody who comes."""
    if event is None:
        return None
    row = tx.execute(select(task).where(task.c.pool == pool, task.c.event == event)).one_or_none()
    if row is None:
        return None
    return Task(
        row.event,
        row.rule_id,
        row.performed_on,
        row.headcount,
        Split(row.split),
        row.published_by,
    )


def seats_of(tx: Connection, pool: str, event: str) -> list[Seat]:
    """The places that are taken, by number; a claim that was refused has none."""
    rows = tx.execute(
        select(task_seat.c.seat, award_claim.c.claim_id, award_claim.c.account, award_review)
        .join(
            award_claim,
            (award_claim.c.pool == task_seat.c.pool)
            & (award_claim.c.claim_id == task_seat.c.claim_id),
        )
        .outerjoin(
            award_review,
            (award_review.c.pool == task_seat.c.pool)
            & (award_review.c.claim_id == task_seat.c.claim_id),
        )
        .where(
            task_seat.c.pool == pool,
            task_seat.c.event == event,
            award_review.c.approved.is_(None) | award_review.c.approved,
        )
        .order_by(task_seat.c.seat)
    )
    return [Seat(row.seat, row.claim_id, row.account, bool(row.approved)) for row in rows]


def free_seat(tx: Connection, pool: str, found: Task, deed: Deed) -> int | Refused:
    """The lowest place that nobody has, for this deed; or why it gets none."""
    if (deed.rule_id, deed.performed_on) != (found.rule_id, found.performed_on):
        return Refused(
            AwardProblem.OTHER_TASK,
            f"任务 {found.event} 的标准是 {found.rule_id}、日期是 {found.performed_on}，请核对"
            f" / this task is by rule {found.rule_id} on {found.performed_on}, check it",
        )
    taken = seats_of(tx, pool, found.event)
    if deed.account in {each.account for each in taken}:
        return Refused(
            AwardProblem.OTHER_TASK,
            f"{deed.account} 已在任务 {found.event} 中，不再登记 / is in this task already",
        )
    if len(taken) >= found.headcount:
        return Refused(
            AwardProblem.FULL,
            f"名额已满：任务 {found.event} 只要 {found.headcount} 人，请选别的任务"
            f" / the task is full, it takes {found.headcount}; take another one",
        )
    seats = {each.seat for each in taken}
    return next(seat for seat in range(1, found.headcount + 1) if seat not in seats)


def take_seat(tx: Connection, pool: str, event: str, claim_id: str, seat: int) -> None:
    """Note which place a claim has; the claim stands already."""
    tx.execute(insert(task_seat).values(pool=pool, claim_id=claim_id, event=event, seat=seat))


def share_of_seat(
    tx: Connection, pool: str, found: Task, claim_id: str, rule: RuleTerms
) -> int | Refused:
    """What a claim of a task is worth; refused while a place of it is free.

    Together: the rule's points divided by the headcount, and the rest one by one to the seats
    with the lowest numbers, so that all seats together are worth just what the rule says.
    """
    taken = seats_of(tx, pool, found.event)
    if len(taken) < found.headcount:
        return Refused(
            AwardProblem.SHORT_OF_PEOPLE,
            f"任务 {found.event} 要 {found.headcount} 人，只有 {len(taken)} 人提交，请等齐后再审核"
            f" / {len(taken)} of {found.headcount} have handed in; wait for the others",
        )
    problem = _does_not_go_round(found, rule)
    if problem is not None:
        return problem
    if found.split is Split.EACH:
        return rule.points
    (seat,) = [each.seat for each in taken if each.claim_id == claim_id]
    equal, rest = divmod(rule.points, found.headcount)
    return equal + (1 if seat <= rest else 0)


def check_whole(tx: Connection, pool: str, found: Task) -> Refused | None:
    """Once one of a task's claims is approved, none of the others is refused any more."""
    if not any(each.approved for each in seats_of(tx, pool, found.event)):
        return None
    return Refused(
        AwardProblem.SHORT_OF_PEOPLE,
        f"任务 {found.event} 已有人通过审核，其余不能再改为不通过；如有误，请先撤回已登记的积分"
        " / somebody of this task is approved: claw that award back instead of refusing the others",
    )


def _does_not_go_round(found: Task, rule: RuleTerms) -> Refused | None:
    if found.split is Split.EACH or rule.points >= found.headcount:
        return None
    return Refused(
        AwardProblem.SHORT_OF_PEOPLE,
        f"标准 {rule.rule_id} 只有 {rule.points} 积分，{found.headcount} 人分不到，请改为每人或减少人数"
        f" / {rule.points} points do not go round {found.headcount} people",
    )


def _is_used(tx: Connection, pool: str, event: str) -> bool:
    claimed = select(award_claim.c.claim_id).where(
        award_claim.c.pool == pool, award_claim.c.event == event
    )
    awarded = select(award_origin.c.award_id).where(
        award_origin.c.pool == pool, award_origin.c.event == event
    )
    return tx.execute(claimed.union_all(awarded).limit(1)).first() is not None
