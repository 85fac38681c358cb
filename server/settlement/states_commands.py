"""Confirming statements, letting them lapse, carrying them forward, and how long it may take."""

from sqlalchemy import Connection, insert

from protocol.money import format_yuan
from server.facts import FactDesk, FactStamp
from server.facts.refused import Refused
from server.settlement.payments_open import OpenStatement, open_of_each, open_statements
from server.settlement.states import StatementMove, StatementState
from server.settlement.states_rights import (
    party_of,
    refuse_all_but_finance,
    refuse_all_but_operators,
)
from server.settlement.states_store import (
    Placed,
    deadline_of,
    in_state,
    move,
    placed_of,
    policies,
    unknown_statement,
    unsettled_before,
    wrong_state,
)
from server.settlement.states_tables import confirm_policy
from server.settlement.states_values import (
    LAPSED_AT_ONCE,
    CarryForward,
    ConfirmStatement,
    Lapsed,
    LapseStatements,
    SetConfirmDays,
    SettlingDone,
    SettlingProblem,
)

_AGREED = (StatementState.CONFIRMED, StatementState.SETTLED)


def register(desk: FactDesk) -> None:
    """Makes the desk apply what becomes of statements."""
    desk.register("confirm_statement", ConfirmStatement, confirm_statement)
    desk.register("lapse_statements", LapseStatements, lapse_statements)
    desk.register("carry_forward", CarryForward, carry_forward)
    desk.register("set_confirm_days", SetConfirmDays, set_confirm_days)


def confirm_statement(
    tx: Connection, stamp: FactStamp, command: ConfirmStatement
) -> SettlingDone | Refused:
    """The merchant agrees. With nothing open the statement is settled at once.

    Refused: it is not his, it is disputed, or an operator does not say how the merchant said so.
    """
    placed = reachable(tx, stamp, command.statement, on_behalf=command.on_behalf)
    if isinstance(placed, Refused):
        return placed
    if placed.state in _AGREED:
        return SettlingDone(placed.statement, placed.state.value, again=True)
    if placed.state is not StatementState.ISSUED:
        return wrong_state(
            placed,
            zh="请先等异议全部答复，再确认",
            en="confirm it when all disputes are answered",
        )
    placed = move(tx, stamp, placed, StatementMove.CONFIRM, says=command.on_behalf)
    return SettlingDone(placed.statement, pay_off(tx, stamp, placed).state.value)


def lapse_statements(tx: Connection, stamp: FactStamp, _command: LapseStatements) -> Lapsed:
    """Confirm what nobody disputed in time; the ones that waited longest come first."""
    set_days = policies(tx, stamp.pool)
    due = []
    for placed in in_state(tx, stamp.pool, StatementState.ISSUED):
        deadline = deadline_of(placed, set_days)
        if deadline <= stamp.recorded_at:
            due.append((deadline, placed.period_through, placed.statement, placed))
    # Only the first ones are taken, so everybody must agree which they are.
    due.sort(key=lambda each: each[:3])
    now = [placed for _, _, _, placed in due[:LAPSED_AT_ONCE]]
    for opened in open_of_each(tx, stamp.pool, now):
        confirmed = move(tx, stamp, opened.placed, StatementMove.LAPSE)
        if opened.open_fen == 0:
            move(tx, stamp, confirmed, StatementMove.PAY_OFF)
    lapsed = tuple(placed.statement for placed in now)
    return Lapsed(lapsed, more=len(due) > LAPSED_AT_ONCE)


