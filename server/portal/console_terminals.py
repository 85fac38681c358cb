"""Terminals: records that wait for a person, chains that differ, the worst offline loss."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from server.db import reading
from server.directory.issuers import forgotten_key_list
from server.portal.services import PortalServices
from server.redemption.differences import differences
from server.redemption.gaps import recoveries
from server.redemption.parked import parked_records
from server.reports.exposure import exposure

SHOWN_MAX = 200


def add_terminals(pages: Blueprint, portal: PortalServices) -> None:
    """One page; what is to be done about it is done at the machine, and the page says how."""

    @pages.get("/terminals")
    def terminals() -> ResponseReturnValue:
        with reading(portal.engine) as tx:
            return render_template(
                "console/terminals.html",
                parked=parked_records(tx, portal.pool, SHOWN_MAX),
                differing=[each for each in differences(tx, portal.pool) if each.open],
                recovered=recoveries(tx, portal.pool, SHOWN_MAX),
                worst=exposure(tx, portal.pool),
                forgets_keys=forgotten_key_list(tx, portal.pool) is not None,
            )
