"""Commands that check the books: audit, replay."""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click
from sqlalchemy.exc import SQLAlchemyError

from server.commands.audit import INVARIANTS, run_audit
from server.commands.audit_replay import count_rows, replay_and_compare
from server.commands.audit_values import Counter, Finding, Progress, keep
from server.commands.context import CommandContext, CommandRefused, pass_context
from server.db import EngineRefused, TryAgain, metadata, open_engine, reading
from server.db.migrate import upgrade
from server.db.roles import rights_too_many
from server.db.violation import Violation
from server.facts.tables import fact

_SHOWN = 20
"""Violations of one invariant that are printed; ``--json`` has up to 200."""

_TOLD_EVERY_S = 1.0
_RIGHTS_TOLD = 3
_STANDARD_OUTPUT = "-"


class CheckNotRun(CommandRefused):
    """The books could not be checked, which says nothing about them. Exit status 2."""

    exit_code = 2


def register(group: click.Group) -> None:
    """Adds the commands to the server's own."""
    group.add_command(audit)
    group.add_command(replay_into)


def _invariants(_context: click.Context, _parameter: click.Parameter, given: str) -> list[str]:
    wanted = [each.strip().upper() for each in given.split(",") if each.strip()]
    unknown = [each for each in wanted if each not in INVARIANTS]
    if unknown or not wanted:
        raise click.BadParameter(
            f"可选的是 {INVARIANTS[0]} 到 {INVARIANTS[-1]}，用逗号隔开"
            f" / name some of {INVARIANTS[0]} to {INVARIANTS[-1]}, with commas between"
        )
    return wanted


_progress_option = click.option(
    "--progress/--no-progress",
    "with_progress",
    default=None,
    help="在标准错误上显示进度，缺省只在终端上显示"
    " / tell on standard error how far it is; by default only on a terminal",
)


@click.command()
@click.option(
    "--only",
    default=",".join(INVARIANTS),
    callback=_invariants,
    metavar="I3,I8",
    help="只核对这些 / check these only",
)
@click.option(
    "--json",
    "json_file",
    is_flag=False,
    flag_value=_STANDARD_OUTPUT,
    type=click.Path(dir_okay=False, allow_dash=True),
    metavar="[FILE]",
    help="报告写成 JSON 文件；不写文件名则打印 JSON / write the report as JSON; without a file, print it",
)
@_progress_option
@pass_context
def audit(
    context: CommandContext, only: list[str], json_file: str | None, with_progress: bool | None
) -> None:
    """核对全部账目 / Check every invariant of the books.

    Exit status 0: the books are clean; 1: an invariant is broken; 2: it could not be run.
    """
    with _or_not_run(), reading(context.engine) as tx, _telling(with_progress) as tell:
        rights = rights_too_many(tx, metadata)
        findings = run_audit(tx, context.pool, context.make_desk, only=only, tell=tell)
    clean = all(each.clean for each in findings)
    told = {
        "pool": context.pool,
        "clean": clean,
        "complete": set(only) == set(INVARIANTS),
        "rights_too_many": rights,
        "findings": [asdict(each) for each in findings],
    }
    as_json = json.dumps(told, ensure_ascii=False, indent=2)
    if json_file == _STANDARD_OUTPUT:
        click.echo(as_json)
    else:
        for each in findings:
            _print_finding(each)
        _print_verdict(findings)
        if json_file is not None:
            _write(Path(json_file), as_json)
    if rights:
        click.echo(too_much(rights), err=True)
    if not clean:
        raise SystemExit(1)


