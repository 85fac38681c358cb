"""``import``: many commands from a file, all of them or none."""

from typing import BinaryIO

import click
import msgspec

from server.awards import AwardCommand, AwardPoints, ClaimAward
from server.awards.claims import unnamed_fact
from server.awards.temporary_cards import (
    HandOverTemporaryCard,
    IssueTemporaryCard,
    MoveTemporaryRest,
)
from server.commands.context import CommandContext, CommandRefused, pass_context
from server.commands.submitting import operator
from server.db import writing
from server.directory.commands import AgreeContract, AgreeTerms, DirectoryCommand
from server.directory.contract_terms import simple_terms
from server.facts import Refusal
from server.facts.refused import Refused
from server.redemption import CountStock, ReceiveStock

MAX_LINE_BYTES = 64 * 1024
MAX_LINES = 200_000

ImportedCommand = (
    DirectoryCommand
    | AwardCommand
    | ReceiveStock
    | CountStock
    | IssueTemporaryCard
    | HandOverTemporaryCard
    | MoveTemporaryRest
)


@click.command("import")
@click.argument("file", type=click.File("rb"), metavar="FILE.jsonl|-")
@pass_context
def import_commands(context: CommandContext, file: BinaryIO) -> None:
    """导入登记和奖励，一行一条 / import registrations and awards, one JSON object a line.

    A line is {"kind": "register_resident", ...}; the kinds and their fields are those of the
    fact log. A line that is refused is named, and then nothing at all is imported.
    """
    commands = _read(file)
    desk, by, at = context.make_desk(), operator(), context.clock()
    with writing(context.engine) as tx:
        for line_no, command in commands:
            if isinstance(command, AwardPoints | ClaimAward):
                unnamed = unnamed_fact(tx, context.pool, command)
                if unnamed is not None:
                    raise _refused(line_no, unnamed.says)
            outcome = desk.submit(tx, context.pool, command, actor=by, recorded_at=at)
            if isinstance(outcome, Refusal):
                says = outcome.says if isinstance(outcome, Refused) else str(outcome)
                raise _refused(line_no, says)
    click.echo(f"导入 {len(commands)} 条 / imported {len(commands)} commands")


def _read(file: BinaryIO) -> list[tuple[int, ImportedCommand]]:
    decoder: msgspec.json.Decoder[ImportedCommand] = msgspec.json.Decoder(ImportedCommand)
    commands: list[tuple[int, ImportedCommand]] = []
    line_no = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        line_no += 1
        if len(line) > MAX_LINE_BYTES or line_no > MAX_LINES:
            raise _refused(line_no, "行或文件太长 / the line or the file is too long")
        if not line.strip():
            continue
        try:
            commands.append((line_no, _as_entered_now(decoder.decode(line))))
        except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as fault:
            raise _refused(line_no, f"内容不对 / cannot be read: {fault}") from fault
    return commands


def _as_entered_now(command: ImportedCommand) -> ImportedCommand:
    """The short form of a contract is checked as every contract is that is entered now: against
    gaps and settled days. Facts of that form in old logs stay as they were taken.
    """
    if not isinstance(command, AgreeContract):
        return command
    return AgreeTerms(
        contract=command.contract,
        merchant=command.merchant,
        valid_from=command.valid_from,
        valid_until=command.valid_until,
        terms=simple_terms(command.share_bp, command.reimbursement_bp),
    )


def _refused(line_no: int, says: str) -> CommandRefused:
    return CommandRefused(
        f"第 {line_no} 行：{says}\n没有导入任何内容 / nothing was imported (line {line_no})"
    )
