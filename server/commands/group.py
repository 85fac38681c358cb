"""All commands of ``huidian-server``, in the order in which a pool needs them."""

import click

from server.commands import (
    auditing,
    awards,
    bearer,
    books,
    card_pins,
    contracts,
    fund,
    health,
    issuer_keys,
    orders,
    sanctions,
    statement_files,
    stock,
    temporary,
    terms,
)
from server.commands.card_sheets import card_sheet
from server.commands.chains import parked, terminal_group
from server.commands.codes import card, code
from server.commands.exposure import exposure_command
from server.commands.importing import import_commands
from server.commands.labels import price_labels
from server.commands.manual import manual
from server.commands.paying import payment
from server.commands.people import sign_in
from server.commands.phones import phone
from server.commands.pool import init, serve, upgrade
from server.commands.report import report
from server.commands.rolling import roll_up_command
from server.commands.settling import settling
from server.commands.terminals import invite_terminal


def register_all(group: click.Group) -> None:
    """Puts every command into the group."""
    for command in (init, upgrade, serve, import_commands, invite_terminal, card, code, sign_in):
        group.add_command(command)
    awards.register(group)
    contracts.register(group)
    books.register(group)
    statement_files.register(books.statement)
    auditing.register(group)
    group.add_command(settling)
    group.add_command(payment)
    group.add_command(report)
    stock.register(group)
    group.add_command(orders.order)
    group.add_command(price_labels)
    fund.register(group)
    terms.register(group)
    sanctions.register(group)
    health.register(group)
    group.add_command(roll_up_command)
    group.add_command(phone)
    group.add_command(card_sheet)
    group.add_command(bearer.issue)
    group.add_command(bearer.bearer_card)
    group.add_command(parked)
    group.add_command(terminal_group)
    group.add_command(exposure_command)
    group.add_command(card_pins.card_pin)
    group.add_command(card_pins.card_lost)
    group.add_command(manual)
    group.add_command(issuer_keys.keys)
    group.add_command(temporary.temporary_card)
