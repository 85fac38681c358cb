"""A refusal in words: for commands that need nothing but a reason and a sentence."""

from collections.abc import Iterable

from msgspec import Struct

from server.facts.values import Refusal


class Refused(Struct, Refusal, frozen=True):
    """Nothing happened. ``reason`` is for programs, ``says`` tells a person what to do next."""

    reason: str
    says: str


def stands_for_another(
    what: tuple[str, str], key: object, *, stands: Iterable[object], asked: Iterable[object]
) -> str:
    """That a key was used before, for something else: both are named, so that a person sees which
    of them is wrong. ``what`` the key is of, in Chinese and English; empty parts are left out.
    """
    was, now = (", ".join(str(each) for each in parts if each) for parts in (stands, asked))
    zh, en = what
    return (
        f"{zh} {key} 已用于另一笔（{was}），与这次（{now}）不同，请核对，或换一个编号"
        f" / {en} {key} stands for ({was}), asked was ({now}); check them, or take another id"
    )
