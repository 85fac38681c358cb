"""The technician's commands, each loaded when it is asked for.

A till's start should be quick and its memory small, and none of these is used while it sells:
together they are a tenth of the program.
"""

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import click

CLOCK_OF: Final = "terminal.clock_of"
"""Where a command's context has the maker of the clock that the settings name."""

LATE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "print-test": "terminal.diagnostics.print_test:print_test_command",
        "prints": "terminal.diagnostics.prints:prints_command",
        "prices": "terminal.diagnostics.prices:prices_command",
        "diagnose": "terminal.diagnostics.storage:diagnose_command",
        "rejoin": "terminal.diagnostics.rejoin:rejoin_command",
        "recover": "terminal.diagnostics.recover:recover_command",
    }
)
"""Name on the command line, and the module and attribute that holds the command."""


class LateCommands(click.Group):
    """A group to which the commands of :data:`LATE` belong."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """See :class:`click.Group`; loads nothing."""
        return sorted({*super().list_commands(ctx), *LATE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """See :class:`click.Group`; a late command's module is imported here."""
        if cmd_name not in LATE:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = LATE[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """See :class:`click.Group`; a file that cannot be used is said in one line."""
        try:
            return super().invoke(ctx)
        except OSError as fault:
            if fault.filename is None:  # not about a file: the whole trace is wanted
                raise
            raise click.ClickException(_says(fault)) from fault


def _says(fault: OSError) -> str:
    if isinstance(fault, PermissionError):
        return (
            f"{fault.filename} 这个用户用不了，请用终端服务的用户运行（sudo -u huidian-terminal …）"
            f" · this user may not use {fault.filename}: run it as the service's user"
        )
    return (
        f"{fault.filename} 用不了（{fault.strerror}），请看设置里的 data_dir；新终端先用"
        " huidian-terminal enrol --code 入网"
        f" · {fault.filename} cannot be used ({fault.strerror}): look at data_dir in the settings;"
        " a new terminal is enrolled first"
    )
