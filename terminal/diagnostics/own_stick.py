"""A stopped terminal's own stick: what it has that the journal lacks is not left behind."""

from datetime import datetime
from pathlib import Path

import click
from msgspec import Struct

from config.terminal import TerminalSettings
from protocol.keys import read_public_key
from protocol.recovery import RecoverAnswer, RecoveredKind, RecoverRequest
from terminal.diagnostics.handing_over import NotHandedOverError, RecoverLink, hand_over
from terminal.diagnostics.looked_through import look_through
from terminal.domain.stopped import Stop, StopCause
from terminal.store.old_media import OldMediumError, open_old_medium
from terminal.store.reading_back import TailError, difference, take_back
from terminal.store.sqlite import SqliteStore
from terminal.store.stick import Stick, StickFaultError


class OwnStick(Struct, frozen=True):
    """``came_back``: so many records are in the journal again. ``contradicts``: journal and stick
    are not one chain, so what the stick has goes to the server instead.
    """

    stick: Stick
    mount: Path
    came_back: int = 0
    contradicts: bool = False


def own_stick(settings: TerminalSettings, store: SqliteStore, stop: Stop) -> OwnStick | None:
    """Look at the stick, and take back from it what follows the journal; None without one.

    Raises:
        click.ClickException: the terminal was stopped because of it, and it is not there.
    """
    mount = settings.second_medium
    is_needed = stop.cause is StopCause.COPY_DIFFERS
    if mount is None:
        if is_needed:
            raise _absent("second_medium is not set")
        return None
    terminal = store.sealer.identity.terminal
    stick = Stick(mount, terminal=terminal, own_storage=settings.data_dir)
    try:
        head = stick.head()
    except StickFaultError as fault:
        if is_needed:
            raise _absent(str(fault)) from fault
        return None
    if head is None:
        if is_needed:
            raise _absent("an empty stick")
        return None
    ahead = difference(store, head)
    if not ahead:
        return OwnStick(stick, mount)
    try:
        return OwnStick(stick, mount, came_back=take_back(store, stick, ahead))
    except TailError:
        return OwnStick(stick, mount, contradicts=True)


def hand_over_stick(link: RecoverLink, own: OwnStick) -> None:
    """Everything that is whole on it goes to the server, under this terminal's own name.

    Raises:
        click.ClickException: the server does not take it.
    """
    try:
        medium = open_old_medium(own.mount, own.mount)
        known = _known(link, medium.terminal)
        key = read_public_key(known.public_key)
        done, _ = hand_over(link, medium, look_through(medium, known, key), key)
    except (OldMediumError, NotHandedOverError) as error:
        raise click.ClickException(
            "备份U盘上的流水没有交给服务器，请看网络后再试"
            f" · the stick's records could not be handed over; try again: {error}"
        ) from error
    new = done.count(RecoveredKind.BOOKED, RecoveredKind.OVERDRAFT)
    click.echo(
        f"备份U盘上的流水已交给服务器：补记 {new} 条，等街道办处理 {len(done.waiting)} 条"
        " · the stick's records were handed over: booked, waiting for the office"
    )


def _known(link: RecoverLink, of: str) -> RecoverAnswer:
    answer = link.recover(RecoverRequest(of=of))
    if not isinstance(answer, RecoverAnswer):
        raise NotHandedOverError(answer, 0)
    return answer


def put_aside(own: OwnStick, at: datetime) -> None:
    """Keep what it holds under another name; the next start begins a new copy on it.

    Everything on it is at the server by now. One that takes nothing any more must not stop the
    terminal for ever: it is to be put away, and another one begins.
    """
    try:
        kept = own.stick.set_aside(f"{at:%Y%m%d-%H%M%S}")
    except StickFaultError as fault:
        click.echo(
            f"备份U盘写不进去（{fault}）。它上面的流水都已经在服务器上了：请拔下它收好，不要再插，"
            "换一个空的U盘再开机；再插着它开机又会停用"
            " · it cannot be written, and the server has all that is on it: pull it out, keep it,"
            " and put in an empty one before the next start, or it stops the terminal again"
        )
        return
    click.echo(f"备份U盘上旧的流水留在 {kept.name} · the old records are kept there")


def _absent(why: str) -> click.ClickException:
    return click.ClickException(
        f"请插上停用时的那个备份U盘再运行（{why}）；U盘丢了就加 --stick-lost，"
        "只在它上面的流水就没有了"
        " · plug in the stick with which it was stopped; if that is lost, add --stick-lost: what"
        " only it had is gone then"
    )
