"""Booking what a terminal tells of counter awards, by the rule of the day on which it happened.

What cannot be awarded is parked with the reason, shown on both sides and never dropped; the same
fact that another channel paid before is told as such and pays nothing.
"""

from datetime import UTC, datetime

import msgspec
from sqlalchemy import Connection, insert, select

from protocol.counter import CounterAwarded
from server.awards import Awarded, AwardPoints, AwardProblem, award_of
from server.awards.award import award_points, deed_of
from server.awards.checks import check_fact_named
from server.awards.commands import MAX_POINTS
from server.awards.counter import has_pin, may_register_at
from server.awards.counter_tables import counter_award
from server.facts.refused import Refused
from server.redemption.booked import Booked, Booking, Duplicate, Parked
from server.redemption.capture import Told
from server.redemption.evidence import is_proven
from server.redemption.phone_evidence import PhoneEvidence, note_phone_use


def book_counter_award(tx: Connection, told: Told, happening: CounterAwarded) -> Booking:
    """Award what was registered, once. The resident's own code must have been there."""
    command = _command(told, happening)
    if command is None or not 0 <= happening.points <= MAX_POINTS:
        return Parked("记录内容不对，没有登记积分 / the record says what no award can be")
    if not _is_a_moment(told.envelope.occurred_at):
        return Parked("记录的时间不对，没有登记积分 / the record's time is none")
    _note(tx, told, happening)
    pool = told.terms.pool
    # What was awarded stays so, whatever the office has closed since: it is told again.
    again = award_of(tx, pool, command.award_id) is not None
    problem = told.time_problem(happening.business_date)
    if problem is None and not again:
        problem = _own_problem(tx, told, happening)
    if problem is not None:
        return Parked(problem)
    if not again and not _is_proven(tx, told, happening):
        return Parked(
            "居民码验证不通过，没有登记积分，请让本人重新出示居民码"
            " / the code is not this resident's: ask for the resident's own code"
        )
    unnamed = check_fact_named(tx, pool, deed_of(command))
    done = unnamed or award_points(tx, told.stamp, command)
    if isinstance(done, Refused):
        if done.reason == AwardProblem.PAID_ALREADY:
            return Duplicate(done.says)
        return Parked(done.says)
    if done.again:
        return Duplicate()
    if isinstance(happening.evidence, PhoneEvidence):
        note_phone_use(
            tx,
            told.stamp,
            happening.evidence,
            used_for=happening.award_id,
            terminal=told.terminal.terminal,
        )
    return Booked(says=_other_points(done, happening))


def _is_a_moment(occurred_at: datetime) -> bool:
    """Whether a time can be kept at all: it has a zone, which carries it over no end of the
    calendar. A year that is merely wrong can be, and is noted before it is parked.
    """
    try:
        return occurred_at.utcoffset() is not None and bool(occurred_at.astimezone(UTC))
    except OverflowError:
        return False


def _own_problem(tx: Connection, told: Told, happening: CounterAwarded) -> str | None:
    pool, shop = told.terms.pool, told.terminal.shop
    if not told.by_office and not may_register_at(tx, pool, shop):
        return (
            f"门店 {shop} 没有开通柜台登记积分，请运营方核实"
            f" / points may not be registered at {shop}: the operator decides"
        )
    if not has_pin(tx, pool, happening.worker):
        return (
            f"登记人 {happening.worker[:64]} 没有终端 PIN 码，请运营方核实"
            " / this worker has no PIN for terminals"
        )
    return None


def _is_proven(tx: Connection, told: Told, happening: CounterAwarded) -> bool:
    return is_proven(
        tx,
        told.terms,
        happening.account,
        happening.evidence,
        told.envelope,
        proof_holds=told.proof_holds,
        used_for=happening.award_id,
        recorded_at=told.told_at,
    )


def _command(told: Told, happening: CounterAwarded) -> AwardPoints | None:
    """The award as any channel would ask for it; None where its texts are none that may be."""
    fields = {
        "kind": "award_points",
        "award_id": str(happening.award_id),
        "account": happening.account,
        "rule_id": happening.rule_id,
        "performed_on": happening.business_date,
        "awarded_by": happening.worker,
        "memo": f"柜台登记 {told.terminal.shop}",
        "event": happening.event,
        "fact_ref": happening.fact_ref,
    }
    try:
        return msgspec.convert(fields, AwardPoints)
    except msgspec.ValidationError:
        return None


def _other_points(done: Awarded, happening: CounterAwarded) -> str:
    if done.points == happening.points:
        return ""
    return (
        f"按 {happening.business_date} 的标准登记了 {done.points} 积分，小票上是 {happening.points}"
        f" / the rule of that day gives {done.points} points, the slip says {happening.points}"
    )


def _note(tx: Connection, told: Told, happening: CounterAwarded) -> None:
    """Keep what was told; when the office books a parked one, it is there already."""
    own = {
        "pool": told.terms.pool,
        "terminal": told.terminal.terminal,
        "epoch": told.envelope.epoch,
        "seq": told.envelope.seq,
    }
    there = select(counter_award.c.award_id).where(
        *(counter_award.c[name] == value for name, value in own.items())
    )
    if tx.execute(there).first() is not None:
        return
    tx.execute(
        insert(counter_award).values(
            **own,
            award_id=str(happening.award_id),
            worker=happening.worker,
            account=happening.account,
            rule_id=happening.rule_id,
            performed_on=happening.business_date,
            points=happening.points,
            event=happening.event,
            occurred_at=told.envelope.occurred_at,
            fact_no=told.stamp.fact_no,
        )
    )
