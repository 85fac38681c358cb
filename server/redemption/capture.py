"""Booking a sale that happened: points to the merchant, money from the pool, takings noted.

The goods are gone, so a sale by the rules always posts: what the resident's points do not
cover is an offline overdraft, never a negative balance, and the merchant is paid.
"""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from msgspec import Raw
from msgspec.structs import replace
from sqlalchemy import Connection

from protocol.business_day import business_date
from protocol.journal import Envelope
from protocol.money import price_of, rate_of
from protocol.sales import SaleCaptured, SaleLine
from server.db.working_set import working
from server.directory import (
    Contract,
    PoolTerms,
    Terminal,
    contract_on,
    was_sold_at,
)
from server.directory.accounts import (
    LAPSED_POINTS,
    POOL_FUND,
    TAKINGS_CONTRA,
    card_account,
    merchant_account,
    overdraft_account,
    redeemed_account,
    takings_account,
)
from server.directory.bearer import Spend, bearer_of, holder_account
from server.facts import FactStamp
from server.ledger import Asset, EntryDraft, Leg, Posted, Taken, balance, cover, post, take_hold
from server.redemption.authorise import NOT_YET_CAPTURED, hold_key
from server.redemption.booked import Booked, Booking, Duplicate, Parked
from server.redemption.card_pins import no_pin_problem, true_grade
from server.redemption.evidence import most_points, sale_is_proven
from server.redemption.limits import accepted_terms, categories_problem, note_over_limit
from server.redemption.manual import is_of_its_question
from server.redemption.orders import is_order, open_orders, orders_problem
from server.redemption.phone_evidence import PhoneEvidence, is_as_asked, note_phone_use
from server.redemption.queries import LINES, Sale, sale_of
from server.redemption.rows import SALE, SALE_LINE
from server.redemption.slot_limit import slot_limit_problem
from server.redemption.states import SaleMove, SaleState, advance
from server.redemption.stock import goods_out, move_goods
from server.redemption.sums import discounts_problem, lines_problem, payment_problem, time_problem
from server.redemption.told_before import told_otherwise

SALE_KEY = "sale:"
REDEMPTION_CODE = "redemption"
OVERDRAWN_CODE = "redemption_overdrawn"
REIMBURSEMENT_CODE = "reimbursement"
TAKINGS_CODE = "takings"
LAPSED_CODE = "lapsed"

_PRACTICE = "练习模式的单据，不入账 / made in practice mode, not booked"


@dataclass(frozen=True, slots=True)
class Told:
    """A happening with the record that tells it.

    ``proof_holds`` is what the edge found of a card's proof, None where there is none.
    ``by_office`` where a person of the pool books a record that was parked.
    """

    stamp: FactStamp
    terms: PoolTerms
    terminal: Terminal
    envelope: Envelope
    proof_holds: bool | None
    by_office: bool = False

    @property
    def told_at(self) -> datetime | None:
        """When the record came, by which it may be too late; None where a person has looked."""
        return None if self.by_office else self.stamp.recorded_at

    @property
    def content_hash(self) -> str:
        """What makes a happening this one, whichever record tells it."""
        return content_hash(self.envelope.happening)

    def time_problem(self, day: date) -> str | None:
        """What is wrong with the record's time and the business date that it claims, or None."""
        return time_problem(
            self.envelope.occurred_at,
            day,
            enrolled_at=self.terminal.enrolled_at,
            recorded_at=self.stamp.recorded_at,
            hour=self.terms.cut_off_hour,
        )


@dataclass(frozen=True, slots=True)
class _Worth:
    """What a sale costs the pool, in fen, and the contract that says so."""

    reimbursement_fen: int
    contract: Contract | None


def content_hash(happening: Raw) -> str:
    """Hex SHA-256 of a happening's bytes."""
    return hashlib.sha256(b"HUIDIAN1/happening\0" + bytes(happening)).hexdigest()


def at_contract(lines: tuple[SaleLine, ...], contract: Contract | None) -> tuple[SaleLine, ...]:
    """The lines with what the contract says that a unit priced in points costs the pool, where it
    says so; frozen with the sale, so that a refund gives back the same.
    """
    if contract is None or contract.own_terms is None:
        return lines
    stated = contract.own_terms.item_reimbursement_fen
    return tuple(
        replace(line, reimbursement_fen=stated[line.item_id])
        if line.unit_price_points is not None and line.item_id in stated
        else line
        for line in lines
    )


