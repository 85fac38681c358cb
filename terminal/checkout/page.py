"""Makes the page's view out of the till, the store and the surroundings."""

from datetime import datetime

from msgspec import UNSET

from protocol.business_day import SHANGHAI, business_date
from protocol.codes import to_digits
from protocol.discounts import Discount, DiscountKind
from protocol.documents import Policy
from protocol.money import format_quantity
from protocol.redemption import (
    NO_LIMITS,
    LimitKind,
    Limits,
    PointsWanted,
    is_excluded,
    points_wanted,
)
from protocol.sales import AnsweredBy
from terminal.checkout.asking import terms_of
from terminal.checkout.current import CurrentSale, tender_of
from terminal.checkout.till import Till
from terminal.checkout.view import (
    ActingView,
    CompletedView,
    ConfirmingView,
    DiscountView,
    LineView,
    NoticeView,
    ParkedView,
    PaymentView,
    PinView,
    TillView,
)
from terminal.domain.basket import Basket, BasketLine
from terminal.domain.card_pin import PinAsking
from terminal.domain.changes import Changes, Surroundings
from terminal.domain.discounts import NO_ROUNDING, DiscountRules
from terminal.domain.notice import Notice
from terminal.domain.parked import ParkedBasket, as_parked
from terminal.domain.ports import Clock, Moment, Store, TerminalIdentity
from terminal.domain.presented import Confirming
from terminal.domain.sale import SaleState

PARKED_NAMES = 3
"""So many goods of a waiting basket are named."""


