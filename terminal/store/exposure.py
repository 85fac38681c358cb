"""Points that this terminal gave and that nobody else can know of yet."""

from datetime import datetime

from sqlalchemy import and_, case, func, or_, select

from terminal.domain.sale import SaleState
from terminal.domain.stand_in import Exposure
from terminal.store.reads import Reads
from terminal.store.tables import journal, outbox, sale

_HERE = and_(outbox.c.epoch == sale.c.epoch, outbox.c.seq == sale.c.seq)
_UNTOLD = select(outbox.c.seq).where(_HERE).exists()
_TOLD_AT = (
    select(journal.c.told_at)
    .where(journal.c.epoch == sale.c.epoch, journal.c.seq == sale.c.seq)
    .scalar_subquery()
)
_KNOWN_AT = case((sale.c.stood_in == 1, _TOLD_AT), else_=sale.c.approved_at)
_POINTS = select(func.coalesce(func.sum(sale.c.points), 0)).where(
    sale.c.state == SaleState.CAPTURED.value
)
_STOOD_IN = _POINTS.join_from(outbox, sale, _HERE).where(sale.c.stood_in == 1)
_SALES = select(func.count()).select_from(outbox).join(sale, _HERE).where(sale.c.stood_in == 1)


class ExposureReads(Reads):
    """What the store knows of points at risk; mixed into the store."""

    def exposure(self, account: str, since: datetime | None) -> Exposure:
        """A directory made at ``since`` knows a sale that was told before, or held before.

        Points that the server held when it said yes are off the allowance already, however
        late the sale was completed; counting them again would refuse the resident's rest.
        """
        made_at = since.isoformat(timespec="microseconds") if since else ""
        with self.reading() as connection:
            resident = connection.execute(
                _POINTS.where(sale.c.account == account, or_(_UNTOLD, made_at <= _KNOWN_AT))
            ).scalar_one()
            terminal = connection.execute(_STOOD_IN).scalar_one()
            sales = connection.execute(_SALES.where(sale.c.account == account)).scalar_one()
        return Exposure(resident_points=resident, terminal_points=terminal, resident_sales=sales)

    def stood_in_points(self) -> int:
        """Points of all residents that this terminal gave by itself and has not told."""
        with self.reading() as connection:
            return int(connection.execute(_STOOD_IN).scalar_one())
