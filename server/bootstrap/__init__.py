"""Where concrete things are chosen and put together; nothing below knows this room."""

from server.bootstrap.main import main

__all__ = ["main"]