def carry_forward(
    tx: Connection, stamp: FactStamp, command: CarryForward
) -> SettlingDone | Refused:
    """Settle a statement, and earlier ones, by leaving what is open to the next opening.

    Refused: it or an earlier one is not confirmed, or a payment of one of them waits.
    """
    refused = refuse_all_but_finance(tx, stamp.pool, stamp.actor)
    if refused is not None:
        return refused
    placed = placed_of(tx, stamp.pool, command.statement)
    if placed is None:
        return unknown_statement(command.statement)
    if placed.state is StatementState.SETTLED:
        return SettlingDone(placed.statement, placed.state.value, again=True)
    both = [*unsettled_before(tx, stamp.pool, placed.merchant, placed.period_through), placed]
    opened = []
    for each in both:
        if each.state is not StatementState.CONFIRMED:
            return wrong_state(
                each, zh="确认以后才能结转", en="only what is confirmed can be carried forward"
            )
        (found,) = open_of_each(tx, stamp.pool, [each])
        if found.pay_claimed_fen or found.receive_claimed_fen:
            return _pending(found)
        opened.append(found)
    for found in opened:
        move(
            tx,
            stamp,
            found.placed,
            StatementMove.CARRY_FORWARD,
            says=command.reason,
            carried_fen=found.open_fen,
        )
    return SettlingDone(placed.statement, StatementState.SETTLED.value)


def set_confirm_days(
    tx: Connection, stamp: FactStamp, command: SetConfirmDays
) -> SettlingDone | Refused:
    """Set the days for confirming, for statements that are issued from now on."""
    refused = refuse_all_but_operators(tx, stamp.pool, stamp.actor)
    if refused is not None:
        return refused
    set_days = policies(tx, stamp.pool)
    if set_days and set_days[-1][1] == command.confirm_days:
        return SettlingDone("confirm_days", str(command.confirm_days), again=True)
    tx.execute(
        insert(confirm_policy).values(
            pool=stamp.pool,
            fact_no=stamp.fact_no,
            confirm_days=command.confirm_days,
            set_by=stamp.actor,
            set_at=stamp.recorded_at,
        )
    )
    return SettlingDone("confirm_days", str(command.confirm_days))


def reachable(
    tx: Connection, stamp: FactStamp, statement: str, *, on_behalf: str
) -> Placed | Refused:
    """The statement, for its merchant, or for an operator who says how the merchant told him.

    Another merchant's is answered like one that is not there.
    """
    placed = placed_of(tx, stamp.pool, statement)
    party = party_of(tx, stamp.pool, stamp.actor)
    if party is None:
        return Refused(
            SettlingProblem.NOT_ALLOWED,
            "请先登录 / sign in first",
        )
    if placed is None or party.merchant not in {None, placed.merchant}:
        return unknown_statement(statement)
    if party.merchant is None and not on_behalf.strip():
        return Refused(
            SettlingProblem.NEEDS_WORD,
            "代商户办理，请写明商户是怎样答复的（电话、书面等）"
            " / say how the merchant told you (by telephone, in writing)",
        )
    return placed


def pay_off(tx: Connection, stamp: FactStamp, placed: Placed) -> Placed:
    """Settle a confirmed statement of which nothing is open."""
    (opened,) = open_of_each(tx, stamp.pool, [placed])
    if placed.state is StatementState.CONFIRMED and opened.open_fen == 0:
        return move(tx, stamp, placed, StatementMove.PAY_OFF)
    return placed


def follow_the_books(tx: Connection, stamp: FactStamp, placed: Placed) -> None:
    """After money moved for a statement: settle what nothing is open of any more, and open
    again what something is open of, on it and on later ones.
    """
    for each in open_statements(tx, stamp.pool, placed):
        if each.placed.state is StatementState.CONFIRMED and each.open_fen == 0:
            move(tx, stamp, each.placed, StatementMove.PAY_OFF)
        elif each.placed.state is StatementState.SETTLED and each.open_fen != 0:
            move(tx, stamp, each.placed, StatementMove.REOPEN)


def _pending(found: OpenStatement) -> Refused:
    waiting_fen = found.pay_claimed_fen + found.receive_claimed_fen
    return Refused(
        SettlingProblem.PAYMENT_PENDING,
        f"对账单 {found.placed.statement} 还有 {format_yuan(waiting_fen)} 元收付款没有办完，"
        "请先记账或撤回 / payments of"
        f" {format_yuan(waiting_fen)} yuan wait; record or withdraw them first",
    )
