"""``huidian-terminal recover``: a dead terminal's records, from its stick, its old card or nothing."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn

import click
from msgspec import Struct

from config.terminal import TerminalSettings
from protocol.keys import read_public_key
from protocol.messages import ProblemKind
from protocol.recovery import RecoverAnswer, RecoverRequest, RecoverySource
from terminal.diagnostics.handing_over import HandedOver, NotHandedOverError, hand_over
from terminal.diagnostics.linked import Wall, linked, wall_of
from terminal.diagnostics.looked_through import LookedThrough, look_through
from terminal.diagnostics.recovery_report import Report
from terminal.domain.ports import TerminalIdentity, Unreachable
from terminal.pool.link import PoolLink, ServerProblem
from terminal.store.identity import load_identity
from terminal.store.old_media import OldMedium, OldMediumError, open_old_medium

SCRATCH: Final = "recover-"
SHOWN_MAX: Final = 10
NOTHING_DONE: Final = 2
LOOK: Final = 1
"""Exit status where everything was handed over, and something is missing or waits for a person."""


class NotRecovered(click.ClickException):
    """Nothing, or not all, was handed over; running it again does no harm."""

    exit_code = NOTHING_DONE


class _Here(Struct, frozen=True):
    """This terminal, and its way to the server."""

    identity: TerminalIdentity
    link: PoolLink


@click.command(
    "recover", help="终端坏了：交回旧卡或备份U盘上的流水 · hand over a dead terminal's records"
)
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.option("--terminal", "of", help="坏掉的终端编号 · the dead terminal's id")
@click.option(
    "--salvage",
    is_flag=True,
    help="备份有损坏也交出完好的 · hand over what is whole of a damaged one",
)
@click.option("--json", "as_json", is_flag=True, help="给程序看 · for programs")
@click.pass_context
def recover_command(
    context: click.Context, source: Path | None, of: str | None, *, salvage: bool, as_json: bool
) -> None:
    """SOURCE is where the stick or the old card is mounted, or a copy of the data folder; without
    one the server only says what it knows. This terminal is enrolled, and may be selling.
    """
    settings: TerminalSettings = context.obj
    wall = wall_of(context, settings)
    with _this_terminal(settings, wall) as here, _scratch(settings.data_dir) as scratch:
        if source is None:
            report = _from_nothing(here, of)
        else:
            report = _from(here, _opened(source, scratch, of), salvage=salvage)
    click.echo(json.dumps(report.row(), ensure_ascii=False) if as_json else report.text())
    context.exit(0 if report.is_complete else LOOK)


@contextmanager
def _this_terminal(settings: TerminalSettings, wall: Wall) -> Iterator[_Here]:
    try:
        loaded = load_identity(settings.data_dir)
    except ValueError as error:
        raise NotRecovered(str(error)) from error
    if loaded is None:
        raise NotRecovered(
            "先给这台新终端入网：huidian-terminal enrol --code 入网码"
            " · enrol this new terminal first: huidian-terminal enrol --code CODE"
        )
    identity, key = loaded
    with linked(settings, identity, key, wall) as link:
        yield _Here(identity, link)


@contextmanager
def _scratch(data_dir: Path) -> Iterator[Path]:
    """A folder for the copy of an old card's file; those of a run that was cut off go with it."""
    for left in data_dir.glob(f"{SCRATCH}*"):
        shutil.rmtree(left, ignore_errors=True)
    try:
        with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=data_dir) as folder:
            yield Path(folder)
    except OSError as error:
        raise NotRecovered(f"{data_dir} 写不进去 · cannot be written: {error}") from error


def _opened(source: Path, scratch: Path, of: str | None) -> OldMedium:
    try:
        medium = open_old_medium(source, scratch)
    except OldMediumError as error:
        raise NotRecovered(str(error)) from error
    if of is not None and of != medium.terminal:
        raise NotRecovered(
            f"拿错了：{source} 是终端 {medium.terminal} 的，不是 {of} 的，什么也没有交"
            f" · the wrong one: it is terminal {medium.terminal}'s, not {of}'s; nothing was handed over"
        )
    return medium


def _from_nothing(here: _Here, of: str | None) -> Report:
    if of is None:
        raise NotRecovered(
            "请写U盘或旧卡在哪里；都没有就写 --terminal 旧终端编号"
            " · say where the stick or the old card is; with neither, --terminal ID"
        )
    nothing = OldMedium(RecoverySource.NOTHING, of, lambda: iter(()))
    known = _known(here, of)
    looked = LookedThrough()
    done, after = _handed_over(here, nothing, looked, known)
    return Report(here.identity.terminal, nothing.source, looked, done, known, after)


def _from(here: _Here, medium: OldMedium, *, salvage: bool) -> Report:
    known = _known(here, medium.terminal)
    looked = look_through(medium, known, read_public_key(known.public_key))
    if looked.lines and not looked.authentic:
        raise NotRecovered(
            f"这里的 {looked.lines} 条流水没有一条是本积分池的终端 {medium.terminal} 签的：拿错了，"
            "或者是别的积分池的。什么也没有交"
            f" · none of its {looked.lines} records is signed by terminal {medium.terminal} of this"
            " pool: the wrong one, or another pool's. Nothing was handed over"
        )
    if not looked.lines:
        raise NotRecovered(
            f"这里一条终端 {medium.terminal} 的流水也没有，什么也没有交；没有别的备份就用 --terminal"
            " · there is no record on it; nothing was handed over. With no other copy use --terminal"
        )
    if looked.damaged and not salvage:
        _refuse_damaged(looked)
    done, after = _handed_over(here, medium, looked, known)
    return Report(here.identity.terminal, medium.source, looked, done, known, after)


def _refuse_damaged(looked: LookedThrough) -> NoReturn:
    places = "\n".join(
        f"  {each.epoch}/{each.first}{f'-{each.last}' if each.last > each.first else ''} {each.says}"
        for each in looked.damages[:SHOWN_MAX]
    )
    more = "\n  …" if looked.damaged > SHOWN_MAX else ""
    raise NotRecovered(
        f"这份备份有 {looked.damaged} 处损坏或被改过，什么也没有交。有更好的备份请用那一份；"
        "没有就加 --salvage 再运行一次：完好的都会入账，缺的会列出来"
        f" · {looked.damaged} places of it are damaged or altered; nothing was handed over. Use a"
        f" better copy, or run again with --salvage\n{places}{more}"
    )


def _known(here: _Here, of: str) -> RecoverAnswer:
    answer = here.link.recover(RecoverRequest(of=of))
    if not isinstance(answer, RecoverAnswer):
        _refuse(answer, 0)
    return answer


def _handed_over(
    here: _Here, medium: OldMedium, looked: LookedThrough, known: RecoverAnswer
) -> tuple[HandedOver, RecoverAnswer]:
    try:
        return hand_over(here.link, medium, looked, read_public_key(known.public_key))
    except NotHandedOverError as error:
        _refuse(error.why, error.handed)


def _refuse(why: ServerProblem | Unreachable, handed: int) -> NoReturn:
    if isinstance(why, ServerProblem) and why.problem.problem is ProblemKind.NOT_FOUND:
        raise NotRecovered(f"什么也没有交 · nothing was handed over: {why.problem.says}")
    says = why.problem.says if isinstance(why, ServerProblem) else why.reason.value
    raise NotRecovered(
        f"服务器没有答复（{says}），已交 {handed} 条。网络好了再运行一次，不会重复入账"
        f" · the server did not answer after {handed} records: run it again, nothing counts twice"
    )
