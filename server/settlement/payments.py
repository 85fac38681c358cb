"""Money to and from merchants: one proposes, another approves, the bank moves it, it is booked.

Each step is a fact of its own, so that a server that dies between two of them leaves a payment
whose state says what comes next. Only recording and bouncing move the books.
"""

from sqlalchemy import Connection, insert

from protocol.business_day import business_date
from protocol.money import format_yuan
from server.directory.accounts import BANK, bank_accounts, merchant_account
from server.directory.queries import cut_off_hour
from server.facts import FactDesk, FactStamp
from server.facts.actors import same_person
from server.facts.refused import Refused, stands_for_another
from server.ledger import (
    Asset,
    EntryDraft,
    Leg,
    Normal,
    Posted,
    open_account,
    post,
    transfers_of_entry,
)
from server.settlement.payments_open import open_statements, overclaimed_fen, payable_fen
from server.settlement.payments_store import move_payment, payment_of, payment_with_bank_ref
from server.settlement.payments_values import (
    ApprovePayment,
    BouncePayment,
    Direction,
    Payment,
    ProposePayment,
    RecordPaid,
    WithdrawPayment,
)
from server.settlement.states import PaymentMove, PaymentState, StatementState, advance_payment
from server.settlement.states_commands import follow_the_books
from server.settlement.states_keys import (
    BOUNCE_KEY,
    BOUNCE_KIND,
    PAID_OUT_CODE,
    PAYMENT_KEY,
    PAYMENT_KIND,
    RECEIVED_CODE,
)
from server.settlement.states_rights import refuse_all_but_finance
from server.settlement.states_store import (
    Placed,
    StateFault,
    placed_of,
    unknown_statement,
    unsettled_before,
    wrong_state,
)
from server.settlement.states_tables import payment as payment_table
from server.settlement.states_values import SettlingDone, SettlingProblem

PAYMENT_WORDS = {
    PaymentState.PROPOSED: "待批准 proposed",
    PaymentState.APPROVED: "已批准，待银行办理 approved",
    PaymentState.PAID: "已记账 paid",
    PaymentState.BOUNCED: "已退回 bounced",
    PaymentState.WITHDRAWN: "已撤回 withdrawn",
}


def register(desk: FactDesk) -> None:
    """Makes the desk apply payments."""
    desk.register("propose_payment", ProposePayment, propose_payment)
    desk.register("approve_payment", ApprovePayment, approve_payment)
    desk.register("withdraw_payment", WithdrawPayment, withdraw_payment)
    desk.register("record_paid", RecordPaid, record_paid)
    desk.register("bounce_payment", BouncePayment, bounce_payment)


def propose_payment(
    tx: Connection, stamp: FactStamp, command: ProposePayment
) -> SettlingDone | Refused:
    """Keep a proposal, which claims its amount of what is open.

    Refused: the statement is not confirmed, an earlier one is not settled, or less is open than
    the amount (the refusal says how much).
    """
    refused = refuse_all_but_finance(tx, stamp.pool, stamp.actor)
    if refused is not None:
        return refused
    before = payment_of(tx, stamp.pool, command.payment)
    if before is not None:
        return _proposed_before(before, stamp, command)
    placed = placed_of(tx, stamp.pool, command.statement)
    if placed is None:
        return unknown_statement(command.statement)
    refused = _not_to_be_paid(tx, stamp.pool, placed)
    if refused is not None:
        return refused
    opened = open_statements(tx, stamp.pool, placed)
    free_fen = payable_fen(opened, command.direction)
    if command.amount_fen > free_fen:
        return _above_open(placed, command.direction, opened[0].open_fen, free_fen)
    tx.execute(
        insert(payment_table).values(
            pool=stamp.pool,
            payment=command.payment,
            merchant=placed.merchant,
            statement=command.statement,
            direction=command.direction.value,
            amount_fen=command.amount_fen,
            note=command.note,
            proposed_by=stamp.actor,
            proposed_at=stamp.recorded_at,
            fact_no=stamp.fact_no,
        )
    )
    return SettlingDone(command.payment, PaymentState.PROPOSED.value)


