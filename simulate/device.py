"""A terminal in this process: the programs' own till, store, outbox and page, put together."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from drivers.document import Document, document_to_json
from drivers.ports import (
    PrinterStatus,
    PrinterTrouble,
    PrintOutcome,
    PrintResult,
    do_nothing,
    ignore_trouble,
)
from protocol.keys import pool_tag, read_public_key
from simulate.clockwork import SeededIds, WorldClock
from simulate.disk import Disk, Ends
from simulate.network import Network, Wire
from simulate.pool import HOST, Enrolled
from simulate.sticks import SimulatedStick
from terminal.bootstrap import StoppedError, sound_store
from terminal.checkout.after_sale import AfterSale
from terminal.checkout.last_run import LastRunDesk
from terminal.checkout.page import Page
from terminal.checkout.returns import Returns
from terminal.checkout.till import Till
from terminal.domain.changes import Changes, Surroundings
from terminal.domain.clock import ShopClock
from terminal.domain.ports import StoreFaultError
from terminal.domain.stopped import Stop, StopCause
from terminal.pool.breaker import Breaker
from terminal.pool.link import HttpLink, PoolLink
from terminal.receipts.composer import ReceiptComposer
from terminal.store.chain_check import ChainCheck
from terminal.store.draft import DraftFile
from terminal.store.outbox import Outbox
from terminal.store.quarantine import Quarantine
from terminal.store.sealer import Sealer
from terminal.store.spool import Spool
from terminal.store.sqlite import DATABASE_FILE, SqliteStore
from terminal.workers.chain import ChainRound
from terminal.workers.printing import PrintRound
from terminal.workers.sync import SyncRound

VERSION = "simulation"
BREAKER_OPEN_S = 20.0
PATIENCE_S = 600.0
"""How long the program may wait for the simulation itself, in real seconds: for ever."""


class PaperRoll:
    """A printer whose paper is kept; a device, so it is made up. See :class:`drivers.ports.Printer`.

    ``printed`` are the documents of which at least one byte went out.
    """

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self.printed: list[bytes] = []

    def print_document(
        self,
        document: Document,
        *,
        on_sending: Callable[[], None] = do_nothing,
        on_waiting: Callable[[PrinterTrouble], None] = ignore_trouble,
    ) -> PrintOutcome:
        del on_waiting
        luck = self._chance.random()
        if luck < 0.1:
            return PrintOutcome(PrintResult.FAILED, PrinterTrouble.PAPER_OUT)
        on_sending()
        self.printed.append(document_to_json(document))
        if luck < 0.2:
            return PrintOutcome(PrintResult.UNKNOWN, PrinterTrouble.OFFLINE, bytes_sent=1)
        return PrintOutcome(PrintResult.CONFIRMED, bytes_sent=1)

    def status(self) -> PrinterStatus:
        return PrinterStatus(None)

    def find_level(self) -> PrinterStatus:
        return self.status()

    def close(self) -> None:
        pass


class Device:
    """One machine in one shop. Off until :meth:`boot`.

    Attributes:
        is_on: the program runs.
        stick: its second medium, where it has one.
        is_dead: its card is gone for good.
        refused: why the last boot did not come to selling, "" where it did.
        asks_meanwhile: called while the till waits for the pool's answer.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        enrolled: Enrolled,
        network: Network,
        clock: WorldClock,
        chance: Random,
        stick: SimulatedStick | None = None,
    ) -> None:
        self.name = name
        self.stick = stick
        self.is_dead = False
        self.folder = folder
        self.enrolled = enrolled
        self.disk = Disk(folder, chance)
        self.paper = PaperRoll(chance)
        self.is_on = False
        self.refused = ""
        self.quarantine = Quarantine(folder)
        self.boots = 0
        self.store: SqliteStore
        self.till: Till
        self.asks_meanwhile: Callable[[], None] = lambda: None
        self._network = network
        self._world = clock
        self._chance = chance
        self._ids = SeededIds(chance)
        self._behind = timedelta()
        self._booted_at = clock()

    def boot(self, *, behind: timedelta = timedelta()) -> bool:
        """Switch the program on; whether it came as far as selling.

        Args:
            behind: how wrong the machine's clock is.
        """
        self.boots += 1
        self._behind = behind
        self._booted_at = self._world()
        try:
            self._put_together()
        except StoppedError as stopped:
            self.refused = f"{stopped.stop.cause.value}: {stopped.stop.detail}"
            self._let_go()
            return False
        except StoreFaultError as fault:
            self.refused = str(fault)
            self._let_go()
            return False
        self.refused = ""
        self.is_on = not self.disk.is_off()
        return self.is_on

    @property
    def is_stopped(self) -> bool:
        """Whether it sells nothing until somebody has looked."""
        return self.quarantine.read() is not None

    def look_inside(self) -> SqliteStore:
        """The journal of a machine that is stopped, as a technician opens it.

        Raises:
            StoreFaultError: it cannot be opened.
        """
        if self.is_on:
            return self.store
        self.store = SqliteStore(self.disk.folder / DATABASE_FILE, self._sealer())
        return self.store

    def correct_clock(self) -> None:
        """The machine has heard the time from somewhere."""
        self._behind = timedelta()

    def stop(self, *, images: dict[str, bytes] | None = None) -> dict[str, bytes]:
        """Off, and the disk as it is then, or as given. Returns what is on it."""
        if not self.disk.is_off():
            self.disk.end_now(Ends.KILL)
        found = self.disk.images()
        self._let_go()
        self.disk.put_back(found if images is None else images)
        return found

    def close(self) -> None:
        """End it in good order."""
        self._let_go()
        self.disk.close()

    def _put_together(self) -> None:
        identity, key = self.enrolled.identity, self.enrolled.key
        self.changes = Changes()
        self.surroundings = Surroundings(self.changes)
        self.clock = ShopClock(self._wall, self._monotonic_ms)
        path = self.disk.folder / DATABASE_FILE
        self.store = sound_store(path, self._sealer(), self.quarantine)
        wire = Wire(self.name, self._network, self._meanwhile)
        link = HttpLink(HOST, key, identity.terminal, self.clock, wire)
        self.link = PoolLink(
            link,
            terminal=identity.terminal,
            ask_timeout_s=PATIENCE_S,
            breaker=Breaker(BREAKER_OPEN_S, lambda: self._world.since_start_s),
            note_server=lambda _answered: None,
        )
        self._put_till_together()
        root_key = read_public_key(identity.root_key)
        self.sync = SyncRound(
            store=self.store,
            outbox=Outbox(self.store),
            link=self.link,
            clock=self.clock,
            changes=self.changes,
            root_key=root_key,
            tag=pool_tag(root_key),
            pool=identity.pool,
            stop_selling=lambda says: self._stop(Stop(StopCause.FORKED, says)),
            boot_id=self.store.sealer.boot_id,
        )
        chain = ChainCheck(self.store, key.public_key(), identity.terminal)
        self.chain = ChainRound(chain, self._stop)
        self.printing = PrintRound(
            spool=Spool(self.store),
            printer=self.paper,
            changes=self.changes,
            surroundings=self.surroundings,
        )
        if self.stick is not None:
            self._put_stick_in(self.stick)
        last_time = self.store.last_time()
        if last_time is not None:
            self.clock.not_before(last_time)
        for document in (self.store.documents().policy, self.store.documents().directory):
            if document is not None:
                self.clock.not_before(document.made_at)
        Spool(self.store).lose_interrupted()
        self.last_run = LastRunDesk(self.store, self.clock, DraftFile(self.disk.folder))
        self.last_run.look()
        self.till.start(VERSION)

    def _put_stick_in(self, stick: SimulatedStick) -> None:
        stick.put_into(
            self.store,
            differing=lambda says: self._stop(Stop(StopCause.COPY_DIFFERS, says)),
            cut_power=lambda: self.disk.end_now(Ends.POWER),
        )
        if (stop := self.quarantine.read()) is not None:
            raise StoppedError(stop)

    def _sealer(self) -> Sealer:
        enrolled = self.enrolled
        boot_id = f"{self.name}-{self.boots}"
        return Sealer(identity=enrolled.identity, key=enrolled.key, boot_id=boot_id)

    def _put_till_together(self) -> None:
        identity = self.enrolled.identity
        receipts = ReceiptComposer()
        self.till = Till(
            identity=identity,
            store=self.store,
            pool=self.link,
            receipts=receipts,
            clock=self.clock,
            ids=self._ids,
            changes=self.changes,
            wake_workers=lambda: None,
        )
        self.after_sale = AfterSale(
            identity=identity,
            store=self.store,
            receipts=receipts,
            wake_workers=lambda: None,
        )
        self.returns = Returns(
            identity=identity,
            store=self.store,
            pool=self.link,
            receipts=receipts,
            clock=self.clock,
            ids=self._ids,
            wake_workers=lambda: None,
            is_stopped=self.till.is_stopped,
        )
        self.page = Page(
            identity=identity,
            till=self.till,
            store=self.store,
            clock=self.clock,
            changes=self.changes,
            surroundings=self.surroundings,
        )

    def _stop(self, stop: Stop) -> None:
        self.quarantine.enter(stop)
        self.till.stop_selling()

    def _let_go(self) -> None:
        self.is_on = False
        if hasattr(self, "store"):
            self.link.close()
            self.store.close()

    def _wall(self) -> datetime:
        return self._world() - self._behind

    def _monotonic_ms(self) -> int:
        return int((self._world() - self._booted_at).total_seconds() * 1000) + 1000

    def _meanwhile(self, path: str) -> bool:
        if path.endswith("/authorise"):
            self.asks_meanwhile()
        return not self.disk.is_off()