def goods_reimbursement_fen(lines: tuple[SaleLine, ...]) -> int:
    """What goods priced in points cost the pool when they are sold, at the rates frozen in the
    lines. Vouchers and work orders cost nothing yet: whoever does them is paid then.
    """
    return sum(
        price_of(line.reimbursement_fen, line.quantity_milli)
        for line in lines
        if line.unit_price_points is not None and not is_order(line)
    )


def money_reimbursement_fen(points: int, fen_per_point: int | None, reimbursement_bp: int) -> int:
    """What points that paid money cost the pool."""
    return rate_of(points * (fen_per_point or 0), reimbursement_bp)


def book_sale(tx: Connection, told: Told, sale: SaleCaptured) -> Booking:
    """Book a captured sale once; what cannot be booked is parked and changes nothing."""
    before = sale_of(tx, told.terms.pool, sale.sale_id)
    if before is not None and before.state is SaleState.CAPTURED:
        if before.content_hash == told.content_hash:
            return Duplicate()
        return told_otherwise(before, sale, told.content_hash, told.terminal.merchant)
    pool, account = told.terms.pool, sale.account
    holder = holder_account(tx, pool, account) if account is not None else None
    problem = _problem(tx, told, sale, before, holder)
    if problem is not None:
        return Parked(problem)
    worth = _worth(tx, told, sale)
    if isinstance(worth, Parked):
        return worth
    covered = _cover(tx, told, sale, before, holder)
    overdraft = sale.payment.points - covered
    _write(tx, told, sale, before, worth=worth, overdraft=overdraft)
    if isinstance(sale.evidence, PhoneEvidence):
        note_phone_use(
            tx,
            told.stamp,
            sale.evidence,
            used_for=sale.sale_id,
            terminal=told.terminal.terminal,
        )
    open_orders(tx, told.stamp, sale)
    bearer = sale.account is not None and holder == card_account(sale.account)
    note_over_limit(tx, told.stamp, told.terms, sale, bearer=bearer)
    move_goods(tx, told.stamp, f"{SALE_KEY}{sale.sale_id}", goods_out(sale.lines))
    _post(tx, told, sale, worth=worth, covered=covered, holder=holder)
    return Booked(overdraft)


def _problem(
    tx: Connection, told: Told, sale: SaleCaptured, before: Sale | None, holder: str | None
) -> str | None:
    """Why this sale cannot be booked, or None. ``holder``: the account that points come from."""
    if sale.practice:
        return _PRACTICE
    state = before.state if before else None
    if advance(state, SaleMove.CAPTURE) is None:
        return "这笔销售已撤销，不能再入账 / this sale was reversed before"
    if before is not None and before.terminal != told.terminal.terminal:
        return "这个销售编号属于另一台终端 / this sale id is another terminal's"
    problem = told.time_problem(sale.business_date)
    if problem is not None:  # before anything reckons with the day: the calendar has two ends
        return problem
    accepted = accepted_terms(told.terms, sale)
    problem = (
        lines_problem(sale.lines)
        or discounts_problem(sale.lines, sale.discounts or ())
        or payment_problem(sale.lines, sale.payment, accepted)
        or categories_problem(tx, told.terms.pool, sale, accepted)
        or orders_problem(sale)
    )
    if problem is not None:
        return problem
    for line in sale.lines:
        if line.unit_price_points is not None and not _is_ours(tx, told, line):
            return (
                f"第 {line.line_no} 行“{line.name[:40]}”不在积分池的商品目录中，或价格不同"
                f" / line {line.line_no} is not in the pool's catalogue at this price"
            )
    return _resident_problem(tx, told, sale, before, holder)


def _is_ours(tx: Connection, told: Told, line: SaleLine) -> bool:
    """Points prices belong to the pool; any that has begun by now will do."""
    if line.item_id is None or line.unit_price_points is None:
        return False
    return was_sold_at(
        tx,
        told.terms.pool,
        line.item_id,
        by=business_date(told.stamp.recorded_at, told.terms.cut_off_hour),
        price_fen=line.unit_price_fen,
        price_points=line.unit_price_points,
        reimbursement_fen=line.reimbursement_fen,
        fulfilment=line.fulfilment,
    )


