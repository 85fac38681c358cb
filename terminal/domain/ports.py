"""What the use cases need from outside, as contracts; ``bootstrap`` chooses who fulfils them."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from drivers.document import Document
from protocol.counter import CounterAwards
from protocol.documents import (
    Catalogue,
    DirectoryEntry,
    DirectoryHead,
    DocumentKind,
    NumberedDocument,
    Policy,
)
from protocol.issuers import KeyList
from protocol.journal import ClockState
from protocol.messages import (
    Approved,
    AuthoriseRequest,
    OrdersAnswer,
    OrdersRequest,
    SaleAnswer,
    SaleFound,
)
from protocol.reasons import Declined
from protocol.sales import Happening, SaleCaptured, SaleRefunded
from protocol.shifts import ShiftClosed
from terminal.domain.card_pin import CardTries
from terminal.domain.counter import Attendance, CounterEvent, EventFigures
from terminal.domain.own_goods import OwnGoodsStore, OwnGoodsWork
from terminal.domain.papers import Paper
from terminal.domain.parked import ParkedBasket
from terminal.domain.print_job import JobKind, PrintJob
from terminal.domain.sale import SaleState
from terminal.domain.second_copy import CopyState
from terminal.domain.staff import Person
from terminal.domain.stand_in import Exposure


class TerminalIdentity(Struct, frozen=True):
    """Who this terminal is, from its enrolment. ``root_key`` is the pool's public key."""

    terminal: str
    epoch: int
    pool: str
    root_key: str
    shop: str
    shop_name: str
    merchant_name: str


class Moment(Struct, frozen=True):
    """One reading of the clocks: wall time (aware UTC), machine time, and how far to trust it."""

    at: datetime
    monotonic_ms: int
    clock_state: ClockState


class Clock(Protocol):
    """The terminal's clocks."""

    def moment(self) -> Moment:
        """Both clocks, read together."""


class Ids(Protocol):
    """Where ids come from."""

    def new(self, at: datetime) -> UUID:
        """A UUID version 7 for this time; never the same twice."""


class UnreachableReason(StrEnum):
    """Why the server gave no answer that can be believed."""

    NO_CONNECTION = "no_connection"
    TIMED_OUT = "timed_out"
    NONSENSE = "nonsense"
    """It answered, and what it said is no answer of this protocol."""
    REFUSED = "refused"
    """It does not accept this terminal's requests (not enrolled there, clock too far off)."""
    NOT_ASKED = "not_asked"
    """It failed a moment ago; the queue does not wait for it again just yet."""


class Unreachable(Struct, frozen=True):
    """No answer. The terminal stands in."""

    reason: UnreachableReason


class Pool(Protocol):
    """The pool server as a sale needs it."""

    def authorise(self, request: AuthoriseRequest) -> Approved | Declined | Unreachable:
        """Ask whether points may be taken; answers within the configured time, always."""

    def look_up_sale(
        self, receipt_no: str, sale_id: UUID | None = None
    ) -> SaleAnswer | Unreachable:
        """A sale of this merchant by its receipt; answers within the configured time, always.

        ``sale_id``: which, where several sales have the number.
        """


class OrderDesk(Protocol):
    """The pool server as somebody with a voucher needs it."""

    def look_up_orders(self, request: OrdersRequest) -> OrdersAnswer | Unreachable:
        """A resident's vouchers and work orders; answers within the configured time, always."""


class ToldRecord(Struct, frozen=True):
    """A happening of this journal and what the server made of it; ``outcome`` empty: not yet."""

    happening: Happening
    at: datetime
    outcome: str
    says: str


class PoolDocuments(Struct, frozen=True):
    """The newest verified documents; None where none has come yet. Of the directory the head:
    its entries are asked for one by one.
    """

    policy: Policy | None
    catalogue: Catalogue | None
    directory: DirectoryHead | None
    awards: CounterAwards | None = None
    keys: KeyList | None = None

    def of_kind(self, kind: DocumentKind) -> NumberedDocument | DirectoryHead | None:
        """The document of this kind."""
        match kind:
            case DocumentKind.POLICY:
                return self.policy
            case DocumentKind.CATALOGUE:
                return self.catalogue
            case DocumentKind.DIRECTORY | DocumentKind.DIRECTORY_HEAD:
                return self.directory
            case DocumentKind.AWARDS:
                return self.awards
            case DocumentKind.KEYS:
                return self.keys


class SaleRow(Struct, frozen=True):
    """A sale as the terminal looks it up later. ``approved_at``: when the yes had come."""

    sale_id: UUID
    state: SaleState
    opened_at: datetime
    receipt_no: str | None = None
    account: str | None = None
    points: int = 0
    total_fen: int = 0
    cash_fen: int = 0
    stood_in: bool = False
    balance_points: int | None = None
    decline_reason: str = ""
    approved_at: datetime | None = None


class SaleSummary(Struct, frozen=True):
    """One row of the list of past sales."""

    row: SaleRow
    told: bool
    parked: bool
    refunded: bool
    print_state: str
    partly_back: bool = False
    says: str = ""


