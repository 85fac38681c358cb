"""What terminals may ask over HTTP, each request signed with the terminal's own key."""

from server.api.services import ApiServices
from server.api.views import create_blueprint

__all__ = ["ApiServices", "create_blueprint"]
