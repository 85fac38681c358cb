"""The terminal's store on SQLite: one writer at a time, readers beside it."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import msgspec
from sqlalchemy import Connection, Row, and_, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from drivers.document import Document, document_to_json
from protocol.documents import (
    DirectoryPage,
    DocumentKind,
    NumberedDocument,
    SignedDocument,
)
from protocol.journal import MAX_RECORD_BYTES, Envelope, decode_happening
from protocol.sales import Happening, SaleCaptured
from terminal.domain.card_pin import CardTries
from terminal.domain.ports import (
    Moment,
    PoolDocuments,
    RecordTooLargeError,
    SaleRow,
    SaleSummary,
    StoreFaultError,
)
from terminal.domain.print_job import JobEvent, JobKind, JobState, PrintJob, advance_job
from terminal.domain.sale import SaleState
from terminal.domain.second_copy import CopyState, NoSecondCopy, SecondCopy
from terminal.store.about import about
from terminal.store.card_tries import read_card_tries
from terminal.store.counter_work import CounterWork
from terminal.store.disk import open_engine
from terminal.store.documents import keep_document, kept_documents, read_documents
from terminal.store.events import EventReads
from terminal.store.exposure import ExposureReads
from terminal.store.faults import commit_faults, disk_faults
from terminal.store.look_ups import LookUps
from terminal.store.own_goods import OwnGoodsLists
from terminal.store.parked import ParkedReads
from terminal.store.people import PeopleReads
from terminal.store.phone_counters import phone_counter
from terminal.store.refunds import RefundReads
from terminal.store.residents import DirectoryAsked, DirectoryShelf, ResidentsReads, Taken
from terminal.store.sealer import ChainHead, Sealer
from terminal.store.shifts import ShiftReads
from terminal.store.tables import (
    chain_mark,
    counter,
    journal,
    outbox,
    print_job,
    refund,
    sale,
)
from terminal.store.texts import Text

DATABASE_FILE = "terminal.db"
RECEIPT_COUNTER = "receipt"
EPOCH_COUNTER = "epoch"
"""The newest epoch that the server gave, where it is beyond the one of the enrolment."""

PRUNED = "pruned"
"""The mark of the place up to which everything was told long ago, and is deleted."""

MAX_SALES_BACK = 1_000

# Made once: a statement that is built anew for each row costs more than SQLite takes to run it.
_NUMBER = Text(
    upsert(counter)
    .values(name=RECEIPT_COUNTER, value=1)
    .on_conflict_do_update(index_elements=[counter.c.name], set_={"value": counter.c.value + 1})
    .returning(counter.c.value)
)
_JOURNAL = Text(
    insert(journal),
    ("epoch", "seq", "hash", "occurred_at", "kind", "sale_id", "body", "signature"),
)
_TELL = Text(insert(outbox), ("epoch", "seq"))
_PRINT = Text(
    insert(print_job).returning(print_job.c.job_no),
    ("kind", "receipt_no", "copy_no", "state", "trouble", "document"),
)
_SALE = upsert(sale)
_SAVED = [column.name for column in sale.c if not column.name.startswith("refund_")]
_SAVE_SALE = Text(
    _SALE.on_conflict_do_update(
        index_elements=[sale.c.sale_id],
        set_={name: _SALE.excluded[name] for name in _SAVED if name != "sale_id"},
    ),
    tuple(_SAVED),
)
_HEAD = Text(
    select(journal.c.epoch, journal.c.seq, journal.c.hash)
    .order_by(journal.c.epoch.desc(), journal.c.seq.desc())
    .limit(1)
)
_ENDED = Text(
    select(chain_mark.c.epoch, chain_mark.c.seq, chain_mark.c.hash).where(
        chain_mark.c.name == PRUNED
    )
)


def time_text(at: datetime) -> str:
    """UTC with microseconds: sorts as text the way it sorts as time."""
    return at.isoformat(timespec="microseconds")


class SqliteWork(CounterWork):
    """One durable step; see :class:`terminal.domain.ports.Work`."""

    def __init__(
        self,
        connection: Connection,
        sealer: Sealer,
        documents: PoolDocuments,
        terminal: str,
        epoch: int,
    ) -> None:
        self._epoch = epoch
        self._connection = connection
        self._sealer = sealer
        self._documents = documents
        self._terminal = terminal
        self._place: ChainHead | None = None
        self._placed_at: datetime | None = None

    @property
    def has_journalled(self) -> bool:
        return self._place is not None

    def next_receipt_no(self) -> str:
        number = _NUMBER.run(self._connection).fetchone()[0]
        return f"{self._terminal}-{number:06d}"

    def journal(self, happening: Happening, at: Moment) -> str:
        policy, directory = self._documents.policy, self._documents.directory
        head, record = self._sealer.seal_next(
            chain_head(self._connection),
            happening,
            at,
            policy_version=policy.version if policy else 0,
            directory_version=directory.version if directory else 0,
            epoch=self._epoch,
        )
        if len(record.body) > MAX_RECORD_BYTES:
            raise RecordTooLargeError(f"{len(record.body)} bytes")
        _JOURNAL.run(
            self._connection,
            {
                "epoch": head.epoch,
                "seq": head.seq,
                "hash": head.hash_hex,
                "occurred_at": time_text(at.at),
                "kind": happening.__struct_config__.tag,
                "sale_id": about(happening),
                "body": record.body,
                "signature": record.signature,
            },
        )
        _TELL.run(self._connection, {"epoch": head.epoch, "seq": head.seq})
        self._place = head
        self._placed_at = at.at
        return head.hash_hex

    def save_sale(self, row: SaleRow) -> None:
        captured = row.state is SaleState.CAPTURED
        place = self._place if captured else None
        values = {
            "sale_id": str(row.sale_id),
            "state": row.state.value,
            "opened_at": time_text(row.opened_at),
            "approved_at": time_text(row.approved_at) if row.approved_at else None,
            "captured_at": time_text(self._placed_at) if place and self._placed_at else None,
            "receipt_no": row.receipt_no,
            "account": row.account,
            "points": row.points,
            "total_fen": row.total_fen,
            "cash_fen": row.cash_fen,
            "stood_in": int(row.stood_in),
            "balance_points": row.balance_points,
            "decline_reason": row.decline_reason,
            "epoch": place.epoch if place else None,
            "seq": place.seq if place else None,
        }
        _SAVE_SALE.run(self._connection, values)

    def queue_print(self, kind: JobKind, receipt_no: str, document: Document, copy_no: int) -> int:
        inserted = _PRINT.run(
            self._connection,
            {
                "kind": kind.value,
                "receipt_no": receipt_no,
                "copy_no": copy_no,
                "state": JobState.QUEUED.value,
                "trouble": "",
                "document": document_to_json(document),
            },
        )
        return int(inserted.fetchone()[0])


def chain_head(connection: Connection) -> ChainHead | None:
    """The newest record of the newest epoch; None before the first.

    Where an earlier version deleted all that was told, its mark says where the chain ended: a
    chain that began anew in the same epoch would be a fork.
    """
    row = _HEAD.run(connection).fetchone() or _ENDED.run(connection).fetchone()
    return ChainHead(*row) if row else None


class SqliteStore(
    ExposureReads,
    RefundReads,
    ShiftReads,
    PeopleReads,
    EventReads,
    ParkedReads,
    OwnGoodsLists,
    ResidentsReads,
):
    """The till's side of the disk; :mod:`terminal.store.spool` and ``outbox`` are the workers'.

    Raises:
        StoreFaultError: from any method, when the disk did not do what was asked.
    """

    def __init__(self, path: Path, sealer: Sealer) -> None:
        with disk_faults():
            self.engine = open_engine(path)
        self._writing_engine = self.engine.execution_options(huidian_writes=True)
        self.look_ups = LookUps(self.engine)
        self._sealer = sealer
        self._lock = threading.Lock()
        self._writer: Connection | None = None
        self._second_copy: SecondCopy = NoSecondCopy()
        self._documents = self._load_documents()
        self._shelf = DirectoryShelf(self.writing, lambda: self._documents.directory)
        with self.reading() as connection:
            given = connection.execute(
                select(counter.c.value).where(counter.c.name == EPOCH_COUNTER)
            ).scalar()
        self._epoch = max(sealer.identity.epoch, given or 0)

    @property
    def sealer(self) -> Sealer:
        return self._sealer

    @property
    def epoch(self) -> int:
        """The epoch that records are written in."""
        return self._epoch

    def use_epoch(self, epoch: int) -> None:
        """Write in this epoch; only while :meth:`writing`."""
        self._epoch = epoch

    def close(self) -> None:
        with self._lock:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
        self.look_ups.close()
        self.engine.dispose()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One write transaction, durable when it ends. One at a time in this process."""
        with self._lock, disk_faults():
            connection = self._writer or self._writing_engine.connect()
            self._writer = None  # after a fault the next step begins with another one
            try:
                with connection.begin() as transaction:
                    yield connection
                    with commit_faults():
                        transaction.commit()
            except BaseException:
                connection.close()
                raise
            self._writer = connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One snapshot."""
        with disk_faults(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def working(self) -> Iterator[SqliteWork]:
        with self.writing() as connection:
            terminal = self._sealer.identity.terminal
            work = SqliteWork(connection, self._sealer, self._documents, terminal, self._epoch)
            yield work
        if work.has_journalled:
            self._second_copy.copy()

    def use_second_copy(self, second: SecondCopy) -> None:
        """From now on every record is copied there before its step ends."""
        self._second_copy = second

    def second_copy(self) -> CopyState:
        return self._second_copy.state

    def documents(self) -> PoolDocuments:
        return self._documents

    def save_document(self, signed: SignedDocument, opened: NumberedDocument) -> None:
        """Keep a verified document, if it is newer than the one in use."""
        old = self._documents.of_kind(signed.kind)
        if old is not None and old.version >= opened.version:
            return
        with self.writing() as connection:
            keep_document(connection, signed, opened.version)
        self._documents = self._load_documents()

    def take_page(self, page: DirectoryPage) -> Taken:
        """Take a verified page of the directory; see :meth:`DirectoryShelf.take`."""
        taken = self._shelf.take(page)
        if taken is Taken.IN_FORCE:
            self._documents = self._load_documents()
        return taken

    def directory_asked(self) -> DirectoryAsked:
        """What the directory needs next."""
        return self._shelf.asked()

    def signed_documents(self, kinds: Sequence[DocumentKind]) -> tuple[SignedDocument, ...]:
        """The documents in use as they came, to be shown to a server that does not know them."""
        with self.reading() as connection:
            return kept_documents(connection, kinds)

    def last_time(self) -> datetime | None:
        """When the newest record happened, by the terminal's own clock."""
        with self.reading() as connection:
            newest = connection.execute(select(func.max(journal.c.occurred_at))).scalar()
        return datetime.fromisoformat(newest) if newest else None

    def phone_counter(self, account: str, seq: int) -> int:
        with self.reading() as connection:
            return phone_counter(connection, account, seq)

    def card_tries(self, card_id: str) -> CardTries | None:
        with self.reading() as connection:
            return read_card_tries(connection, card_id)

    def sales_since(self, account: str, since: datetime) -> Sequence[SaleCaptured]:
        here = and_(journal.c.epoch == sale.c.epoch, journal.c.seq == sale.c.seq)
        with self.reading() as connection:
            bodies = connection.execute(
                select(journal.c.body)
                .join_from(sale, journal, here)
                .where(
                    sale.c.account == account,
                    sale.c.captured_at >= time_text(since.astimezone(UTC)),
                    sale.c.refund_seq.is_(None),
                )
                .order_by(sale.c.captured_at)
                .limit(MAX_SALES_BACK)
            ).scalars()
            envelopes = [msgspec.json.decode(body, type=Envelope) for body in bodies]
        happenings = [decode_happening(each.happening) for each in envelopes]
        return [each for each in happenings if isinstance(each, SaleCaptured)]

    def unfinished(self) -> Sequence[SaleRow]:
        with self.reading() as connection:
            rows = connection.execute(
                select(sale).where(sale.c.state == SaleState.AUTHORISING.value)
            ).all()
        return [_sale_row(row) for row in rows]

    def recent_sales(self, limit: int) -> Sequence[SaleSummary]:
        with self.reading() as connection:
            rows = connection.execute(
                select(sale)
                .where(sale.c.state == SaleState.CAPTURED.value)
                .order_by(sale.c.epoch.desc(), sale.c.seq.desc())
                .limit(limit)
            ).all()
            return [_summary(connection, row) for row in rows]

    def captured(self, receipt_no: str) -> tuple[SaleSummary, SaleCaptured, datetime] | None:
        with self.reading() as connection:
            row = connection.execute(select(sale).where(sale.c.receipt_no == receipt_no)).first()
            if row is None:
                return None
            happening = decode_happening(_envelope(connection, row.epoch, row.seq).happening)
            if not isinstance(happening, SaleCaptured):
                raise StoreFaultError(f"the journal has no sale at {row.epoch}/{row.seq}")
            return _summary(connection, row), happening, datetime.fromisoformat(row.captured_at)

    def job_of(self, receipt_no: str) -> PrintJob | None:
        with self.reading() as connection:
            row = connection.execute(
                select(print_job)
                .where(print_job.c.receipt_no == receipt_no)
                .order_by(print_job.c.job_no.desc())
                .limit(1)
            ).first()
        return print_job_of(row) if row else None

    def retry_job(self, job_no: int) -> None:
        with self.writing() as connection:
            move_job(connection, job_no, JobEvent.RETRY, "")

    def untold(self) -> int:
        with self.reading() as connection:
            return int(connection.execute(select(func.count()).select_from(outbox)).scalar_one())

    def _load_documents(self) -> PoolDocuments:
        with self.reading() as connection:
            return read_documents(connection)


