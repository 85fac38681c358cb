"""``huidian-terminal rejoin``: go on after the office has looked at records that differed."""

import time
from datetime import UTC, datetime
from pathlib import Path

import click

from config.terminal import TerminalSettings
from protocol.messages import BootAnswer, BootRequest, ProblemKind
from terminal.domain.clock import ShopClock
from terminal.domain.ports import StoreFaultError
from terminal.domain.stopped import StopCause
from terminal.pool.breaker import Breaker
from terminal.pool.link import HttpLink, PoolLink, ServerProblem
from terminal.store.chain_check import ChainCheck
from terminal.store.epochs import enter_epoch, head_in, raise_numbers
from terminal.store.identity import load_identity
from terminal.store.lock import DataInUseError, DataLock
from terminal.store.quarantine import Quarantine
from terminal.store.sealer import ChainHead, Sealer
from terminal.store.sqlite import SqliteStore

DATABASE_FILE = "terminal.db"
MAY_GO_ON = frozenset({StopCause.FORKED, StopCause.COPY_DIFFERS})


@click.command("rejoin", help="街道办放行后继续使用 · go on after the office has reopened it")
@click.pass_obj
def rejoin_command(settings: TerminalSettings) -> None:
    """Ask for a new epoch; with one, what was never told is told in it, and selling begins."""
    try:
        lock = DataLock(settings.data_dir)
    except DataInUseError as error:
        raise click.ClickException(str(error)) from error
    try:
        _rejoin(settings, settings.data_dir)
    except StoreFaultError as error:
        raise click.ClickException(f"存储出错 · the storage failed: {error}") from error
    finally:
        lock.close()


def _rejoin(settings: TerminalSettings, data_dir: Path) -> None:
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
    store = SqliteStore(
        data_dir / DATABASE_FILE, Sealer(identity=identity, key=key, boot_id="rejoin")
    )
    clock = ShopClock(lambda: datetime.now(UTC), lambda: time.monotonic_ns() // 1_000_000)
    link = PoolLink(
        HttpLink(settings.server_url, key, identity.terminal, clock),
        terminal=identity.terminal,
        ask_timeout_s=settings.ask_timeout_s,
        breaker=Breaker(settings.breaker_open_s, time.monotonic),
        note_server=lambda _answered: None,
    )
    try:
        broken = ChainCheck(store, key.public_key(), identity.terminal).whole().broken
        if broken is not None:
            raise click.ClickException(f"流水不完整 · the records are not whole: {broken.detail}")
        answer = _ask(link, store)
        closed = ChainHead(answer.closed_epoch, answer.closed_seq, answer.closed_hash)
        says = enter_epoch(store, answer.epoch, closed, datetime.now(UTC), anew=answer.anew)
        if says:
            raise click.ClickException(f"流水仍对不上 · the records still differ: {says}")
        raise_numbers(store, receipt=answer.last_receipt, z_no=answer.last_z)
    finally:
        link.close()
        store.close()
    quarantine.lift()
    click.echo(f"可以继续收款，流水期 {answer.epoch} · selling may go on, in epoch {answer.epoch}")


def _ask(link: PoolLink, store: SqliteStore) -> BootAnswer:
    head = head_in(store)
    answer = link.boot(
        BootRequest(boot_id="rejoin", epoch=head.epoch, head_seq=head.seq, head_hash=head.hash_hex)
    )
    if isinstance(answer, BootAnswer):
        return answer
    if isinstance(answer, ServerProblem) and answer.problem.problem is ProblemKind.FORK:
        raise click.ClickException(
            "街道办还没有放行 · the office has not reopened it yet: huidian-server terminal reopen"
        )
    if isinstance(answer, ServerProblem) and answer.problem.problem is ProblemKind.GAP:
        raise click.ClickException(
            f"服务器缺少第 {head.epoch}/{answer.problem.expected_seq} 条起的流水，放行给的流水期这台终端已用过，"
            "请街道办再放行一次：huidian-server terminal reopen"
            f" · the server lacks the records from {head.epoch}/{answer.problem.expected_seq} on;"
            " it opened an epoch that this terminal has used: the office is to reopen it again"
        )
    raise click.ClickException(
        "连不上积分池服务器，请看网络后再试 · the pool server cannot be asked; try again"
    )
