"""The counter: points that terminals registered, what workers redeemed for residents and whether
it came to the door, and goods that came back beyond what was sold.
"""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from server.awards import rules_on
from server.db import reading
from server.portal.services import PortalServices
from server.portal.wording import said
from server.redemption.counter_list import counter_awards
from server.redemption.proxies import proxy_sales
from server.reports.over_refunds import over_refunds

SHOWN_MAX = 200


def add_counter(pages: Blueprint, portal: PortalServices) -> None:
    """One page; what is to be done about it is done at the machine, and the page says how."""

    @pages.get("/counter")
    def counter() -> ResponseReturnValue:
        with reading(portal.engine) as tx:
            awards = counter_awards(tx, portal.pool, limit=SHOWN_MAX + 1)
            today = portal.today(tx)
            proxied = proxy_sales(tx, portal.pool, today, limit=SHOWN_MAX + 1)
            names = {each.rule_id: each.category for each in rules_on(tx, portal.pool, today)}
            return render_template(
                "console/counter.html",
                waiting=[each for each in awards[:SHOWN_MAX] if each.waits],
                awards=[each for each in awards[:SHOWN_MAX] if not each.waits],
                rule_names=names,
                said=said,
                proxied=proxied[:SHOWN_MAX],
                awards_cut=len(awards) > SHOWN_MAX,
                proxied_cut=len(proxied) > SHOWN_MAX,
                shown_max=SHOWN_MAX,
                excesses=over_refunds(tx, portal.pool),
            )
