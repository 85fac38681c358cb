"""Who may speak to the page's addresses: this machine's own page, and nothing else.

The listener is on loopback already. That alone keeps out neither another site open in
the same browser (it can post forms to 127.0.0.1) nor a name that is made to point here.
"""

import ipaddress
from typing import Final

from flask import request

CSRF_HEADER: Final = "X-Huidian"
"""A page of another origin cannot send it: its browser would ask first, and gets no leave."""

MODE_HEADER: Final = "X-Huidian-Mode"
"""Which till the page that sends this shows, see :mod:`terminal.domain.practising`."""

JSON: Final = "application/json"
FILE: Final = "application/octet-stream"
"""A file as it is. What our page's program may send is told by the header alone."""


def host_is_loopback(host: str) -> bool:
    """Whether a Host header names this machine: 127.0.0.1, localhost or [::1], any port."""
    name = host.partition("]")[0].removeprefix("[") if host.startswith("[") else host
    if not host.startswith("["):
        name = host.partition(":")[0]
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def foreign_host() -> bool:
    """Whether this request was meant for another machine (DNS rebinding)."""
    return not host_is_loopback(request.headers.get("Host", ""))


def foreign_post() -> bool:
    """Whether this request may change something and does not come from our page's program."""
    if request.method in {"GET", "HEAD"}:
        return False
    return request.mimetype not in {JSON, FILE} or request.headers.get(CSRF_HEADER) != "1"


def foreign_look() -> bool:
    """Whether another site's page asks for something of ours beside opening it. It could not read
    the answer, but streams have a limit, and it would hold them all. A browser that does not say
    where a request comes from is believed.
    """
    comes_from = request.headers.get("Sec-Fetch-Site", "none")
    return comes_from == "cross-site" and request.headers.get("Sec-Fetch-Mode") != "navigate"
