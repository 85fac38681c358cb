"""Another page's press at the worst moment: as soon as the desk is free."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any


class OtherHand:
    """In place of a desk's lock: stands for a second thread that waits for it, and presses once at
    the first moment at which the first thread lets go.
    """

    def __init__(self, own: AbstractContextManager[Any], press: Callable[[], object]) -> None:
        self._own = own
        self._press: Callable[[], object] | None = press
        self._depth = 0

    def __enter__(self) -> None:
        self._own.__enter__()
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        self._own.__exit__(None, None, None)
        if self._depth == 0 and self._press is not None:
            press, self._press = self._press, None
            press()
