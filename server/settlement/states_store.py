"""Reading and writing where statements stand. Commands are in `states_commands`."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Row,
    Select,
    and_,
    cast,
    func,
    insert,
    select,
)

from server.facts import FactStamp
from server.facts.refused import Refused
from server.settlement.states import StatementMove, StatementState, advance
from server.settlement.states_tables import confirm_policy, statement_move
from server.settlement.states_values import CONFIRM_DAYS, MoveRecord, SettlingProblem
from server.settlement.tables import statement

_NAMES_A_PAGE = 500


class StateFault(Exception):  # noqa: N818 - a fault, as the house calls what is no refusal
    """A statement was moved where its move table does not let it go; a mistake in the program."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A statement with its state, and since when it is there.

    Fen, above 0 owed to the merchant: ``carried_fen`` is what of it was carried forward so far.
    """

    statement: str
    merchant: str
    period_through: date
    issued_at: datetime
    closing_fen: int
    carried_fen: int
    state: StatementState
    since: datetime
    last_move_no: int


def placed_of(tx: Connection, pool: str, name: str) -> Placed | None:
    """The statement of this id, whoever's it is, with its state."""
    row = tx.execute(_placed(pool).where(statement.c.statement == name)).one_or_none()
    return _as_placed(row) if row is not None else None


def placed_from(tx: Connection, pool: str, merchant: str, day: date) -> list[Placed]:
    """The merchant's statements whose period ends on ``day`` or later, the oldest first."""
    rows = tx.execute(
        _placed(pool)
        .where(statement.c.merchant == merchant, statement.c.period_through >= day)
        .order_by(statement.c.period_through)
    )
    return [_as_placed(row) for row in rows]


def unsettled_before(tx: Connection, pool: str, merchant: str, day: date) -> list[Placed]:
    """The merchant's statements that end before ``day`` and are not settled, the oldest first."""
    rows = tx.execute(
        _placed(pool)
        .where(
            statement.c.merchant == merchant,
            statement.c.period_through < day,
            func.coalesce(statement_move.c.state, "") != StatementState.SETTLED.value,
        )
        .order_by(statement.c.period_through)
    )
    return [_as_placed(row) for row in rows]


def in_state(tx: Connection, pool: str, state: StatementState) -> list[Placed]:
    """Every statement of the pool in one state, merchant by merchant, the oldest first."""
    names = tx.execute(_may_be_in(pool, state)).scalars().all()
    found = []
    for first in range(0, len(names), _NAMES_A_PAGE):
        page = names[first : first + _NAMES_A_PAGE]
        rows = tx.execute(_placed(pool).where(statement.c.statement.in_(page)))
        found += [each for each in map(_as_placed, rows) if each.state is state]
    return sorted(found, key=lambda each: (each.merchant, each.period_through))


def history(tx: Connection, pool: str, name: str) -> tuple[MoveRecord, ...]:
    """Every move of a statement after it was issued, in order."""
    rows = tx.execute(
        select(statement_move)
        .where(statement_move.c.pool == pool, statement_move.c.statement == name)
        .order_by(statement_move.c.move_no)
    )
    return tuple(
        MoveRecord(
            move_no=row.move_no,
            move=StatementMove(row.move),
            state=StatementState(row.state),
            moved_by=row.moved_by,
            moved_at=row.moved_at,
            says=row.says,
            carried_fen=row.carried_fen,
        )
        for row in rows
    )


def move(
    tx: Connection,
    stamp: FactStamp,
    placed: Placed,
    what: StatementMove,
    *,
    says: str = "",
    carried_fen: int = 0,
) -> Placed:
    """Write a statement's next move; answers it as it stands then.

    Raises:
        StateFault: the move table does not allow it; handlers refuse before they come here.
    """
    state = advance(placed.state, what)
    if state is None:
        raise StateFault(f"{placed.statement}: {placed.state} cannot {what}")
    tx.execute(
        insert(statement_move).values(
            pool=stamp.pool,
            statement=placed.statement,
            move_no=placed.last_move_no + 1,
            move=what.value,
            state=state.value,
            moved_by=stamp.actor,
            moved_at=stamp.recorded_at,
            says=says,
            carried_fen=carried_fen,
            fact_no=stamp.fact_no,
        )
    )
    return replace(
        placed,
        carried_fen=placed.carried_fen + carried_fen,
        state=state,
        since=stamp.recorded_at,
        last_move_no=placed.last_move_no + 1,
    )


