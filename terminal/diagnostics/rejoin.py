"""``huidian-terminal rejoin``: go on after the office has looked at records that differed."""

from collections.abc import Sequence
from contextlib import closing

import click
from msgspec.structs import replace

from config.terminal import TerminalSettings
from protocol.messages import BootAnswer, BootRequest, JournalAnswer, ProblemKind
from terminal.diagnostics.linked import Wall, linked, wall_of
from terminal.diagnostics.own_stick import hand_over_stick, own_stick, put_aside
from terminal.domain.ports import StoreFaultError
from terminal.domain.stopped import StopCause
from terminal.pool.link import PoolLink, ServerProblem
from terminal.store.chain_check import ChainCheck
from terminal.store.epochs import enter_epoch, head_in, raise_numbers
from terminal.store.identity import load_identity
from terminal.store.lock import DataInUseError, DataLock
from terminal.store.outbox import Outbox, UntoldRecord
from terminal.store.quarantine import Quarantine
from terminal.store.sealer import ChainHead, Sealer
from terminal.store.sqlite import DATABASE_FILE, SqliteStore

MAY_GO_ON = frozenset({StopCause.FORKED, StopCause.COPY_DIFFERS})


@click.command("rejoin", help="街道办放行后继续使用 · go on after the office has reopened it")
@click.option(
    "--stick-lost",
    is_flag=True,
    help="备份U盘丢了，不用它核对 · the stick is lost: go on without it",
)
@click.pass_context
def rejoin_command(context: click.Context, *, stick_lost: bool) -> None:
    """What the stick has goes back into the journal, or to the server; then a new epoch is asked
    for, what was never told is told in it, and selling begins.
    """
    settings: TerminalSettings = context.obj
    try:
        lock = DataLock(settings.data_dir)
    except DataInUseError as error:
        raise click.ClickException(str(error)) from error
    try:
        _rejoin(settings, wall_of(context, settings), stick_lost=stick_lost)
    except StoreFaultError as error:
        raise click.ClickException(f"存储出错 · the storage failed: {error}") from error
    finally:
        lock.close()


def _rejoin(settings: TerminalSettings, wall: Wall, *, stick_lost: bool) -> None:
    data_dir = settings.data_dir
    quarantine = Quarantine(data_dir)
    stop = quarantine.read()
    loaded = load_identity(data_dir)
    if stop is None or loaded is None:
        raise click.ClickException("这台终端没有停用 · this terminal is not stopped")
    if stop.cause not in MAY_GO_ON:
        raise click.ClickException(
            f"{stop.cause.value}：不能这样恢复，请运行 huidian-terminal diagnose"
            " · not to be mended this way; run huidian-terminal diagnose"
        )
    identity, key = loaded
    sealer = Sealer(identity=identity, key=key, boot_id="rejoin")
    with (
        closing(SqliteStore(data_dir / DATABASE_FILE, sealer)) as store,
        linked(settings, identity, key, wall) as link,
    ):
        broken = ChainCheck(store, key.public_key(), identity.terminal).whole().broken
        if broken is not None:
            raise click.ClickException(f"流水不完整 · the records are not whole: {broken.detail}")
        own = None if stick_lost else own_stick(settings, store, stop)
        if own is not None and own.came_back and stop.cause is StopCause.COPY_DIFFERS:
            quarantine.lift()
            click.echo(
                f"已从备份U盘补回 {own.came_back} 条流水，可以继续收款"
                f" · {own.came_back} records came back from the stick; selling may go on"
            )
            return
        if own is not None and own.contradicts:
            hand_over_stick(link, own)
        answer = _ask(link, store, wall)
        closed = ChainHead(answer.closed_epoch, answer.closed_seq, answer.closed_hash)
        says = enter_epoch(store, answer.epoch, closed, wall(), anew=answer.anew)
        if says:
            raise click.ClickException(f"流水仍对不上 · the records still differ: {says}")
        raise_numbers(store, receipt=answer.last_receipt, z_no=answer.last_z)
        if own is not None and own.contradicts:
            put_aside(own, wall())
    quarantine.lift()
    click.echo(f"可以继续收款，流水期 {answer.epoch} · selling may go on, in epoch {answer.epoch}")


def _ask(link: PoolLink, store: SqliteStore, wall: Wall) -> BootAnswer:
    """A new epoch, after everything of the old one is told that can be."""
    outbox = Outbox(store)
    while True:
        head = head_in(store)
        request = BootRequest(
            boot_id="rejoin", epoch=head.epoch, head_seq=head.seq, head_hash=head.hash_hex
        )
        answer = link.boot(request)
        if isinstance(answer, BootAnswer):
            return answer
        kind = answer.problem.problem if isinstance(answer, ServerProblem) else None
        if kind is ProblemKind.FORK:
            raise _NOT_REOPENED
        batch = outbox.next_batch()
        if kind is ProblemKind.GAP and isinstance(answer, ServerProblem):
            if not batch:
                raise _used_epoch(f"{head.epoch}/{answer.problem.expected_seq}")
            _tell(link, outbox, batch, request, wall)
            continue
        raise click.ClickException(
            "连不上积分池服务器，请看网络后再试 · the pool server cannot be asked; try again"
        )


def _tell(
    link: PoolLink, outbox: Outbox, batch: Sequence[UntoldRecord], request: BootRequest, wall: Wall
) -> None:
    """Tell what the server lacks; one that is another there is kept for the office."""
    told = link.tell(tuple(each.record for each in batch))
    if isinstance(told, JournalAnswer):
        outbox.mark_told(told.outcomes, wall())
        return
    kind = told.problem.problem if isinstance(told, ServerProblem) else None
    if kind is ProblemKind.FORK:
        link.boot(replace(request, differing=batch[0].record))
        raise _NOT_REOPENED
    if kind is ProblemKind.GAP and isinstance(told, ServerProblem):
        raise _used_epoch(f"{batch[0].epoch}/{told.problem.expected_seq}")
    raise click.ClickException(
        "服务器没有收下流水，请看网络后再试 · the server did not take the records; try again"
    )


_NOT_REOPENED = click.ClickException(
    "街道办还没有放行 · the office has not reopened it yet: huidian-server terminal reopen"
)


def _used_epoch(place: str) -> click.ClickException:
    return click.ClickException(
        f"服务器缺少第 {place} 条起的流水，放行给的流水期这台终端已用过，"
        "请街道办再放行一次：huidian-server terminal reopen"
        f" · the server lacks the records from {place} on;"
        " it opened an epoch that this terminal has used: the office is to reopen it again"
    )