def approve_payment(
    tx: Connection, stamp: FactStamp, command: ApprovePayment
) -> SettlingDone | Refused:
    """Let a proposal go to the bank.

    Refused: the same person proposed it, or less is open now than all that is claimed.
    """
    found = _found(tx, stamp, command.payment)
    if isinstance(found, Refused):
        return found
    if same_person(found.proposed_by, stamp.actor):
        return Refused(
            SettlingProblem.SAME_PERSON,
            "提出的人不能自己批准，请另一个人来批准"
            " / whoever proposed it cannot approve it; somebody else must",
        )
    if found.state in {PaymentState.APPROVED, PaymentState.PAID, PaymentState.BOUNCED}:
        return SettlingDone(found.payment, found.state.value, again=True)
    if advance_payment(found.state, PaymentMove.APPROVE) is None:
        return _wrong_payment_state(found, zh="请重新提出", en="propose another one")
    placed = _statement_of(tx, stamp.pool, found)
    refused = _not_to_be_paid(tx, stamp.pool, placed)
    if refused is not None:
        return refused
    opened = open_statements(tx, stamp.pool, placed)
    over_fen = overclaimed_fen(opened, found.direction)
    if over_fen > 0:
        free_fen = max(0, found.amount_fen - over_fen)
        return _above_open(placed, found.direction, opened[0].open_fen, free_fen)
    state = move_payment(tx, stamp, found, PaymentMove.APPROVE)
    return SettlingDone(found.payment, state.value)


def withdraw_payment(
    tx: Connection, stamp: FactStamp, command: WithdrawPayment
) -> SettlingDone | Refused:
    """Give up a payment that the bank has not made; its claim is free again."""
    found = _found(tx, stamp, command.payment)
    if isinstance(found, Refused):
        return found
    if found.state is PaymentState.WITHDRAWN:
        return SettlingDone(found.payment, found.state.value, again=True)
    if advance_payment(found.state, PaymentMove.WITHDRAW) is None:
        return _wrong_payment_state(
            found,
            zh="钱已付出，退回请记“退票”",
            en="the money has moved; if it came back, bounce it",
        )
    state = move_payment(tx, stamp, found, PaymentMove.WITHDRAW, says=command.reason)
    return SettlingDone(found.payment, state.value)


def record_paid(tx: Connection, stamp: FactStamp, command: RecordPaid) -> SettlingDone | Refused:
    """Book an approved payment that the bank has moved; it never asks what is open, since the
    money is gone, and was claimed until now.

    Refused: nobody approved it, the bank's reference stands for another payment, or its day is
    still to come.
    """
    found = _found(tx, stamp, command.payment)
    if isinstance(found, Refused):
        return found
    if found.bank_ref is not None:
        return _recorded_before(found, command)
    if advance_payment(found.state, PaymentMove.RECORD) is None:
        return _wrong_payment_state(
            found, zh="批准以后才能记账", en="it must be approved before it is recorded"
        )
    if command.paid_on > business_date(stamp.recorded_at, 0):
        return Refused(
            SettlingProblem.BAD_DAY,
            f"付款日期 {command.paid_on} 还没有到，请按银行回单填写"
            f" / {command.paid_on} is still to come; take the day of the bank's slip",
        )
    other = payment_with_bank_ref(tx, stamp.pool, command.bank_ref)
    if other is not None:
        return Refused(
            SettlingProblem.CONFLICT,
            f"银行流水号 {command.bank_ref} 已用于 {other}，请核对；一笔汇总转账请加 /1、/2 区分"
            f" / {command.bank_ref} stands for payment {other} already; check it",
        )
    transfer_no = _book(tx, stamp, found, memo=f"{command.bank_ref} {command.paid_on}")
    state = move_payment(
        tx,
        stamp,
        found,
        PaymentMove.RECORD,
        bank_ref=command.bank_ref,
        paid_on=command.paid_on,
        transfer_no=transfer_no,
    )
    follow_the_books(tx, stamp, _statement_of(tx, stamp.pool, found))
    return SettlingDone(found.payment, state.value)


def bounce_payment(
    tx: Connection, stamp: FactStamp, command: BouncePayment
) -> SettlingDone | Refused:
    """Mirror a recorded payment that came back; what it paid for is open again.

    Refused: it was never recorded.
    """
    found = _found(tx, stamp, command.payment)
    if isinstance(found, Refused):
        return found
    if found.state is PaymentState.BOUNCED:
        return SettlingDone(found.payment, found.state.value, again=True)
    if advance_payment(found.state, PaymentMove.BOUNCE) is None:
        return _wrong_payment_state(
            found, zh="只有已记账的才能退回", en="only what was recorded can bounce"
        )
    transfer_no = _book(tx, stamp, found, memo=command.reason, bounced=True)
    state = move_payment(
        tx, stamp, found, PaymentMove.BOUNCE, says=command.reason, transfer_no=transfer_no
    )
    follow_the_books(tx, stamp, _statement_of(tx, stamp.pool, found))
    return SettlingDone(found.payment, state.value)


