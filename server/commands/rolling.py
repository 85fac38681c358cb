"""``roll-up``: keeping the balances of very busy accounts quick to read."""

import click

from server.commands.context import CommandContext, pass_context
from server.db import run_writing
from server.ledger import roll_up
from server.settlement.day_sums import sum_up


@click.command("roll-up")
@pass_context
def roll_up_command(context: CommandContext) -> None:
    """汇总常用科目和商户每日账 / Roll up busy accounts, and merchants' days for their statements;
    at any time, best by a timer every few minutes.
    """
    done = run_writing(context.engine, lambda tx: roll_up(tx, context.pool))
    click.echo(
        f"已汇总 {done.accounts} 个科目，至第 {done.upto} 笔"
        f" / rolled up {done.accounts} accounts, to transfer {done.upto}"
    )
    entries = sum_up(context.engine, context.pool)
    click.echo(f"已计入商户每日账 {entries} 笔 / summed {entries} entries by merchant and day")
