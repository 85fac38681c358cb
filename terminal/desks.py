"""The desks behind 更多, put together: vouchers and orders, shifts, awards at the counter."""

from collections.abc import Callable

from msgspec import Struct

from protocol.codes import ResidentCode, ShowCode
from terminal.checkout.asking import Asking
from terminal.checkout.awarding import Awarding
from terminal.checkout.orders import Orders
from terminal.checkout.proxies import Proxies
from terminal.checkout.sale_desk import SaleDesk
from terminal.domain.changes import Changes, Surroundings
from terminal.domain.ports import Clock, Ids, OrderDesk, Papers, Store, TerminalIdentity
from terminal.domain.stand_in import ImageTrust
from terminal.prices.desk import PriceDesk
from terminal.shifts.shifts import Shifts
from terminal.shifts.staff import Staff


class Around(Struct, frozen=True):
    """What every desk needs of the terminal around it."""

    identity: TerminalIdentity
    store: Store
    clock: Clock
    ids: Ids
    papers: Papers
    staff: Staff
    surroundings: Surroundings
    trust: ImageTrust
    wake_workers: Callable[[], None]
    is_stopped: Callable[[], bool]
    changes: Changes
    sale_desk: SaleDesk


class Desks(Struct, frozen=True):
    """The desks of one terminal."""

    orders: Orders
    shifts: Shifts
    awarding: Awarding
    prices: PriceDesk
    proxies: Proxies

    def takes(self, code: ResidentCode | ShowCode) -> bool:
        """A code from the scanner: whether a page behind 更多 took it."""
        return self.orders.takes(code) or self.awarding.takes(code)


def make_desks(around: Around, order_desk: OrderDesk) -> Desks:
    """The desks of a terminal."""
    asking = Asking(around.identity, around.store, around.clock, around.trust)
    orders = Orders(
        desk=order_desk,
        store=around.store,
        asking=asking,
        clock=around.clock,
        ids=around.ids,
        wake_workers=around.wake_workers,
        is_stopped=around.is_stopped,
        at_till=around.staff.at_till,
    )
    shifts = Shifts(
        identity=around.identity,
        store=around.store,
        papers=around.papers,
        clock=around.clock,
        wake_workers=around.wake_workers,
        is_stopped=around.is_stopped,
        at_till=around.staff.at_till,
    )
    awarding = Awarding(
        identity=around.identity,
        store=around.store,
        asking=asking,
        papers=around.papers,
        clock=around.clock,
        ids=around.ids,
        wake_workers=around.wake_workers,
        is_stopped=around.is_stopped,
        at_till=around.staff,
        is_online=lambda: around.surroundings.read().server == "online",
    )
    prices = PriceDesk(
        store=around.store,
        clock=around.clock,
        leave=around.staff,
        wake_workers=around.wake_workers,
        changed=around.changes.note,
    )
    proxies = Proxies(
        desk=around.sale_desk,
        identity=around.identity,
        store=around.store,
        asking=asking,
        clock=around.clock,
        ids=around.ids,
        at_till=around.staff,
        wake_workers=around.wake_workers,
    )
    return Desks(orders, shifts, awarding, prices, proxies)
