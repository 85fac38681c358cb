"""Whose key a request must be signed with, without asking the database each time."""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, Engine, bindparam, select

from protocol.keys import read_public_key
from server.db import reading
from server.db.bulk import among, ask_all
from server.directory import Terminal, TerminalState, terminal_of
from server.directory import tables as t

MAX_KNOWN = 10_000


@dataclass(frozen=True, slots=True)
class KnownTerminal:
    """An enrolled terminal and its key, as they were when last read."""

    terminal: Terminal
    key: Ed25519PublicKey


class KnownTerminals:
    """Remembers enrolled terminals, for checking signatures outside of any transaction.

    What is remembered may be old. It proves who signed, never that he may still ask: that is
    looked up with the work itself (:func:`standing_as`). Nobody who is unknown is remembered.
    Thread-safe.
    """

    def __init__(self, engine: Engine, pool: str) -> None:
        self._engine = engine
        self._pool = pool
        self._lock = threading.Lock()
        self._known: OrderedDict[str, KnownTerminal] = OrderedDict()

    def find(self, terminal_id: str) -> KnownTerminal | None:
        """The terminal, from memory or from the database; None where none is enrolled so."""
        with self._lock:
            found = self._known.get(terminal_id)
            if found is not None:
                self._known.move_to_end(terminal_id)
                return found
        return self.read_again(terminal_id)

    def read_again(self, terminal_id: str) -> KnownTerminal | None:
        """The terminal as the database has it now."""
        with reading(self._engine) as tx:
            terminal = terminal_of(tx, self._pool, terminal_id)
        if terminal is None or terminal.public_key is None or not _may_ask(terminal):
            self.forget(terminal_id)
            return None
        found = KnownTerminal(terminal, read_public_key(terminal.public_key))
        with self._lock:
            self._known[terminal_id] = found
            while len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
        return found

    def forget(self, terminal_id: str) -> None:
        """Read it anew the next time."""
        with self._lock:
            self._known.pop(terminal_id, None)


def _may_ask(terminal: Terminal) -> bool:
    return terminal.state is TerminalState.ACTIVE


_KEYS_IN_USE = select(t.terminal.c.terminal, t.terminal.c.public_key, t.terminal.c.epoch).where(
    t.terminal.c.pool == bindparam("of_pool"),
    among(t.terminal.c.terminal, "asking"),
    t.terminal.c.state == bindparam("in_state"),
)


def standing_as(tx: Connection, pool: str, asking: Iterable[Terminal]) -> set[Terminal]:
    """Those of the terminals that may ask now, with the key and the epoch that they are given with.

    One statement for all of them.
    """
    wanted = set(asking)
    if not wanted:
        return set()
    names = sorted({each.terminal for each in wanted})
    given = {"of_pool": pool, "asking": names, "in_state": TerminalState.ACTIVE.value}
    (rows,) = ask_all(tx, [(_KEYS_IN_USE, given)])
    in_use = {(row["terminal"], row["public_key"], row["epoch"]) for row in rows}
    return {each for each in wanted if (each.terminal, each.public_key, each.epoch) in in_use}
