"""``huidian-terminal diagnose``: is what this terminal remembers whole, and what is to be done."""

from pathlib import Path

import click
from sqlalchemy import func, select

from config.terminal import TerminalSettings
from terminal.domain.ports import StoreFaultError, TerminalIdentity
from terminal.domain.stopped import Stop, StopCause
from terminal.store.chain_check import ChainCheck, Checked
from terminal.store.identity import load_identity
from terminal.store.lock import DataInUseError, DataLock
from terminal.store.quarantine import Quarantine, stop_of
from terminal.store.sealer import Sealer
from terminal.store.sqlite import DATABASE_FILE, SqliteStore
from terminal.store.stick import Stick, StickFaultError
from terminal.store.tables import journal, outbox
from terminal.web.words import COPIES

WHAT_TO_DO: dict[StopCause, str] = {
    StopCause.STORAGE_DAMAGED: (
        "换一张存储卡前，先把数据目录整个拷出来保存；再请街道办发新编号的入网码，入网后运行"
        " huidian-terminal recover 交回备份U盘或拷贝里的流水。"
        " Copy the whole data folder before you change the card; enrol anew under another id, then"
        " hand over stick or copy with huidian-terminal recover."
    ),
    StopCause.DISK_FULL: (
        "存储满了，流水没有坏，不用换卡。腾出空间再重启终端：sudo journalctl --vacuum-size=50M，"
        "sudo apt-get clean；数据目录里的文件一个也不要删。"
        " The storage is full; nothing is damaged and no card needs changing. Make room (the lines"
        " above do), delete nothing in the data folder, and restart the terminal."
    ),
    StopCause.CHAIN_BROKEN: (
        "把数据目录整个拷出来保存，连同备份U盘交给街道办核对；不要改动里面的文件。"
        " Keep a copy of the whole data folder, and take it and the backup stick to the office."
    ),
    StopCause.FORKED: (
        "请街道办用 huidian-server terminal differs 核对，再用 terminal reopen 放行；"
        "然后在这里运行 huidian-terminal rejoin。"
        " The office looks with `terminal differs` and lets it go on with `terminal reopen`;"
        " then run huidian-terminal rejoin here."
    ),
    StopCause.COPY_DIFFERS: (
        "存储卡可能被还原过：备份U盘上有这里没有的流水。插着U盘运行 huidian-terminal rejoin：能补回的补回，"
        "补不回的交给服务器，再请街道办放行。"
        " The storage may have been rolled back: with the stick plugged in run huidian-terminal"
        " rejoin. What follows comes back, the rest goes to the server, and the office reopens it."
    ),
}


@click.command("diagnose", help="检查存储、流水和备份U盘 · check storage, records and backup stick")
@click.pass_context
def diagnose_command(context: click.Context) -> None:
    """Reads everything, changes nothing. Exit status 1 where something is wrong."""
    settings: TerminalSettings = context.obj
    try:
        loaded = load_identity(settings.data_dir)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    if loaded is None:
        raise click.ClickException(f"{settings.data_dir} 里没有终端身份 · not enrolled")
    _say_if_running(settings.data_dir)
    stop = Quarantine(settings.data_dir).read()
    identity, key = loaded
    click.echo(f"终端 terminal: {identity.terminal} {identity.shop_name}")
    try:
        sealer = Sealer(identity=identity, key=key, boot_id="diagnose")
        store = SqliteStore(settings.data_dir / DATABASE_FILE, sealer)
    except StoreFaultError as fault:
        _finish(context, stop or stop_of(str(fault), settings.data_dir))
        return
    try:
        found = ChainCheck(store, key.public_key(), identity.terminal).whole()
        _say_records(store, found)
        if settings.second_medium is not None:
            _say_stick(settings, identity, settings.second_medium)
    finally:
        store.close()
    _finish(context, found.broken or stop)


def _say_if_running(data_dir: Path) -> None:
    try:
        DataLock(data_dir).close()
    except DataInUseError:
        click.echo("终端正在运行 · the terminal is running")


def _say_records(store: SqliteStore, found: Checked) -> None:
    try:
        with store.reading() as connection:
            untold = connection.execute(select(func.count()).select_from(outbox)).scalar_one()
            parked = connection.execute(
                select(func.count()).select_from(journal).where(journal.c.outcome == "parked")
            ).scalar_one()
    except StoreFaultError as fault:
        click.echo(f"流水读不出来 · the records cannot be read: {fault}")
        return
    head = f"{found.head.epoch}/{found.head.seq}" if found.head else "-"
    click.echo(f"核对了 {found.records} 条流水，到 {head} · records checked")
    click.echo(f"未上传 {untold} 条，待街道办处理 {parked} 条 · not uploaded, parked")


def _say_stick(settings: TerminalSettings, identity: TerminalIdentity, mount: Path) -> None:
    stick = Stick(mount, terminal=identity.terminal, own_storage=settings.data_dir)
    try:
        head = stick.head()
    except StickFaultError as fault:
        click.echo(f"备份U盘{COPIES[fault.state]} · backup stick: {fault.state.value}: {fault}")
        return
    place = f"{head.epoch}/{head.seq}" if head else "-"
    click.echo(f"备份U盘正常，最后一条 {place} · backup stick: newest record")


def _finish(context: click.Context, stop: Stop | None) -> None:
    if stop is None:
        click.echo("没有发现问题 · nothing wrong")
        return
    click.echo(f"有问题 · wrong: {stop.cause.value}: {stop.detail}")
    click.echo(f"请这样做 · do this: {WHAT_TO_DO[stop.cause]}")
    context.exit(1)
