"""The cashier's page over a shop of :mod:`tests.support.shop`, and a real server for browsers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask

from terminal.app import create_app, serve
from terminal.web.routes import WebDesk
from terminal.web.streams import Streams
from tests.support.shop import Shop


def desk_of(shop: Shop, language: str = "zh", streams: Streams | None = None) -> WebDesk:
    return WebDesk(
        till=shop.till,
        discounts=shop.discounts,
        page=shop.page,
        after_sale=shop.after_sale,
        returns=shop.returns,
        shifts=shop.shifts,
        staff=shop.staff,
        orders=shop.orders,
        awarding=shop.awarding,
        proxies=shop.proxies,
        prices=shop.prices,
        store=shop.store,
        changes=shop.changes,
        clock=shop.clock,
        default_language=language,
        streams=streams or Streams(),
    )


def app_of(shop: Shop, language: str = "zh", streams: Streams | None = None) -> Flask:
    return create_app(desk_of(shop, language, streams))


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """Serve on a free port; gives the address. Stops cleanly, or the test fails."""
    server = serve(app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield f"http://{server.host}:{server.port}"
    finally:
        server.stop()
        thread.join(15)
        assert not thread.is_alive()
