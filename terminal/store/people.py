"""People with a PIN on the terminal's disk; of a PIN there is only its Argon2id hash."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, case, delete, select
from sqlalchemy.dialects.sqlite import insert as upsert

from terminal.domain.staff import Person, Role
from terminal.store.reads import Reads
from terminal.store.tables import person as table

MEMORY_KIB = 19 * 1024
PASSES = 2
"""What a Raspberry Pi can afford while a queue waits; OWASP's smallest advice for Argon2id."""


class ArgonPins:
    """See :class:`terminal.domain.staff.PinHasher`."""

    def __init__(self, memory_kib: int = MEMORY_KIB, passes: int = PASSES) -> None:
        self._memory_kib = memory_kib
        self._passes = passes

    def hash(self, pin: str) -> str:
        import argon2  # noqa: PLC0415 - many tills have no PINs: loaded with the first

        hasher = argon2.PasswordHasher(
            time_cost=self._passes,
            memory_cost=self._memory_kib,
            parallelism=1,
            type=argon2.Type.ID,
        )
        return hasher.hash(pin)

    def matches(self, pin_hash: str, pin: str) -> bool:
        import argon2  # noqa: PLC0415 - as in hash()
        from argon2.exceptions import InvalidHashError, VerificationError  # noqa: PLC0415 - as above

        try:
            # How much work it is stands in the hash.
            return argon2.PasswordHasher().verify(pin_hash, pin)
        except (VerificationError, InvalidHashError):
            return False


def save_person(connection: Connection, person: Person) -> None:
    values = {
        "name": person.name,
        "role": person.role.value,
        "pin_hash": person.pin_hash,
        "failures": person.failures,
        "locked_until": person.locked_until.isoformat() if person.locked_until else None,
    }
    inserted = upsert(table).values(**values)
    connection.execute(inserted.on_conflict_do_update(index_elements=[table.c.name], set_=values))


def remove_person(connection: Connection, name: str) -> None:
    connection.execute(delete(table).where(table.c.name == name))


class PeopleReads(Reads):
    """What the store knows of people; mixed into the store."""

    def people(self) -> Sequence[Person]:
        owners_first = case((table.c.role == Role.OWNER.value, 0), else_=1)
        with self.reading() as connection:
            rows = connection.execute(select(table).order_by(owners_first, table.c.name)).all()
        return [
            Person(
                name=row.name,
                role=Role(row.role),
                pin_hash=row.pin_hash,
                failures=row.failures,
                locked_until=datetime.fromisoformat(row.locked_until) if row.locked_until else None,
            )
            for row in rows
        ]
