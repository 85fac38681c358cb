"""Refusals that several of the directory's commands give, in words that a person can act on."""

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from server.directory.values import DirectoryProblem, Refused

_SHOWN_MAX = 120
"""Characters of one field's content in a refusal; terms may fill a page."""


def unknown(problem: DirectoryProblem, what: str, which: str) -> Refused:
    """The refusal for a name that nothing has."""
    return Refused(problem, f"没有这个{what}：{which}，请先登记 / not registered: {which}")


def conflict(
    what: str,
    key: str,
    *,
    stands: Iterable[object],
    asked: Iterable[object],
    do: tuple[str, str] = ("请核对，或换一个编号", "check them, or take another id"),
) -> Refused:
    """The refusal for a key that stands for something else, as :func:`conflict_says` says it."""
    says = conflict_says(what, key, stands=stands, asked=asked, do=do)
    return Refused(DirectoryProblem.CONFLICT, says)


def conflict_says(
    what: str,
    key: str,
    *,
    stands: Iterable[object],
    asked: Iterable[object],
    do: tuple[str, str] = ("请核对，或换一个编号", "check them, or take another id"),
) -> str:
    """That a key stands for something else: both are named, so that a person sees which is wrong.

    ``what`` has that key, in Chinese; ``do`` what to do about it, in Chinese and English. Parts
    that are None are left out. Passwords, PINs and codes are for nobody to read: callers do not
    name them.
    """
    was, now = (
        ", ".join(str(each) for each in parts if each is not None) for parts in (stands, asked)
    )
    return (
        f"{what} {key} 已用于（{was}），与这次（{now}）不同，{do[0]}"
        f" / {key} stands for ({was}), asked was ({now}); {do[1]}"
    )


def differing(stands: Struct, asked: Struct) -> tuple[list[str], list[str]]:
    """What two of a kind say differently, field by field, as each says it: for what has more
    fields than a sentence can hold.
    """
    was, now = msgspec.to_builtins(stands), msgspec.to_builtins(asked)
    names = [name for name in stands.__struct_fields__ if was[name] != now[name]]
    return [_shown(name, was[name]) for name in names], [_shown(name, now[name]) for name in names]


def _shown(name: str, value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return f"{name} {text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + '…'}"
