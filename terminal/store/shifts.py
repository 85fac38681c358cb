"""Z reports on the terminal's disk, and the journal since the last of them."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import msgspec
from sqlalchemy import ColumnElement, Connection, func, insert, select, tuple_

from protocol.journal import Envelope, decode_happening
from protocol.sales import Happening
from protocol.shifts import ShiftClosed
from terminal.domain.ports import ToldRecord, ZMark
from terminal.store.reads import Reads
from terminal.store.sealer import ChainHead
from terminal.store.tables import counter, journal, sale, stands, z_report

Z_COUNTER = "z"
"""The highest number of a Z report that the server knows of, where it is told."""

OF_A_SHIFT = ("sale_captured", "sale_refunded", "shift_opened", "drawer_opened", "person_acted")
PROXIED = b'"proxy":{'
"""Stands in a record that tells of a proxy, and in no other: a name's quotes are escaped."""
_NEWEST = select(z_report).order_by(z_report.c.z_no.desc()).limit(1)


def save_z(connection: Connection, place: ChainHead | None, mark: ZMark) -> None:
    """Note a Z report at the place of its record.

    Raises:
        ValueError: it was not journalled in the same step.
    """
    if place is None or place.hash_hex != mark.hash_hex:
        raise ValueError("a Z report is journalled before it is noted")
    connection.execute(
        insert(z_report).values(
            z_no=mark.z_no,
            hash=mark.hash_hex,
            closed_at=mark.closed_at.isoformat(timespec="microseconds"),
            epoch=place.epoch,
            seq=place.seq,
        )
    )


def last_z_place(connection: Connection) -> tuple[int, int]:
    """The epoch and seq of the last Z report's record: the open shift is what comes after it."""
    row = connection.execute(_NEWEST).first()
    return (row.epoch, row.seq) if row is not None else (0, 0)


