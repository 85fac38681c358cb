"""I9, what became of statements: states follow their table, every payment and every adjustment
has its one entry in the books, and what is settled has nothing open.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, or_, select

from server.db.paging import Tick, streamed, untold
from server.db.violation import Violation
from server.directory.accounts import BANK, POOL_FUND, merchant_account
from server.directory.queries import merchants
from server.facts.actors import same_person
from server.ledger import Asset
from server.ledger.tables import entry, transfer
from server.settlement.day_sums_tables import placed_line
from server.settlement.disputes_values import Verdict
from server.settlement.payments_open import open_of_each
from server.settlement.payments_values import Direction
from server.settlement.states import (
    PaymentMove,
    PaymentState,
    StatementMove,
    StatementState,
    advance,
    advance_payment,
)
from server.settlement.states_keys import (
    ADJUSTMENT_CODE,
    ADJUSTMENT_KEY,
    ADJUSTMENT_KIND,
    BOUNCE_KEY,
    PAID_OUT_CODE,
    PAYMENT_KEY,
    RECEIVED_CODE,
)
from server.settlement.states_store import placed_from
from server.settlement.states_tables import (
    adjustment_proposal,
    dispute,
    dispute_answer,
    payment,
    payment_move,
    statement_move,
)
from server.settlement.tables import statement


def check_payments(tx: Connection, pool: str, tick: Tick = untold) -> Iterator[Violation]:
    """Payments, adjustments and the states of statements, held against the books."""
    yield from _check_parties(tx, pool)
    yield from _check_payment_moves(tx, pool, tick)
    yield from _check_payment_entries(tx, pool)
    yield from _check_strangers(tx, pool)
    yield from _check_adjustments(tx, pool)
    yield from _check_statement_moves(tx, pool, tick)
    yield from _check_disputed(tx, pool)
    yield from _check_open(tx, pool)


def _violation(pool: str, where: str, says: str) -> Violation:
    return Violation("I9", f"pool {pool}, {where}", says)


def _check_parties(tx: Connection, pool: str) -> Iterator[Violation]:
    """A payment is with the merchant whose statement it pays for."""
    rows = streamed(
        tx,
        select(payment.c.payment, payment.c.merchant, statement.c.merchant.label("owner"))
        .join(statement, _same(statement, payment, "statement"))
        .where(payment.c.pool == pool, payment.c.merchant != statement.c.merchant)
        .order_by(payment.c.payment),
    )
    for row in rows:
        says = f"is with {row.merchant}, for a statement of {row.owner}"
        yield _violation(pool, f"payment {row.payment}", says)


def _check_payment_moves(tx: Connection, pool: str, tick: Tick) -> Iterator[Violation]:
    """Every payment's moves are counted, follow the table, and two people made it."""
    rows = streamed(
        tx,
        select(payment_move, payment.c.proposed_by)
        .join(payment, _same(payment_move, payment, "payment"))
        .where(payment_move.c.pool == pool)
        .order_by(payment_move.c.payment, payment_move.c.move_no),
    )
    name, state, move_no = "", PaymentState.PROPOSED, 0
    for row in rows:
        if row.payment != name:
            name, state, move_no = row.payment, PaymentState.PROPOSED, 0
        move, move_no = PaymentMove(row.move), move_no + 1
        reached = advance_payment(state, move)
        if row.move_no != move_no or reached is None or reached.value != row.state:
            says = f"move {row.move_no} ({row.move}) takes it from {state} to {row.state}"
            yield _violation(pool, f"payment {name}", says)
        if move is PaymentMove.APPROVE and same_person(row.proposed_by, row.moved_by):
            says = f"proposed and approved by one person, {row.moved_by}"
            yield _violation(pool, f"payment {name}", says)
        state = PaymentState(row.state)
        tick(1)