def _resident_problem(
    tx: Connection, told: Told, sale: SaleCaptured, before: Sale | None, holder: str | None
) -> str | None:
    if sale.account is not None and holder is None:
        return "没有这位居民 / this resident is not registered"
    authorised = before is not None and before.state is SaleState.AUTHORISED
    if authorised and before is not None and before.account != sale.account:
        return "居民与预留积分时不同 / the points were held for another resident"
    if sale.payment.points == 0:
        return None
    if sale.account is None:
        return "用了积分却没有居民 / points were taken from nobody"
    approved = before if authorised and _is_as_asked(tx, told, sale, before) else None
    approved_points = approved.approved_points if approved is not None else None
    proven = sale_is_proven(
        tx,
        told.terms,
        sale,
        told.envelope,
        proof_holds=told.proof_holds,
        was_authorised=approved is not None,
        recorded_at=told.told_at,
    )
    if not proven:
        return "居民码凭证验证不通过 / the resident's code does not verify"
    limit_points = most_points(told.terms, sale, approved_points)
    if sale.payment.points > limit_points:
        return (
            f"积分 {sale.payment.points} 超过终端可用的上限 {limit_points}，请核实后处理"
            f" / {sale.payment.points} points, and the terminal could take {limit_points}"
        )
    if told.by_office:
        return None
    problem = no_pin_problem(tx, told.terms, sale, told.envelope, approved_points)
    if problem is not None:
        return problem
    return slot_limit_problem(tx, told.terms, sale, told.envelope, approved_points or 0)


def _is_as_asked(tx: Connection, told: Told, sale: SaleCaptured, before: Sale | None) -> bool:
    """An approval speaks for the code that it was given to, and for no other. A yes to one who
    showed nothing must not end up as a code that was shown, nor the reverse.
    """
    if before is None or not is_of_its_question(sale, before):
        return False
    if not isinstance(sale.evidence, PhoneEvidence):
        return True
    return is_as_asked(tx, told.terms.pool, sale.sale_id, sale.evidence)


def _worth(tx: Connection, told: Told, sale: SaleCaptured) -> _Worth | Parked:
    terminal = told.terminal
    contract = contract_on(
        tx, told.terms.pool, terminal.merchant, sale.business_date, terminal.shop
    )
    goods_fen = goods_reimbursement_fen(at_contract(sale.lines, contract))
    if sale.payment.points_for_money == 0:
        return _Worth(goods_fen, contract)
    if contract is None:
        return Parked(
            f"商户 {told.terminal.merchant} 在 {sale.business_date} 没有合约，请先补签合约"
            f" / the merchant has no contract on {sale.business_date}"
        )
    money_fen = money_reimbursement_fen(
        sale.payment.points_for_money, told.terms.fen_per_point, contract.reimbursement_bp
    )
    return _Worth(goods_fen + money_fen, contract)


def _cover(
    tx: Connection, told: Told, sale: SaleCaptured, before: Sale | None, holder: str | None
) -> int:
    """How many points the holder's balance bears: the sale's own hold first."""
    points = sale.payment.points
    if points == 0 and before is None:
        return 0
    pool, at = told.terms.pool, told.stamp.recorded_at
    taken = take_hold(tx, pool, hold_key(sale.sale_id), points, at=at)
    if points == 0 or holder is None:
        return 0
    held = taken.held if isinstance(taken, Taken) else 0
    return cover(tx, pool, holder, points, own_held=held, at=at)


