"""What the page shows: one value, made anew for every change. It decides nothing."""

from datetime import datetime

from msgspec import Struct

from protocol.reasons import Declined


class NoticeView(Struct, frozen=True, kw_only=True):
    """A notice's code, level and figures; the page has the words."""

    code: str
    level: str
    figures: dict[str, str | int]
    decline: Declined | None


class LineView(Struct, frozen=True, kw_only=True):
    """One basket line. ``quantity`` is ready to show; ``amount_*`` are whole numbers.

    ``price_fen`` is what it costs before all discounts, ``line_off_fen`` its own discount.
    """

    line_no: int
    item_id: str | None
    name: str
    unit: str
    quantity: str
    quantity_milli: int
    weighed: bool
    unit_price_fen: int | None
    unit_price_points: int | None
    amount_fen: int
    amount_points: int
    money_only: bool
    limited: bool
    price_fen: int = 0
    line_off_fen: int = 0


class DiscountView(Struct, frozen=True, kw_only=True):
    """A discount of the basket. ``line_no`` is None where it is off all of it; ``rate_bp`` where it
    was given as an amount.
    """

    kind: str
    line_no: int | None
    rate_bp: int | None
    amount_fen: int
    reason: str


class ParkedView(Struct, frozen=True, kw_only=True):
    """A basket that waits: ``items`` lines, of which ``goods`` names the first, and its amounts
    when it was parked. ``parked_at`` is aware; ``is_today`` by the shop's own date.
    """

    number: int
    parked_at: datetime
    is_today: bool
    parked_by: str
    items: int
    goods: tuple[str, ...]
    due_fen: int
    goods_points: int


class PaymentView(Struct, frozen=True, kw_only=True):
    """How the basket is paid with the points chosen now."""

    points: int
    points_min: int
    points_max: int
    cash_fen: int
    waived_fen: int
    rounded_up_fen: int
    balance_before_points: int | None
    balance_after_points: int | None
    offline: bool


class CompletedView(Struct, frozen=True, kw_only=True):
    """The sale that was just completed, and what is known of its receipt's paper."""

    receipt_no: str
    total_fen: int
    points: int
    cash_fen: int
    waived_fen: int
    rounded_up_fen: int
    balance_before_points: int | None
    balance_after_points: int | None
    offline: bool
    print_state: str
    print_trouble: str


class ConfirmingView(Struct, frozen=True, kw_only=True):
    """What a phone must say yes to. ``digits``: the challenge's code; ``skip_points``: how many
    points need no yes, 0 where none do.
    """

    points: int
    skip_points: int
    digits: str


class PinView(Struct, frozen=True, kw_only=True):
    """The PIN pad: ``state`` is a :class:`terminal.domain.card_pin.PinState`; points with the PIN
    at most, and without it (0: none); tries that are left here today.
    """

    state: str
    most_points: int
    skip_points: int
    tries_left: int


class ActingView(Struct, frozen=True, kw_only=True):
    """Who redeems this sale for somebody at home, and to which door it goes."""

    name: str
    place: str


class TillView(Struct, frozen=True, kw_only=True):
    """Everything on the cashier's page.

    ``state`` is a :class:`terminal.domain.sale.SaleState`; ``points_possible`` is the
    most that points could pay of this basket (0: no code is needed, unless ``needs_code``).
    ``rule`` is the :class:`protocol.redemption.LimitKind`, if any, that keeps points from
    paying more, with its figures: points, basis points of the bill, and fen of the goods that
    only money pays. ``rounding_step_fen`` is None where the shop has no 抹零; ``rounds`` says
    whether this basket has it.
    """

    version: int
    sale_id: str
    state: str
    lines: tuple[LineView, ...]
    due_fen: int
    goods_points: int
    points_possible: int
    needs_code: bool
    rule: str
    rule_points: int
    rule_bp: int
    money_only_fen: int
    payment: PaymentView | None
    completed: CompletedView | None
    confirming: ConfirmingView | None
    pin: PinView | None
    notice: NoticeView | None
    shop_name: str
    merchant_name: str
    pool_name: str
    unit_name: str
    unit_name_en: str
    untold: int
    directory_age_min: int | None
    server: str
    printer: str
    scanner: str
    clock_state: str
    shift_forgotten: bool = False
    second_copy: str = "off"
    disk_days: int | None = None
    offline_left_points: int | None = None
    discounts: tuple[DiscountView, ...] = ()
    rounding_step_fen: int | None = None
    rounds: bool = False
    parked: tuple[ParkedView, ...] = ()
    acting: ActingView | None = None