def policies(tx: Connection, pool: str) -> list[tuple[datetime, int]]:
    """When the days for confirming were set, and to how many; the oldest first."""
    rows = tx.execute(
        select(confirm_policy.c.set_at, confirm_policy.c.confirm_days)
        .where(confirm_policy.c.pool == pool)
        .order_by(confirm_policy.c.fact_no)
    )
    return [(row.set_at, row.confirm_days) for row in rows]


def deadline_of(placed: Placed, set_days: list[tuple[datetime, int]]) -> datetime:
    """When an issued statement counts as confirmed: so many days after it was issued last.

    ``set_days`` as :func:`policies` answers them. What is set later never shortens the time
    that a merchant was given.
    """
    days = CONFIRM_DAYS
    for set_at, confirm_days in set_days:
        if set_at <= placed.issued_at:
            days = confirm_days
    return placed.since + timedelta(days=days)


def unknown_statement(name: str) -> Refused:
    return Refused(
        SettlingProblem.UNKNOWN_STATEMENT,
        f"没有这份对账单：{name}，请核对编号 / no such statement: {name}; check its number",
    )


STATE_WORDS = {
    StatementState.DRAFT: "草稿 draft",
    StatementState.ISSUED: "已出具，待商户确认 issued",
    StatementState.CONFIRMED: "已确认，待收付 confirmed",
    StatementState.DISPUTED: "有异议，待答复 disputed",
    StatementState.SETTLED: "已结清 settled",
}


def wrong_state(placed: Placed, *, zh: str, en: str) -> Refused:
    """Refuse what the statement's state does not allow; ``zh`` and ``en`` say what to do."""
    return Refused(
        SettlingProblem.WRONG_STATE,
        f"对账单 {placed.statement} 现在是“{STATE_WORDS[placed.state]}”，{zh}"
        f" / statement {placed.statement} is {placed.state.value}: {en}",
    )


def _may_be_in(pool: str, state: StatementState) -> Select[tuple[str]]:
    """Statements of which few are in another state, found without looking at years of others."""
    if state is StatementState.ISSUED:
        # What was agreed to once is never issued again.
        agreed = select(statement_move.c.move_no).where(
            statement_move.c.pool == statement.c.pool,
            statement_move.c.statement == statement.c.statement,
            statement_move.c.state == StatementState.CONFIRMED.value,
        )
        return select(statement.c.statement).where(statement.c.pool == pool, ~agreed.exists())
    newer = statement_move.alias("newer")
    moved_on = select(newer.c.move_no).where(
        newer.c.pool == statement_move.c.pool,
        newer.c.statement == statement_move.c.statement,
        newer.c.move_no > statement_move.c.move_no,
    )
    return select(statement_move.c.statement).where(
        statement_move.c.pool == pool,
        statement_move.c.state == state.value,
        ~moved_on.exists(),
    )


def _placed(pool: str) -> Select[*tuple[Any, ...]]:
    newest = statement_move.alias("newest")
    last_no = (
        select(func.max(newest.c.move_no))
        .where(newest.c.pool == statement.c.pool, newest.c.statement == statement.c.statement)
        .scalar_subquery()
    )
    every = statement_move.alias("every")
    carried_fen = (
        select(cast(func.coalesce(func.sum(every.c.carried_fen), 0), BigInteger))
        .where(every.c.pool == statement.c.pool, every.c.statement == statement.c.statement)
        .scalar_subquery()
    )
    return (
        select(
            statement.c.statement,
            statement.c.merchant,
            statement.c.period_through,
            statement.c.issued_at,
            statement.c.closing_fen,
            carried_fen.label("carried_fen"),
            statement_move.c.state,
            statement_move.c.moved_at,
            statement_move.c.move_no,
        )
        .select_from(statement)
        .outerjoin(
            statement_move,
            and_(
                statement_move.c.pool == statement.c.pool,
                statement_move.c.statement == statement.c.statement,
                statement_move.c.move_no == last_no,
            ),
        )
        .where(statement.c.pool == pool)
    )


def _as_placed(row: Row[Any]) -> Placed:
    moved = row.state is not None
    return Placed(
        statement=row.statement,
        merchant=row.merchant,
        period_through=row.period_through,
        issued_at=row.issued_at,
        closing_fen=row.closing_fen,
        carried_fen=int(row.carried_fen),
        state=StatementState(row.state) if moved else StatementState.ISSUED,
        since=row.moved_at if moved else row.issued_at,
        last_move_no=row.move_no if moved else 0,
    )
