"""May this resident's points pay? The answer holds them, or says why not."""

import hashlib
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct
from sqlalchemy import Connection

from protocol.business_day import business_date
from protocol.documents import AccountStatus
from protocol.evidence import Evidence, ManualEvidence, ProofGrade
from protocol.messages import Approved, AuthoriseAnswer, ItemUnits
from protocol.money import Points
from protocol.reasons import Declined, DeclineReason
from server.db.working_set import working
from server.directory import PoolTerms, pool_terms, resident_of, shop_of, terminal_of
from server.directory.accounts import card_account, resident_account
from server.directory.bearer import BearerCard, Spend
from server.facts import FactStamp
from server.facts.refused import Refused
from server.ledger import Asset, Held, balance, last_debit, place_hold, spendable
from server.redemption.card_pins import goes_without_pin, judge_pin, needs_pin, no_pin_left
from server.redemption.evidence import Shown, judge_question
from server.redemption.limits import Asker, Question, grant, items_problem, reserve
from server.redemption.phone_evidence import PhoneEvidence, note_phone_use, stop_copied_phone
from server.redemption.queries import Sale, sale_of
from server.redemption.rows import SALE
from server.redemption.states import SaleMove, SaleState, advance
from server.redemption.told_before import short

MAX_POINTS = 10**9


class Authorise(Struct, frozen=True, kw_only=True):
    """A terminal's question, as a fact.

    Attributes:
        proof_holds: what the edge found of a card's proof; False for other evidence.
        required_points, optional_points, limited_items: see
            :class:`protocol.messages.AuthoriseRequest`.
    """

    terminal: str
    sale_id: UUID
    evidence: Evidence
    proof_holds: bool
    required_points: int
    optional_points: int
    occurred_at: datetime
    limited_items: tuple[ItemUnits, ...] = ()


class AuthoriseProblem(StrEnum):
    """Why a question is not answered at all."""

    CONFLICT = "conflict"
    UNKNOWN_TERMINAL = "unknown_terminal"
    BAD_POINTS = "bad_points"
    BAD_ITEMS = "bad_items"


def hold_key(sale_id: UUID) -> str:
    """The key under which a sale's points are held."""
    return f"sale:{sale_id}"


def authorise(
    tx: Connection, stamp: FactStamp, command: Authorise
) -> Approved | Declined | Refused:
    """Answer once for a sale id; the same question again has the same answer.

    Approved: required points and as many of the optional ones as balance and cap give are
    held. Declined: nothing is held, and the decline stays on record. Refused: the sale id
    stands for another question, or for a sale that is told already.
    """
    terminal = terminal_of(tx, stamp.pool, command.terminal)
    if terminal is None:
        return Refused(AuthoriseProblem.UNKNOWN_TERMINAL, "没有这台终端 / no such terminal")
    if not (
        0 <= command.required_points <= MAX_POINTS and 0 <= command.optional_points <= MAX_POINTS
    ):
        return Refused(AuthoriseProblem.BAD_POINTS, "积分数不对 / these are no numbers of points")
    wrong = items_problem(command.limited_items)
    if wrong is not None:
        return Refused(AuthoriseProblem.BAD_ITEMS, wrong)
    question = _question_hash(command)
    before = sale_of(tx, stamp.pool, command.sale_id)
    if before is not None:
        return _answer_again(before, command, question)
    answer = _answer(tx, stamp, command, pool_terms(tx, stamp.pool))
    move = SaleMove.APPROVE if isinstance(answer, Approved) else SaleMove.DECLINE
    state = advance(None, move)
    assert state is not None
    with working(tx, stamp.pool) as books:
        account = answer.account if isinstance(answer, Approved) else None
        asked = {
            "pool": stamp.pool,
            "sale_id": str(command.sale_id),
            "state": state.value,
            "terminal": command.terminal,
            "merchant": terminal.merchant,
            "account": account,
            "question_hash": question,
            "proof_grade": _grade_asked(tx, stamp, command, answer),
            "answer": msgspec.json.encode(answer, order="deterministic"),
        }
        books.insert(SALE, NOT_YET_CAPTURED | asked)
    if isinstance(command.evidence, PhoneEvidence):
        _note_phone(tx, stamp, command, command.evidence, answer)
    if isinstance(answer, Approved) and answer.held_until is not None:
        sale = {"pool": stamp.pool, "sale_id": str(command.sale_id)}
        reserve(tx, sale, answer.account, command.limited_items, answer.held_until)
    return answer


def _grade_asked(
    tx: Connection, stamp: FactStamp, command: Authorise, answer: Approved | Declined
) -> str | None:
    """That nothing was shown; or that a card asks without its PIN, where that counts: for the next
    one who asks so.
    """
    if isinstance(command.evidence, ManualEvidence) and isinstance(answer, Approved):
        return ProofGrade.MANUAL.value
    if not isinstance(answer, Approved) or not goes_without_pin(command.evidence):
        return None
    terms = pool_terms(tx, stamp.pool)
    day = business_date(stamp.recorded_at, terms.cut_off_hour)
    counts = terms.redemption_on(day).limits.card_no_pin_day_points is not None
    return ProofGrade.CARD.value if counts else None


def _note_phone(
    tx: Connection,
    stamp: FactStamp,
    command: Authorise,
    evidence: PhoneEvidence,
    answer: Approved | Declined,
) -> None:
    if isinstance(answer, Approved):
        note_phone_use(tx, stamp, evidence, used_for=command.sale_id, terminal=command.terminal)
    elif answer.reason is DeclineReason.CODE_COPIED:
        stop_copied_phone(tx, stamp, evidence)


