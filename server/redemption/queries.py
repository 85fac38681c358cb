"""Reading sales, refunds and chains; bounded by the pool that is given."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import msgspec
from sqlalchemy import Connection, and_, bindparam, func, literal_column, select

from protocol.journal import GENESIS
from protocol.messages import Approved, AuthoriseAnswer, OutcomeKind, RecordOutcome
from protocol.reasons import Declined
from protocol.sales import Fulfilment, Payment, RefundLine, SaleLine
from server.db.bulk import Row, among
from server.db.working_set import Wish, WorkingSet, working
from server.directory.tables import terminal as terminal_table
from server.redemption import tables as t
from server.redemption.rows import JOURNAL_RECORD, SALE
from server.redemption.states import SaleState

LINES = "a captured sale's lines"
CHAIN = "how far a terminal's chain goes"

_LINES_OF_SALE = (
    select(t.sale_line)
    .where(t.sale_line.c.pool == bindparam("pool"), t.sale_line.c.sale_id == bindparam("sale_id"))
    .order_by(t.sale_line.c.line_no)
)
_CHAIN_HEAD = (
    select(t.journal_record.c.seq, t.journal_record.c.hash)
    .where(
        t.journal_record.c.pool == bindparam("pool"),
        t.journal_record.c.terminal == bindparam("terminal"),
        t.journal_record.c.epoch == bindparam("epoch"),
    )
    .order_by(t.journal_record.c.seq.desc())
    .limit(literal_column("1"))
)
_newest = (
    select(func.max(t.journal_record.c.seq))
    .where(
        t.journal_record.c.pool == terminal_table.c.pool,
        t.journal_record.c.terminal == terminal_table.c.terminal,
        t.journal_record.c.epoch == terminal_table.c.epoch,
    )
    .correlate(terminal_table)
    .scalar_subquery()
)
_CHAIN_HEADS = (
    select(
        terminal_table.c.terminal,
        terminal_table.c.epoch,
        t.journal_record.c.seq,
        t.journal_record.c.hash,
    )
    .select_from(
        terminal_table.outerjoin(
            t.journal_record,
            and_(
                t.journal_record.c.pool == terminal_table.c.pool,
                t.journal_record.c.terminal == terminal_table.c.terminal,
                t.journal_record.c.epoch == terminal_table.c.epoch,
                t.journal_record.c.seq == _newest,
            ),
        )
    )
    .where(
        terminal_table.c.pool == bindparam("pool"),
        among(terminal_table.c.terminal, "terminals"),
    )
)


@dataclass(frozen=True, slots=True)
class Sale:
    """A sale as the server has it. Lines are there once it is captured."""

    sale_id: UUID
    state: SaleState
    terminal: str
    merchant: str
    account: str | None
    question_hash: str | None
    answer: bytes | None
    content_hash: str | None
    receipt_no: str | None
    occurred_at: datetime | None
    business_date: date | None
    answered_by: str | None
    proof_grade: str | None
    payment: Payment
    overdraft_points: int
    reimbursement_fen: int
    fen_per_point: int | None
    contract: str | None
    reimbursement_bp: int | None
    epoch: int | None
    seq: int | None
    lines: tuple[SaleLine, ...]

    @property
    def approved_points(self) -> int | None:
        """The points that the server held for it; None where it did not say yes, or took it back."""
        if self.state is not SaleState.AUTHORISED or self.answer is None:
            return None
        answer: Approved | Declined = msgspec.json.decode(self.answer, type=AuthoriseAnswer)
        return answer.points if isinstance(answer, Approved) else None


@dataclass(frozen=True, slots=True)
class Refund:
    """What came back of a sale, at one time. ``reimbursement_fen`` went back to the pool."""

    refund_id: UUID
    sale_id: UUID
    terminal: str
    merchant: str
    content_hash: str
    receipt_no: str
    occurred_at: datetime
    business_date: date
    payment: Payment
    reimbursement_fen: int
    epoch: int
    seq: int
    lines: tuple[RefundLine, ...]


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The newest record of a terminal's epoch; seq 0 and the genesis hash before the first."""

    epoch: int
    seq: int
    hash_hex: str


@dataclass(frozen=True, slots=True)
class ChainLink:
    """A record's place in its chain, what became of it, and the fact with its bytes."""

    hash_hex: str
    prev_hash: str
    outcome: RecordOutcome
    fact_no: int


def sale_of(tx: Connection, pool: str, sale_id: UUID) -> Sale | None:
    """The sale with its lines, or None if the server never heard of it."""
    with working(tx, pool) as books:
        row = books.row(SALE, (str(sale_id),))
        if row is None:
            return None
        lines = lines_in(books, sale_id) if row["state"] == SaleState.CAPTURED else ()
    return Sale(
        sale_id=sale_id,
        state=SaleState(row["state"]),
        terminal=row["terminal"],
        merchant=row["merchant"],
        account=row["account"],
        question_hash=row["question_hash"],
        answer=row["answer"],
        content_hash=row["content_hash"],
        receipt_no=row["receipt_no"],
        occurred_at=row["occurred_at"],
        business_date=row["business_date"],
        answered_by=row["answered_by"],
        proof_grade=row["proof_grade"],
        payment=_payment(row),
        overdraft_points=row["overdraft_points"],
        reimbursement_fen=row["reimbursement_fen"],
        fen_per_point=row["fen_per_point"],
        contract=row["contract"],
        reimbursement_bp=row["reimbursement_bp"],
        epoch=row["epoch"],
        seq=row["seq"],
        lines=lines,
    )


