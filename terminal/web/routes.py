"""The page's addresses. Each POST does one thing and answers the new screen.

    GET  /                the page            POST /api/scan      {text}
    GET  /health          is the till fit     POST /api/item      {item_id, quantity?}
    GET  /api/view        the screen          POST /api/amount    {text}
    GET  /api/events      the same, pushed    POST /api/quantity  {line_no, quantity}
    GET  /api/catalogue   items and prices    POST /api/points    {points}
    GET  /api/goods       own goods by name (?q=)
    GET  /api/sales       the newest sales    POST /api/complete  {sale_id, points?, cash_fen?}
    GET  /api/challenge   its code as SVG     POST /api/back, /api/clear  {}
                                              POST /api/skip-confirm, /api/stop-confirm  {}
                                              POST /api/reprint   {receipt_no}
                                              POST /api/discount  {how, text, line_no?, reason?, pin?}
                                              POST /api/discount-off {line_no?}
                                              POST /api/rounding  {on}
                                              POST /api/park      {}
                                              POST /api/take-up   {number}
                                              POST /api/park-delete {number, reason}
                                              POST /api/return    {receipt_no, lines?}
                                              POST /api/refund    {receipt_no, reason, lines?}

What is not answered 200 has the body ``{"problem": …, "says": …}``. A refusal by the till
is no problem: it is a notice on the screen.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from flask import Blueprint, Response, make_response, redirect, render_template, request
from flask import stream_with_context as keep_request
from msgspec import Struct, field
from werkzeug.wrappers import Response as AnyResponse

from drivers.ports import MAX_SCAN_CHARS
from terminal.checkout.after_sale import AfterSale
from terminal.checkout.allowed import fault_code
from terminal.checkout.awarding import Awarding
from terminal.checkout.card_look_up import CardLookUp
from terminal.checkout.discounts import Discounts
from terminal.checkout.goods import Goods
from terminal.checkout.last_run import LastRunDesk
from terminal.checkout.orders import Orders
from terminal.checkout.page import Page
from terminal.checkout.proxies import Proxies
from terminal.checkout.returns import Returns
from terminal.checkout.till import Till
from terminal.domain.changes import Changes
from terminal.domain.notice import NoticeCode, NoticeLevel
from terminal.domain.ports import Clock, Store, StoreFaultError
from terminal.domain.practising import SHOP, PracticeTill, Practising
from terminal.prices.desk import PriceDesk
from terminal.shifts.shifts import Shifts
from terminal.shifts.staff import Staff
from terminal.web.addresses import add_addresses
from terminal.web.answers import Problem, json_answer, problem
from terminal.web.awards_page import AwardsPage
from terminal.web.bodies import (
    AmountBody,
    BadBodyError,
    CompleteBody,
    ItemBody,
    NoBody,
    PinBody,
    PointsBody,
    QuantityBody,
    ReprintBody,
    ScanBody,
    parse_quantity_milli,
    read_body,
)
from terminal.web.discounts import DiscountRoutes
from terminal.web.guard import MODE_HEADER, foreign_host, foreign_look, foreign_post
from terminal.web.language import LANGUAGE_COOKIE, LANGUAGES, language_now, later, say
from terminal.web.last_run import LastRunRoutes
from terminal.web.look_up_page import LookUpPage
from terminal.web.more import MorePages
from terminal.web.orders_page import OrdersPage
from terminal.web.parked import ParkedRoutes
from terminal.web.practice_page import PracticePage, practice_screen, resident_rows
from terminal.web.prices_page import PricesPage
from terminal.web.proxies_page import ProxiesPage
from terminal.web.qr import qr_svg
from terminal.web.report_page import ReportPage
from terminal.web.returning import ReturnRoutes
from terminal.web.sales_list import RECENT_SALES, sales_screen
from terminal.web.screen import (
    TYPED_AMOUNT_NAME,
    Screen,
    catalogue_screen,
    goods_version,
    screen_of,
)
from terminal.web.shift_page import ShiftPage
from terminal.web.staff_page import StaffPage
from terminal.web.streams import Streams, screen_events

BLUEPRINT: Final = "till"
LANGUAGE_COOKIE_S: Final = 365 * 24 * 3600

AFTER_SALE_LEVELS: Final[dict[NoticeCode, NoticeLevel]] = {
    NoticeCode.REPRINT_QUEUED: NoticeLevel.GOOD,
}
"""All other notices about reprints are refusals."""


class WebDesk(Struct, frozen=True):
    """All that the page's addresses use."""

    till: Till
    discounts: Discounts
    page: Page
    after_sale: AfterSale
    returns: Returns
    shifts: Shifts
    staff: Staff
    orders: Orders
    awarding: Awarding
    proxies: Proxies
    prices: PriceDesk
    store: Store
    changes: Changes
    clock: Clock
    default_language: str
    streams: Streams = field(default_factory=Streams)
    last_run: LastRunDesk | None = None
    practising: Practising | None = None
    practice: PracticeTill | None = None
    mode: str = SHOP

    def is_on(self) -> bool:
        """Whether this is the till at which pages and scanner are."""
        return self.practising is None or self.practising.mode() == self.mode