def _check_payment_entries(tx: Connection, pool: str) -> Iterator[Violation]:
    """What a payment moved is what it says, once for paying and once for bouncing."""
    rows = streamed(
        tx,
        select(
            payment,
            payment_move.c.state,
            entry.c.key,
            transfer.c.asset,
            transfer.c.code,
            transfer.c.debit_account,
            transfer.c.credit_account,
            transfer.c.amount,
        )
        .join(payment_move, _same(payment_move, payment, "payment"))
        .join(transfer, _same(transfer, payment_move, "transfer_no"))
        .join(entry, _same(entry, transfer, "entry_no"))
        .where(payment.c.pool == pool)
        .order_by(payment.c.payment, payment_move.c.move_no),
    )
    for row in rows:
        pays = row.direction == Direction.PAY.value
        bounced = row.state == PaymentState.BOUNCED.value
        debit, credit = merchant_account(row.merchant), BANK
        if pays == bounced:
            debit, credit = credit, debit
        expected = (
            (BOUNCE_KEY if bounced else PAYMENT_KEY) + row.payment,
            Asset.FEN.value,
            PAID_OUT_CODE if pays else RECEIVED_CODE,
            debit,
            credit,
            row.amount_fen,
        )
        found = (row.key, row.asset, row.code, row.debit_account, row.credit_account, row.amount)
        if found != expected:
            yield _violation(pool, f"payment {row.payment}", f"booked {found}, not {expected}")


def _check_strangers(tx: Connection, pool: str) -> Iterator[Violation]:
    """Nothing passes the bank that is no payment."""
    rows = streamed(
        tx,
        select(transfer.c.transfer_no)
        .outerjoin(payment_move, _same(payment_move, transfer, "transfer_no"))
        .where(
            transfer.c.pool == pool,
            or_(transfer.c.debit_account == BANK, transfer.c.credit_account == BANK),
            payment_move.c.payment.is_(None),
        )
        .order_by(transfer.c.transfer_no),
    )
    for row in rows:
        yield _violation(pool, f"transfer {row.transfer_no}", "passes the bank and is no payment")


def _check_adjustments(tx: Connection, pool: str) -> Iterator[Violation]:
    """Every adjustment is one entry of its amount, and stands on a later statement than the one
    that was disputed; an adjustment without an answer is nobody's.
    """
    answered = {row.entry_no: row for row in tx.execute(_answers(pool))}
    rows = streamed(tx, _adjustments(pool))
    seen: dict[int, int] = defaultdict(int)
    for row in rows:
        seen[row.entry_no] += 1
        told = answered.get(row.entry_no)
        if told is None or row.key != ADJUSTMENT_KEY + told.dispute:
            yield _violation(pool, f"entry {row.key}", "adjusts, and answers no dispute")
        elif _adjusted(told) != (row.code, row.debit_account, row.credit_account, row.amount):
            yield _violation(
                pool, f"dispute {told.dispute}", f"books otherwise than {told.amount_fen}"
            )
        elif row.shown_through is not None and row.shown_through <= told.period_through:
            says = f"its adjustment stands on the statement through {row.shown_through}"
            yield _violation(pool, f"dispute {told.dispute}", says)
    for entry_no, told in answered.items():
        if told.proposed_by is not None and (
            told.approved_by is None or same_person(told.proposed_by, told.approved_by)
        ):
            says = f"one person, {told.proposed_by}, proposed and approved its adjustment"
            yield _violation(pool, f"dispute {told.dispute}", says)
        if seen[entry_no] != 1:
            says = f"its adjustment is booked {seen[entry_no]} times"
            yield _violation(pool, f"dispute {told.dispute}", says)


def _adjusted(told: Row[Any]) -> tuple[str, str, str, int]:
    owed = merchant_account(told.merchant)
    sides = (POOL_FUND, owed) if told.amount_fen > 0 else (owed, POOL_FUND)
    return (ADJUSTMENT_CODE, *sides, abs(told.amount_fen))


