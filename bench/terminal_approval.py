"""From the scan of a resident's code to the approval on the page, with and without the pool.

The terminal is a process of its own that a page asks over HTTP, and so is the pool's server.
Then the server ends, and the same terminal approves by itself. Nothing is completed: each
approval is given back, so that no limit of the offline rules is reached.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import urllib3
from msgspec import Struct

from bench.figures import BenchError, Spread, spread, timed_into
from bench.pool import running_pool
from bench.processes import run_module
from bench.terminal_footprint import as_installed, ask, serving_terminal
from demo.running import free_port

SALT = "6999990000036"
WARM_UP = 5
READY_WITHIN_S = 60.0
LOOK_EVERY_S = 0.1
AUTHORISED = "authorised"


class Approval(Struct, frozen=True, kw_only=True):
    """How long an approval takes, from the request with the code to the page's new screen.

    ``first_offline_ms``: the first one after the server's end, who finds out that it is gone.
    """

    online: Spread
    offline: Spread
    first_offline_ms: float


def measure_approval(folder: Path, approvals: int, say: Callable[[str], None]) -> Approval:
    """Scan and give back, ``approvals`` times online and as often offline.

    Raises:
        BenchError: something did not start, or a scan was not approved.
    """
    say(f"扫码到批准 · scan to approval: {approvals}")
    folder.mkdir(parents=True, exist_ok=True)
    port, config = free_port(), folder / "terminal.toml"
    url = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        http = stack.enter_context(urllib3.PoolManager(maxsize=1, retries=False))
        with running_pool(folder / "pool", clients=1, redemptions_each=100) as pool:
            config.write_text(
                f'data_dir = "data"\nlisten_port = {port}\nserver_url = "{pool.url}"\n'
            )
            terminal = ("terminal", "--config", str(config))
            run_module(*terminal, "enrol", "--code", pool.invite("till-1"))
            variables = as_installed(folder / "bytecode")
            stack.enter_context(serving_terminal(folder, config, url, variables))
            (code,) = pool.codes
            _wait_until_ready(http, url)
            online_s = _approvals(http, url, code, approvals, stood_in=False)
        first_s = _approve(http, url, code, stood_in=True)
        offline_s = _approvals(http, url, code, approvals, stood_in=True)
    return Approval(
        online=spread(online_s),
        offline=spread(offline_s),
        first_offline_ms=round(first_s * 1000, 2),
    )


def _approvals(
    http: urllib3.PoolManager, url: str, code: str, count: int, *, stood_in: bool
) -> list[float]:
    for _ in range(WARM_UP):
        _approve(http, url, code, stood_in=stood_in)
    return [_approve(http, url, code, stood_in=stood_in) for _ in range(count)]


def _approve(http: urllib3.PoolManager, url: str, code: str, *, stood_in: bool) -> float:
    """One approval, given back; the seconds that it took."""
    took_s = list[float]()
    ask(http, f"{url}/api/scan", {"text": SALT})
    with timed_into(took_s):
        screen = ask(http, f"{url}/api/scan", {"text": code})
    payment = screen["payment"]
    if screen["state"] != AUTHORISED or not isinstance(payment, dict):
        raise BenchError(f"not approved: {screen['state']} {screen['notice_text']}")
    if payment["offline"] is not stood_in:
        raise BenchError(f"approved by the other side: {payment}")
    ask(http, f"{url}/api/back", {})
    ask(http, f"{url}/api/clear", {})
    return took_s[0]


def _wait_until_ready(http: urllib3.PoolManager, url: str) -> None:
    """Until the terminal has the pool's documents and directory."""
    deadline_s = time.monotonic() + READY_WITHIN_S
    while True:
        screen = ask(http, f"{url}/api/scan", {"text": SALT})
        if screen["lines"] and screen["directory_age_min"] is not None:
            ask(http, f"{url}/api/clear", {})
            return
        if time.monotonic() > deadline_s:
            raise BenchError(f"the terminal got no documents: {screen['notice_text']}")
        ask(http, f"{url}/api/clear", {})
        time.sleep(LOOK_EVERY_S)
