"""Replaying a pool's log into an empty database (I10)."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from server.db import writing
from server.facts.desk import FactDesk, read
from server.facts.values import FactFault, Refusal

_PAGE_FACTS = 200


class ReplayDiverged(Exception):  # noqa: N818 - named as the sentence it states
    """A fact that was accepted is refused when replayed: its handler is no function of
    the database and the fact, or its code has changed meaning.
    """


@dataclass(frozen=True, slots=True)
class Replayed:
    """How far a replay came: the number of facts, and the last one's number."""

    facts: int
    last_fact_no: int


def replay(
    source_tx: Connection,
    target: Engine,
    desk: FactDesk,
    pool: str,
    progress: Callable[[Replayed], None] = lambda _: None,
) -> Replayed:
    """Applies every fact of `pool` that `source_tx` sees to `target`, with the same numbers,
    moments and actors, 200 to a commit; calls `progress` after each commit.

    `target` has all tables and nothing of this pool in them; what it got stays when this fails.

    Raises:
        ReplayDiverged: a fact is refused that was accepted before.
        FactFault: `target` has facts of this pool already, or `desk` does not know a kind.
    """
    with writing(target) as tx:
        if read(tx, pool, limit=1):
            raise FactFault(f"{pool}: the target of a replay is not empty")
    done = Replayed(0, 0)
    while page := read(source_tx, pool, after=done.last_fact_no, limit=_PAGE_FACTS):
        with writing(target) as tx:
            for fact, outcome in zip(page, desk.apply_many(tx, page), strict=True):
                if isinstance(outcome, Refusal) and not desk.keeps_refusals(fact.kind):
                    raise ReplayDiverged(f"{pool}: fact {fact.fact_no} ({fact.kind}): {outcome}")
        done = Replayed(done.facts + len(page), page[-1].fact_no)
        progress(done)
    return done