NOT_YET_CAPTURED: dict[str, object] = dict.fromkeys(
    column.name for column in SALE.table.columns
) | {
    "points_for_goods": 0,
    "points_for_money": 0,
    "cash_fen": 0,
    "waived_fen": 0,
    "rounded_up_fen": 0,
    "overdraft_points": 0,
    "reimbursement_fen": 0,
}
"""What stands of a sale as long as it is not captured."""


def _in_its_words(declined: Declined) -> Declined:
    """Whoever shows nothing has no code that could be said to be too small."""
    if declined.reason is not DeclineReason.CODE_CAP_EXCEEDED:
        return declined
    return Declined(DeclineReason.MANUAL_LIMIT, limit_points=declined.limit_points)


def _answer_again(before: Sale, command: Authorise, question: str) -> Approved | Declined | Refused:
    if before.terminal == command.terminal:
        if before.state is SaleState.REVERSED:
            return Declined(DeclineReason.SALE_REVERSED)
        if before.question_hash == question and before.answer is not None:
            answer: Approved | Declined = msgspec.json.decode(before.answer, type=AuthoriseAnswer)
            return answer
    stands = short(before.question_hash) or short(before.content_hash)
    return Refused(
        AuthoriseProblem.CONFLICT,
        f"这个销售编号已用于另一次询问（{stands}），与这次（{short(question)}）不同，请重新开单"
        f" / this sale id stands for {stands}, asked was {short(question)}; start a new sale",
    )


def _answer(
    tx: Connection, stamp: FactStamp, command: Authorise, terms: PoolTerms
) -> Approved | Declined:
    at = stamp.recorded_at
    shown = _shown(tx, terms, command, at)
    if isinstance(shown, Declined):
        return shown
    bearer = shown.bearer
    declined = (
        _may_redeem(tx, terms, shown.account, at)
        if bearer is None
        else _is_empty(tx, stamp.pool, bearer)
    )
    if declined is not None:
        return declined
    account = card_account(shown.account) if bearer else resident_account(shown.account)
    available = spendable(tx, stamp.pool, account, at)
    asker = Asker(shown.account, at, bearer=bearer is not None)
    granted = grant(
        tx,
        terms,
        asker,
        Question(command.required_points, command.optional_points, command.limited_items),
        available=available,
        cap_points=shown.cap_points,
    )
    if isinstance(granted, Declined):
        is_by_hand = isinstance(command.evidence, ManualEvidence)
        return _in_its_words(granted) if is_by_hand else granted
    points = granted.points
    needs = None
    if goes_without_pin(command.evidence) and bearer is None:
        needs = needs_pin(points, no_pin_left(tx, terms, asker))
    if needs is not None:
        return needs
    held_until = at + timedelta(seconds=terms.hold_s)
    # A card that is spent in one go is held whole: no other till may begin with its rest.
    in_one_go = bearer is not None and bearer.spend is Spend.IN_ONE_GO
    held = available if in_one_go and points else points
    if held:  # goods with a limit of their own may go without points
        outcome = place_hold(
            tx,
            stamp.pool,
            hold_key(command.sale_id),
            account,
            held,
            placed_at=at,
            expires_at=held_until,
        )
        assert isinstance(outcome, Held), f"{command.sale_id}: {outcome}"
    return Approved(
        account=shown.account,
        points=Points(points),
        balance_points=Points(available),
        held_until=held_until,
        limited_by=granted.limited_by or UNSET,
    )


def _shown(tx: Connection, terms: PoolTerms, command: Authorise, at: datetime) -> Shown | Declined:
    points = command.required_points + command.optional_points
    shown = judge_question(
        tx,
        terms,
        command.evidence,
        at,
        proof_holds=command.proof_holds,
        sale_id=command.sale_id,
        terminal=command.terminal,
        points=points,
    )
    if isinstance(shown, Declined):
        return shown
    wrong = judge_pin(
        tx,
        terms,
        command.evidence,
        at,
        sale_id=command.sale_id,
        terminal=command.terminal,
        points=points,
    )
    return wrong or shown


def _may_redeem(tx: Connection, terms: PoolTerms, account: str, at: datetime) -> Declined | None:
    resident = resident_of(tx, terms.pool, account)
    if resident is None:
        return Declined(DeclineReason.RESIDENT_UNKNOWN)
    if resident.status is AccountStatus.BLOCKED:
        return Declined(DeclineReason.RESIDENT_BLOCKED)
    banned_until = resident.banned_until
    if banned_until is not None and business_date(at, terms.cut_off_hour) <= banned_until:
        return Declined(DeclineReason.REDEMPTION_BANNED, until=banned_until)
    return None


def _is_empty(tx: Connection, pool: str, bearer: BearerCard) -> Declined | None:
    """A card that has nothing left, with when and where it was used last."""
    account = card_account(bearer.card_id)
    if balance(tx, pool, account, Asset.POINTS) > 0:
        return None
    used = last_debit(tx, pool, account, Asset.POINTS)
    if used is None:
        return Declined(DeclineReason.CARD_EMPTY)
    sale = sale_of(tx, pool, UUID(used.key.partition(":")[2]))
    terminal = terminal_of(tx, pool, sale.terminal) if sale else None
    shop = shop_of(tx, pool, terminal.shop) if terminal else None
    return Declined(
        DeclineReason.CARD_EMPTY,
        used_at=used.occurred_at,
        used_where=shop.name if shop else "",
    )


def _question_hash(command: Authorise) -> str:
    """SHA-256 of what makes a question this one; when it was asked does not."""
    what: tuple[object, ...] = (
        "question/1",
        command.terminal,
        command.sale_id,
        command.evidence,
        command.required_points,
        command.optional_points,
    )
    if command.limited_items:
        what = ("question/2", *what[1:], command.limited_items)
    return hashlib.sha256(msgspec.json.encode(what, order="deterministic")).hexdigest()
