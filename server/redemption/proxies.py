"""代兑换: a sale that a worker made for a resident, its limits, and the delivery to the door.

What the terminal can know must hold, or the sale is parked; what only the server knows, how often
a worker redeemed for others that day at other shops, is noted: the goods are gone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, structs
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    case,
    distinct,
    func,
    insert,
    select,
)

from protocol.business_day import business_date
from protocol.evidence import ManualEvidence
from protocol.proxy import MAX_HOW_CHARS, MAX_PLACE_CHARS, Proxy, ProxyDelivered
from protocol.sales import SaleCaptured
from server.awards import awarder_of
from server.awards.counter import has_pin, may_register_at, proxy_rules_of
from server.awards.tables import awarder
from server.directory import pool_terms, resident_of
from server.facts import FactStamp
from server.facts.refused import Refused
from server.redemption.booked import Booked, Booking, Duplicate, Parked
from server.redemption.capture import Told, book_sale
from server.redemption.proxy_tables import proxy_delivery, proxy_sale
from server.redemption.queries import sale_of
from server.redemption.states import SaleState
from server.redemption.tables import refund, sale

LISTED_MAX = 500
LONGEST_DELIVERY = timedelta(days=60)


class ConfirmDelivery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The office knows that it came to the door; ``how`` says from whom."""

    sale_id: Annotated[str, Meta(max_length=36)]
    delivered_on: date
    said_by: Annotated[str, Meta(min_length=1, max_length=80)]
    how: Annotated[str, Meta(min_length=1, max_length=MAX_HOW_CHARS)]


class DeliveryConfirmed(Struct, frozen=True, kw_only=True):
    """It is at the door; ``again``: that was known."""

    sale_id: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class ProxySale:
    """Something that a worker redeemed for somebody. ``overdue``: nobody said that it arrived."""

    sale_id: str
    receipt_no: str
    terminal: str
    worker: str
    worker_name: str
    account: str
    beneficiary: str
    consent: str
    place: str
    business_date: date
    deliver_by: date
    points: int
    delivered_on: date | None
    how: str
    came_back: bool
    overdue: bool


def book_sold(tx: Connection, told: Told, happening: SaleCaptured) -> Booking:
    """Book a sale; one that a worker made for a resident with who, with whose word, for where."""
    proxy = happening.proxy
    if proxy is UNSET:
        return book_sale(tx, told, happening)
    before = sale_of(tx, told.terms.pool, happening.sale_id)
    if before is not None and before.state is SaleState.CAPTURED:
        # What is booked stays so, whatever the office has closed since: it is told again.
        return book_sale(tx, told, happening)
    problem = _problem(tx, told, happening, proxy)
    if problem is not None:
        return Parked(problem)
    booked = book_sale(tx, told, happening)
    if not isinstance(booked, Booked):
        return booked
    latest = happening.business_date + LONGEST_DELIVERY
    tx.execute(
        insert(proxy_sale).values(
            pool=told.terms.pool,
            sale_id=str(happening.sale_id),
            worker=proxy.worker,
            account=happening.account,
            beneficiary=happening.beneficiary,
            consent=proxy.consent.value,
            place=proxy.place,
            business_date=happening.business_date,
            deliver_by=max(happening.business_date, min(proxy.deliver_by, latest)),
            points=happening.payment.points,
            fact_no=told.stamp.fact_no,
        )
    )
    over = _over_limit(tx, told.terms.pool, proxy.worker, happening.business_date)
    says = "；".join(each for each in (booked.says, over) if each)
    return Booked(overdraft_points=booked.overdraft_points, says=says)


def book_delivered(tx: Connection, told: Told, happening: ProxyDelivered) -> Booking:
    """Note that it is at the door, once."""
    pool, sale_id = told.terms.pool, str(happening.sale_id)
    problem = told.time_problem(happening.business_date)
    if problem is not None:
        return Parked(problem)
    if not 0 < len(happening.how) <= MAX_HOW_CHARS or not has_pin(tx, pool, happening.worker):
        return Parked("送达记录不完整，请运营方核实 / who delivered, or how, is not known")
    made = _note_delivery(
        tx,
        told.stamp,
        ConfirmDelivery(
            sale_id=sale_id,
            delivered_on=happening.business_date,
            said_by=happening.worker,
            how=happening.how,
        ),
    )
    if isinstance(made, Refused):
        return Parked(made.says)
    return Duplicate() if made.again else Booked()


def confirm_delivery(
    tx: Connection, stamp: FactStamp, command: ConfirmDelivery
) -> DeliveryConfirmed | Refused:
    """The office notes a delivery. Refused: no such proxy sale, or a day that has not come."""
    today = business_date(stamp.recorded_at, pool_terms(tx, stamp.pool).cut_off_hour)
    if command.delivered_on > today:
        return Refused("future_day", f"{command.delivered_on} 还没有到 / has not come yet")
    return _note_delivery(tx, stamp, command)


def proxy_sales(
    tx: Connection, pool: str, today: date, *, undelivered: bool = False, limit: int = LISTED_MAX
) -> Sequence[ProxySale]:
    """What waits for its delivery first, by its last day; then the newest."""
    own = proxy_sale.c
    waits = case((and_(proxy_delivery.c.delivered_on.is_(None), ~_came_back()), 1), else_=0)
    asked = (
        _shown(pool)
        .order_by(waits.desc(), case((waits == 1, own.deliver_by), else_=None), own.fact_no.desc())
        .limit(limit)
    )
    if undelivered:
        asked = asked.where(waits == 1)
    return [_proxy_sale(row, today) for row in tx.execute(asked)]


