"""``task``: tasks that take several people, and reviewing all of them at once."""

import click

from server.awards import PublishTask, Split
from server.awards.batch import TaskRefused, TaskVerdict, review_task
from server.awards.tasks import seats_of, task_of
from server.commands.awarding import read_day
from server.commands.context import CommandContext, CommandRefused, pass_context
from server.commands.submitting import operator, submit
from server.db import reading, writing

_event = click.argument("event")


@click.group()
def task() -> None:
    """要几个人一起完成的任务 / Tasks that take several people."""


@task.command()
@_event
@click.option("--rule", "rule_id", required=True, help="积分标准编号 / the award rule's id")
@click.option("--people", type=click.IntRange(2, 100), required=True, help="名额 / how many")
@click.option(
    "--split",
    type=click.Choice([each.value for each in Split]),
    default=Split.EACH.value,
    show_default=True,
    help="每人或合计 / points for each, or shared together",
)
@click.option("--on", "day", metavar="YYYY-MM-DD", help="日期，默认今天 / default: today")
@pass_context
def publish(
    context: CommandContext, event: str, *, rule_id: str, people: int, split: str, day: str | None
) -> None:
    """发布任务 / Publish a task: exactly so many people."""
    command = PublishTask(
        event=event,
        rule_id=rule_id,
        performed_on=read_day(context, day),
        headcount=people,
        split=Split(split),
        published_by=operator(),
    )
    submit(context, command)
    click.echo(f"{event}：{people} 人，{'每人' if split == Split.EACH else '合计'} / published")


@task.command()
@_event
@pass_context
def show(context: CommandContext, event: str) -> None:
    """谁提交了 / Who has handed in."""
    with reading(context.engine) as tx:
        found = task_of(tx, context.pool, event)
        seats = seats_of(tx, context.pool, event)
    if found is None:
        raise CommandRefused(f"没有这项任务：{event}，请核对名称 / no such task: {event}")
    click.echo(f"{event}  {found.rule_id}  {found.performed_on}  {len(seats)}/{found.headcount}")
    for each in seats:
        state = "已通过 approved" if each.approved else "待审核 waiting"
        click.echo(f"  {each.seat}  {each.claim_id}  {each.account}  {state}")


@task.command()
@_event
@click.option("--approve/--refuse", "approve", required=True, help="通过 / 不通过")
@click.option("--by", required=True, help="审核人编号 / who reviews")
@click.option("--reason", default="", help="不通过的原因 / why it is refused")
@pass_context
def review(context: CommandContext, event: str, *, approve: bool, by: str, reason: str) -> None:
    """审核整项任务 / Review everybody's claim of a task, all or none."""
    desk, verdict = context.make_desk(), TaskVerdict(event, approve, by, reason)
    with writing(context.engine) as tx:
        outcome = review_task(tx, desk, context.pool, verdict, actor=operator(), at=context.clock())
        if isinstance(outcome, TaskRefused):
            raise CommandRefused(f"{outcome.claim_id}：{outcome.refusal.says}")
        if not outcome:
            raise CommandRefused(
                f"{event} 还没有人提交，请核对名称 / nobody has handed in for {event}"
            )
    points = sum(each.points for each in outcome if not each.again)
    click.echo(f"{event}  +{points}  {len(outcome)} 人 / {len(outcome)} reviewed")
