"""Points out: holds for sales that ask, and the booking of what terminals tell."""

from server.facts import FactDesk
from server.redemption.authorise import Authorise, AuthoriseProblem, authorise
from server.redemption.differing import (
    BookDiffering,
    LeaveDiffering,
    book_differing,
    leave_differing,
)
from server.redemption.epochs import (
    DifferenceKnown,
    EpochDiffers,
    EpochOpened,
    EpochStands,
    OpenEpoch,
    ReopenTerminal,
    TellFirst,
    open_epoch,
    reopen_terminal,
)
from server.redemption.fulfilling import cancel_order, fulfil_order
from server.redemption.intake import (
    BadRecord,
    Fork,
    ForkReason,
    Gap,
    JournalRecord,
    StandsAlready,
    book_record,
)
from server.redemption.order_days import expire_orders, set_voucher_days
from server.redemption.order_values import CancelOrder, ExpireOrders, FulfilOrder, SetVoucherDays
from server.redemption.parked import BookParked, LeaveParked, book_parked, leave_parked
from server.redemption.proxies import ConfirmDelivery, confirm_delivery
from server.redemption.queries import ChainHead, Refund, Sale, chain_head, refunds_of, sale_of
from server.redemption.reading_ahead import read_ahead
from server.redemption.recovering import (
    NoteRecovery,
    RecoverRecord,
    note_recovery,
    recover_record,
)
from server.redemption.states import SaleState
from server.redemption.stock import CountStock, ReceiveStock, count_stock, receive_stock

__all__ = [
    "Authorise",
    "AuthoriseProblem",
    "BadRecord",
    "BookDiffering",
    "BookParked",
    "CancelOrder",
    "ChainHead",
    "ConfirmDelivery",
    "CountStock",
    "DifferenceKnown",
    "EpochDiffers",
    "EpochOpened",
    "EpochStands",
    "ExpireOrders",
    "Fork",
    "ForkReason",
    "FulfilOrder",
    "Gap",
    "JournalRecord",
    "LeaveDiffering",
    "LeaveParked",
    "NoteRecovery",
    "OpenEpoch",
    "ReceiveStock",
    "RecoverRecord",
    "Refund",
    "ReopenTerminal",
    "Sale",
    "SaleState",
    "SetVoucherDays",
    "StandsAlready",
    "TellFirst",
    "authorise",
    "book_record",
    "chain_head",
    "refunds_of",
    "register",
    "sale_of",
]


def register(desk: FactDesk) -> None:
    """Makes the desk apply questions for points, journal records, what is done to stock, and what
    becomes of vouchers and work orders.
    """
    desk.register("authorise", Authorise, authorise, expect=read_ahead)
    desk.register("journal_record", JournalRecord, book_record, expect=read_ahead)
    desk.register("receive_stock", ReceiveStock, receive_stock)
    desk.register("count_stock", CountStock, count_stock)
    desk.register("fulfil_order", FulfilOrder, fulfil_order)
    desk.register("cancel_order", CancelOrder, cancel_order)
    desk.register("expire_orders", ExpireOrders, expire_orders)
    desk.register("set_voucher_days", SetVoucherDays, set_voucher_days)
    desk.register("open_epoch", OpenEpoch, open_epoch)
    desk.register("reopen_terminal", ReopenTerminal, reopen_terminal)
    desk.register("book_parked", BookParked, book_parked)
    desk.register("confirm_delivery", ConfirmDelivery, confirm_delivery)
    desk.register("leave_parked", LeaveParked, leave_parked)
    desk.register("book_differing", BookDiffering, book_differing)
    desk.register("leave_differing", LeaveDiffering, leave_differing)
    desk.register("recover_record", RecoverRecord, recover_record)
    desk.register("note_recovery", NoteRecovery, note_recovery)
