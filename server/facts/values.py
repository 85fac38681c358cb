"""What a fact is, what the desk is given and what it answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection

MAX_BODY_BYTES = 1 << 20

Outcome = object
"""What a handler answers: any frozen value. One that is a `Refusal` undoes its fact."""


class Refusal:
    """Marks an outcome by which nothing happened. A frozen dataclass or msgspec Struct
    that also inherits from this; it carries a reason and what to do next.
    """

    __slots__ = ()


class FactFault(Exception):  # noqa: N818 - the house says fault, and refusal for values
    """The desk was asked for something it cannot do; a mistake in the program, not a refusal."""


@dataclass(frozen=True, slots=True)
class FactStamp:
    """What the desk gives to a handler with the command; the handler's only clock."""

    pool: str
    fact_no: int
    recorded_at: datetime
    actor: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact as stored; `body` is the exact bytes that were handed in."""

    pool: str
    fact_no: int
    kind: str
    body: bytes
    actor: str
    recorded_at: datetime

    @property
    def stamp(self) -> FactStamp:
        return FactStamp(self.pool, self.fact_no, self.recorded_at, self.actor)


@dataclass(frozen=True, slots=True)
class Submission:
    """A command as it is handed in, by whom and when."""

    command: msgspec.Struct
    actor: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Failed:
    """One command of several could not be applied: `fault` was raised, and nothing of it is left.
    The others stand.
    """

    fault: Exception


Command = TypeVar("Command", bound=msgspec.Struct)
Handler = Callable[[Connection, FactStamp, Command], Outcome]
Expect = Callable[[Connection, str, Sequence[tuple[Command, datetime]]], None]
"""Reads ahead, for several commands of a pool at once, with the moments they were handed in."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A kind of fact, and who applies it.

    The table that holds these cannot say which command type belongs to a handler.
    `expect` is None for a kind that is not tried in memory alone.
    """

    kind: str
    command_type: type[msgspec.Struct]
    decode: Callable[[bytes], msgspec.Struct]
    handler: Callable[[Connection, FactStamp, Any], Outcome]
    keeps_refusals: bool
    expect: Callable[[Connection, str, Sequence[tuple[Any, datetime]]], None] | None
