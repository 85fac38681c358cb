"""At the end: what the sticks of dead and stopped terminals have is handed over, and decided."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from protocol.keys import read_public_key
from protocol.recovery import RecoverAnswer, RecoverRequest
from server.db import reading
from server.redemption import BookDiffering
from server.redemption.differences import differences
from simulate.clockwork import WorldClock
from simulate.network import Network, Wire
from simulate.pool import HOST, POOL, Enrolled, PoolServer
from simulate.sticks import SimulatedStick
from simulate.verdict import Wrong
from terminal.diagnostics.handing_over import HandedOver, hand_over
from terminal.diagnostics.looked_through import look_through
from terminal.domain.clock import ShopClock
from terminal.pool.breaker import Breaker
from terminal.pool.link import HttpLink, PoolLink
from terminal.store.old_media import OldMediumError, open_old_medium

PATIENCE_S = 600.0


@dataclass(slots=True)
class Technician:
    """Somebody with a new terminal of the same merchant, and the office behind him."""

    server: PoolServer
    network: Network
    clock: WorldClock
    wrong: list[Wrong] = field(default_factory=list)

    def recover(self, stick: SimulatedStick, dead: Enrolled, heir: Enrolled, scratch: Path) -> None:
        """Hand over all that the stick has, twice; then the office books what differed."""
        of = dead.identity.terminal
        link = self._link(heir)
        try:
            self._handed_over(link, stick, of, scratch)
            again = self._handed_over(link, stick, of, scratch)
        except OldMediumError:
            return  # nothing was ever written on it
        finally:
            link.close()
        if again.sales:
            self.wrong.append(Wrong("recovered", f"{of}: {again.sales} sales were booked again"))
        with reading(self.server.engine) as tx:
            waiting = [x for x in differences(tx, POOL, of) if x.handed_over and x.open]
        for each in reversed(waiting):
            self.server.try_to_do(
                BookDiffering(
                    terminal=of,
                    epoch=each.epoch,
                    seq=each.seq,
                    hash_hex=each.there_hash,
                    reason="店家有小票",
                )
            )

    def _handed_over(
        self, link: PoolLink, stick: SimulatedStick, of: str, scratch: Path
    ) -> HandedOver:
        medium = open_old_medium(stick.mount, scratch)
        known = cast("RecoverAnswer", link.recover(RecoverRequest(of=of)))
        key = read_public_key(known.public_key)
        looked = look_through(medium, known, key)
        if looked.damaged:
            self.wrong.append(Wrong("stick", f"{of}: {looked.damages}"))
        done, _ = hand_over(link, medium, looked, key)
        return done

    def _link(self, heir: Enrolled) -> PoolLink:
        name = heir.identity.terminal
        clock = ShopClock(self.clock, lambda: int(self.clock.since_start_s * 1000) + 1000)
        wire = Wire(name, self.network, lambda _path: True)
        return PoolLink(
            HttpLink(HOST, heir.key, name, clock, wire),
            terminal=name,
            ask_timeout_s=PATIENCE_S,
            breaker=Breaker(20.0, lambda: self.clock.since_start_s),
            note_server=lambda _answered: None,
        )