def _post(
    tx: Connection,
    told: Told,
    sale: SaleCaptured,
    *,
    worth: _Worth,
    covered: int,
    holder: str | None,
) -> None:
    merchant = told.terminal.merchant
    redeemed = redeemed_account(merchant)
    legs: list[Leg] = []
    overdraft = sale.payment.points - covered
    if sale.account is not None and holder is not None and covered:
        legs.append(Leg(Asset.POINTS, REDEMPTION_CODE, holder, redeemed, covered))
        if holder == card_account(sale.account):
            legs += _lapsing(tx, told.terms.pool, sale.account, covered)
    if sale.account is not None and overdraft:
        owed = overdraft_account(sale.account)
        legs.append(Leg(Asset.POINTS, OVERDRAWN_CODE, owed, redeemed, overdraft))
    if worth.reimbursement_fen:
        credit = merchant_account(merchant)
        fen = worth.reimbursement_fen
        legs.append(Leg(Asset.FEN, REIMBURSEMENT_CODE, POOL_FUND, credit, fen))
    if sale.payment.cash_fen:
        credit = takings_account(merchant)
        fen = sale.payment.cash_fen
        legs.append(Leg(Asset.FEN, TAKINGS_CODE, TAKINGS_CONTRA, credit, fen))
    if not legs:  # free goods move nothing; the sale is on record all the same
        return
    draft = EntryDraft(
        key=f"{SALE_KEY}{sale.sale_id}",
        kind="sale",
        occurred_at=told.envelope.occurred_at,
        business_date=sale.business_date,
        legs=tuple(legs),
        memo=sale.receipt_no,
    )
    stamp = told.stamp
    posted = post(tx, stamp.pool, draft, recorded_at=stamp.recorded_at, fact_no=stamp.fact_no)
    assert isinstance(posted, Posted), f"{draft.key}: {posted}"


def _lapsing(tx: Connection, pool: str, account: str, covered: int) -> list[Leg]:
    """What is left of a card that is spent in one go is nobody's any more."""
    bearer = bearer_of(tx, pool, account)
    if bearer is None or bearer.spend is not Spend.IN_ONE_GO:
        return []
    left = balance(tx, pool, card_account(account), Asset.POINTS) - covered
    return (
        [Leg(Asset.POINTS, LAPSED_CODE, card_account(account), LAPSED_POINTS, left)] if left else []
    )


def _write(
    tx: Connection,
    told: Told,
    sale: SaleCaptured,
    before: Sale | None,
    *,
    worth: _Worth,
    overdraft: int,
) -> None:
    pool, sale_id = told.terms.pool, str(sale.sale_id)
    state = advance(before.state if before else None, SaleMove.CAPTURE)
    assert state is not None
    contract = worth.contract
    grade = true_grade(tx, pool, sale, told.terminal.terminal)
    values = {
        "state": state.value,
        "terminal": told.terminal.terminal,
        "merchant": told.terminal.merchant,
        "account": sale.account,
        "content_hash": told.content_hash,
        "receipt_no": sale.receipt_no,
        "occurred_at": told.envelope.occurred_at,
        "business_date": sale.business_date,
        "answered_by": sale.answered_by.value,
        "proof_grade": grade.value if grade else None,
        "amounts_source": sale.amounts_source.value,
        "points_for_goods": sale.payment.points_for_goods,
        "points_for_money": sale.payment.points_for_money,
        "cash_fen": sale.payment.cash_fen,
        "waived_fen": sale.payment.waived_fen,
        "rounded_up_fen": sale.payment.rounded_up_fen,
        "overdraft_points": overdraft,
        "reimbursement_fen": worth.reimbursement_fen,
        "fen_per_point": told.terms.fen_per_point,
        "contract": contract.contract if contract else None,
        "reimbursement_bp": contract.reimbursement_bp if contract else None,
        "epoch": told.envelope.epoch,
        "seq": told.envelope.seq,
    }
    with working(tx, pool) as books:
        if before is None:
            own = {"pool": pool, "sale_id": sale_id}
            books.insert(SALE, NOT_YET_CAPTURED | own | values)
        else:
            books.update(SALE, (sale_id,), **values)
        lines = at_contract(sale.lines, contract)
        for line in lines:
            books.append(SALE_LINE, _line(pool, sale.sale_id, line))
        books.note((LINES, sale.sale_id), lines)


def _line(pool: str, sale_id: UUID, line: SaleLine) -> dict[str, object]:
    return {
        "pool": pool,
        "sale_id": str(sale_id),
        "line_no": line.line_no,
        "item_id": line.item_id,
        "barcode": line.barcode,
        "name": line.name,
        "category": line.category,
        "quantity_milli": line.quantity_milli,
        "unit": line.unit,
        "unit_price_fen": line.unit_price_fen,
        "unit_price_points": line.unit_price_points,
        "amount_fen": line.amount_fen,
        "amount_points": line.amount_points,
        "reimbursement_fen": line.reimbursement_fen,
        "fulfilment": line.fulfilment.value,
        "catalogue_version": line.catalogue_version,
    }