def _book(
    tx: Connection, stamp: FactStamp, found: Payment, *, memo: str, bounced: bool = False
) -> int:
    """Book a payment or, where it bounced, its mirror; answers the transfer's number."""
    for plan in bank_accounts():
        open_account(
            tx,
            stamp.pool,
            plan.account,
            Asset(plan.asset),
            plan.kind,
            normal=Normal(plan.normal),
            floor_at_zero=plan.floor_at_zero,
            hot=plan.hot,
        )
    pays = found.direction is Direction.PAY
    debit, credit = merchant_account(found.merchant), BANK
    if pays == bounced:
        debit, credit = credit, debit
    code = PAID_OUT_CODE if pays else RECEIVED_CODE
    draft = EntryDraft(
        key=(BOUNCE_KEY if bounced else PAYMENT_KEY) + found.payment,
        kind=BOUNCE_KIND if bounced else PAYMENT_KIND,
        occurred_at=stamp.recorded_at,
        business_date=business_date(stamp.recorded_at, cut_off_hour(tx, stamp.pool)),
        legs=(Leg(Asset.FEN, code, debit, credit, found.amount_fen),),
        memo=memo,
    )
    posted = post(tx, stamp.pool, draft, recorded_at=stamp.recorded_at, fact_no=stamp.fact_no)
    if not isinstance(posted, Posted):
        raise StateFault(f"{draft.key}: {posted}")
    (transfer,) = transfers_of_entry(tx, stamp.pool, posted.entry_no)
    return transfer.transfer_no


def _found(tx: Connection, stamp: FactStamp, name: str) -> Payment | Refused:
    """The payment, for whoever may move money."""
    refused = refuse_all_but_finance(tx, stamp.pool, stamp.actor)
    if refused is not None:
        return refused
    return payment_of(tx, stamp.pool, name) or Refused(
        SettlingProblem.UNKNOWN_PAYMENT,
        f"没有这笔收付款：{name}，请先提出 / nobody proposed payment {name}",
    )


def _statement_of(tx: Connection, pool: str, found: Payment) -> Placed:
    placed = placed_of(tx, pool, found.statement)
    if placed is None:
        raise StateFault(f"payment {found.payment}: its statement is gone")
    return placed


def _not_to_be_paid(tx: Connection, pool: str, placed: Placed) -> Refused | None:
    if placed.state is not StatementState.CONFIRMED:
        return wrong_state(
            placed,
            zh="只有已确认而未结清的才能收付",
            en="only a confirmed statement that is not settled is paid",
        )
    earlier = unsettled_before(tx, pool, placed.merchant, placed.period_through)
    if earlier:
        return Refused(
            SettlingProblem.EARLIER_OPEN,
            f"更早的对账单 {earlier[0].statement} 还没有结清，请先结清或结转"
            f" / the earlier statement {earlier[0].statement} is not settled;"
            " pay it or carry it forward first",
        )
    return None


def _above_open(placed: Placed, direction: Direction, open_fen: int, free_fen: int) -> Refused:
    owes = "积分池应付商户 pool owes" if open_fen >= 0 else "商户应付积分池 merchant owes"
    what = "付款 pay" if direction is Direction.PAY else "收款 receive"
    return Refused(
        SettlingProblem.ABOVE_OPEN,
        f"对账单 {placed.statement} 未结 {format_yuan(abs(open_fen))} 元（{owes}），"
        f"现在最多还能{what} {format_yuan(free_fen)} 元，请改金额"
        f" / {format_yuan(abs(open_fen))} yuan are open, {format_yuan(free_fen)} may be moved",
    )


def _wrong_payment_state(found: Payment, *, zh: str, en: str) -> Refused:
    return Refused(
        SettlingProblem.WRONG_STATE,
        f"收付款 {found.payment} 现在是“{PAYMENT_WORDS[found.state]}”，{zh}"
        f" / payment {found.payment} is {found.state.value}: {en}",
    )


def _proposed_before(
    before: Payment, stamp: FactStamp, command: ProposePayment
) -> SettlingDone | Refused:
    was = (before.statement, before.direction, before.amount_fen, before.note, before.proposed_by)
    asked = (command.statement, command.direction, command.amount_fen, command.note, stamp.actor)
    if was == asked:
        return SettlingDone(before.payment, before.state.value, again=True)
    says = stands_for_another(("收付款编号", "payment"), before.payment, stands=was, asked=asked)
    return Refused(SettlingProblem.CONFLICT, says)


def _recorded_before(found: Payment, command: RecordPaid) -> SettlingDone | Refused:
    if (found.bank_ref, found.paid_on) == (command.bank_ref, command.paid_on):
        return SettlingDone(found.payment, found.state.value, again=True)
    return Refused(
        SettlingProblem.CONFLICT,
        f"收付款 {found.payment} 已按流水号 {found.bank_ref}（{found.paid_on}）记账，"
        f"与这次（{command.bank_ref}，{command.paid_on}）不同，不能再改"
        f" / it was recorded under {found.bank_ref} of {found.paid_on}, asked was"
        f" {command.bank_ref} of {command.paid_on}; what was recorded stands",
    )
