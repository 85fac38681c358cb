"""The recovering terminal's side against the real server: cut off between any two requests."""

from typing import TypeVar

import pytest

from protocol.keys import read_public_key
from protocol.messages import JournalAnswer, Problem
from protocol.recovery import RecoverAnswer, RecoveredKind, RecoverRequest, RecoverySource
from terminal.diagnostics import handing_over
from terminal.diagnostics.handing_over import HandedOver, NotHandedOverError, hand_over
from terminal.diagnostics.looked_through import look_through
from terminal.domain.ports import Unreachable, UnreachableReason
from terminal.pool.link import ServerProblem
from terminal.store.old_media import OldMedium
from terminal.store.stick import StickLine
from tests.unit.server.bookkeeping import books
from tests.unit.server.test_epochs import sound
from tests.unit.server.world import Till, World, money_line, sold

T = TypeVar("T")
SALES = 7


class Wire:
    """The heir's requests to the real application; after ``left`` of them there is no network.

    ``heard``: whether the answer of the last one still arrives.
    """

    def __init__(self, heir: Till, left: int = 99, *, heard: bool = True) -> None:
        self.heir, self.left, self.heard = heir, left, heard

    def recover(self, request: RecoverRequest) -> RecoverAnswer | ServerProblem | Unreachable:
        self.left -= 1
        if self.left < 0:
            return Unreachable(UnreachableReason.NO_CONNECTION)
        answer = self.heir.ask("recover", request, RecoverAnswer)
        if self.left == 0 and not self.heard:
            return Unreachable(UnreachableReason.TIMED_OUT)
        return ServerProblem(404, answer) if isinstance(answer, Problem) else answer


def medium_of(till: Till) -> OldMedium:
    lines = [
        StickLine(epoch=till.epoch, seq=seq, hash=x.hash_hex, body=x.body, signature=x.signature)
        for seq, x in enumerate(till.unsent, 1)
    ]
    return OldMedium(RecoverySource.STICK, till.terminal, lambda: iter(lines))


def recovered(wire: Wire, medium: OldMedium) -> tuple[HandedOver, RecoverAnswer]:
    known = wire.recover(RecoverRequest(of=medium.terminal))
    assert isinstance(known, RecoverAnswer)
    key = read_public_key(known.public_key)
    return hand_over(wire, medium, look_through(medium, known, key), key)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handing_over, "MAX_RECORDS_A_BATCH", 2)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("heard", [True, False])
@pytest.mark.parametrize("cut", range(1, 5))
def test_cut_off_anywhere_and_run_again_each_sale_counts_once(
    world: World, till: Till, cut: int, *, heard: bool
) -> None:
    heir = world.till(terminal="t-9")
    for n in range(SALES):
        till.record(sold(world, money_line("米", 100 + n)))
    first = till.send_records(till.unsent[0])
    assert isinstance(first, JournalAnswer)
    medium = medium_of(till)
    with pytest.raises((NotHandedOverError, AssertionError)):
        recovered(Wire(heir, cut, heard=heard), medium)
    done, answer = recovered(Wire(heir), medium)
    assert answer.records == SALES
    assert answer.missing_records == 0
    assert done.total == SALES
    assert done.count(RecoveredKind.BOOKED) <= SALES - 1
    whole = books(world)
    again, _ = recovered(Wire(heir), medium)
    assert again.kinds == {RecoveredKind.KNOWN: SALES}
    assert books(world) == whole
    sound(world)


def test_what_the_server_is_known_to_have_is_not_sent_again(world: World, till: Till) -> None:
    heir = world.till(terminal="t-9")
    for n in range(SALES):
        till.record(sold(world, money_line("米", 100 + n)))
    told = till.send_records(*till.unsent[:5])
    assert isinstance(told, JournalAnswer)
    wire = Wire(heir)
    asked: list[int] = []
    real = wire.recover

    def counting(request: RecoverRequest) -> RecoverAnswer | ServerProblem | Unreachable:
        asked.append(len(request.records))
        return real(request)

    wire.recover = counting  # type: ignore[method-assign]  # listens to what is sent
    done, _ = recovered(wire, medium_of(till))
    assert asked == [0, 2, 0]
    assert done.kinds == {RecoveredKind.KNOWN: 5, RecoveredKind.BOOKED: 2}
    assert done.sales == 2