class Page:
    """The one reader behind the cashier's page."""

    def __init__(
        self,
        *,
        identity: TerminalIdentity,
        till: Till,
        store: Store,
        clock: Clock,
        changes: Changes,
        surroundings: Surroundings,
        rules: DiscountRules = NO_ROUNDING,
    ) -> None:
        self._rules = rules
        self._identity = identity
        self._till = till
        self._store = store
        self._clock = clock
        self._changes = changes
        self._surroundings = surroundings

    def view(self) -> TillView:
        """The page as it should be now."""
        version = self._changes.version  # read first: a change while we look shows up again
        sale, notice = self._till.snapshot()
        documents = self._store.documents()
        policy, directory = documents.policy, documents.directory
        moment = self._clock.moment()
        around = self._surroundings.read()
        limits = policy.limits if policy else NO_LIMITS
        due = sale.basket.due(limits)
        wanted = points_wanted(due, terms_of(policy)) if policy else None
        rule, rule_points = _rule(sale, wanted)
        age = (moment.at - directory.made_at).total_seconds() if directory else None
        return TillView(
            version=version,
            sale_id=str(sale.sale_id),
            state=sale.state.value,
            lines=tuple(_line(line, limits, sale.basket) for line in sale.basket.lines),
            due_fen=due.money_fen,
            goods_points=due.goods_points,
            points_possible=wanted.required + wanted.optional if wanted else 0,
            needs_code=bool(sale.basket.limited_items()),
            rule=rule,
            rule_points=rule_points,
            rule_bp=limits.bill_share_bp,
            money_only_fen=due.excluded_fen,
            payment=self._payment(sale, policy),
            completed=self._completed(sale),
            confirming=_confirming(sale.confirming),
            pin=_pin(sale.pin_asking),
            notice=_notice(notice),
            shop_name=self._identity.shop_name,
            merchant_name=self._identity.merchant_name,
            pool_name=policy.pool_name if policy else "",
            unit_name=_unit_name(policy)[0],
            unit_name_en=_unit_name(policy)[1],
            untold=self._store.untold(),
            directory_age_min=None if age is None else max(0, int(age // 60)),
            server=around.server,
            printer=around.printer,
            scanner=around.scanner,
            clock_state=moment.clock_state.value,
            shift_forgotten=self._is_forgotten(policy, moment),
            second_copy=self._store.second_copy().value,
            disk_days=around.disk_days,
            offline_left_points=self._offline_left(policy),
            discounts=tuple(_discount(each) for each in sale.basket.discounts()),
            acting=_acting(sale),
            rounding_step_fen=self._rules.rounding_step_fen,
            parked=tuple(_parked(each, moment.at) for each in self._till.parking.waiting()),
            rounds=any(x.kind is DiscountKind.ROUNDING for x in sale.basket.wishes),
        )

    def _offline_left(self, policy: Policy | None) -> int | None:
        """What this terminal may still give by itself, in points; None below the soft limit."""
        if policy is None or not self._store.untold():
            return None
        given, limits = self._store.stood_in_points(), policy.stand_in
        if given < limits.per_terminal_soft_points:
            return None
        return max(0, limits.per_terminal_hard_points - given)

    def _is_forgotten(self, policy: Policy | None, moment: Moment) -> bool:
        """Whether the open shift began with a sale of an earlier business date."""
        began = self._store.first_sale_since_z()
        if policy is None or began is None:
            return False
        hour = policy.cut_off_hour
        return business_date(began, hour) < business_date(moment.at, hour)

    @staticmethod
    def _payment(sale: CurrentSale, policy: Policy | None) -> PaymentView | None:
        if sale.state not in {SaleState.OPEN, SaleState.AUTHORISED} or not sale.basket.lines:
            return None
        if sale.approval is None and sale.basket.limited_items():
            return None
        tender = tender_of(sale, policy) if policy else None
        if tender is None:
            return None
        before = sale.approval.balance_points if sale.approval else None
        return PaymentView(
            points=tender.points,
            points_min=tender.points_for_goods,
            points_max=sale.approval.points if sale.approval else 0,
            cash_fen=tender.cash_fen,
            waived_fen=tender.waived_fen,
            rounded_up_fen=tender.rounded_up_fen,
            balance_before_points=before,
            balance_after_points=None if before is None else before - tender.points,
            offline=sale.answered_by is AnsweredBy.STAND_IN,
        )

    def _completed(self, sale: CurrentSale) -> CompletedView | None:
        captured = sale.captured
        if captured is None:
            return None
        job = self._store.job_of(captured.receipt_no)
        before = sale.approval.balance_points if sale.approval else None
        return CompletedView(
            receipt_no=captured.receipt_no,
            total_fen=sum(line.amount_fen for line in captured.lines),
            points=captured.payment.points,
            cash_fen=captured.payment.cash_fen,
            waived_fen=captured.payment.waived_fen,
            rounded_up_fen=captured.payment.rounded_up_fen,
            balance_before_points=before,
            balance_after_points=None if before is None else before - captured.payment.points,
            offline=captured.answered_by is AnsweredBy.STAND_IN,
            print_state=job.state.value if job else "",
            print_trouble=job.trouble if job else "",
        )


def _unit_name(policy: Policy | None) -> tuple[str, str]:
    return (policy.unit_name, policy.unit_name_en) if policy else ("积分", "points")


def _rule(sale: CurrentSale, wanted: PointsWanted | None) -> tuple[str, int]:
    """Why points do not pay more: by the answer where there is one, else by the basket."""
    if sale.approval is not None and sale.approval.limited_by is not UNSET:
        return sale.approval.limited_by.value, sale.approval.points
    kind = (wanted.refused_by or wanted.limited_by) if wanted else None
    if wanted is None or kind is None:
        return "", 0
    by_bill = kind in {LimitKind.BILL_SHARE, LimitKind.EXCLUDED}
    return kind.value, wanted.most if by_bill else wanted.limit_points


def _discount(given: Discount) -> DiscountView:
    return DiscountView(
        kind=given.kind.value,
        line_no=given.line_no if isinstance(given.line_no, int) else None,
        rate_bp=given.rate_bp if isinstance(given.rate_bp, int) else None,
        amount_fen=given.amount_fen,
        reason=given.reason,
    )


def _parked(waiting: ParkedBasket, now: datetime) -> ParkedView:
    due, lines = as_parked(waiting.kept).due(), waiting.kept.lines
    return ParkedView(
        number=waiting.number,
        parked_at=waiting.parked_at,
        is_today=waiting.parked_at.astimezone(SHANGHAI).date() == now.astimezone(SHANGHAI).date(),
        parked_by=waiting.parked_by or "",
        items=len(lines),
        goods=tuple(line.name for line in lines[:PARKED_NAMES]),
        due_fen=due.money_fen,
        goods_points=due.goods_points,
    )


def _line(line: BasketLine, limits: Limits, basket: Basket) -> LineView:
    own = (x.amount_fen for x in basket.discounts() if x.line_no == line.line_no)
    return LineView(
        line_no=line.line_no,
        item_id=line.item.item_id if line.item else None,
        name=line.name,
        unit=line.unit,
        quantity=format_quantity(line.quantity_milli),
        quantity_milli=line.quantity_milli,
        weighed=line.item.weighed if line.item else False,
        unit_price_fen=line.unit_price_fen,
        unit_price_points=line.unit_price_points,
        amount_fen=line.amount_fen,
        amount_points=line.amount_points,
        money_only=is_excluded(line, limits),
        limited=line.item.is_limited if line.item else False,
        price_fen=line.price_fen,
        line_off_fen=sum(own),
    )


def _confirming(asked: Confirming | None) -> ConfirmingView | None:
    if asked is None:
        return None
    return ConfirmingView(
        points=asked.challenge.points,
        skip_points=asked.skip_points,
        digits=to_digits(asked.challenge.payload),
    )


def _pin(asked: PinAsking | None) -> PinView | None:
    if asked is None:
        return None
    return PinView(
        state=asked.state.value,
        most_points=asked.most_points,
        skip_points=asked.skip_points,
        tries_left=asked.tries_left,
    )


def _notice(notice: Notice | None) -> NoticeView | None:
    if notice is None:
        return None
    return NoticeView(
        code=notice.code.value,
        level=notice.level.value,
        figures=notice.figures,
        decline=notice.decline,
    )


def _acting(sale: CurrentSale) -> ActingView | None:
    if sale.acting is None or sale.state is SaleState.CAPTURED:
        return None
    return ActingView(name=sale.acting.name, place=sale.acting.proxy.place)
