"""The cash drawer: opens for cash and for nothing else, and each opening is a journal record."""

from msgspec import Struct

from drivers.document import Document, Drawer
from protocol.drawer import DrawerOpened, DrawerReason
from protocol.sales import SaleCaptured, SaleRefunded
from terminal.domain.ports import Moment, Work
from terminal.domain.print_job import JobKind

PULSE = Document((Drawer(),))


class CashDrawer(Struct, frozen=True):
    """``fitted`` False: the shop has none, or it hangs on another till."""

    fitted: bool

    def open_for(self, work: Work, at: Moment, happening: SaleCaptured | SaleRefunded) -> None:
        """Journal the opening and queue its pulse, in the step that takes or gives the money.

        Call after the sale's own record, and before its receipt is queued: the cashier needs the
        drawer first. Without cash nothing opens.
        """
        cash_fen = happening.payment.cash_fen
        if not self.fitted or cash_fen <= 0:
            return
        taken = isinstance(happening, SaleCaptured)
        opened = DrawerOpened(
            reason=DrawerReason.SALE if taken else DrawerReason.REFUND,
            sale_id=happening.sale_id,
            cash_fen=cash_fen,
            cashier=happening.cashier,
        )
        work.journal(opened, at)
        work.queue_print(JobKind.DRAWER, happening.receipt_no, PULSE, 0)


NO_DRAWER = CashDrawer(fitted=False)