def _answers(pool: str) -> Select[*tuple[Any, ...]]:
    return (
        select(
            dispute_answer.c.entry_no,
            dispute_answer.c.amount_fen,
            dispute_answer.c.approved_by,
            # Before there were proposals, one person answered.
            adjustment_proposal.c.proposed_by,
            dispute.c.dispute,
            statement.c.merchant,
            statement.c.period_through,
        )
        .join(dispute, _same(dispute, dispute_answer, "dispute"))
        .join(statement, _same(statement, dispute, "statement"))
        .outerjoin(
            adjustment_proposal,
            and_(
                _same(adjustment_proposal, dispute_answer, "dispute"),
                adjustment_proposal.c.proposed_by == dispute_answer.c.answered_by,
                adjustment_proposal.c.amount_fen == dispute_answer.c.amount_fen,
                adjustment_proposal.c.reason == dispute_answer.c.reason,
            ),
        )
        .where(dispute_answer.c.pool == pool, dispute_answer.c.verdict == Verdict.ADJUSTED.value)
        .order_by(dispute_answer.c.fact_no)
    )


def _adjustments(pool: str) -> Select[*tuple[Any, ...]]:
    return (
        select(
            entry.c.entry_no,
            entry.c.key,
            transfer.c.code,
            transfer.c.debit_account,
            transfer.c.credit_account,
            transfer.c.amount,
            statement.c.period_through.label("shown_through"),
        )
        .join(transfer, _same(transfer, entry, "entry_no"))
        .outerjoin(placed_line, _same(placed_line, transfer, "transfer_no"))
        .outerjoin(statement, _same(statement, placed_line, "statement"))
        .where(entry.c.pool == pool, entry.c.kind == ADJUSTMENT_KIND)
        .order_by(entry.c.entry_no, transfer.c.position)
    )


def _check_statement_moves(tx: Connection, pool: str, tick: Tick) -> Iterator[Violation]:
    rows = streamed(
        tx,
        select(statement_move)
        .where(statement_move.c.pool == pool)
        .order_by(statement_move.c.statement, statement_move.c.move_no),
    )
    name, state, move_no = "", StatementState.ISSUED, 0
    for row in rows:
        if row.statement != name:
            name, state, move_no = row.statement, StatementState.ISSUED, 0
        reached, move_no = advance(state, StatementMove(row.move)), move_no + 1
        if row.move_no != move_no or reached is None or reached.value != row.state:
            says = f"move {row.move_no} ({row.move}) takes it from {state} to {row.state}"
            yield _violation(pool, f"statement {name}", says)
        state = StatementState(row.state)
        tick(1)


def _check_disputed(tx: Connection, pool: str) -> Iterator[Violation]:
    """A statement is disputed as long as, and only while, a dispute of it waits."""
    waits = (
        select(dispute.c.statement)
        .outerjoin(dispute_answer, _same(dispute_answer, dispute, "dispute"))
        .where(dispute.c.pool == pool, dispute_answer.c.dispute.is_(None))
    )
    waiting = set(tx.execute(waits).scalars())
    newest = statement_move.alias("newest")
    later = select(newest.c.move_no).where(
        newest.c.pool == statement_move.c.pool,
        newest.c.statement == statement_move.c.statement,
        newest.c.move_no > statement_move.c.move_no,
    )
    last = select(statement_move.c.statement).where(
        statement_move.c.pool == pool,
        statement_move.c.state == StatementState.DISPUTED.value,
        ~later.exists(),
    )
    disputed = set(tx.execute(last).scalars())
    for name in sorted(waiting - disputed):
        yield _violation(pool, f"statement {name}", "a dispute of it waits, and it is not disputed")
    for name in sorted(disputed - waiting):
        yield _violation(pool, f"statement {name}", "is disputed, and no dispute of it waits")


def _check_open(tx: Connection, pool: str) -> Iterator[Violation]:
    """What is settled has nothing open, and what is confirmed has something."""
    for merchant in merchants(tx, pool):
        of_merchant = placed_from(tx, pool, merchant.merchant, date.min)
        for each in open_of_each(tx, pool, of_merchant):
            state = each.placed.state
            wrong = (
                each.open_fen != 0
                if state is StatementState.SETTLED
                else each.open_fen == 0 and state is StatementState.CONFIRMED
            )
            if wrong:
                says = f"is {state}, with {each.open_fen} fen open"
                yield _violation(pool, f"statement {each.placed.statement}", says)


def _same(left: Any, right: Any, *names: str) -> Any:
    """That the rows of two tables agree in the pool and in these columns."""
    return and_(*(left.c[name] == right.c[name] for name in ("pool", *names)))
