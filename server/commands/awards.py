"""All commands about awards."""

import click

from server.commands.award_lists import award_event_command, award_file, open_balances
from server.commands.award_rules import (
    amend_rule,
    award_rules,
    awarder,
    claim,
    claims,
    partner,
    review,
)
from server.commands.awarding import award, claw_back
from server.commands.counter_awards import counter
from server.commands.opening_corrections import correct_opening
from server.commands.proxies import proxies
from server.commands.tasks import task


def register(group: click.Group) -> None:
    """Puts the commands about awards into the group."""
    for command in (
        award,
        award_event_command,
        award_file,
        claw_back,
        claim,
        claims,
        review,
        open_balances,
        correct_opening,
        task,
        award_rules,
        amend_rule,
        awarder,
        partner,
        counter,
        proxies,
    ):
        group.add_command(command)
