"""The merchant's pages: signing in, his statements, and what he does for residents.

Each page is bounded by the merchant who is signed in: what is another's is answered like
what does not exist (I12). Pages show and parse; what changes the books is a command, and whether
it may is decided by its handler once more.
"""

from pathlib import Path

from flask import Blueprint, g
from flask.blueprints import BlueprintSetupState
from flask_babel import Babel

from server.portal.frame import MERCHANTS, add_door, add_gate
from server.portal.orders import add_orders
from server.portal.services import PortalServices
from server.portal.statements import add_statements

_TRANSLATIONS = Path(__file__).parent / "translations"


def create_blueprint(portal: PortalServices) -> Blueprint:
    """The pages under ``/portal``. The app that takes them has a secret key for its cookies."""
    pages = Blueprint(
        "portal",
        __name__,
        url_prefix="/portal",
        template_folder="templates",
        static_folder="static",
    )
    pages.record_once(_prepare_app)
    add_gate(pages, portal, MERCHANTS)
    add_door(pages, portal, MERCHANTS)
    add_statements(pages, portal)
    add_orders(pages, portal)
    return pages


def _prepare_app(setup: BlueprintSetupState) -> None:
    app = setup.app
    app.config.update(
        SESSION_COOKIE_NAME="huidian_portal",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
    )
    Babel(
        app,
        default_locale="zh",
        default_translation_directories=str(_TRANSLATIONS),
        locale_selector=lambda: g.get("language", "zh"),
    )
