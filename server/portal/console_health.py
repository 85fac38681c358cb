"""Whether the points loop closes: the fund, what is outstanding, months and places."""

from datetime import date, timedelta

from flask import Blueprint, g, render_template, request
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from server.db import reading
from server.portal.forms import Mistyped, day_typed
from server.portal.services import PortalServices
from server.portal.wording import gettext
from server.reports.health import pool_health
from server.reports.health_picture import CHINESE, ENGLISH, loop_picture, tall_picture


def add_health(pages: Blueprint, portal: PortalServices) -> None:
    """One page; its period is asked for in the address, and is this year if it is not."""

    @pages.get("/health")
    def health() -> ResponseReturnValue:
        with reading(portal.engine) as tx:
            today = portal.today(tx)
            until = today - timedelta(days=1)
            first, last, told = _asked(date(until.year, 1, 1), until)
            found = pool_health(tx, portal.pool, first, last)
        words = ENGLISH if g.language == "en" else CHINESE
        unit = g.wording.unit_name
        both = [draw(found, words, unit_name=unit) for draw in (loop_picture, tall_picture)]
        page = render_template(
            "console/health.html",
            health=found,
            picture=Markup("".join(both)),  # noqa: S704 - texts are escaped where they are drawn
            told=told,
        )
        return page, 400 if told else 200


def _asked(first: date, last: date) -> tuple[date, date, str]:
    """The period that is asked for, or the given one and what is wrong with the other."""
    days = []
    for name, usual in (("first", first), ("last", last)):
        text = request.args.get(name, "")
        day = day_typed(text) if text else usual
        if isinstance(day, Mistyped):
            return first, last, day.says
        days.append(day)
    if days[1] < days[0]:
        return first, last, gettext("最后一天早于第一天，请改日期。")
    return days[0], days[1], ""
