"""Terminals: records that wait for a person, chains that differ, the worst offline loss."""

from typing import Final

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

from server.db import reading
from server.directory.issuers import forgotten_key_list
from server.portal.services import PortalServices
from server.redemption.differences import differences
from server.redemption.gaps import recoveries
from server.redemption.parked import parked_count, parked_records
from server.reports.exposure import exposure

SHOWN_MAX = 200
KINDS: Final[dict[str, LazyString]] = {
    "sale_captured": lazy_gettext("销售"),
    "sale_reversed": lazy_gettext("取消的询问"),
    "sale_refunded": lazy_gettext("退货"),
    "order_fulfilled": lazy_gettext("用券、上门单"),
    "counter_awarded": lazy_gettext("登记积分"),
    "proxy_delivered": lazy_gettext("送上门"),
    "shift_closed": lazy_gettext("Z 报表"),
    "takings_declared": lazy_gettext("申报收入"),
}
"""What a record is, in a person's words; the rest is called as the journal calls it."""


def add_terminals(pages: Blueprint, portal: PortalServices) -> None:
    """One page; what is to be done about it is done at the machine, and the page says how."""

    @pages.get("/terminals")
    def terminals() -> ResponseReturnValue:
        with reading(portal.engine) as tx:
            recovered = recoveries(tx, portal.pool, SHOWN_MAX + 1)
            return render_template(
                "console/terminals.html",
                parked=parked_records(tx, portal.pool, SHOWN_MAX),
                waiting=parked_count(tx, portal.pool),
                kinds=KINDS,
                differing=[each for each in differences(tx, portal.pool) if each.open],
                recovered=recovered[:SHOWN_MAX],
                recovered_cut=len(recovered) > SHOWN_MAX,
                shown_max=SHOWN_MAX,
                worst=exposure(tx, portal.pool),
                forgets_keys=forgotten_key_list(tx, portal.pool) is not None,
            )
