"""Who hands facts in, as far as two of them may be one person."""


def same_person(one: str, other: str) -> bool:
    """Whether two actors are one person: a name counts once, whatever door it came through."""
    return _name(one) == _name(other)


def _name(actor: str) -> str:
    return actor.partition(":")[2] or actor
