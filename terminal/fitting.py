"""Fits a till out: every desk of its page over one store. The shop's and the practice one alike."""

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct, field

from config.terminal import TerminalSettings
from protocol.card_pin_hash import ArgonPinMaker
from terminal.checkout.after_sale import AfterSale
from terminal.checkout.discounts import Discounts
from terminal.checkout.drawer import NO_DRAWER, CashDrawer
from terminal.checkout.last_run import LastRunDesk
from terminal.checkout.page import Page
from terminal.checkout.returns import Returns
from terminal.checkout.till import Till
from terminal.desks import Around, make_desks
from terminal.domain.changes import Changes, Surroundings
from terminal.domain.ports import Clock, OrderDesk, Papers, Pool, Receipts, Store, TerminalIdentity
from terminal.domain.practising import SHOP, PracticeTill, Practising
from terminal.domain.presented import Challenger
from terminal.domain.stand_in import ImageTrust
from terminal.makers import discount_rules
from terminal.shifts.staff import Staff
from terminal.store.identity import SystemIds
from terminal.store.people import ArgonPins
from terminal.web.routes import WebDesk
from terminal.web.streams import Streams


class PoolServer(Pool, OrderDesk, Protocol):
    """The pool's server, for sales and for vouchers."""


class Parts(Struct, frozen=True, kw_only=True):
    """What a till is made of. ``papers`` lays out what is no receipt; ``mode`` names the till's
    pages, see :mod:`terminal.domain.practising`.
    """

    settings: TerminalSettings
    identity: TerminalIdentity
    store: Store
    pool: PoolServer
    receipts: Receipts
    papers: Papers
    clock: Clock
    changes: Changes
    surroundings: Surroundings
    trust: ImageTrust
    wake_workers: Callable[[], None]
    challenger: Challenger | None = None
    drawer: CashDrawer = NO_DRAWER
    last_run: LastRunDesk | None = None
    streams: Streams = field(default_factory=Streams)
    practising: Practising | None = None
    practice: PracticeTill | None = None
    mode: str = SHOP


def fit_out(parts: Parts) -> WebDesk:
    """The till with all its desks; nothing of it has been started."""
    settings, identity, store, ids = parts.settings, parts.identity, parts.store, SystemIds()
    rules = discount_rules(settings)
    staff = _make_staff(parts)
    till = _make_till(parts, staff, ids)
    after_sale = AfterSale(
        identity=identity,
        store=store,
        receipts=parts.receipts,
        wake_workers=parts.wake_workers,
    )
    returns = Returns(
        identity=identity,
        store=store,
        pool=parts.pool,
        receipts=parts.receipts,
        clock=parts.clock,
        ids=ids,
        wake_workers=parts.wake_workers,
        is_stopped=till.is_stopped,
        drawer=parts.drawer,
        approvals=staff,
    )
    page = Page(
        identity=identity,
        till=till,
        store=store,
        clock=parts.clock,
        changes=parts.changes,
        surroundings=parts.surroundings,
        rules=rules,
    )
    desks = make_desks(_around(parts, staff, till, ids), parts.pool)
    till.code_taker = desks.takes
    till.proxy_problem = desks.proxies.problem
    return WebDesk(
        till=till,
        discounts=Discounts(till.desk, rules, staff),
        page=page,
        after_sale=after_sale,
        returns=returns,
        shifts=desks.shifts,
        staff=staff,
        orders=desks.orders,
        awarding=desks.awarding,
        proxies=desks.proxies,
        prices=desks.prices,
        store=store,
        changes=parts.changes,
        clock=parts.clock,
        default_language=settings.language,
        streams=parts.streams,
        last_run=parts.last_run,
        practising=parts.practising,
        practice=parts.practice,
        mode=parts.mode,
    )


def _make_staff(parts: Parts) -> Staff:
    return Staff(
        store=parts.store,
        clock=parts.clock,
        hasher=ArgonPins(),
        changes=parts.changes,
        wake_workers=parts.wake_workers,
        refund_limit_fen=parts.settings.refund_limit_fen,
        refund_limit_points=parts.settings.refund_limit_points,
        shop=parts.identity.shop,
    )


def _make_till(parts: Parts, staff: Staff, ids: SystemIds) -> Till:
    return Till(
        identity=parts.identity,
        store=parts.store,
        pool=parts.pool,
        receipts=parts.receipts,
        clock=parts.clock,
        ids=ids,
        changes=parts.changes,
        wake_workers=parts.wake_workers,
        refuses_uncopied=parts.settings.second_medium_failed == "refuse",
        drawer=parts.drawer,
        trust=parts.trust,
        at_till=staff.at_till,
        challenger=parts.challenger,
        rules=discount_rules(parts.settings),
        pin_maker=ArgonPinMaker(),
        practice=parts.practice is not None,
    )


def _around(parts: Parts, staff: Staff, till: Till, ids: SystemIds) -> Around:
    return Around(
        identity=parts.identity,
        store=parts.store,
        clock=parts.clock,
        ids=ids,
        papers=parts.papers,
        staff=staff,
        surroundings=parts.surroundings,
        trust=parts.trust,
        wake_workers=parts.wake_workers,
        is_stopped=till.is_stopped,
        changes=parts.changes,
        sale_desk=till.desk,
    )
