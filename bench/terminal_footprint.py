"""Memory and start of a real terminal, against a process that only imports its packages.

Both are measured from outside: proportional set size from ``smaps``, processor time from
``schedstat``, so that a busy machine changes little. Both run as installed, their bytecode
written by a start that is not counted, and start in turns; the median start counts.
"""

import json
import os
import statistics
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import urllib3
from msgspec import Struct

from bench.figures import BenchError, Held
from bench.memory import Memory, memory_of
from bench.processes import ROOT, fine_cpu_s, serving
from bench.shop import EGGS, MILK, selling_shop
from demo.running import free_port
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
UNIT = ROOT / "systemd" / "huidian-terminal.service"
_VARIABLE = "Environment="
HEADERS = {"Content-Type": "application/json", "X-Huidian": "1"}
OK = 200


class Footprint(Struct, frozen=True, kw_only=True):
    """``memory`` and ``start`` are ratios to the process that only imports."""

    sales: int
    terminal: Memory
    stack: Memory
    terminal_start_cpu_ms: float
    stack_start_cpu_ms: float
    starts: int
    memory: Held
    start: Held


def measure_footprint(folder: Path, sales: int, starts: int) -> Footprint:
    """Start both in turns, sell at the one, and look.

    Raises:
        BenchError: one of them did not start, or a sale did not complete.
    """
    folder.mkdir(parents=True, exist_ok=True)
    variables = as_installed(folder / "bytecode")
    config, url = enrolled(folder)
    stack_s, terminal_s = list[float](), list[float]()
    for count in range(starts + 1):
        with _stack(folder / f"stack-{count}", variables) as pid:
            stack_s.append(fine_cpu_s(pid))
            stack = memory_of(pid)
        with serving_terminal(folder, config, url, variables) as pid:
            terminal_s.append(fine_cpu_s(pid))
            if count == starts:
                with urllib3.PoolManager(maxsize=1, retries=False) as http:
                    for _ in range(sales):
                        _sell(http, url)
                terminal = memory_of(pid)
    terminal_cpu_s = statistics.median(terminal_s[1:])
    stack_cpu_s = statistics.median(stack_s[1:])
    held = terminal.all_mib / stack.all_mib
    return Footprint(
        sales=sales,
        terminal=terminal,
        stack=stack,
        terminal_start_cpu_ms=round(terminal_cpu_s * 1000, 1),
        stack_start_cpu_ms=round(stack_cpu_s * 1000, 1),
        starts=starts,
        memory=Held(ratio=round(held, 3), at_most=FOOTPRINT_AT_MOST),
        start=Held(ratio=round(terminal_cpu_s / stack_cpu_s, 3), at_most=FOOTPRINT_AT_MOST),
    )


def as_installed(bytecode: Path) -> Mapping[str, str]:
    """Variables as in a shop: bytecode is kept, as ``pip install`` does, and the unit's own."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    unit = UNIT.read_text(encoding="utf-8").splitlines()
    told = (line.removeprefix(_VARIABLE) for line in unit if line.startswith(_VARIABLE))
    own = {name: value for name, _, value in (text.partition("=") for text in told)}
    return kept | own | {"PYTHONPYCACHEPREFIX": str(bytecode)}


@contextmanager
def _stack(ready: Path, variables: Mapping[str, str]) -> Iterator[int]:
    command = [sys.executable, "-c", _IDLE, str(ready)]
    log = ready.with_suffix(".log")
    with serving(command, is_up=ready.exists, log=log, environment=variables) as pid:
        yield pid


@contextmanager
def serving_terminal(
    folder: Path, config: Path, url: str, variables: Mapping[str, str]
) -> Iterator[int]:
    """A terminal that answers, as a process of its own; gives its number."""
    command = [sys.executable, "-m", "terminal", "--config", str(config), "serve"]
    log = folder / "terminal.log"
    with serving(command, is_up=lambda: _answers(url), log=log, environment=variables) as pid:
        yield pid


def enrolled(folder: Path) -> tuple[Path, str]:
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
        screen = ask(http, f"{url}/api/scan", {"text": barcode})
    done = ask(http, f"{url}/api/complete", {"sale_id": screen["sale_id"]})
    if done["completed"] is None:
        raise BenchError(f"a sale did not complete: {done['notice']}")


def ask(http: urllib3.PoolManager, url: str, body: dict[str, object]) -> dict[str, object]:
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