def lines_in(books: WorkingSet, sale_id: UUID) -> tuple[SaleLine, ...]:
    """A captured sale's lines, in their order."""
    noted: tuple[SaleLine, ...] | None = books.noted((LINES, sale_id))
    if noted is not None:
        return noted
    found = books.ask(_LINES_OF_SALE, {"pool": books.pool, "sale_id": str(sale_id)})
    lines = tuple(_sale_line(each) for each in found)
    books.note((LINES, sale_id), lines)
    return lines


def refund_of(tx: Connection, pool: str, refund_id: UUID) -> Refund | None:
    row = (
        tx.execute(
            select(t.refund).where(t.refund.c.pool == pool, t.refund.c.refund_id == str(refund_id))
        )
        .mappings()
        .one_or_none()
    )
    return _refund(tx, pool, dict(row)) if row else None


def refunds_of(tx: Connection, pool: str, sale_id: UUID) -> list[Refund]:
    """Everything that came back of a sale, in the order of booking."""
    rows = (
        tx.execute(
            select(t.refund)
            .where(t.refund.c.pool == pool, t.refund.c.sale_id == str(sale_id))
            .order_by(t.refund.c.occurred_at, t.refund.c.refund_id)
        )
        .mappings()
        .all()
    )
    return [_refund(tx, pool, dict(row)) for row in rows]


def chain_head(tx: Connection, pool: str, terminal: str, epoch: int) -> ChainHead:
    """How far the server has a terminal's chain."""
    with working(tx, pool) as books:
        noted: ChainHead | None = books.noted((CHAIN, terminal, epoch))
        if noted is not None:
            return noted
        given = {"pool": pool, "terminal": terminal, "epoch": epoch}
        found = books.ask(_CHAIN_HEAD, given)
        head = ChainHead(epoch, 0, GENESIS)
        if found:
            head = ChainHead(epoch, found[0]["seq"], found[0]["hash"])
        books.note((CHAIN, terminal, epoch), head)
        return head


def chain_heads_wish(books: WorkingSet, terminals: Iterable[str]) -> Wish | None:
    """To read how far the chains of terminals go in their epochs."""
    wanted = sorted(set(terminals))
    if not wanted:
        return None

    def take(rows: Sequence[Row]) -> None:
        for row in rows:
            head = ChainHead(row["epoch"], row["seq"] or 0, row["hash"] or GENESIS)
            if books.noted((CHAIN, row["terminal"], head.epoch)) is None:
                books.note((CHAIN, row["terminal"], head.epoch), head)

    return Wish(_CHAIN_HEADS, {"pool": books.pool, "terminals": wanted}, take)


def chain_link(
    tx: Connection, pool: str, terminal: str, *, epoch: int, seq: int
) -> ChainLink | None:
    """The record that stands at a place of a chain, or None."""
    with working(tx, pool) as books:
        row = books.row(JOURNAL_RECORD, (terminal, epoch, seq))
    if row is None:
        return None
    outcome = RecordOutcome(
        epoch=row["epoch"],
        seq=row["seq"],
        outcome=OutcomeKind(row["outcome"]),
        overdraft_points=row["overdraft_points"],
        says=row["says"],
    )
    return ChainLink(row["hash"], row["prev_hash"], outcome, row["fact_no"])


def _payment(row: Row) -> Payment:
    return Payment(
        points_for_goods=row["points_for_goods"],
        points_for_money=row["points_for_money"],
        cash_fen=row["cash_fen"],
        waived_fen=row["waived_fen"],
        rounded_up_fen=row["rounded_up_fen"],
    )


def _sale_line(row: Row) -> SaleLine:
    return SaleLine(
        line_no=row["line_no"],
        item_id=row["item_id"],
        barcode=row["barcode"],
        name=row["name"],
        category=row["category"],
        quantity_milli=row["quantity_milli"],
        unit=row["unit"],
        unit_price_fen=row["unit_price_fen"],
        unit_price_points=row["unit_price_points"],
        amount_fen=row["amount_fen"],
        amount_points=row["amount_points"],
        reimbursement_fen=row["reimbursement_fen"],
        fulfilment=Fulfilment(row["fulfilment"]),
        catalogue_version=row["catalogue_version"],
    )


def _refund(tx: Connection, pool: str, row: Row) -> Refund:
    lines = tx.execute(
        select(t.refund_line)
        .where(t.refund_line.c.pool == pool, t.refund_line.c.refund_id == row["refund_id"])
        .order_by(t.refund_line.c.line_no)
    )
    return Refund(
        refund_id=UUID(row["refund_id"]),
        sale_id=UUID(row["sale_id"]),
        terminal=row["terminal"],
        merchant=row["merchant"],
        content_hash=row["content_hash"],
        receipt_no=row["receipt_no"],
        occurred_at=row["occurred_at"],
        business_date=row["business_date"],
        payment=_payment(row),
        reimbursement_fen=row["reimbursement_fen"],
        epoch=row["epoch"],
        seq=row["seq"],
        lines=tuple(
            RefundLine(
                line_no=each.line_no,
                quantity_milli=each.quantity_milli,
                amount_fen=each.amount_fen,
                amount_points=each.amount_points,
            )
            for each in lines
        ),
    )
