"""A refusal in words: for commands that need nothing but a reason and a sentence."""

from msgspec import Struct

from server.facts.values import Refusal


class Refused(Struct, Refusal, frozen=True):
    """Nothing happened. ``reason`` is for programs, ``says`` tells a person what to do next."""

    reason: str
    says: str
