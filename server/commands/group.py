"""All commands of ``huidian-server``, in the order in which a pool needs them."""

import click

from server.commands import books
from server.commands.awarding import award
from server.commands.codes import card, code
from server.commands.importing import import_commands
from server.commands.people import sign_in
from server.commands.pool import init, serve
from server.commands.terminals import invite_terminal


def register_all(group: click.Group) -> None:
    """Puts every command into the group."""
    for command in (init, serve, import_commands, award, invite_terminal, card, code, sign_in):
        group.add_command(command)
    books.register(group)
