"""``correct-opening``: two people set an opening balance right."""

import click

from server.awards import ApproveOpeningCorrection, ProposeOpeningCorrection
from server.awards.opening_corrections import waiting_corrections
from server.commands.awarding import new_id
from server.commands.context import CommandContext, pass_context
from server.commands.submitting import submit
from server.db import reading


@click.group("correct-opening")
def correct_opening() -> None:
    """更正转入的积分，要两个人 / Correct an opening balance: one proposes, another approves."""


@correct_opening.command()
@click.argument("opening_id", metavar="ID")
@click.argument("right_points", metavar="POINTS", type=click.IntRange(min=0))
@click.option("--reason", required=True, help="原因 / why")
@click.option("--id", "correction", help="更正编号 / the correction's id")
@pass_context
def propose(
    context: CommandContext,
    opening_id: str,
    right_points: int,
    *,
    reason: str,
    correction: str | None,
) -> None:
    """提出更正：应为多少积分 / Propose what a paper is really worth."""
    command = ProposeOpeningCorrection(
        correction=correction or new_id(context, context.clock()),
        opening_id=opening_id,
        right_points=right_points,
        reason=reason,
    )
    submit(context, command)
    click.echo(f"{command.correction}  已提出，请另一个人批准 / proposed; somebody else approves")


@correct_opening.command()
@click.argument("correction", metavar="ID")
@pass_context
def approve(context: CommandContext, correction: str) -> None:
    """批准更正 / Approve what somebody else proposed."""
    submit(context, ApproveOpeningCorrection(correction=correction))
    click.echo(f"{correction}  已批准并入账 / approved and booked")


@correct_opening.command()
@pass_context
def waiting(context: CommandContext) -> None:
    """待批准的更正 / Corrections that nobody has approved."""
    with reading(context.engine) as tx:
        found = waiting_corrections(tx, context.pool)
    for each in found:
        click.echo(
            f"{each.correction}  {each.opening_id}  {each.was_points} → {each.right_points}"
            f"  {each.account}  {each.reason}（{each.proposed_by}）"
        )