def store_fault() -> Problem:
    """What the page shows where not even the screen can be made."""
    text = later("终端存储出错，这一步没有算数。请停止收款，并联系技术员。")
    return Problem("store_fault", say(text))


class TillRoutes:
    """The addresses' functions over one desk."""

    def __init__(self, desk: WebDesk) -> None:
        self._desk = desk
        # Names this run: a page that sees another one knows that the program was started anew.
        self._boot = f"{desk.mode} {desk.clock.moment().at.isoformat()}"

    def screen(self) -> Screen:
        """The screen as it should be now, in the language of this request."""
        catalogue = self._desk.store.documents().catalogue
        revision, person = self._desk.store.own_revision(), self._desk.staff.at_till()
        screen = screen_of(self._desk.page.view(), catalogue, self._boot, revision, person)
        return screen if self._desk.practice is None else practice_screen(screen)

    def answer(self) -> Response:
        return json_answer(self.screen())

    def till_page(self) -> AnyResponse:
        wanted = request.args.get("lang", "")
        if wanted in LANGUAGES:
            moved: AnyResponse = redirect("/")
            moved.set_cookie(
                LANGUAGE_COOKIE, wanted, LANGUAGE_COOKIE_S, httponly=True, samesite="Strict"
            )
            return moved
        return make_response(render_template("till.html", language=language_now()))

    def health(self) -> Response:
        view, practising = self._desk.page.view(), self._desk.practising
        return json_answer(
            Health(
                healthy=True,
                server=view.server,
                printer=view.printer,
                scanner=view.scanner,
                untold=view.untold,
                disk_days=view.disk_days,
                practising=practising is not None and practising.mode() != SHOP,
            )
        )

    def events(self) -> Response:
        streams = self._desk.streams
        if not streams.enter():
            says = say(later("打开的页面太多，请关掉不用的页面。"))
            return problem("too_many_streams", says, 503)

        def screen() -> tuple[int, bytes]:
            made = self.screen()
            return made.version, msgspec.json.encode(made)

        pushed = screen_events(
            self._desk.changes,
            streams,
            screen,
            lambda: msgspec.json.encode(store_fault()),
            self._reader_gone(),
        )
        response = Response(keep_request(pushed), mimetype="text/event-stream")
        response.call_on_close(streams.leave)
        return response

    def _reader_gone(self) -> Callable[[], bool]:
        """Or at the wrong till: the page then asks again, and begins anew at the other one."""
        closed = request.environ.get("waitress.client_disconnected", lambda: False)
        return lambda: closed() or not self._desk.is_on()

    def catalogue(self) -> Response:
        store, view = self._desk.store, self._desk.page.view()
        version = goods_version(store.documents().catalogue, store.own_revision())
        goods, searches = Goods(store), bool(store.own_count())
        return json_answer(catalogue_screen(version, goods.with_keys(), view, searches=searches))

    def goods(self) -> Response:
        """Goods of the shop's own list by what is typed into the search."""
        text = request.args.get("q", "").strip()[:MAX_SCAN_CHARS]
        store, view = self._desk.store, self._desk.page.view()
        version = goods_version(store.documents().catalogue, store.own_revision())
        found = Goods(store).named(text) if text else ()
        return json_answer(catalogue_screen(version, found, view, searches=True))

    def sales(self) -> Response:
        recent = tuple(self._desk.store.recent_sales(RECENT_SALES))
        return json_answer(sales_screen(recent, self._desk.page.view()))

    def scan(self) -> Response:
        text = read_body(ScanBody).text
        if len(text) > MAX_SCAN_CHARS:
            self._desk.till.say(NoticeCode.SCAN_TOO_LONG, NoticeLevel.REFUSED)
        else:
            self._desk.till.scan(text)
        return self.answer()

    def item(self) -> Response:
        body = read_body(ItemBody)
        quantity_milli = parse_quantity_milli(body.quantity)
        if quantity_milli is None:
            self._desk.till.say(NoticeCode.QUANTITY_WRONG, NoticeLevel.REFUSED)
        else:
            self._desk.till.add_item(body.item_id, quantity_milli)
        return self.answer()

    def amount(self) -> Response:
        self._desk.till.add_amount(read_body(AmountBody).text, TYPED_AMOUNT_NAME)
        return self.answer()

    def quantity(self) -> Response:
        body = read_body(QuantityBody)
        quantity_milli = parse_quantity_milli(body.quantity)
        if quantity_milli is None:
            self._desk.till.say(NoticeCode.QUANTITY_WRONG, NoticeLevel.REFUSED)
        else:
            self._desk.till.set_quantity(body.line_no, quantity_milli)
        return self.answer()

    def points(self) -> Response:
        self._desk.till.choose_points(read_body(PointsBody).points)
        return self.answer()

    def complete(self) -> Response:
        body = read_body(CompleteBody)
        self._desk.till.complete(body.sale_id, body.points, body.cash_fen)
        return self.answer()

    def back(self) -> Response:
        read_body(NoBody)
        self._desk.till.go_back()
        return self.answer()

    def clear(self) -> Response:
        read_body(NoBody)
        self._desk.till.clear()
        return self.answer()

    def challenge(self) -> Response:
        asked = self._desk.page.view().confirming
        if asked is None:
            return problem("not_found", "no phone is asked to confirm anything", 404)
        return Response(qr_svg(asked.digits), mimetype="image/svg+xml")

    def skip_confirm(self) -> Response:
        read_body(NoBody)
        self._desk.till.skip_confirming()
        return self.answer()

    def stop_confirm(self) -> Response:
        read_body(NoBody)
        self._desk.till.stop_confirming()
        return self.answer()

    def pin(self) -> Response:
        self._desk.till.type_pin(read_body(PinBody).pin)
        return self.answer()

    def skip_pin(self) -> Response:
        read_body(NoBody)
        self._desk.till.skip_pin()
        return self.answer()

    def stop_pin(self) -> Response:
        read_body(NoBody)
        self._desk.till.stop_pin()
        return self.answer()

    def reprint(self) -> Response:
        return self._said(self._desk.after_sale.reprint(read_body(ReprintBody).receipt_no))

    def _said(self, code: NoticeCode) -> Response:
        self._desk.till.say(code, AFTER_SALE_LEVELS.get(code, NoticeLevel.REFUSED))
        return self.answer()

    def on_store_fault(self, error: StoreFaultError) -> Response:
        """The disk failed: say so on the page, on every page if it can still be made."""
        self._desk.till.say(fault_code(error), NoticeLevel.ALARM)
        try:
            return self.answer()
        except StoreFaultError:
            return json_answer(store_fault(), 503)


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the till can be sold with, and how its surroundings are.

    ``disk_days``: how long the disk will do; None while that is long enough. ``practising``: its
    pages and its scanner are at the practice till; everything else is told of the shop's.
    """

    healthy: bool
    server: str
    printer: str
    scanner: str
    untold: int
    disk_days: int | None
    practising: bool = False


def create_blueprint(desk: WebDesk) -> Blueprint:
    """The cashier's page and its addresses over one desk."""
    blueprint = Blueprint(BLUEPRINT, __name__, template_folder="templates", static_folder="static")
    routes = TillRoutes(desk)
    discounts = DiscountRoutes(desk.discounts, routes.answer)
    parked = ParkedRoutes(desk.till.parking, routes.answer)
    returns = ReturnRoutes(desk.returns, desk.staff, desk.till, desk.page, routes.answer)
    reading: dict[str, Callable[[], AnyResponse | str]] = {
        "/": routes.till_page,
        "/health": routes.health,
        "/api/view": routes.answer,
        "/api/events": routes.events,
        "/api/catalogue": routes.catalogue,
        "/api/goods": routes.goods,
        "/api/sales": routes.sales,
        "/api/challenge": routes.challenge,
    }
    changing: dict[str, Callable[[], AnyResponse]] = {
        "/api/scan": routes.scan,
        "/api/item": routes.item,
        "/api/amount": routes.amount,
        "/api/quantity": routes.quantity,
        "/api/points": routes.points,
        "/api/complete": routes.complete,
        "/api/back": routes.back,
        "/api/clear": routes.clear,
        "/api/skip-confirm": routes.skip_confirm,
        "/api/stop-confirm": routes.stop_confirm,
        "/api/pin": routes.pin,
        "/api/skip-pin": routes.skip_pin,
        "/api/stop-pin": routes.stop_pin,
        "/api/reprint": routes.reprint,
        "/api/discount": discounts.discount,
        "/api/discount-off": discounts.discount_off,
        "/api/rounding": discounts.rounding,
        "/api/park": parked.park,
        "/api/take-up": parked.take_up,
        "/api/park-delete": parked.park_delete,
        "/api/return": returns.look,
        "/api/refund": returns.refund,
    }
    more = MorePages(desk.page, desk.changes.note)
    reading["/more"] = more.menu
    for looked, done in _pages_behind(desk, more, routes):
        reading |= looked
        changing |= done
    add_addresses(blueprint, reading, changing)
    blueprint.before_app_request(_refuse_foreign_host)
    blueprint.before_request(_refuse_foreign_post)
    _mark_pages(blueprint, desk, more)
    blueprint.register_error_handler(BadBodyError, _bad_body)
    blueprint.register_error_handler(StoreFaultError, routes.on_store_fault)
    return blueprint


