"""What the till has to say to the cashier: a code and its figures; the page has the words."""

from dataclasses import dataclass, field
from enum import StrEnum

from protocol.reasons import Declined


class NoticeLevel(StrEnum):
    """How a notice looks and sounds."""

    GOOD = "good"
    ASK = "ask"
    REFUSED = "refused"
    ALARM = "alarm"


class NoticeCode(StrEnum):
    """Every sentence that the till can say. Each has its words in Chinese and English."""

    DECLINED = "declined"
    """``decline`` says why."""
    PAYMENT_CODE = "payment_code"
    DAMAGED_CODE = "damaged_code"
    TWO_CODES = "two_codes"
    INPUT_METHOD = "input_method"
    """The scanner types full-width digits."""
    UNKNOWN_SCAN = "unknown_scan"
    SCAN_TOO_LONG = "scan_too_long"
    ITEM_UNKNOWN = "item_unknown"
    ITEM_ELSEWHERE = "item_elsewhere"
    """A voucher or a work order: its money must not move before it is fulfilled."""
    OUT_OF_STOCK = "out_of_stock"
    """Goods priced in points: the basket asks for more than the pool last knew of."""
    AMOUNT_NOT_A_NUMBER = "amount_not_a_number"
    AMOUNT_ZERO = "amount_zero"
    AMOUNT_NEGATIVE = "amount_negative"
    AMOUNT_TOO_MANY_DECIMALS = "amount_too_many_decimals"
    AMOUNT_TOO_LARGE = "amount_too_large"
    QUANTITY_WRONG = "quantity_wrong"
    BASKET_EMPTY = "basket_empty"
    BASKET_TOO_LARGE = "basket_too_large"
    BASKET_LOCKED = "basket_locked"
    """Points are held for this basket: complete it, or go back first."""
    CODE_NOT_NEEDED = "code_not_needed"
    CODE_NEEDED = "code_needed"
    """There are goods priced in points, and nobody has shown a code."""
    LIMITED_NEEDS_CODE = "limited_needs_code"
    """There are goods with a limit for each person, and nobody has shown a code."""
    ASKING = "asking"
    APPROVAL_TOO_OLD = "approval_too_old"
    """The code was shown so long ago that its points are held no more; the basket stays."""
    POINTS_OUT_OF_RANGE = "points_out_of_range"
    POINTS_TOO_FEW = "points_too_few"
    """Fewer than a sale takes at least, and more than none."""
    COMPLETED = "completed"
    COMPLETED_UNCOPIED = "completed_uncopied"
    """Completed and on the disk; the second medium did not take its copy (``copy`` says why)."""
    NO_SECOND_COPY = "no_second_copy"
    """The second medium fails, and this terminal is set to sell nothing without it."""
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """A sale was cut off by a stop of the terminal: it was not completed, no points were taken."""
    LAST_COMPLETED = "last_completed"
    """The terminal was stopped; the last sale before that was completed."""
    OTHER_SALE = "other_sale"
    """The button belonged to a sale that is no longer on this page."""
    RECEIPT_UNKNOWN = "receipt_unknown"
    ALREADY_REFUNDED = "already_refunded"
    REFUNDED = "refunded"
    """Goods came back; ``points`` and ``cash_fen`` say what was given for them."""
    VOIDED = "voided"
    """A whole sale of the open shift was undone."""
    REFUND_OF_REFUND = "refund_of_refund"
    REFUND_OF_NOTHING = "refund_of_nothing"
    MORE_THAN_SOLD = "more_than_sold"
    OTHER_MERCHANTS_SALE = "other_merchants_sale"
    REFUND_NEEDS_NETWORK = "refund_needs_network"
    """Another terminal sold it, and the server does not answer."""
    REPRINT_QUEUED = "reprint_queued"
    NOT_READY = "not_ready"
    """No policy or catalogue from the pool yet."""
    STORE_UNSURE = "store_unsure"
    """The disk failed at the end of a step: whether it counts shows after the next start."""
    STORE_FAULT = "store_fault"
    """The disk did not take the sale: nothing is acknowledged."""
    STOPPED = "stopped"
    """The server found this terminal's journal forked: no sale until a person has looked."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to say. ``figures`` fill the sentence."""

    code: NoticeCode
    level: NoticeLevel
    figures: dict[str, str | int] = field(default_factory=dict)
    decline: Declined | None = None
