"""One tab of a cashier's page as a process of its own, that presses at the moment it is told.

Run as a module it reads one press a line and answers the screen that came back.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import urllib3

from tests.support.running_till import HEADERS, Screen

ROOT = Path(__file__).resolve().parents[2]
MEET_IN_S = 0.03
"""Long enough for both lines to have been read; both clocks are the machine's own."""

ENDS_WITHIN_S = 15.0


class Tab:
    """Use as a context manager. Each press is answered before the next one is given."""

    def __init__(self, port: int) -> None:
        self._port = port

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.tab", str(self._port)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.press(0.0, "/api/view")
        self.screen()
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(ENDS_WITHIN_S)

    def press(self, at_s: float, path: str, **body: object) -> None:
        """Have it ask when the machine's monotonic clock says ``at_s``."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([at_s, path, body]) + "\n")
        self._process.stdin.flush()

    def screen(self) -> Screen:
        """What came back."""
        assert self._process.stdout is not None
        found: Screen = json.loads(self._process.stdout.readline())
        return found


def press_at_once(
    tabs: Sequence[Tab], path: str, bodies: Sequence[dict[str, object]]
) -> list[Screen]:
    """All of them at one moment; what each got, in their order."""
    at_s = time.monotonic() + MEET_IN_S
    for tab, body in zip(tabs, bodies, strict=True):
        tab.press(at_s, path, **body)
    return [tab.screen() for tab in tabs]


def serve(port: int) -> None:
    """Press as each line says, over one connection that stays open."""
    with urllib3.HTTPConnectionPool("127.0.0.1", port, retries=False, timeout=20) as page:
        for line in sys.stdin:
            at_s, path, body = json.loads(line)
            while (left_s := at_s - time.monotonic()) > 0:
                time.sleep(left_s)
            answer = page.request(
                "POST" if body else "GET",
                path,
                body=json.dumps(body).encode() if body else None,
                headers=HEADERS,
            )
            screen: Any = json.loads(answer.data)
            assert answer.status == 200, (path, answer.status, screen)
            sys.stdout.write(json.dumps(screen) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
