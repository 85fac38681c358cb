"""The settlement's world with people in it: a merchant's sign-in, operators, finance."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import msgspec
from sqlalchemy import Connection, insert

from server.db import reading, run_writing
from server.directory import tables
from server.directory.values import SignInRole
from server.facts import FactDesk, FactStamp, Outcome
from server.facts.refused import Refused
from server.ledger import Asset, balance
from server.settlement import adjusting, disputes, payments, states_commands
from server.settlement.disputes_values import (
    AnswerDispute,
    ApproveAdjustment,
    ProposeAdjustment,
    RaiseDispute,
    Verdict,
)
from server.settlement.payments_values import (
    ApprovePayment,
    BouncePayment,
    Direction,
    ProposePayment,
    RecordPaid,
    WithdrawPayment,
)
from server.settlement.states import StatementState
from server.settlement.states_standing import Standing, Waiting, standing_of, waiting
from server.settlement.states_values import CarryForward, ConfirmStatement, SettlingDone
from tests.unit.settlement.world import OPENED_AT, POOL, World, make_desk

DAY_1, DAY_2, DAY_3, DAY_4 = (date(2026, 3, day) for day in (1, 2, 3, 4))
LI, WU, SUN = "operator:li", "operator:wu", "operator:sun"
M_BOSS, N_BOSS = "portal:m-boss", "portal:n-boss"
DESK, FINANCE = "portal:desk", "portal:finance"
BY_PHONE = "电话确认"
PAY, RECEIVE = Direction.PAY, Direction.RECEIVE
ISSUED, CONFIRMED, DISPUTED, SETTLED = (
    StatementState.ISSUED,
    StatementState.CONFIRMED,
    StatementState.DISPUTED,
    StatementState.SETTLED,
)
ADJUSTED, REFUSED = Verdict.ADJUSTED, Verdict.REFUSED


class SignInAs(msgspec.Struct, frozen=True):
    user: str
    role: SignInRole
    merchant: str | None


def _sign_in_as(tx: Connection, stamp: FactStamp, command: SignInAs) -> None:
    tx.execute(
        insert(tables.sign_in).values(
            pool=stamp.pool,
            user_name=command.user,
            role=command.role.value,
            merchant=command.merchant,
            password_hash="$argon2id$",
        )
    )


def make_peopled_desk() -> FactDesk:
    desk = make_desk()
    if "confirm_statement" not in desk._by_kind:
        for room in (states_commands, adjusting, disputes, payments):
            room.register(desk)
    desk.register("sign_in_as", SignInAs, _sign_in_as)
    return desk


@dataclass
class Peopled(World):
    """Merchants m and n, each with a sign-in; a desk officer and finance at the portal."""

    desk: FactDesk = field(default_factory=make_peopled_desk)
    now: datetime = OPENED_AT

    def people(self) -> None:
        for user, role, merchant in (
            ("m-boss", SignInRole.MERCHANT, "m"),
            ("n-boss", SignInRole.MERCHANT, "n"),
            ("desk", SignInRole.OPERATOR, None),
            ("finance", SignInRole.FINANCE, None),
        ):
            self.tell(SignInAs(user, role, merchant))

    def by(self, actor: str, command: msgspec.Struct) -> Outcome:
        return run_writing(
            self.engine,
            lambda tx: self.desk.submit(tx, POOL, command, actor=actor, recorded_at=self.now),
        )

    def do(self, actor: str, command: msgspec.Struct) -> SettlingDone:
        done = self.by(actor, command)
        assert isinstance(done, SettlingDone), done
        return done

    def refused(self, actor: str, command: msgspec.Struct) -> str:
        outcome = self.by(actor, command)
        assert isinstance(outcome, Refused), outcome
        assert " / " in outcome.says
        return outcome.reason

    def issue(self, day: date, *, cash_fen: int = 0, points_fen: int = 0) -> str:
        """One day's statement of m: 10 % of the cash for the pool, the points for the merchant."""
        if cash_fen or points_fen:
            self.sell(
                "m",
                f"sale-{day}",
                day,
                cash_fen=cash_fen,
                points=points_fen // 10,
                reimbursement_fen=points_fen,
            )
        self.settle(day)
        return f"m-{day:%Y%m%d}"

    def confirmed(self, day: date, *, cash_fen: int = 0, points_fen: int = 0) -> str:
        statement = self.issue(day, cash_fen=cash_fen, points_fen=points_fen)
        self.do(M_BOSS, ConfirmStatement(statement=statement))
        return statement

    def adjusted(self, dispute: str, amount_fen: int) -> SettlingDone:
        """Proposed by one, approved by another; what the second was answered."""
        assert self.do(DESK, answer(dispute, ADJUSTED, amount_fen)).state == "proposed"
        return self.do(WU, agree(dispute, amount_fen))

    def paid(self, payment: str, statement: str, way: Direction, amount_fen: int) -> None:
        """All three steps of a payment."""
        self.do(LI, propose(payment, statement, way, amount_fen))
        self.do(WU, ApprovePayment(payment=payment))
        self.do(LI, record(payment, self))

    def wait(self, **by: float) -> None:
        self.now += timedelta(**by)

    def standing(self, statement: str) -> Standing:
        with reading(self.engine) as tx:
            found = standing_of(tx, POOL, statement)
        assert found is not None
        return found

    def waiting(self) -> Waiting:
        with reading(self.engine) as tx:
            return waiting(tx, POOL, self.now)

    def fen(self, account: str) -> int:
        with reading(self.engine) as tx:
            return balance(tx, POOL, account, Asset.FEN)


def propose(
    payment: str, statement: str, way: Direction, amount_fen: int, note: str = ""
) -> ProposePayment:
    return ProposePayment(
        payment=payment, statement=statement, direction=way, amount_fen=amount_fen, note=note
    )


def approve(payment: str) -> ApprovePayment:
    return ApprovePayment(payment=payment)


def record(payment: str, world: World, bank_ref: str = "") -> RecordPaid:
    return RecordPaid(
        payment=payment, bank_ref=bank_ref or f"ICBC-{payment}", paid_on=world.now.date()
    )


def bounce(payment: str, reason: str = "账号不符") -> BouncePayment:
    return BouncePayment(payment=payment, reason=reason)


def withdraw(payment: str, reason: str = "金额写错") -> WithdrawPayment:
    return WithdrawPayment(payment=payment, reason=reason)


def carry(statement: str, reason: str = "金额小") -> CarryForward:
    return CarryForward(statement=statement, reason=reason)


def confirm(statement: str, on_behalf: str = "") -> ConfirmStatement:
    return ConfirmStatement(statement=statement, on_behalf=on_behalf)


def raise_it(
    dispute: str, statement: str, line: str = "", reason: str = "少算一笔", on_behalf: str = ""
) -> RaiseDispute:
    return RaiseDispute(
        dispute=dispute, statement=statement, line=line, reason=reason, on_behalf=on_behalf
    )


def answer(
    dispute: str, verdict: Verdict, amount_fen: int = 0, reason: str = "核对属实"
) -> AnswerDispute | ProposeAdjustment:
    if verdict is Verdict.ADJUSTED:
        return ProposeAdjustment(dispute=dispute, amount_fen=amount_fen, reason=reason)
    return AnswerDispute(dispute=dispute, verdict=verdict, amount_fen=amount_fen, reason=reason)


def agree(dispute: str, amount_fen: int) -> ApproveAdjustment:
    return ApproveAdjustment(dispute=dispute, amount_fen=amount_fen)
