"""The part of a durable step that refunds, Z reports, people, awards and parked baskets need."""

from datetime import datetime

from sqlalchemy import Connection

from protocol.messages import SaleFound
from protocol.sales import SaleCaptured, SaleRefunded
from terminal.domain.card_pin import CardTries
from terminal.domain.counter import Attendance, CounterEvent
from terminal.domain.own_goods import OwnItem
from terminal.domain.parked import ParkedBasket
from terminal.domain.ports import ZMark
from terminal.domain.staff import Person
from terminal.store.card_tries import save_card_tries
from terminal.store.events import next_slip_no, save_attendance, save_event
from terminal.store.own_goods import save_own_item, use_list
from terminal.store.parked import remove_parked, save_parked, turn_parked
from terminal.store.people import remove_person, save_person
from terminal.store.phone_counters import note_phone_counter
from terminal.store.refunds import save_refund
from terminal.store.sealer import ChainHead
from terminal.store.shifts import save_z


class CounterWork:
    """See :class:`terminal.domain.ports.Work`."""

    _connection: Connection
    _terminal: str
    _place: ChainHead | None
    _placed_at: datetime | None

    def save_refund(
        self, refund: SaleRefunded, sale: SaleCaptured | SaleFound, *, whole: bool
    ) -> None:
        save_refund(self._connection, self._place, self._placed_at, refund, sale, whole=whole)

    def note_phone_counter(self, account: str, seq: int, counter: int) -> None:
        note_phone_counter(self._connection, account, seq, counter)

    def save_card_tries(self, tries: CardTries) -> None:
        save_card_tries(self._connection, tries)

    def save_person(self, person: Person) -> None:
        save_person(self._connection, person)

    def remove_person(self, name: str) -> None:
        remove_person(self._connection, name)

    def use_list(self, list_no: int) -> None:
        use_list(self._connection, list_no)

    def save_own_item(self, item: OwnItem) -> None:
        save_own_item(self._connection, item)

    def save_z(self, mark: ZMark) -> None:
        save_z(self._connection, self._place, mark)

    def next_slip_no(self) -> str:
        return next_slip_no(self._connection, self._terminal)

    def save_event(self, event: CounterEvent) -> None:
        save_event(self._connection, event)

    def save_attendance(self, there: Attendance) -> None:
        save_attendance(self._connection, there)

    def save_parked(self, parked: ParkedBasket) -> None:
        save_parked(self._connection, parked)

    def turn_parked(self, number: int | None, *, is_up: bool) -> None:
        turn_parked(self._connection, number, is_up=is_up)

    def remove_parked(self, number: int) -> None:
        remove_parked(self._connection, number)