class ZMark(Struct, frozen=True):
    """A Z report's number, the hash of its record, and when the shift was closed."""

    z_no: int
    hash_hex: str
    closed_at: datetime


class StoredRefund(Struct, frozen=True):
    """A refund that this terminal gave, the sale that it is of, and when it happened."""

    refund: SaleRefunded
    sale: SaleCaptured | SaleFound
    at: datetime


class Work(OwnGoodsWork, Protocol):
    """One durable step: everything in it is on disk when it ends, or none of it."""

    def next_receipt_no(self) -> str:
        """The next number of this terminal's receipts, without gaps."""

    def journal(self, happening: Happening, at: Moment) -> str:
        """Append a record to the chain and to the outbox; answers its hash in hex.

        Raises:
            RecordTooLargeError: the server would not take it, nor anything behind it.
        """

    def save_sale(self, row: SaleRow) -> None:
        """Insert the sale, or bring its row up to date."""

    def note_phone_counter(self, account: str, seq: int, counter: int) -> None:
        """A sale took a phone's code: none with this counter or a lower one is taken again."""

    def save_card_tries(self, tries: CardTries) -> None:
        """Keep how often a card's PIN was typed wrong, in place of what stood there."""

    def save_refund(
        self, refund: SaleRefunded, sale: SaleCaptured | SaleFound, *, whole: bool
    ) -> None:
        """Note a refund that was journalled just now. ``whole``: with it all of the sale is back."""

    def save_person(self, person: Person) -> None:
        """Keep somebody with a PIN, in place of who had this name."""

    def remove_person(self, name: str) -> None:
        """Keep him no longer."""

    def save_z(self, mark: ZMark) -> None:
        """Note a Z report that was journalled just now."""

    def next_slip_no(self) -> str:
        """The next number of this terminal's award slips, without gaps."""

    def save_event(self, event: CounterEvent) -> None:
        """Keep an event as it stands now."""

    def save_attendance(self, there: Attendance) -> None:
        """Keep one resident at an event as it stands now."""

    def save_parked(self, parked: ParkedBasket) -> None:
        """Keep a basket that waits, in place of the one with this number."""

    def turn_parked(self, number: int | None, *, is_up: bool) -> None:
        """A kept basket lies on the desk, or waits again; all of them where ``number`` is None."""

    def remove_parked(self, number: int) -> None:
        """It was sold or deleted; its number is free."""

    def queue_print(self, kind: JobKind, receipt_no: str, document: Document, copy_no: int) -> int:
        """Add a print job; returns its number."""


