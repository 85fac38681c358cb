"""What a merchant was asked to do for residents, and what he did: vouchers and work orders."""

from flask import Blueprint, g, render_template
from flask.typing import ResponseReturnValue

from server.db import reading
from server.directory.queries import merchant_of
from server.portal.frame import page_of
from server.portal.services import PortalServices
from server.settlement.assigning import assigned_to, done_by


def add_orders(pages: Blueprint, portal: PortalServices) -> None:
    """The page of the merchant's orders; only his own, whatever he asks."""

    @pages.get("/orders")
    def orders() -> ResponseReturnValue:
        name = g.signed_in.merchant
        with reading(portal.engine) as tx:
            merchant = merchant_of(tx, portal.pool, name)
            waiting = assigned_to(tx, portal.pool, name)
            shown, page, page_count = page_of(done_by(tx, portal.pool, name))
        return render_template(
            "portal/orders.html",
            merchant_name=merchant.name if merchant is not None else name,
            waiting=waiting,
            done=shown,
            page=page,
            page_count=page_count,
        )