@click.command("replay")
@click.option(
    "--into",
    "url",
    metavar="URL",
    help="空数据库，缺省用临时的 / an empty database; by default a scratch one",
)
@_progress_option
@pass_context
def replay_into(context: CommandContext, url: str | None, with_progress: bool | None) -> None:
    """把事实日志重放到空数据库，并逐行比较 / Replay the fact log into an empty database and
    compare every table, row by row.

    Exit status 0: the same books; 1: they differ, the rows are named; 2: it could not be run.
    """
    with tempfile.TemporaryDirectory(prefix="huidian-replay-") as folder, _or_not_run():
        target = open_engine(url or f"sqlite:///{Path(folder) / 'replayed.sqlite3'}")
        try:
            upgrade(target, metadata)
            with reading(target) as empty_tx:
                if count_rows(empty_tx, fact, context.pool):
                    raise CheckNotRun(
                        "目标数据库不是空的，请换一个空的 / the target is not empty, take another one"
                    )
            with reading(context.engine) as tx, _telling(with_progress) as tell:
                there = count_rows(tx, fact, context.pool)
                counter = Counter("replay", there, tell)
                desk = context.make_desk()
                compared = replay_and_compare(tx, context.pool, target, desk, counter.tick)
                broken, kept = keep(compared)
        finally:
            target.dispose()
    click.echo(f"已重放 {counter.checked} 条事实 / {counter.checked} facts replayed")
    if broken:
        _print_violations(kept, broken)
        click.echo(f"两边的账不同：{broken} 处 / the books differ in {broken} rows")
        raise SystemExit(1)
    click.echo("两边的账相同 / the books are the same")


@contextmanager
def _or_not_run() -> Iterator[None]:
    """What keeps a check from being run is told in a line, and with an exit status of its own."""
    try:
        yield
    except CheckNotRun:
        raise
    except CommandRefused as fault:
        raise CheckNotRun(fault.message) from fault
    except (TryAgain, EngineRefused, SQLAlchemyError, OSError) as fault:
        why = str(fault).splitlines()[0]
        raise CheckNotRun(f"没有核对成 / the check could not be run: {why}") from fault


@contextmanager
def _telling(with_progress: bool | None) -> Iterator[Callable[[Progress], None]]:
    """Tells how far the work is, at most once a second, on one line of a terminal or line by line."""
    on_terminal = sys.stderr.isatty()
    if not (on_terminal if with_progress is None else with_progress):
        yield lambda _progress: None
        return
    told_at_s = -_TOLD_EVERY_S

    def tell(progress: Progress) -> None:
        nonlocal told_at_s
        now_s = time.monotonic()
        if now_s - told_at_s < _TOLD_EVERY_S and progress.checked < progress.there:
            return
        told_at_s = now_s
        line = f"… {progress.invariant} {progress.checked} / {progress.there}"
        click.echo(f"\r\033[K{line}" if on_terminal else line, err=True, nl=not on_terminal)

    try:
        yield tell
    finally:
        if on_terminal:
            click.echo("\r\033[K", err=True, nl=False)


def too_much(found: list[str]) -> str:
    """One sentence about rights that the application has and must not have."""
    told = ", ".join(found[:_RIGHTS_TOLD]) + (" …" if len(found) > _RIGHTS_TOLD else "")
    return (
        f"程序的数据库角色权限过大（{told}），账目只靠触发器保护，正式使用请分设两个角色"
        f" / the program's database role may too much ({told}): only triggers defend the books;"
        " give it a role of its own (docs/operating.md)"
    )


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text + "\n", encoding="utf-8")
    except OSError as fault:
        raise CheckNotRun(f"报告写不进 {file} / cannot write the report: {fault}") from fault


def _print_finding(each: Finding) -> None:
    mark = "✓" if each.clean else "✗"
    took_s = f"{each.took_ms / 1_000:.1f} s"
    click.echo(
        f"{mark} {each.invariant:<4} {each.checked:>9} / {each.there:<9} {took_s:>9}  {each.says}"
    )
    _print_violations(each.violations, each.broken)
    if each.stopped is not None:
        click.echo(f"      没有核对完 / could not be checked to the end: {each.stopped}")


def _print_violations(violations: tuple[Violation, ...], broken: int) -> None:
    for violation in violations[:_SHOWN]:
        click.echo(f"      {violation.where}: {violation.says}")
    if broken > _SHOWN:
        click.echo(f"      … {broken} 处 / {broken} in all")


def _print_verdict(findings: tuple[Finding, ...]) -> None:
    if not all(each.clean for each in findings):
        click.echo("账目有误 / the books are broken")
    elif len(findings) == len(INVARIANTS):
        click.echo("账目无误 / the books are clean")
    else:
        held = ", ".join(each.invariant for each in findings)
        click.echo(f"所核对的无误：{held} / clean as far as checked: {held}")