Rules = tuple[Mapping[str, Callable[[], Response | str]], Mapping[str, Callable[[], Response]]]


def _pages_behind(desk: WebDesk, more: MorePages, routes: TillRoutes) -> tuple[Rules, ...]:
    """What is looked at and what is pressed on the pages behind 更多."""
    return (
        ShiftPage(desk.shifts, desk.store, desk.page, more).rules(),
        StaffPage(desk.staff, more).rules(),
        OrdersPage(desk.orders, more).rules(),
        AwardsPage(desk.awarding, desk.staff, desk.page, more).rules(),
        ProxiesPage(desk.proxies, desk.staff, desk.page, more).rules(),
        PricesPage(desk.prices, more).rules(),
        LookUpPage(
            CardLookUp(desk.store, desk.clock, desk.staff), desk.page, more, desk.till.show_code
        ).rules(),
        ReportPage(desk.store, desk.clock, desk.page, more).rules(),
        PracticePage(desk.practising, desk.practice, more).rules(),
        LastRunRoutes(desk.last_run, desk.till, desk.page, routes.answer).rules(),
    )


def _mark_pages(blueprint: Blueprint, desk: WebDesk, more: MorePages) -> None:
    """Every page says which till it shows, and every press is asked for it."""
    blueprint.before_request(lambda: _refuse_other_mode(desk.mode))
    blueprint.app_context_processor(
        lambda: {
            "mode": desk.mode,
            "practising": desk.practice is not None,
            "practice_unit": more.unit,
            "practice_rows": lambda: resident_rows(desk.practice, more.unit()),
        }
    )


def _refuse_foreign_host() -> Response | None:
    if foreign_host():
        return problem("foreign_host", "the Host header does not name this machine", 403)
    if foreign_look():
        return problem("foreign_request", "another site's page has no business here", 403)
    return None


def _refuse_foreign_post() -> Response | None:
    if foreign_post():
        says = "a POST needs Content-Type: application/json and X-Huidian: 1"
        return problem("foreign_request", says, 403)
    return None


def _refuse_other_mode(mode: str) -> Response | None:
    """A press on a page of the other till: it was meant for what stood there."""
    if request.method in {"GET", "HEAD"} or request.headers.get(MODE_HEADER, SHOP) == mode:
        return None
    says = later("练习已经结束，这一下没有算数。请按“回收银台”，看清再按一次。")
    if mode != SHOP:
        says = later("已经换到练习，这一下没有算数。请按“回收银台”，看清再按一次。")
    return problem("other_mode", say(says), 409)


def _bad_body(error: BadBodyError) -> Response:
    return problem("bad_request", str(error), 400)
