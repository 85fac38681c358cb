"""The second window: what the customer sees, in large type, and hears where the browser speaks.

GET /display    the page; it follows /api/events as the cashier's does, and changes nothing
"""

from typing import Final

from flask import Blueprint, Response, make_response, render_template

DISPLAY_BLUEPRINT: Final = "display"


def create_display_blueprint() -> Blueprint:
    """One address. What it shows comes from the till's own events."""
    blueprint = Blueprint(DISPLAY_BLUEPRINT, __name__, template_folder="templates")
    blueprint.add_url_rule("/display", "page", _page, methods=["GET"])
    return blueprint


def _page() -> Response:
    return make_response(render_template("display.html"))
