"""The second durable commit: receipt number, record, sale and print job, all or none."""

from collections.abc import Callable

from msgspec.structs import replace

from protocol.business_day import business_date
from protocol.documents import Policy
from protocol.redemption import Tender
from protocol.sales import SaleCaptured
from terminal.checkout.asking import Asking
from terminal.checkout.current import (
    CurrentSale,
    completed_sale,
    orders_of,
    receipt_facts,
    sale_row,
)
from terminal.checkout.drawer import CashDrawer
from terminal.domain.ports import Moment, Receipts, Store, TerminalIdentity
from terminal.domain.presented import PhoneCode, phone_counter
from terminal.domain.print_job import JobKind
from terminal.domain.sale import SaleState


class Completing:
    """Writes completed sales."""

    def __init__(
        self,
        identity: TerminalIdentity,
        store: Store,
        receipts: Receipts,
        asking: Asking,
        *,
        drawer: CashDrawer,
        at_till: Callable[[], str | None],
        practice: bool = False,
    ) -> None:
        self._practice = practice
        self._at_till = at_till
        self._drawer = drawer
        self._identity = identity
        self._store = store
        self._receipts = receipts
        self._asking = asking

    def complete(
        self, sale: CurrentSale, state: SaleState, policy: Policy, paid: Tender, moment: Moment
    ) -> SaleCaptured:
        """Have the sale on the disk as ``state``; its receipt is printed after that.

        Raises:
            RecordTooLargeError: nothing happened.
            StoreFaultError: nothing counts.
        """
        code = sale.code
        evidence = self._asking.evidence(sale.sale_id, code, paid.points) if code else None
        catalogue = self._store.documents().catalogue
        before = sale.approval.balance_points if sale.approval else None
        with self._store.working() as work:
            captured = completed_sale(
                sale,
                paid,
                receipt_no=work.next_receipt_no(),
                day=business_date(moment.at, policy.cut_off_hour),
                catalogue_version=catalogue.version if catalogue else 0,
                limits=policy.limits,
                evidence=evidence,
                cashier=self._at_till(),
                practice=self._practice,
            )
            work.journal(captured, moment)
            if isinstance(code, PhoneCode):
                work.note_phone_counter(*phone_counter(code))
            work.save_sale(
                replace(
                    sale_row(sale, state),
                    receipt_no=captured.receipt_no,
                    points=paid.points,
                    cash_fen=paid.cash_fen,
                )
            )
            if sale.taken_up is not None:
                work.remove_parked(sale.taken_up)
            self._drawer.open_for(work, moment, captured)
            facts = receipt_facts(
                self._identity,
                policy,
                occurred_at=moment.at,
                balance_before_points=before,
                proxy_name=sale.acting.name if sale.acting else "",
            )
            document = self._receipts.sale(captured, facts)
            work.queue_print(JobKind.SALE, captured.receipt_no, document, 0)
            for order in orders_of(captured):
                paper = self._receipts.paper(order, facts)
                work.queue_print(JobKind.ORDER, order.order_no, paper, 0)
        return captured
