"""Whether a sale may ask or be completed now; if not, what the cashier is told."""

from protocol.documents import Policy
from protocol.money import AmountProblem
from protocol.reasons import Declined, DeclineReason
from protocol.redemption import PointsWanted, is_enough, refusal
from terminal.checkout.current import CurrentSale
from terminal.domain.basket import Basket
from terminal.domain.notice import Notice, NoticeCode, NoticeLevel
from terminal.domain.ports import StoreFaultError, StoreUnsureError
from terminal.domain.sale import SaleState
from terminal.domain.scan import (
    DamagedCodeScan,
    InputMethodScan,
    PaymentScan,
    Scan,
    TwoCodesScan,
)
from terminal.domain.second_copy import CopyState

AMOUNT_NOTICES = {
    AmountProblem.NOT_A_NUMBER: NoticeCode.AMOUNT_NOT_A_NUMBER,
    AmountProblem.ZERO: NoticeCode.AMOUNT_ZERO,
    AmountProblem.NEGATIVE: NoticeCode.AMOUNT_NEGATIVE,
    AmountProblem.TOO_MANY_DECIMALS: NoticeCode.AMOUNT_TOO_MANY_DECIMALS,
    AmountProblem.TOO_LARGE: NoticeCode.AMOUNT_TOO_LARGE,
}

SCAN_NOTICES: dict[type[object], NoticeCode] = {
    DamagedCodeScan: NoticeCode.DAMAGED_CODE,
    TwoCodesScan: NoticeCode.TWO_CODES,
    InputMethodScan: NoticeCode.INPUT_METHOD,
}
"""Scans that are explained and no more; all others of the kind are unknown."""


def selling_notice(copy: CopyState, *, stopped: bool, needs_copy: bool) -> Notice | None:
    """Why this terminal sells nothing at all now; None where it sells."""
    if stopped:
        return Notice(NoticeCode.STOPPED, NoticeLevel.ALARM)
    if needs_copy and copy.is_failing:
        return Notice(NoticeCode.NO_SECOND_COPY, NoticeLevel.ALARM, {"copy": copy.value})
    return None


def completed_notice(copy: CopyState) -> Notice:
    """The sale stands whatever became of its copy; that it has none is said beside it."""
    if copy.is_failing:
        return Notice(NoticeCode.COMPLETED_UNCOPIED, NoticeLevel.ALARM, {"copy": copy.value})
    return Notice(NoticeCode.COMPLETED, NoticeLevel.GOOD)


def asking_notice(sale: CurrentSale, wanted: PointsWanted) -> Notice | None:
    """Why a code that was shown is not asked about; None where it is."""
    if sale.state is SaleState.AUTHORISING:
        return Notice(NoticeCode.ASKING, NoticeLevel.ASK)
    if sale.state is SaleState.CAPTURED or not sale.basket.lines:
        return Notice(NoticeCode.BASKET_EMPTY, NoticeLevel.REFUSED)  # the last sale stays in sight
    if sale.state is not SaleState.OPEN:
        return Notice(NoticeCode.BASKET_LOCKED, NoticeLevel.REFUSED)
    if wanted.refused_by is None and (wanted.most > 0 or sale.basket.limited_items()):
        return None
    if wanted.refused_by is None and wanted.limited_by is None:
        return Notice(NoticeCode.CODE_NOT_NEEDED, NoticeLevel.ASK)
    declined = refusal(wanted) or Declined(DeclineReason.NOTHING_TO_REDEEM)
    return declined_notice(sale.basket, declined)


def choosing_notice(sale: CurrentSale, points: int, policy: Policy | None) -> Notice | None:
    """Why a sale cannot be paid with so many points; None where it can."""
    if sale.state is not SaleState.AUTHORISED or sale.approval is None:
        return Notice(NoticeCode.CODE_NEEDED, NoticeLevel.REFUSED)
    lowest, highest = sale.basket.due().goods_points, sale.approval.points
    if not lowest <= points <= highest:
        figures: dict[str, str | int] = {"lowest": lowest, "highest": highest}
        return Notice(NoticeCode.POINTS_OUT_OF_RANGE, NoticeLevel.REFUSED, figures)
    if policy is not None and not is_enough(points, policy.limits):
        minimum = policy.limits.minimum_points or 0
        return Notice(NoticeCode.POINTS_TOO_FEW, NoticeLevel.REFUSED, {"lowest": minimum})
    return None


def completing_notice(sale: CurrentSale) -> Notice | None:
    """Why a sale cannot be completed; None where nothing but its payment may be in the way."""
    if sale.state is SaleState.AUTHORISING:
        return Notice(NoticeCode.ASKING, NoticeLevel.ASK)
    if not sale.basket.lines:
        return Notice(NoticeCode.BASKET_EMPTY, NoticeLevel.REFUSED)
    if sale.approval is None and sale.basket.limited_items():
        return Notice(NoticeCode.LIMITED_NEEDS_CODE, NoticeLevel.REFUSED)
    return None


def declined_notice(basket: Basket, declined: Declined) -> Notice:
    """A refusal, with whether the goods can be had without points at all."""
    needs_points = int(basket.due().goods_points > 0)
    figures: dict[str, str | int] = {"needs_points": needs_points}
    return Notice(NoticeCode.DECLINED, NoticeLevel.REFUSED, figures, declined)


def fault_code(fault: StoreFaultError) -> NoticeCode:
    """What is said of a step that the disk did not take, or of which nobody can know yet."""
    unsure = isinstance(fault, StoreUnsureError)
    return NoticeCode.STORE_UNSURE if unsure else NoticeCode.STORE_FAULT


def scan_notice(scan: Scan) -> Notice:
    """What is said of a scan that is neither goods nor a resident's code."""
    if isinstance(scan, PaymentScan):
        figures: dict[str, str | int] = {"brand": scan.brand.value}
        return Notice(NoticeCode.PAYMENT_CODE, NoticeLevel.REFUSED, figures)
    code = SCAN_NOTICES.get(type(scan), NoticeCode.UNKNOWN_SCAN)
    return Notice(code, NoticeLevel.REFUSED)
