"""Booking what a terminal tells: a voucher was used there, or a service done, as confirmed."""

from sqlalchemy import Connection

from protocol.evidence import SlotEvidence
from protocol.sales import OrderFulfilled
from server.facts.refused import Refused
from server.redemption.booked import Booked, Booking, Duplicate, Parked
from server.redemption.capture import Told
from server.redemption.evidence import is_proven
from server.redemption.fulfilling import Doing, fulfil
from server.redemption.order_values import MAX_MILLI
from server.redemption.orders import moved_before, order_of
from server.redemption.phone_evidence import PhoneEvidence, note_phone_use
from server.redemption.slot_spent import slot_use


def book_fulfilled(tx: Connection, told: Told, happening: OrderFulfilled) -> Booking:
    """Pay the terminal's merchant for what was done, once; what cannot be booked is parked.

    The resident's own code must have been shown: a provider's word alone pays nobody.
    """
    problem = told.time_problem(happening.business_date)
    if problem is None and not 1 <= happening.units_milli <= MAX_MILLI:
        problem = f"数量不对：{happening.units_milli} / no quantity: {happening.units_milli}"
    if problem is not None:
        return Parked(problem)
    pool, fulfilment_id = told.terms.pool, happening.fulfilment_id
    order = order_of(tx, pool, happening.order_id)
    # Told again, its code is used up by itself: what stands is answered, and books nothing.
    again = moved_before(tx, pool, str(fulfilment_id)) is not None
    proven = (
        again
        or order is None
        or is_proven(
            tx,
            told.terms,
            order.account,
            happening.confirmation,
            told.envelope,
            proof_holds=told.proof_holds,
            used_for=fulfilment_id,
            recorded_at=told.told_at,
        )
    )
    if not proven:
        return Parked(
            "居民确认验证不通过，请让本人重新出示居民码"
            " / the confirmation is not this resident's: ask for the resident's own code"
        )
    if order is not None and not again and _is_spent(tx, told, order.account, happening):
        return Parked(
            "这个居民码已用过一次，一个码只能确认一件事；请让本人出示积分卡，或换了新码再办"
            " / this code stands for something else: ask for the card, or for the next code"
        )
    done = fulfil(
        tx,
        told.stamp,
        Doing(
            move_id=str(happening.fulfilment_id),
            content_hash=told.content_hash,
            order_id=happening.order_id,
            merchant=told.terminal.merchant,
            shop=told.terminal.shop,
            units_milli=happening.units_milli,
            day=happening.business_date,
            at=told.envelope.occurred_at,
            says=happening.cashier or "",
        ),
    )
    if isinstance(done, Refused):
        return Parked(done.says)
    if done.again:
        return Duplicate()
    if isinstance(happening.confirmation, PhoneEvidence):
        note_phone_use(
            tx,
            told.stamp,
            happening.confirmation,
            used_for=fulfilment_id,
            terminal=told.terminal.terminal,
        )
    return Booked()


def _is_spent(tx: Connection, told: Told, account: str, happening: OrderFulfilled) -> bool:
    """Whether a slot that was shown stands for something else; a phone's code is judged with its
    proof, and a card's proof is of this fulfilment alone.
    """
    code = happening.confirmation
    return (
        isinstance(code, SlotEvidence)
        and slot_use(tx, told.terms, account, code, told.terminal.terminal) is not None
    )
