"""Who is there in a practice: made-up residents, one with a card, and workers of the pool."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace as changed

from protocol.card_pin_hash import ArgonPinMaker
from protocol.card_pins import verifier_text
from protocol.codes import SECRET_BYTES
from protocol.counter import CounterAwards, CounterWorker
from protocol.documents import DirectoryCard, DirectoryEntry, Policy
from terminal.domain.practising import PRACTICE_CARD, PRACTICE_CARD_PIN, PracticeResident

CARD_ID: Final = bytes.fromhex(PRACTICE_CARD)
CARD_SECRET: Final = b"practice".ljust(SECRET_BYTES, b"\0")
"""No secret: nothing that this card opens is real."""
CARD_SEQ: Final = 1
PIN_ROUND: Final = 1
MANY_POINTS: Final = 5_000
FEW_POINTS: Final = 3
BAN: Final = timedelta(days=30)
WORKER: Final = "练习员"
MAX_WORKERS: Final = 4

ACCOUNTS: Final = {
    PracticeResident.ENOUGH: "00000000000000e1",
    PracticeResident.FEW: "00000000000000e2",
    PracticeResident.BANNED: "00000000000000e3",
    PracticeResident.CARD: "00000000000000e4",
}


class Balance(Struct, frozen=True):
    """What a practice resident begins with. ``banned_until`` is the last day without points."""

    points: int
    banned_until: date | None = None


def balances(today: date) -> dict[str, Balance]:
    """By account."""
    return {
        ACCOUNTS[PracticeResident.ENOUGH]: Balance(MANY_POINTS),
        ACCOUNTS[PracticeResident.FEW]: Balance(FEW_POINTS),
        ACCOUNTS[PracticeResident.BANNED]: Balance(MANY_POINTS, banned_until=today + BAN),
        ACCOUNTS[PracticeResident.CARD]: Balance(MANY_POINTS),
    }


def residents(known: Mapping[str, Balance], policy: Policy) -> tuple[DirectoryEntry, ...]:
    """As the directory tells of them. The card has a PIN where the pool asks for one."""
    verifier = None
    if policy.limits.card_no_pin_day_points is not None:
        made = ArgonPinMaker().make(PRACTICE_CARD_PIN, CARD_SECRET, CARD_ID)
        verifier = verifier_text(PIN_ROUND, made.verifier)
    card = DirectoryCard(card_id=CARD_ID.hex(), seq=CARD_SEQ, pin_verifier=verifier)
    holder = ACCOUNTS[PracticeResident.CARD]
    return tuple(
        DirectoryEntry(
            account=account,
            allowance_points=each.points,
            banned_until=each.banned_until,
            cards=(card,) if account == holder else (),
        )
        for account, each in known.items()
    )


def with_practice_workers(awards: CounterAwards, pin_hash: str) -> CounterAwards:
    """The pool's rules for registering and for 代兑换, and nobody of the pool: one practice worker
    of each role that its workers have.
    """
    roles = sorted({each.role for each in awards.workers})[:MAX_WORKERS]
    workers = tuple(
        CounterWorker(
            worker=f"practice-{number}",
            name=WORKER if len(roles) == 1 else f"{WORKER}（{role}）",
            role=role,
            pin_hash=pin_hash,
        )
        for number, role in enumerate(roles, 1)
    )
    return changed(awards, workers=workers)
