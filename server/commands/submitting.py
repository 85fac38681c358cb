"""Handing one operator's command to the desk, in a transaction of its own."""

import os
import pwd
from pathlib import Path

from msgspec import Struct, ValidationError

from server.commands.context import CommandContext, CommandRefused
from server.db import writing
from server.facts import Outcome, Refusal
from server.facts.refused import Refused

_LOGIN = Path("/proc/self/loginuid")
_NOBODY_LOGGED_IN = 2**32 - 1
_ID_PATTERN = "^[a-z0-9][a-z0-9-]{0,30}$"
"""Of every id that a person chooses, in the commands of directory and awards."""


def operator() -> str:
    """Who is at the machine, as it shall stand in the fact log."""
    return f"operator:{machine_user()}"


def machine_user() -> str:
    """The user who gives this command, as the kernel knows him: whoever logged in, behind `sudo`
    as well; the process's own user where nobody did. No variable of the environment has a say:
    by one, the person who proposes would be the other one who approves.
    """
    number = os.getuid()
    try:
        login = int(_LOGIN.read_text())
    except (OSError, ValueError):  # a kernel or a container that keeps no such number
        login = _NOBODY_LOGGED_IN
    if login != _NOBODY_LOGGED_IN:
        number = login
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid-{number}"


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
        raise CommandRefused(_says(fault)) from fault
    if isinstance(outcome, Refused):
        raise CommandRefused(outcome.says)
    if isinstance(outcome, Refusal):
        raise CommandRefused(str(outcome))
    return outcome


def _says(fault: ValidationError) -> str:
    says = f"内容不对，请检查 / cannot be read: {fault}"
    if _ID_PATTERN in str(fault):
        says += (
            "\n编号只能用小写字母、数字和 -，以字母或数字开头，最长 31 个字符，例如 till-2"
            " / an id has small letters, digits and -, at most 31 of them, such as till-2"
        )
    return says
