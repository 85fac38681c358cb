"""The sale on the page, and what its receipt says beside it."""

from datetime import date, datetime, timedelta
from uuid import UUID

from msgspec import UNSET, Struct, field

from protocol.counter import CounterAwards
from protocol.documents import Policy
from protocol.evidence import Evidence, proof_grade
from protocol.messages import Approved
from protocol.money import Points, format_quantity
from protocol.redemption import Limits, Tender, TenderProblem, points_wanted, tender
from protocol.sales import AnsweredBy, Fulfilment, Payment, SaleCaptured
from terminal.checkout.asking import terms_of
from terminal.domain.basket import Basket
from terminal.domain.card_pin import PinAsking
from terminal.domain.papers import ServiceOrder
from terminal.domain.ports import ReceiptFacts, SaleRow, TerminalIdentity
from terminal.domain.presented import Confirming, PresentedCode
from terminal.domain.proxy import Acting
from terminal.domain.sale import SaleState


class CurrentSale(Struct, frozen=True):
    """The sale on the page. ``code`` lives in memory only, and only until the sale ends.

    ``taken_up`` is the number of the parked basket (取单) that it was; ``acting`` who redeems it
    for somebody at home.
    """

    sale_id: UUID
    opened_at: datetime
    state: SaleState = SaleState.OPEN
    basket: Basket = field(default_factory=Basket)
    code: PresentedCode | None = None
    confirming: Confirming | None = None
    pin_asking: PinAsking | None = None
    approval: Approved | None = None
    approved_at: datetime | None = None
    answered_by: AnsweredBy = AnsweredBy.NOBODY
    points_chosen: int = 0
    captured: SaleCaptured | None = None
    taken_up: int | None = None
    acting: Acting | None = None


def is_shown_again(sale: CurrentSale, code: PresentedCode) -> bool:
    """Whether the page shows this very code already, or asks for its PIN."""
    if sale.code is not None:
        return sale.code.payload == code.payload
    return sale.pin_asking is not None and sale.pin_asking.card.payload == code.payload


def tender_of(sale: CurrentSale, policy: Policy) -> Tender | None:
    """How the basket is paid with the points chosen; None where they are too few for its goods."""
    terms = terms_of(policy)
    due = sale.basket.due(terms.limits)
    # A policy that came since the answer may let fewer points pay the same basket.
    wanted = points_wanted(due, terms)
    points = Points(min(sale.points_chosen, wanted.required + wanted.optional))
    answer = tender(due, terms, points)
    return None if isinstance(answer, TenderProblem) else answer


def is_too_old(sale: CurrentSale, policy: Policy, now: datetime) -> bool:
    """Whether the yes to a code was so long ago that the pool holds its points no more.

    What the terminal answered by itself lasts no longer: past that time the pool does not
    believe that a code of a few minutes was there, and the shop would not be paid.
    """
    return sale.approved_at is not None and now - sale.approved_at > timedelta(
        seconds=policy.hold_s
    )


def completed_sale(
    sale: CurrentSale,
    paid: Tender,
    *,
    receipt_no: str,
    day: date,
    catalogue_version: int,
    limits: Limits,
    evidence: Evidence | None,
    cashier: str | None = None,
    practice: bool = False,
) -> SaleCaptured:
    """The sale as its record keeps it. ``day`` is the business date; one in ``practice`` would be
    in nobody's books even if its record came to the server.
    """
    return SaleCaptured(
        sale_id=sale.sale_id,
        receipt_no=receipt_no,
        business_date=day,
        lines=sale.basket.frozen_lines(catalogue_version, limits),
        payment=Payment(
            points_for_goods=paid.points_for_goods,
            points_for_money=paid.points_for_money,
            cash_fen=paid.cash_fen,
            waived_fen=paid.waived_fen,
            rounded_up_fen=paid.rounded_up_fen,
        ),
        answered_by=sale.answered_by,
        account=sale.approval.account if sale.approval else None,
        evidence=evidence,
        proof_grade=proof_grade(evidence) if evidence else None,
        cashier=cashier,
        practice=practice,
        discounts=sale.basket.frozen_discounts(),
        presented_by=sale.acting.proxy.worker if sale.acting else None,
        beneficiary=sale.acting.beneficiary if sale.acting else None,
        proxy=sale.acting.proxy if sale.acting else UNSET,
    )


def orders_of(sale: SaleCaptured) -> tuple[ServiceOrder, ...]:
    """A paper for each voucher and work order: what is still to be had, and for which receipt."""
    return tuple(
        ServiceOrder(
            order_no=f"{sale.receipt_no}-{line.line_no}",
            receipt_no=sale.receipt_no,
            service=line.name,
            quantity=f"{format_quantity(line.quantity_milli)}{line.unit}",
            points=line.amount_points,
            place="",
            when="",
            provider="",
        )
        for line in sale.lines
        if line.fulfilment is not Fulfilment.AT_ONCE
    )


def proxy_name(sale: SaleCaptured, awards: CounterAwards | None) -> str:
    """Who redeemed a sale for somebody at home, as people call him; his id where the terminal
    knows him no more, empty for an ordinary sale.
    """
    if sale.proxy is UNSET:
        return ""
    worker, workers = sale.proxy.worker, awards.workers if awards is not None else ()
    return next((each.name for each in workers if each.worker == worker), worker)


def receipt_facts(
    identity: TerminalIdentity,
    policy: Policy,
    *,
    occurred_at: datetime,
    balance_before_points: int | None,
    copy_no: int = 0,
    record: bytes = b"",
    proxy_name: str = "",
) -> ReceiptFacts:
    """What a receipt says beside the sale."""
    return ReceiptFacts(
        occurred_at=occurred_at,
        shop_name=identity.shop_name,
        merchant_name=identity.merchant_name,
        pool_name=policy.pool_name,
        unit_name=policy.unit_name,
        unit_name_en=policy.unit_name_en,
        balance_before_points=balance_before_points,
        copy_no=copy_no,
        record=record,
        proxy_name=proxy_name,
    )


def sale_row(sale: CurrentSale, state: SaleState) -> SaleRow:
    """The sale's row on the disk as it enters ``state``; nothing is taken before it is captured."""
    return SaleRow(
        sale_id=sale.sale_id,
        state=state,
        opened_at=sale.opened_at,
        account=sale.approval.account if sale.approval else None,
        points=0,
        total_fen=sale.basket.due().money_fen,
        stood_in=sale.answered_by is AnsweredBy.STAND_IN,
        balance_points=sale.approval.balance_points if sale.approval else None,
        approved_at=sale.approved_at,
    )
