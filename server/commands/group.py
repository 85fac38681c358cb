"""All commands of ``huidian-server``, in the order in which a pool needs them."""

import click

from server.commands import awards, bearer, books, fund, stock
from server.commands.codes import card, code
from server.commands.importing import import_commands
from server.commands.people import sign_in
from server.commands.pool import init, serve
from server.commands.report import report
from server.commands.terminals import invite_terminal


def register_all(group: click.Group) -> None:
    """Puts every command into the group."""
    for command in (init, serve, import_commands, invite_terminal, card, code, sign_in):
        group.add_command(command)
    awards.register(group)
    books.register(group)
    group.add_command(report)
    stock.register(group)
    fund.register(group)
    group.add_command(bearer.issue)