def move_job(connection: Connection, job_no: int, event: JobEvent, trouble: str) -> None:
    """Move a print job by the table; ``trouble`` is kept with it."""
    state = connection.execute(
        select(print_job.c.state).where(print_job.c.job_no == job_no)
    ).scalar_one()
    moved = advance_job(JobState(state), event)
    connection.execute(
        update(print_job)
        .where(print_job.c.job_no == job_no)
        .values(state=moved.value, trouble=trouble)
    )


def print_job_of(row: Row[tuple[object, ...]]) -> PrintJob:
    """A spool row as a value."""
    return PrintJob(
        job_no=row.job_no,
        kind=JobKind(row.kind),
        receipt_no=row.receipt_no,
        copy_no=row.copy_no,
        state=JobState(row.state),
        document_json=row.document,
        trouble=row.trouble,
    )


def _envelope(connection: Connection, epoch: int, seq: int) -> Envelope:
    body = connection.execute(
        select(journal.c.body).where(journal.c.epoch == epoch, journal.c.seq == seq)
    ).scalar_one()
    return msgspec.json.decode(body, type=Envelope)


def _sale_row(row: Row[tuple[object, ...]]) -> SaleRow:
    return SaleRow(
        sale_id=UUID(row.sale_id),
        state=SaleState(row.state),
        opened_at=datetime.fromisoformat(row.opened_at),
        receipt_no=row.receipt_no,
        account=row.account,
        points=row.points,
        total_fen=row.total_fen,
        cash_fen=row.cash_fen,
        stood_in=bool(row.stood_in),
        balance_points=row.balance_points,
        decline_reason=row.decline_reason,
        approved_at=datetime.fromisoformat(row.approved_at) if row.approved_at else None,
    )


def _summary(connection: Connection, row: Row[tuple[object, ...]]) -> SaleSummary:
    told = connection.execute(
        select(journal.c.told_at, journal.c.outcome, journal.c.says).where(
            journal.c.epoch == row.epoch, journal.c.seq == row.seq
        )
    ).one()
    job_state = connection.execute(
        select(print_job.c.state)
        .where(print_job.c.receipt_no == row.receipt_no)
        .order_by(print_job.c.job_no.desc())
        .limit(1)
    ).scalar()
    return SaleSummary(
        row=_sale_row(row),
        told=told.told_at is not None,
        parked=told.outcome == "parked",
        refunded=row.refund_seq is not None,
        print_state=job_state or "",
        partly_back=row.refund_seq is None and bool(_came_back(connection, row.sale_id)),
        says=told.says or "",
    )


def _came_back(connection: Connection, sale_id: str) -> int:
    """How many refunds there are of a sale."""
    counted = select(func.count()).select_from(refund).where(refund.c.sale_id == sale_id)
    return int(connection.execute(counted).scalar_one())
