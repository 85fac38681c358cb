"""A cashier who uses the terminal's own page addresses, one at a time."""

import json
import time
from collections.abc import Callable
from typing import Any

import urllib3

from demo.running import DemoFailedError

WAIT_S = 20.0
LOOK_EVERY_S = 0.05

Screen = dict[str, Any]


class Cashier:
    """Works one terminal over HTTP, as its page does."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._http = urllib3.PoolManager(retries=False, timeout=10.0)

    def screen(self) -> Screen:
        return self._send("GET", "/api/view", None)

    def add_item(self, item_id: str, quantity: str = "1") -> Screen:
        return self._send("POST", "/api/item", {"item_id": item_id, "quantity": quantity})

    def add_amount(self, text: str) -> Screen:
        return self._send("POST", "/api/amount", {"text": text})

    def choose_points(self, points: int) -> Screen:
        return self._send("POST", "/api/points", {"points": points})

    def type_pin(self, pin: str) -> Screen:
        """What the card's holder does, on the pad that is turned to them."""
        return self._send("POST", "/api/pin", {"pin": pin})

    def complete(self) -> Screen:
        return self._send("POST", "/api/complete", {"sale_id": self.screen()["sale_id"]})

    def next_customer(self) -> Screen:
        return self._send("POST", "/api/clear", {})

    def refund(self, receipt_no: str, reason: str) -> Screen:
        return self._send("POST", "/api/refund", {"receipt_no": receipt_no, "reason": reason})

    def wait_for(
        self, what: str, holds: Callable[[Screen], bool], within_s: float = WAIT_S
    ) -> Screen:
        """The first screen for which ``holds``.

        Raises:
            DemoFailedError: it did not come in time.
        """
        deadline_s = time.monotonic() + within_s
        while True:
            screen = self.screen()
            if holds(screen):
                return screen
            if time.monotonic() > deadline_s:
                shown = {key: screen.get(key) for key in ("state", "notice", "untold", "server")}
                raise DemoFailedError(f"没有等到{what} · waited in vain for {what}: {shown}")
            time.sleep(LOOK_EVERY_S)

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> Screen:
        try:
            response = self._http.request(
                method,
                self._base_url + path,
                body=None if body is None else json.dumps(body).encode(),
                headers={"Content-Type": "application/json", "X-Huidian": "1"},
            )
        except urllib3.exceptions.HTTPError as error:
            raise DemoFailedError(f"{self._base_url}{path}: {error}") from error
        if response.status != 200:  # noqa: PLR2004 - HTTP OK
            raise DemoFailedError(f"{path} → {response.status} {response.data[:300]!r}")
        screen: Screen = json.loads(response.data)
        return screen
