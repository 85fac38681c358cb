"""The counter: points that terminals registered, what workers redeemed for residents and whether
it came to the door, and goods that came back beyond what was sold.
"""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext

from protocol.business_day import business_date
from protocol.proxy import Consent
from server.awards import rules_on
from server.db import reading
from server.directory.queries import cut_off_hour
from server.portal.services import PortalServices
from server.portal.wording import said
from server.redemption.counter_list import counter_awards
from server.redemption.proxies import proxy_sales
from server.reports.over_refunds import over_refunds

SHOWN_MAX = 200
CONSENTS = {
    Consent.IN_PERSON.value: lazy_gettext("当面说的"),
    Consent.PHONE.value: lazy_gettext("打过电话"),
    Consent.NOTE.value: lazy_gettext("写了字条"),
    Consent.FAMILY.value: lazy_gettext("家属说的"),
}


def add_counter(pages: Blueprint, portal: PortalServices) -> None:
    """One page; what is to be done about it is done at the machine, and the page says how."""

    @pages.get("/counter")
    def counter() -> ResponseReturnValue:
        with reading(portal.engine) as tx:
            awards = counter_awards(tx, portal.pool, limit=SHOWN_MAX)
            today = business_date(portal.clock(), cut_off_hour(tx, portal.pool))
            names = {each.rule_id: each.category for each in rules_on(tx, portal.pool, today)}
            return render_template(
                "console/counter.html",
                waiting=[each for each in awards if each.waits],
                awards=[each for each in awards if not each.waits],
                rule_names=names,
                said=said,
                proxied=proxy_sales(tx, portal.pool, today, limit=SHOWN_MAX),
                consents=CONSENTS,
                excesses=over_refunds(tx, portal.pool),
            )
