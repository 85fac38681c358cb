"""Terminals: invited with a one-time code, enrolled with a key of their own."""

import hmac
from datetime import datetime

from sqlalchemy import Connection, Row, insert, select, update

from protocol.keys import KeyTextError, read_public_key
from server.directory import tables as t
from server.directory.commands import EnrolTerminal, InviteTerminal
from server.directory.queries import shop_of
from server.directory.refusals import conflict, unknown
from server.directory.values import (
    Answer,
    DirectoryProblem,
    Done,
    Enrolled,
    Refused,
    TerminalState,
)

FIRST_EPOCH = 1


def invite_terminal(tx: Connection, pool: str, command: InviteTerminal, _at: datetime) -> Answer:
    """Remember a code for a terminal; a terminal that has enrolled is not invited again."""
    if shop_of(tx, pool, command.shop) is None:
        return unknown(DirectoryProblem.UNKNOWN_SHOP, "门店", command.shop)
    found = _row(tx, pool, command.terminal)
    values = {
        "shop": command.shop,
        "state": TerminalState.INVITED.value,
        "code_name": command.code_name,
        "code_hash": command.code_hash,
        "code_expires_at": command.expires_at,
        "tries_left": command.tries,
    }
    if found is None:
        tx.execute(
            insert(t.terminal).values(
                pool=pool,
                terminal=command.terminal,
                public_key=None,
                epoch=0,
                enrolled_at=None,
                **values,
            )
        )
        return Done(command.terminal)
    if found.state == TerminalState.ACTIVE.value or found.shop != command.shop:
        return conflict(
            "终端",
            command.terminal,
            stands=(found.shop, found.state),
            asked=(command.shop, TerminalState.INVITED.value),
            do=("请换一个编号", "take another id"),
        )
    # Its shop is the same, and no right of the program's: where a terminal stands is not changed.
    anew = {name: value for name, value in values.items() if name != "shop"}
    _update(tx, pool, command.terminal, **anew)
    return Done(command.terminal, again=True)


def enrol_terminal(tx: Connection, pool: str, command: EnrolTerminal, at: datetime) -> Answer:
    """Give an invited terminal its key. Asked again by the same key, the same answer.

    A wrong code costs the invitation one of its tries, so this command's refusals are kept.
    """
    try:
        read_public_key(command.public_key)
    except KeyTextError:
        return Refused(
            DirectoryProblem.BAD_KEY, "终端公钥格式不对 / this is no public key of a terminal"
        )
    found = _row(tx, pool, command.terminal)
    if found is None:
        return _wrong_code()
    code_holds = hmac.compare_digest(found.code_hash, command.code_hash)
    if found.state == TerminalState.ACTIVE.value:
        if code_holds and found.public_key == command.public_key:
            return Enrolled(terminal=found.terminal, epoch=found.epoch, shop=found.shop)
        return _wrong_code()
    if found.state != TerminalState.INVITED.value or at >= found.code_expires_at:
        return _wrong_code()
    if not code_holds:
        left = found.tries_left - 1
        state = TerminalState.INVITED if left > 0 else TerminalState.CODE_DEAD
        _update(tx, pool, command.terminal, tries_left=left, state=state.value)
        return _wrong_code()
    if _key_is_taken(tx, pool, command.public_key):
        return Refused(
            DirectoryProblem.BAD_KEY,
            "这把密钥属于另一台终端，请重装终端后再注册"
            " / this key is another terminal's; set the terminal up anew",
        )
    _update(
        tx,
        pool,
        command.terminal,
        state=TerminalState.ACTIVE.value,
        public_key=command.public_key,
        epoch=FIRST_EPOCH,
        enrolled_at=at,
    )
    return Enrolled(terminal=found.terminal, epoch=FIRST_EPOCH, shop=found.shop)


def enrolled_keys(tx: Connection, pool: str) -> dict[str, str]:
    """The public key of every terminal that has one, by its id."""
    rows = tx.execute(
        select(t.terminal.c.terminal, t.terminal.c.public_key).where(
            t.terminal.c.pool == pool, t.terminal.c.public_key.is_not(None)
        )
    )
    return {row.terminal: row.public_key for row in rows}


def give_epoch(tx: Connection, pool: str, terminal: str, epoch: int) -> None:
    """From now on the terminal writes in this epoch."""
    _update(tx, pool, terminal, epoch=epoch)


def _wrong_code() -> Refused:
    return Refused(
        DirectoryProblem.WRONG_CODE,
        "注册码不对或已失效，请向街道办要一个新的"
        " / the code is wrong, used up or too old; ask the street office for a new one",
    )


def _key_is_taken(tx: Connection, pool: str, public_key: str) -> bool:
    found = select(t.terminal.c.terminal).where(
        t.terminal.c.pool == pool, t.terminal.c.public_key == public_key
    )
    return tx.execute(found).first() is not None


def _row(tx: Connection, pool: str, terminal: str) -> Row[tuple[object, ...]] | None:
    return tx.execute(
        select(t.terminal).where(t.terminal.c.pool == pool, t.terminal.c.terminal == terminal)
    ).one_or_none()


def _update(tx: Connection, pool: str, terminal: str, **values: object) -> None:
    tx.execute(
        update(t.terminal)
        .where(t.terminal.c.pool == pool, t.terminal.c.terminal == terminal)
        .values(**values)
    )
