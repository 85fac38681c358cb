"""The switch between the shop's till and the practice one: pages and scanner go to one of them."""

import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from terminal.app import create_app
from terminal.domain.notice import Notice, NoticeCode, NoticeLevel
from terminal.domain.ports import StoreFaultError
from terminal.domain.practising import SHOP
from terminal.domain.sale import SaleState
from terminal.practising.world import FromShop, PracticeWorld
from terminal.web.practice_page import ENTER, LEAVE
from terminal.web.routes import WebDesk

LOG = logging.getLogger(__name__)
WAIT_S: Final = 6.0
"""A press waits for the pool's answer for some seconds at most; see ``ask_timeout_s``."""
ALWAYS_SHOP: Final = "/health"
FORGOTTEN_MS: Final = 15 * 60_000
"""A practice in which nobody presses for so long was forgotten, and the next customer is real."""
LOOKED_AFTER_S: Final = 30.0


class Gate:
    """Lets presses through, any number at once, and nobody while the switch turns."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._turning = False

    @contextmanager
    def passing(self) -> Iterator[None]:
        """A press: everything it does happens on one side of the switch."""
        with self._changed:
            self._changed.wait_for(lambda: not self._turning)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self, wait_s: float) -> Iterator[bool]:
        """Whether all presses under way came to their end in time; new ones wait outside."""
        with self._changed:
            self._changed.wait_for(lambda: not self._turning)
            self._turning = True
            alone = self._changed.wait_for(lambda: self._inside == 0, wait_s)
        try:
            yield alone
        finally:
            with self._changed:
                self._turning = False
                self._changed.notify_all()


class PracticeSwitch:
    """See :class:`terminal.domain.practising.Practising`. It lives in memory: a start is at the
    shop's till, whatever was before.

    :meth:`connect` gives it the shop's till, which knows the switch itself.
    """

    def __init__(self, shop: FromShop) -> None:
        self._from_shop = shop
        self._gate = Gate()
        self._entering = threading.Lock()
        self._world: PracticeWorld | None = None
        self._app: WSGIApplication | None = None
        self._last: PracticeWorld | None = None
        self._pressed_ms = 0

    def connect(self, desk: WebDesk, app: WSGIApplication) -> None:
        """The shop's till and its application."""
        self._desk, self._shop_app = desk, app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]
        if path == ALWAYS_SHOP:
            return self._shop_app(environ, start_response)
        if method in {"GET", "HEAD"} or path in {ENTER, LEAVE}:
            return self._now()(environ, start_response)
        with self._gate.passing():
            self._pressed()
            return self._now()(environ, start_response)

    def mode(self) -> str:
        """See :class:`terminal.domain.practising.Practising`."""
        world = self._world
        return SHOP if world is None else world.mode

    def enter(self) -> Notice:
        """See :class:`terminal.domain.practising.Practising`."""
        policy = self._from_shop.store.documents().policy
        if policy is None:
            return Notice(NoticeCode.NOT_READY, NoticeLevel.ALARM)
        with self._entering:
            if self._world is not None:
                return Notice(NoticeCode.PRACTICE_BEGUN, NoticeLevel.GOOD)
            if not self._is_idle():  # before anything is built; and again when nobody presses
                return _sale_first()
            if self._last is not None:
                self._last.close()
            try:
                self._last = world = PracticeWorld(self._from_shop, policy, self)
            except (OSError, StoreFaultError):
                LOG.exception("the practice till could not be made")
                self._last = None
                return Notice(NoticeCode.STORE_FAULT, NoticeLevel.ALARM)
            app = create_app(world.desk)
            with self._gate.alone(WAIT_S) as alone:
                if not alone or not self._is_idle():
                    return _sale_first()
                self._world, self._app = world, app
                self._pressed()
        self._desk.changes.note()  # its open pages hear that they are at the wrong till
        return Notice(NoticeCode.PRACTICE_BEGUN, NoticeLevel.GOOD)

    def leave(self) -> Notice:
        """See :class:`terminal.domain.practising.Practising`."""
        return self._leave(NoticeCode.PRACTICE_ENDED)

    def end_if_forgotten(self) -> float:
        """End a practice in which nobody pressed for :data:`FORGOTTEN_MS`: a worker's round.

        Returns:
            Seconds until it is worth looking again.
        """
        idle_ms = self._from_shop.clock.moment().monotonic_ms - self._pressed_ms
        if self._world is not None and idle_ms >= FORGOTTEN_MS:
            LOG.warning("a practice was forgotten and is ended")
            self._leave(NoticeCode.PRACTICE_FORGOTTEN)
        return LOOKED_AFTER_S

    def _leave(self, code: NoticeCode) -> Notice:
        with self._entering, self._gate.alone(WAIT_S):
            world, self._world, self._app = self._world, None, None
        if world is not None:
            world.desk.changes.note()
            if self._desk.till.snapshot()[1] is None:
                self._desk.till.say(code, NoticeLevel.GOOD)
        return Notice(code, NoticeLevel.GOOD)

    def scan(self, text: str) -> None:
        """The scanner read this, for whichever till is on."""
        with self._gate.passing():
            self._pressed()
            self._desk_now().till.scan(text)

    def say(self, code: NoticeCode, level: NoticeLevel) -> None:
        """The scanner has something to tell the cashier."""
        self._desk_now().till.say(code, level)

    def close(self) -> None:
        """The program ends."""
        if self._last is not None:
            self._last.close()

    def _pressed(self) -> None:
        self._pressed_ms = self._from_shop.clock.moment().monotonic_ms

    def _now(self) -> WSGIApplication:
        return self._app or self._shop_app

    def _desk_now(self) -> WebDesk:
        world = self._world
        return self._desk if world is None else world.desk

    def _is_idle(self) -> bool:
        """Whether no sale lies on the shop's desk; a completed one may."""
        sale, _ = self._desk.till.snapshot()
        if sale.state is SaleState.CAPTURED:
            return True
        return (
            sale.state is SaleState.OPEN
            and not sale.basket.lines
            and sale.confirming is None
            and sale.pin_asking is None
            and sale.acting is None
        )


def _sale_first() -> Notice:
    return Notice(NoticeCode.PRACTICE_SALE_FIRST, NoticeLevel.REFUSED)