class ShiftReads(Reads):
    """What the store knows of shifts; mixed into the store."""

    def newest_told(self, kind: str, limit: int) -> Sequence[ToldRecord]:
        with self.reading() as connection:
            rows = connection.execute(
                select(journal.c.body, journal.c.outcome, journal.c.says)
                .where(journal.c.kind == kind, stands())
                .order_by(journal.c.epoch.desc(), journal.c.seq.desc())
                .limit(limit)
            ).all()
        return [
            ToldRecord(happening, at, row.outcome or "", row.says or "")
            for row in rows
            for happening, at in _happenings((row.body,))
        ]

    def sold_between(
        self, since: datetime, until: datetime
    ) -> Sequence[tuple[Happening, datetime]]:
        first, last = (x.astimezone(UTC).isoformat(timespec="microseconds") for x in (since, until))
        with self.reading() as connection:
            bodies = connection.execute(
                select(journal.c.body)
                .where(
                    journal.c.kind.in_(("sale_captured", "sale_refunded")),
                    journal.c.occurred_at >= first,
                    journal.c.occurred_at < last,
                    stands(),
                )
                .order_by(journal.c.epoch, journal.c.seq)
            ).scalars()
            return list(_happenings(bodies))

    def closed_since(self, since: datetime) -> Sequence[ShiftClosed]:
        first = since.astimezone(UTC).isoformat(timespec="microseconds")
        with self.reading() as connection:
            bodies = connection.execute(
                select(journal.c.body)
                .where(journal.c.kind == "shift_closed", journal.c.occurred_at >= first, stands())
                .order_by(journal.c.epoch, journal.c.seq)
            ).scalars()
            return [x for x, _ in _happenings(bodies) if isinstance(x, ShiftClosed)]

    def proxy_records(self, since: datetime) -> Sequence[tuple[Happening, datetime]]:
        # Few of many sales: the database passes over the others without decoding them.
        first = since.astimezone(UTC).isoformat(timespec="microseconds")
        proxied = select(journal.c.sale_id).where(
            journal.c.kind == "sale_captured",
            journal.c.occurred_at >= first,
            func.instr(journal.c.body, PROXIED) > 0,
            stands(),
        )
        with self.reading() as connection:
            bodies = connection.execute(
                select(journal.c.body)
                .where(
                    journal.c.sale_id.in_(proxied),
                    journal.c.kind.in_(("sale_captured", "sale_refunded", "proxy_delivered")),
                    stands(),
                )
                .order_by(journal.c.epoch, journal.c.seq)
            ).scalars()
            return list(_happenings(bodies))

    def untold_value(self) -> tuple[int, int, int]:
        return self._value(journal.c.told_at.is_(None))

    def parked_value(self) -> tuple[int, int, int]:
        return self._value(journal.c.outcome == "parked")

    def _value(self, which: ColumnElement[bool]) -> tuple[int, int, int]:
        here = (sale.c.epoch == journal.c.epoch) & (sale.c.seq == journal.c.seq)
        with self.reading() as connection:
            row = connection.execute(
                select(
                    func.count(),
                    func.coalesce(func.sum(sale.c.points), 0),
                    func.coalesce(func.sum(sale.c.cash_fen), 0),
                )
                .select_from(sale.join(journal, here))
                .where(which)
            ).one()
        return int(row[0]), int(row[1]), int(row[2])

    def last_z(self) -> ZMark | None:
        with self.reading() as connection:
            row = connection.execute(_NEWEST).first()
        return ZMark(row.z_no, row.hash, datetime.fromisoformat(row.closed_at)) if row else None

    def highest_z(self) -> int:
        with self.reading() as connection:
            known = select(func.max(counter.c.value)).where(counter.c.name == Z_COUNTER)
            own = select(func.max(z_report.c.z_no))
            return max(connection.execute(each).scalar() or 0 for each in (known, own))

    def first_sale_since_z(self) -> datetime | None:
        with self.reading() as connection:
            after = last_z_place(connection)
            found = connection.execute(
                select(journal.c.occurred_at)
                .where(
                    tuple_(journal.c.epoch, journal.c.seq) > after,
                    journal.c.kind == "sale_captured",
                    stands(),
                )
                .order_by(journal.c.epoch, journal.c.seq)
                .limit(1)
            ).scalar()
        return datetime.fromisoformat(found) if found else None

    def since_last_z(self) -> Sequence[tuple[Happening, datetime]]:
        with self.reading() as connection:
            here = tuple_(journal.c.epoch, journal.c.seq)
            bodies = select(journal.c.body).where(
                journal.c.kind.in_(OF_A_SHIFT), stands(), here > last_z_place(connection)
            )
            ordered = bodies.order_by(journal.c.epoch, journal.c.seq)
            return list(_happenings(connection.execute(ordered).scalars()))

    def z_report(self, z_no: int) -> tuple[ShiftClosed, ZMark] | None:
        with self.reading() as connection:
            row = connection.execute(select(z_report).where(z_report.c.z_no == z_no)).first()
            if row is None:
                return None
            body = connection.execute(
                select(journal.c.body).where(journal.c.epoch == row.epoch, journal.c.seq == row.seq)
            ).scalar()
        if body is None:  # told long ago, and gone from here
            return None
        ((closed, _),) = _happenings((body,))
        mark = ZMark(row.z_no, row.hash, datetime.fromisoformat(row.closed_at))
        return (closed, mark) if isinstance(closed, ShiftClosed) else None

    def z_reports(self, limit: int) -> Sequence[ZMark]:
        with self.reading() as connection:
            rows = connection.execute(
                select(z_report).order_by(z_report.c.z_no.desc()).limit(limit)
            ).all()
        return [ZMark(x.z_no, x.hash, datetime.fromisoformat(x.closed_at)) for x in rows]


def _happenings(bodies: Iterator[bytes] | Sequence[bytes]) -> Iterator[tuple[Happening, datetime]]:
    for body in bodies:
        envelope = msgspec.json.decode(body, type=Envelope)
        happening = decode_happening(envelope.happening)
        if happening is not None:
            yield happening, envelope.occurred_at