class Store(OwnGoodsStore, Protocol):
    """The terminal's disk, as the use cases see it.

    Raises:
        StoreFaultError: from any method, when the disk did not do what was asked.
    """

    def working(self) -> AbstractContextManager[Work]:
        """Open one durable step. One at a time; others wait.

        A record in it is on the second medium as well when it ends, if there is one and it
        works: :meth:`second_copy` tells. If not, the step counts all the same.
        """

    def documents(self) -> PoolDocuments:
        """The documents in use."""

    def resident(self, account: str) -> DirectoryEntry | None:
        """What the directory says of an account; None where it is not in it.

        The directory is at least as new as :meth:`documents` told before: an allowance that is
        newer than the head that one counts from is only smaller than it might be.
        """

    def holder_of_card(self, card_id: str, seq: int) -> DirectoryEntry | None:
        """Whose card this is; None for one that is not, or not any more, in the directory."""

    def holders_of_cards(self, ending: str) -> Sequence[DirectoryEntry]:
        """Who has a live card whose number ends so; ``ending`` are hex digits. Two at most tell
        that there are several.
        """

    def exposure(self, account: str, since: datetime | None) -> Exposure:
        """What a directory made at ``since`` cannot know of yet; all there is without one."""

    def stood_in_points(self) -> int:
        """Points of all residents that this terminal gave by itself and has not told."""

    def phone_counter(self, account: str, seq: int) -> int:
        """The counter of the newest code of a phone's certificate that a sale took here; -1."""

    def card_tries(self, card_id: str) -> CardTries | None:
        """Wrong PINs of a card here; None before the first."""

    def sales_since(self, account: str, since: datetime) -> Sequence[SaleCaptured]:
        """What a resident bought here and did not bring back, oldest first; at most 1 000."""

    def unfinished(self) -> Sequence[SaleRow]:
        """Sales that were AUTHORISING when the terminal stopped."""

    def recent_sales(self, limit: int) -> Sequence[SaleSummary]:
        """Completed sales, newest first."""

    def captured(self, receipt_no: str) -> tuple[SaleSummary, SaleCaptured, datetime] | None:
        """A completed sale by its receipt: row, record, and when it happened."""

    def record_of(self, receipt_no: str) -> bytes:
        """What was journalled under a sale's or refund's receipt, its JSON; empty for none."""

    def people(self) -> Sequence[Person]:
        """Everybody with a PIN here, owners first."""

    def open_event(self) -> CounterEvent | None:
        """The event at which residents are registered now."""

    def event_named(self, event: str) -> CounterEvent | None:
        """An event of this terminal, open or closed."""

    def recent_events(self, limit: int) -> Sequence[CounterEvent]:
        """Events of this terminal, the newest first."""

    def attendance(self, event: str) -> Sequence[Attendance]:
        """Who was at an event, in the order in which they came; the last 500 of them."""

    def attended(self, event: str, account: str) -> Attendance | None:
        """When this resident was at an event; None for one who was not."""

    def event_figures(self, event: str) -> EventFigures:
        """What an event comes to, over everybody who was there."""

    def newest_told(self, kind: str, limit: int) -> Sequence[ToldRecord]:
        """The newest records of a kind, newest first."""

    def sold_between(
        self, since: datetime, until: datetime
    ) -> Sequence[tuple[Happening, datetime]]:
        """Sales and refunds that happened in this time, in the journal's order."""

    def closed_since(self, since: datetime) -> Sequence[ShiftClosed]:
        """Z reports that were made since then, in the journal's order."""

    def proxy_records(self, since: datetime) -> Sequence[tuple[Happening, datetime]]:
        """Sales since then that somebody redeemed for another, with their refunds and deliveries,
        in the journal's order.
        """

    def untold_value(self) -> tuple[int, int, int]:
        """Sales that the server was not told yet: how many, their points, their fen of money."""

    def parked_value(self) -> tuple[int, int, int]:
        """Sales that wait for a person at the server: how many, their points, their fen."""

    def last_z(self) -> ZMark | None:
        """The newest Z report."""

    def highest_z(self) -> int:
        """The highest number that a Z report had, here or as the server knows; 0 before the first."""

    def z_reports(self, limit: int) -> Sequence[ZMark]:
        """Z reports, newest first."""

    def z_report(self, z_no: int) -> tuple[ShiftClosed, ZMark] | None:
        """A Z report by its number."""

    def first_sale_since_z(self) -> datetime | None:
        """When the first sale since the last Z report happened."""

    def since_last_z(self) -> Sequence[tuple[Happening, datetime]]:
        """Sales, refunds and openings since the last Z report, in the journal's order."""

    def refunds_of(self, sale_id: UUID) -> Sequence[SaleRefunded]:
        """What came back of a sale here, oldest first."""

    def sold_in_open_shift(self, sale_id: UUID) -> bool:
        """Whether a sale of this terminal stands behind its last Z report."""

    def refund_by_receipt(self, receipt_no: str) -> StoredRefund | None:
        """A refund that this terminal gave, by its own receipt's number."""

    def parked(self) -> Sequence[ParkedBasket]:
        """The baskets that wait, the oldest first; not the one that lies on the desk."""

    def parked_numbers(self) -> frozenset[int]:
        """The numbers that are taken, also by the one on the desk."""

    def job_of(self, receipt_no: str) -> PrintJob | None:
        """The newest print job of a receipt."""

    def retry_job(self, job_no: int) -> None:
        """Queue a failed job again."""

    def untold(self) -> int:
        """How many records the server has not been told yet."""

    def second_copy(self) -> CopyState:
        """Whether what was journalled last is on the second medium too."""


class RecordTooLargeError(Exception):
    """What happened does not fit into a record. Nothing of the step counts."""


class StoreFaultError(Exception):
    """The disk failed: full, read-only, broken. Nothing of the step counts."""


class StoreUnsureError(StoreFaultError):
    """The disk failed at the very end of a step, when everything was written.

    Nothing of it is to be seen now, and the next step that succeeds makes that final. But if
    the power goes first, all of it may be there again after the start: nobody can say yet.
    """


class ReceiptFacts(Struct, frozen=True):
    """What a receipt says beside the sale itself. Points are the resident's, None if unknown.

    ``receipt_code`` is the text of the QR code at its end, ``receipt_check`` the digits that are
    typed instead; none is printed where it is empty. ``record`` is what happened as it stands in
    the journal, its JSON; empty where it was journalled just now as this program writes it.
    ``proxy_name`` is who redeemed for the resident, empty where nobody did.
    """

    occurred_at: datetime
    shop_name: str
    merchant_name: str
    pool_name: str
    unit_name: str
    unit_name_en: str
    balance_before_points: int | None
    copy_no: int
    receipt_code: str = ""
    receipt_check: str = ""
    record: bytes = b""
    proxy_name: str = ""


class Papers(Protocol):
    """Turns the papers beside receipts into documents."""

    def paper(self, paper: Paper, facts: ReceiptFacts) -> Document:
        """The document of any of them; ``facts.occurred_at`` is when it happened."""


class Receipts(Papers, Protocol):
    """Turns what happened into what stands on paper."""

    def sale(self, sale: SaleCaptured, facts: ReceiptFacts) -> Document:
        """The receipt of a completed sale."""

    def refund(
        self, refund: SaleRefunded, sale: SaleCaptured | SaleFound, facts: ReceiptFacts
    ) -> Document:
        """The receipt of goods that came back."""

    def paper(self, paper: Paper, facts: ReceiptFacts) -> Document:
        """Any other paper: X and Z, void, statement, award, card, work order, delivery."""
