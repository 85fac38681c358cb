"""What the pages are given, and the one way in which they change anything: a command."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime

from msgspec import Struct
from sqlalchemy import Connection, Engine

from protocol.business_day import business_date
from protocol.ids import uuid7
from server.db import run_writing
from server.directory import Card
from server.directory.keys import DocumentSigner
from server.directory.queries import cut_off_hour
from server.exports.fonts import PageFont
from server.facts import FactDesk, Outcome
from server.portal.session import Doorkeeper
from server.settlement.states_rights import portal_actor

_UUID_BYTES = 10
PinSetting = Callable[[Card, str, str, str], Struct]
"""Card, PIN, an id that counts once, and the reason."""
_EXPORTS_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class PortalServices:
    """What the pages are given.

    Attributes:
        clock: the server's time, aware UTC.
        randomness: n random bytes.
        signer: what signs downloads now; may refuse with ``KeysRefused``.
        font: for PDFs; None where the machine has none with Chinese characters.
        pin_setting: makes the command that gives a card a PIN, with the pool's keys; None where
            pages may not.
        idle_s: seconds without a page after which a session ends.
        lifetime_s: seconds after which it ends in any case.
        door: one for all pages, so that tries at one sign-in count at the other as well.
        exports: how many files may be made at once; a PDF takes a core for a while.
    """

    engine: Engine
    pool: str
    desk: FactDesk
    signer: Callable[[], DocumentSigner]
    clock: Callable[[], datetime]
    randomness: Callable[[int], bytes]
    font: PageFont | None = None
    pin_setting: PinSetting | None = None
    idle_s: int = 30 * 60
    lifetime_s: int = 12 * 3600
    door: Doorkeeper = field(init=False)
    exports: threading.BoundedSemaphore = field(init=False)

    def __post_init__(self) -> None:
        """Make what all threads share."""
        door = Doorkeeper(
            engine=self.engine,
            pool=self.pool,
            idle_s=self.idle_s,
            lifetime_s=self.lifetime_s,
            randomness=self.randomness,
        )
        object.__setattr__(self, "door", door)
        object.__setattr__(self, "exports", threading.BoundedSemaphore(_EXPORTS_AT_ONCE))

    def submit(self, user: str, command: Struct) -> Outcome:
        """The outcome of a command that somebody who is signed in hands in, once committed.

        Raises:
            TryAgain: the database stayed busy; the same command may be handed in again.
        """
        now = self.clock()
        return run_writing(
            self.engine,
            lambda tx: self.desk.submit(
                tx, self.pool, command, actor=portal_actor(user), recorded_at=now
            ),
        )

    def today(self, tx: Connection) -> date:
        """The pool's business date now."""
        return business_date(self.clock(), cut_off_hour(tx, self.pool))

    def new_id(self) -> str:
        """An id for something that a form may ask for; the form carries it, so that the same
        form sent twice asks once.
        """
        return str(uuid7(self.clock(), self.randomness(_UUID_BYTES)))