def proxy_sale_of(tx: Connection, pool: str, sale_id: str, today: date) -> ProxySale | None:
    """Who redeemed this sale for the resident, and for which door; None where nobody did."""
    row = tx.execute(_shown(pool).where(proxy_sale.c.sale_id == sale_id)).one_or_none()
    return _proxy_sale(row, today) if row is not None else None


def _came_back() -> ColumnElement[bool]:
    return (
        select(refund.c.sale_id)
        .where(refund.c.pool == proxy_sale.c.pool, refund.c.sale_id == proxy_sale.c.sale_id)
        .exists()
    )


def _shown(pool: str) -> Select[Any]:
    own = proxy_sale.c
    at_door = and_(proxy_delivery.c.pool == own.pool, proxy_delivery.c.sale_id == own.sale_id)
    return (
        select(
            proxy_sale,
            sale.c.receipt_no,
            sale.c.terminal,
            awarder.c.name,
            proxy_delivery.c.delivered_on,
            proxy_delivery.c.how,
            _came_back().label("came_back"),
        )
        .select_from(
            proxy_sale.join(sale, and_(sale.c.pool == own.pool, sale.c.sale_id == own.sale_id))
            .join(awarder, and_(awarder.c.pool == own.pool, awarder.c.awarder == own.worker))
            .outerjoin(proxy_delivery, at_door)
        )
        .where(own.pool == pool)
    )


def _proxy_sale(row: Row[Any], today: date) -> ProxySale:
    return ProxySale(
        sale_id=row.sale_id,
        receipt_no=row.receipt_no or "",
        terminal=row.terminal,
        worker=row.worker,
        worker_name=row.name,
        account=row.account,
        beneficiary=row.beneficiary or "",
        consent=row.consent,
        place=row.place,
        business_date=row.business_date,
        deliver_by=row.deliver_by,
        points=row.points,
        delivered_on=row.delivered_on,
        how=row.how or "",
        came_back=row.came_back,
        overdue=row.delivered_on is None and not row.came_back and row.deliver_by < today,
    )


def _problem(tx: Connection, told: Told, happening: SaleCaptured, proxy: Proxy) -> str | None:
    pool = told.terms.pool
    if happening.account is None or happening.presented_by != proxy.worker:
        return "代兑换要有居民和代办人 / a proxy redeems for a resident, and says who he is"
    if isinstance(happening.evidence, ManualEvidence):
        return "代兑换要有居民的码或卡 / a proxy has the resident's own code or card with him"
    if not 0 < len(proxy.place) <= MAX_PLACE_CHARS:
        return "代兑换没有写送到哪里 / it is not said to which door"
    who = awarder_of(tx, pool, proxy.worker)
    if who is None or not has_pin(tx, pool, proxy.worker):
        return (
            f"代办人 {proxy.worker[:64]} 没有登记，请运营方核实 / this proxy is nobody of the pool"
        )
    if who.account is not None and who.account in {happening.account, happening.beneficiary}:
        return f"{who.name} 不能给自己代兑换 / nobody is his own proxy"
    if happening.beneficiary is not None and resident_of(tx, pool, happening.beneficiary) is None:
        return "受益人没有登记 / the beneficiary is no resident"
    if told.by_office:
        return None
    if proxy_rules_of(tx, pool) is None or not may_register_at(tx, pool, told.terminal.shop):
        return "这里没有开通代兑换，请运营方核实 / no proxies here: the operator decides"
    return None


def _over_limit(tx: Connection, pool: str, worker: str, day: date) -> str:
    """What of a worker's day is above the rules; empty where nothing is."""
    rules = proxy_rules_of(tx, pool)
    if rules is None:
        return ""
    row = tx.execute(
        select(
            func.count(distinct(proxy_sale.c.account)),
            func.coalesce(func.sum(proxy_sale.c.points), 0),
        ).where(
            proxy_sale.c.pool == pool,
            proxy_sale.c.worker == worker,
            proxy_sale.c.business_date == day,
        )
    ).one()
    residents, points = int(row[0]), int(row[1])
    if residents > rules.residents_a_day:
        return (
            f"代办人当天代兑换 {residents} 位居民，上限 {rules.residents_a_day} 位，请核实"
            f" / a proxy for {residents} residents that day, above {rules.residents_a_day}"
        )
    if rules.points_a_day is not None and points > rules.points_a_day:
        return (
            f"代办人当天代兑换 {points} 积分，上限 {rules.points_a_day}，请核实"
            f" / {points} points by proxy that day, above {rules.points_a_day}"
        )
    return ""


def _note_delivery(
    tx: Connection, stamp: FactStamp, command: ConfirmDelivery
) -> DeliveryConfirmed | Refused:
    own = (proxy_sale.c.pool == stamp.pool, proxy_sale.c.sale_id == command.sale_id)
    if tx.execute(select(proxy_sale.c.sale_id).where(*own)).first() is None:
        return Refused(
            "unknown_proxy",
            f"没有这笔代兑换：{command.sale_id}，请核对；若刚办，请等终端上传"
            f" / no such proxy sale: {command.sale_id}",
        )
    there = select(proxy_delivery.c.sale_id).where(
        proxy_delivery.c.pool == stamp.pool, proxy_delivery.c.sale_id == command.sale_id
    )
    if tx.execute(there).first() is not None:
        return DeliveryConfirmed(sale_id=command.sale_id, again=True)
    row = structs.asdict(command)
    tx.execute(insert(proxy_delivery).values(pool=stamp.pool, fact_no=stamp.fact_no, **row))
    return DeliveryConfirmed(sale_id=command.sale_id)
