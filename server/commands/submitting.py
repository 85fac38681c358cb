"""Handing one operator's command to the desk, in a transaction of its own."""

import getpass

from msgspec import Struct, ValidationError

from server.commands.context import CommandContext, CommandRefused
from server.db import writing
from server.facts import Outcome, Refusal
from server.facts.refused import Refused


def operator() -> str:
    """Who is at the machine, as it shall stand in the fact log."""
    try:
        return f"operator:{getpass.getuser()}"
    except (KeyError, OSError):  # a user id without a name
        return "operator:unnamed"


def submit(context: CommandContext, command: Struct) -> Outcome:
    """Apply one command and commit.

    Raises:
        CommandRefused: it was refused, with the refusal's sentence, or a field of it is not
            what it must be.
    """
    desk = context.make_desk()
    try:
        with writing(context.engine) as tx:
            outcome = desk.submit(
                tx, context.pool, command, actor=operator(), recorded_at=context.clock()
            )
    except ValidationError as fault:
        raise CommandRefused(f"内容不对，请检查 / cannot be read: {fault}") from fault
    if isinstance(outcome, Refused):
        raise CommandRefused(outcome.says)
    if isinstance(outcome, Refusal):
        raise CommandRefused(str(outcome))
    return outcome
