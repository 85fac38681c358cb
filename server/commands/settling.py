"""``settling``: what becomes of statements, and what waits for somebody."""

import json
from dataclasses import asdict
from datetime import date, datetime

import click

from protocol.business_day import SHANGHAI
from protocol.money import format_yuan
from server.commands.context import CommandContext, CommandRefused, pass_context
from server.commands.paying import PAID_WHICH_WAY, fen_of, new_id
from server.commands.submitting import submit
from server.db import reading
from server.settlement.disputes_values import (
    AnswerDispute,
    ApproveAdjustment,
    Dispute,
    ProposeAdjustment,
    RaiseDispute,
    Verdict,
)
from server.settlement.payments import PAYMENT_WORDS
from server.settlement.states_standing import Standing, Waiting, standing_of, waiting
from server.settlement.states_store import STATE_WORDS
from server.settlement.states_values import (
    CarryForward,
    ConfirmStatement,
    Lapsed,
    LapseStatements,
    SetConfirmDays,
    SettlingDone,
)

_WORD = "商户怎样答复的：电话、书面等 / how the merchant told you"


@click.group()
def settling() -> None:
    """对账单的确认、异议、结转和待办 / Confirm, answer, carry forward; what waits for you."""


@settling.command("waiting")
@click.option("--json", "as_json", is_flag=True, help="输出 JSON / print JSON")
@pass_context
def show_waiting(context: CommandContext, *, as_json: bool) -> None:
    """列出待办 / What waits: disputes, approvals, payments to record, deadlines, open amounts."""
    with reading(context.engine) as tx:
        found = waiting(tx, context.pool, context.clock())
    if as_json:
        click.echo(_json(found))
        return
    _print_waiting(found)


@settling.command("show")
@click.argument("statement")
@click.option("--json", "as_json", is_flag=True, help="输出 JSON / print JSON")
@pass_context
def show(context: CommandContext, statement: str, *, as_json: bool) -> None:
    """一份对账单办到哪一步 / Where one statement stands."""
    with reading(context.engine) as tx:
        found = standing_of(tx, context.pool, statement)
    if found is None:
        raise CommandRefused(
            f"没有这份对账单：{statement}，请核对编号 / no such statement: {statement}"
        )
    click.echo(_json(found)) if as_json else _print_standing(found)


@settling.command()
@click.argument("statement")
@click.option("--word", required=True, help=_WORD)
@pass_context
def confirm(context: CommandContext, statement: str, *, word: str) -> None:
    """代商户确认对账单 / Confirm for a merchant who told you so."""
    _done(submit(context, ConfirmStatement(statement=statement, on_behalf=word)))


@settling.command()
@click.argument("statement")
@click.option("--reason", required=True, help="哪里不对 / what is wrong")
@click.option(
    "--line", default="", help="哪一行，如 sale:编号；不写是整份 / which line, or all of it"
)
@click.option("--word", required=True, help=_WORD)
@click.option("--id", "dispute", help="编号，重复提交只记一次 / the same id disputes once")
@pass_context
def dispute(
    context: CommandContext,
    statement: str,
    *,
    reason: str,
    line: str,
    word: str,
    dispute: str | None,
) -> None:
    """代商户提出异议 / Dispute for a merchant who told you so; somebody else answers."""
    command = RaiseDispute(
        dispute=dispute or new_id(context),
        statement=statement,
        line=line,
        reason=reason,
        on_behalf=word,
    )
    _done(submit(context, command))


@settling.command()
@click.argument("dispute")
@click.option(
    "--adjust", metavar="YUAN", help="调整多少元，负数为商户退还 / yuan, below 0 from him"
)
@click.option("--refuse", is_flag=True, help="不同意 / nothing is adjusted")
@click.option("--reason", required=True, help="理由，商户看得到 / why; the merchant reads it")
@pass_context
def answer(
    context: CommandContext, dispute: str, *, adjust: str | None, refuse: bool, reason: str
) -> None:
    """答复异议：提出调整（另一个人批准后进下一期对账单）或不同意
    / Answer a dispute: propose an adjustment, which another person approves, or refuse.
    """
    if (adjust is None) is not refuse:
        raise CommandRefused(
            "请写 --adjust 金额 或 --refuse，只写一个 / give --adjust YUAN or --refuse, one of them"
        )
    command: AnswerDispute | ProposeAdjustment
    if adjust is None:
        command = AnswerDispute(dispute=dispute, verdict=Verdict.REFUSED, reason=reason)
    else:
        amount_fen = fen_of(adjust, below_zero=True)
        command = ProposeAdjustment(dispute=dispute, amount_fen=amount_fen, reason=reason)
    _done(submit(context, command))


@settling.command("approve-adjustment")
@click.argument("dispute")
@click.argument("yuan")
@pass_context
def approve_adjustment(context: CommandContext, dispute: str, yuan: str) -> None:
    """批准别人提出的调整，金额照抄 / Approve what somebody else proposed; repeat the amount."""
    amount_fen = fen_of(yuan, below_zero=True)
    _done(submit(context, ApproveAdjustment(dispute=dispute, amount_fen=amount_fen)))


