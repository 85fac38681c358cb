"""A Z report held against the books: what differs is said with the record's outcome.

Nothing is posted by it: takings that are declared beyond the terminal's own sales come with
``takings_declared``, which stands right behind it in the journal.
"""

from sqlalchemy import Connection, Table, and_, func, or_, select

from protocol.money import format_yuan
from protocol.shifts import ShiftClosed
from server.redemption import tables as t
from server.redemption.booked import Booked, Booking
from server.redemption.capture import Told
from server.redemption.declared import last_declared

Z_NO_MAX = 10**9


def book_shift(tx: Connection, told: Told, closed: ShiftClosed) -> Booking:
    """Compare a Z report with what the terminal told since the one before."""
    pool, terminal = told.terms.pool, told.terminal.terminal
    own = (told.envelope.epoch, told.envelope.seq)
    since = last_declared(tx, pool, terminal, before=own)

    def sums(table: Table) -> tuple[int, int, int]:
        points = table.c.points_for_goods + table.c.points_for_money
        of_shift = and_(
            or_(table.c.epoch > since[0], and_(table.c.epoch == since[0], table.c.seq > since[1])),
            or_(table.c.epoch < own[0], and_(table.c.epoch == own[0], table.c.seq < own[1])),
        )
        row = tx.execute(
            select(
                func.count(),
                func.coalesce(func.sum(table.c.cash_fen), 0),
                func.coalesce(func.sum(points), 0),
            ).where(table.c.pool == pool, table.c.terminal == terminal, of_shift)
        ).one()
        return int(row[0]), int(row[1]), int(row[2])

    sold, back = sums(t.sale), sums(t.refund)
    told_figures = closed.figures
    differences = [
        f"{name} 报 {claimed}，账上 {booked}"
        for name, claimed, booked in (
            ("销售笔数", told_figures.sales, sold[0]),
            ("退货笔数", told_figures.refunds + told_figures.voids, back[0]),
            ("用积分", told_figures.points_used, sold[2]),
            ("退积分", told_figures.points_returned, back[2]),
        )
        if claimed != booked
    ]
    if told_figures.money_fen != sold[1] - back[1]:
        claimed, booked = format_yuan(told_figures.money_fen), format_yuan(sold[1] - back[1])
        differences.append(f"收款 报 {claimed} 元，账上 {booked} 元")
    if not differences:
        return Booked()
    said = "；".join(differences)
    return Booked(
        says=f"Z 报表 {closed.z_no} 与账面不同：{said} / the Z report and the books differ"
    )
