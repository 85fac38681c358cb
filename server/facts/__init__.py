"""The ordered log of everything the server was told, and the desk that applies it.

Every change of a pool's data is a fact: journal intake, operator and API commands. A handler is
a function of the database and the fact alone (no clock, no randomness, no other world), so that
replaying the log into an empty database makes the same tables.
"""

from server.facts.desk import FactDesk, check_facts, moment_of_next, read
from server.facts.replaying import ReplayDiverged, Replayed, replay
from server.facts.values import (
    MAX_BODY_BYTES,
    Fact,
    FactFault,
    FactStamp,
    Failed,
    Handler,
    Outcome,
    Refusal,
    Submission,
)

__all__ = [
    "MAX_BODY_BYTES",
    "Fact",
    "FactDesk",
    "FactFault",
    "FactStamp",
    "Failed",
    "Handler",
    "Outcome",
    "Refusal",
    "ReplayDiverged",
    "Replayed",
    "Submission",
    "check_facts",
    "moment_of_next",
    "read",
    "replay",
]