@settling.command("carry-forward")
@click.argument("statement")
@click.option("--reason", required=True, help="原因 / why")
@pass_context
def carry_forward(context: CommandContext, statement: str, *, reason: str) -> None:
    """未结金额结转到下一期（连同更早的）/ Carry what is open into the next statement."""
    _done(submit(context, CarryForward(statement=statement, reason=reason)))


@settling.command()
@pass_context
def lapse(context: CommandContext) -> None:
    """过了期限未答复的视为确认 / Confirm what nobody disputed in time; run it every day."""
    confirmed = 0
    more = True
    while more:
        outcome = submit(context, LapseStatements())
        assert isinstance(outcome, Lapsed), outcome
        for each in outcome.statements:
            click.echo(each)
        confirmed += len(outcome.statements)
        more = outcome.more
    click.echo(f"{confirmed} 份视为确认 / {confirmed} count as confirmed")


@settling.command("confirm-days")
@click.argument("days", type=click.IntRange(1, 60))
@pass_context
def confirm_days(context: CommandContext, days: int) -> None:
    """商户核对对账单的天数（对以后出具的有效）/ Days to confirm, for statements from now on."""
    _done(submit(context, SetConfirmDays(confirm_days=days)))


def _done(outcome: object) -> None:
    assert isinstance(outcome, SettlingDone), outcome
    again = "（此前已办，未作改动 / done before, nothing changed）" if outcome.again else ""
    click.echo(f"{outcome.what}  {outcome.state}{again}")


def _print_waiting(found: Waiting) -> None:
    for each in found.to_answer:
        click.echo(f"待答复 to answer    {_dispute(each)}")
    for each in found.to_adjust:
        click.echo(f"待批准调整 to adjust {_dispute(each)}{_proposal(each)}")
    for payment in found.to_approve:
        click.echo(
            f"待批准 to approve   {payment.payment}  {payment.statement}"
            f"  {PAID_WHICH_WAY[payment.direction]} {format_yuan(payment.amount_fen)} 元"
            f"（{payment.proposed_by}）"
        )
    for payment in found.to_record:
        click.echo(
            f"待记账 to record    {payment.payment}  {payment.statement}"
            f"  {PAID_WHICH_WAY[payment.direction]} {format_yuan(payment.amount_fen)} 元"
        )
    for late in found.to_lapse:
        click.echo(f"已过期限 overdue    {late.statement}  {_moment(late.deadline)}")
    for unsettled in found.to_pay:
        claimed = (
            f"，已提出 claimed {format_yuan(abs(unsettled.claimed_fen))} 元"
            if unsettled.claimed_fen
            else ""
        )
        click.echo(
            f"待收付 to settle    {unsettled.statement}  {_open(unsettled.open_fen)}{claimed}"
        )
    if found == Waiting((), (), (), (), (), ()):
        click.echo("没有待办 / nothing waits")


def _print_standing(found: Standing) -> None:
    click.echo(f"{found.statement}（{found.merchant}） {STATE_WORDS[found.state]}")
    click.echo(f"  自 since          {_moment(found.since)}")
    if found.deadline is not None:
        click.echo(f"  视为确认 deadline {_moment(found.deadline)}")
    click.echo(f"  期末 closing      {format_yuan(found.closing_fen)} 元")
    click.echo(f"  未结 open         {_open(found.open_fen)}")
    for move in found.history:
        carried = f"  结转 {format_yuan(move.carried_fen)} 元" if move.carried_fen else ""
        click.echo(
            f"  {_moment(move.moved_at)} {move.move.value} > {move.state.value}"
            f"  {move.moved_by}  {move.says}{carried}"
        )
    for each in found.disputes:
        click.echo(f"  异议 dispute {_dispute(each)}")
        if each.proposal is not None:
            click.echo(f"    {_proposal(each)}")
        if each.answer is not None:
            click.echo(
                f"    答复 {each.answer.verdict.value} {format_yuan(each.answer.amount_fen)} 元"
                f"  {each.answer.reason}（{each.answer.answered_by}）"
            )
    for payment in found.payments:
        click.echo(
            f"  收付 payment {payment.payment}  {PAID_WHICH_WAY[payment.direction]}"
            f" {format_yuan(payment.amount_fen)} 元  {PAYMENT_WORDS[payment.state]}"
            f"  {payment.bank_ref or ''}"
        )


def _dispute(each: Dispute) -> str:
    where = each.line or "整份 all of it"
    return f"{each.dispute}  {each.statement}  {where}  {each.reason}（{each.raised_by}）"


def _proposal(each: Dispute) -> str:
    proposal = each.proposal
    if proposal is None:
        return ""
    return (
        f"  提出调整 proposed {format_yuan(proposal.amount_fen)} 元"
        f"  {proposal.reason}（{proposal.proposed_by}）"
    )


def _open(open_fen: int) -> str:
    if open_fen == 0:
        return "0.00 元"
    owes = "应付商户 pool owes" if open_fen > 0 else "商户应付 merchant owes"
    return f"{owes} {format_yuan(abs(open_fen))} 元"


def _moment(at: datetime) -> str:
    return f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"


def _json(found: Standing | Waiting) -> str:
    return json.dumps(asdict(found), ensure_ascii=False, indent=2, default=_plain)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, date | datetime) else str(value)
