"""Memory and start of a real terminal, against a process that only imports its packages.

Both are measured from outside: proportional set size from ``smaps_rollup``, processor time from
``stat``, so that a busy machine changes little.
"""

import json
import sys
from pathlib import Path

import urllib3
from msgspec import Struct

from bench.figures import BenchError, Held
from bench.processes import cpu_s, free_port, serving
from bench.shop import EGGS, MILK, selling_shop
from terminal.store.identity import save_identity, save_key

FOOTPRINT_AT_MOST = 1.3
STACK = (
    "click, cryptography.hazmat.primitives.asymmetric.ed25519, flask, flask_babel,"
    " http_message_signatures, msgspec, PIL.Image, PIL.ImageDraw, PIL.ImageFont, qrcode, serial,"
    " sqlalchemy, urllib3, waitress"
)
"""What a terminal is prescribed to be built from."""

_IDLE = (
    f"import {STACK}\nimport pathlib, sys, time\npathlib.Path(sys.argv[1]).touch()\ntime.sleep(600)"
)
HEADERS = {"Content-Type": "application/json", "X-Huidian": "1"}
OK = 200


class Footprint(Struct, frozen=True, kw_only=True):
    """``memory`` and ``start`` are ratios to the process that only imports."""

    sales: int
    terminal_mib: float
    stack_mib: float
    terminal_start_cpu_ms: float
    stack_start_cpu_ms: float
    memory: Held
    start: Held


def measure_footprint(folder: Path, sales: int) -> Footprint:
    """Start both, sell at the one, and look.

    Raises:
        BenchError: one of them did not start, or a sale did not complete.
    """
    stack_mib, stack_cpu_s = _stack(folder)
    config, url = _enrolled(folder)
    command = [sys.executable, "-m", "terminal", "--config", str(config), "serve"]
    with serving(command, is_up=lambda: _answers(url), log=folder / "terminal.log") as pid:
        terminal_cpu_s = cpu_s(pid)
        with urllib3.PoolManager(maxsize=1, retries=False) as http:
            for _ in range(sales):
                _sell(http, url)
        terminal_mib = pss_mib(pid)
    return Footprint(
        sales=sales,
        terminal_mib=round(terminal_mib, 1),
        stack_mib=round(stack_mib, 1),
        terminal_start_cpu_ms=round(terminal_cpu_s * 1000),
        stack_start_cpu_ms=round(stack_cpu_s * 1000),
        memory=Held(ratio=round(terminal_mib / stack_mib, 3), at_most=FOOTPRINT_AT_MOST),
        start=Held(ratio=round(terminal_cpu_s / stack_cpu_s, 3), at_most=FOOTPRINT_AT_MOST),
    )


def pss_mib(pid: int) -> float:
    """A process's memory, shared pages counted in part, in MiB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise BenchError("the system does not tell a process's memory")


def _stack(folder: Path) -> tuple[float, float]:
    folder.mkdir(parents=True, exist_ok=True)
    ready = folder / "stack.ready"
    command = [sys.executable, "-c", _IDLE, str(ready)]
    with serving(command, is_up=ready.exists, log=folder / "stack.log") as pid:
        return pss_mib(pid), cpu_s(pid)


def _enrolled(folder: Path) -> tuple[Path, str]:
    """A terminal with documents and no server: its settings file and its address."""
    data = folder / "data"
    with selling_shop(data) as shop:
        save_key(data, shop.key)
        save_identity(data, shop.identity)
    port, config = free_port(), folder / "terminal.toml"
    config.write_text(
        f'data_dir = "data"\nlisten_port = {port}\nserver_url = "http://127.0.0.1:{free_port()}"\n'
    )
    return config, f"http://127.0.0.1:{port}"


def _sell(http: urllib3.PoolManager, url: str) -> None:
    """A sale for money: two barcodes and the button, as the page does it."""
    for barcode in (EGGS, MILK):
        screen = _ask(http, f"{url}/api/scan", {"text": barcode})
    done = _ask(http, f"{url}/api/complete", {"sale_id": screen["sale_id"]})
    if done["completed"] is None:
        raise BenchError(f"a sale did not complete: {done['notice']}")


def _ask(http: urllib3.PoolManager, url: str, body: dict[str, object]) -> dict[str, object]:
    answer = http.request("POST", url, body=json.dumps(body).encode(), headers=HEADERS)
    if answer.status != OK:
        raise BenchError(f"{url}: {answer.status} {answer.data!r}")
    screen: dict[str, object] = json.loads(answer.data)
    return screen


def _answers(url: str) -> bool:
    try:
        return urllib3.request("GET", f"{url}/health", retries=False, timeout=2.0).status == OK
    except urllib3.exceptions.HTTPError:
        return False
