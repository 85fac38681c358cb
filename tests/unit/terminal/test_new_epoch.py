"""A start goes on in the epoch that the server gives; nothing told is told twice, nothing is lost."""

from collections.abc import Callable
from datetime import timedelta
from typing import cast

import msgspec
import pytest
from sqlalchemy import select

from protocol.journal import GENESIS, Envelope, SignedRecord, decode_happening
from protocol.messages import (
    BootAnswer,
    BootRequest,
    DocumentsAnswer,
    DocumentsRequest,
    JournalAnswer,
    OutcomeKind,
    Problem,
    ProblemKind,
    RecordOutcome,
)
from protocol.sales import SaleCaptured
from protocol.shifts import ShiftClosed
from terminal.domain.notice import NoticeCode
from terminal.domain.ports import Unreachable, UnreachableReason
from terminal.domain.stand_in import ImageTrust
from terminal.pool.link import PoolLink, ServerProblem
from terminal.shifts.shifts import Counted
from terminal.store.chain_check import ChainCheck
from terminal.store.tables import journal, sale
from terminal.workers.sync import IDLE_S, SyncRound
from tests.support.shop import NOON, ROOT, TAG, TERMINAL_KEY, Shop

Told = JournalAnswer | ServerProblem


class Server:
    """The other end of the wire, by its rules: one chain an epoch, epochs given out here."""

    def __init__(self) -> None:
        self.epoch = 1
        self.chains: dict[int, list[Envelope]] = {1: []}
        self.hashes: dict[int, list[str]] = {1: []}
        self.asked: list[BootRequest] = []
        self.before_answering: Callable[[], None] = lambda: None
        self.forks = False
        self.anew = False

    def tell(self, records: tuple[SignedRecord, ...]) -> Told:
        outcomes = []
        for record in records:
            envelope = msgspec.json.decode(record.body, type=Envelope)
            chain = self.chains[envelope.epoch]
            if self.forks:
                return problem(ProblemKind.FORK)
            if envelope.epoch != self.epoch:
                return problem(ProblemKind.EPOCH_CLOSED)
            assert envelope.seq == len(chain) + 1
            assert envelope.prev_hash == ([GENESIS, *self.hashes[envelope.epoch]])[-1]
            chain.append(envelope)
            self.hashes[envelope.epoch].append(record.hash_hex)
            outcomes.append(
                RecordOutcome(epoch=envelope.epoch, seq=envelope.seq, outcome=OutcomeKind.POSTED)
            )
        return JournalAnswer(outcomes=tuple(outcomes), head_epoch=1, head_seq=1, head_hash="")

    def boot(self, request: BootRequest) -> BootAnswer | ServerProblem:
        self.asked.append(request)
        if request.differing is not None or self.forks:
            return problem(ProblemKind.FORK)
        hashes = self.hashes[request.epoch]
        if request.epoch == self.epoch and request.head_seq:
            self.epoch += 1
            self.chains[self.epoch], self.hashes[self.epoch] = [], []
        self.before_answering()
        return BootAnswer(
            epoch=self.epoch,
            closed_epoch=request.epoch,
            closed_seq=len(hashes),
            closed_hash=[GENESIS, *hashes][-1],
            server_time=NOON,
            anew=self.anew,
        )

    def fetch_documents(self, _versions: DocumentsRequest) -> DocumentsAnswer:
        return DocumentsAnswer(documents=(), server_time=NOON)

    def sales(self) -> list[str]:
        """The ids of all sales that were told, in order."""
        happenings = [
            decode_happening(x.happening) for chain in self.chains.values() for x in chain
        ]
        return [str(x.sale_id) for x in happenings if isinstance(x, SaleCaptured)]


def problem(kind: ProblemKind) -> ServerProblem:
    return ServerProblem(409, Problem(problem=kind, says="x"))


def round_of(shop: Shop, server: Server, trust: ImageTrust | None = None) -> SyncRound:
    return SyncRound(
        store=shop.store,
        outbox=shop.outbox,
        link=cast("PoolLink", server),
        clock=shop.clock,
        changes=shop.changes,
        root_key=ROOT.public_key(),
        tag=TAG,
        pool=shop.identity.pool,
        stop_selling=lambda _says: shop.till.stop_selling(),
        trust=trust,
        boot_id="boot",
    )


def sell(shop: Shop, times: int = 1) -> None:
    for _ in range(times):
        shop.till.add_item("bun")
        shop.till.complete(shop.till.snapshot()[0].sale_id)


def sold(shop: Shop) -> list[str]:
    with shop.store.reading() as connection:
        return list(
            connection.execute(select(sale.c.sale_id).order_by(sale.c.receipt_no)).scalars()
        )


def whole(shop: Shop) -> bool:
    return ChainCheck(shop.store, TERMINAL_KEY.public_key(), "T0001").whole().broken is None


def test_records_that_the_server_takes_do_not_prove_that_the_storage_is_the_newest(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older image tells what the server has already; only the start's answer knows more."""
    server, trust = Server(), ImageTrust()
    sync = round_of(shop, server, trust)
    sell(shop)
    lost = Unreachable(UnreachableReason.NO_CONNECTION)
    with monkeypatch.context() as cut_off:
        cut_off.setattr(server, "boot", lambda _request: lost)
        sync()
    assert server.sales() == sold(shop), "told"
    assert not trust.is_confirmed
    sync()
    assert trust.is_confirmed


def test_everything_is_told_before_the_epoch_is_asked_for_and_then_goes_on_in_it(
    shop: Shop,
) -> None:
    sell(shop, 2)
    server, trust = Server(), ImageTrust()
    sync = round_of(shop, server, trust)
    assert sync() == IDLE_S
    assert [(x.epoch, x.head_seq) for x in server.asked] == [(1, 3)]
    assert trust.is_confirmed
    assert shop.store.epoch == 2
    sell(shop)
    assert sync() == IDLE_S
    assert len(server.asked) == 1, "once a start"
    assert [len(chain) for chain in server.chains.values()] == [3, 1]
    assert server.sales() == sold(shop)
    assert whole(shop)
    shop.power_cut()
    assert shop.store.epoch == 2
    assert round_of(shop, server)() == IDLE_S
    assert shop.store.epoch == 3


def test_a_sale_while_the_server_answers_is_told_in_the_new_epoch(shop: Shop) -> None:
    sell(shop)
    server = Server()
    server.before_answering = lambda: sell(shop, 2)
    sync = round_of(shop, server)
    assert sync() == IDLE_S
    assert sync() == IDLE_S
    assert server.sales() == sold(shop)
    assert [len(chain) for chain in server.chains.values()] == [2, 2]
    assert whole(shop)
    newest = shop.store.recent_sales(1)[0]
    assert newest.told
    assert newest.row.receipt_no is not None
    assert shop.store.captured(newest.row.receipt_no) is not None


def test_an_epoch_that_was_closed_unheard_is_found_out_by_telling(shop: Shop) -> None:
    """The answer to the first start was lost; meanwhile the till went on in the old epoch."""
    server = Server()
    sync = round_of(shop, server)
    server.before_answering = lost
    with pytest.raises(RuntimeError, match="power"):
        sync()
    assert (server.epoch, shop.store.epoch) == (2, 1)
    server.before_answering = lambda: None
    sell(shop, 2)
    assert round_of(shop, server)() == IDLE_S
    assert shop.store.epoch == 2
    assert server.sales() == sold(shop)
    assert whole(shop)


def lost() -> None:
    raise RuntimeError("the power went")


def test_a_server_that_closed_at_another_record_stops_the_terminal_with_nothing_changed(
    shop: Shop,
) -> None:
    sell(shop)
    server = Server()
    sync = round_of(shop, server)

    def another() -> None:
        server.hashes[1][-1] = "ff" * 32

    server.before_answering = another
    assert sync() > 0
    assert shop.store.epoch == 1
    assert shop.till.is_stopped()


def test_a_fork_is_reported_with_the_record_that_differs(shop: Shop) -> None:
    sell(shop)
    server = Server()
    server.forks = True
    round_of(shop, server)()
    assert shop.till.is_stopped()
    assert server.asked[0].differing is not None
    first = msgspec.json.decode(server.asked[0].differing.body, type=Envelope)
    assert (first.epoch, first.seq) == (1, 1)


def test_let_go_on_by_a_person_it_tells_all_it_has_in_the_new_epoch(shop: Shop) -> None:
    sell(shop, 3)
    server = Server()
    server.epoch, server.anew = 2, True
    server.chains[2], server.hashes[2] = [], []
    server.hashes[1] = ["ff" * 32] * 9  # what the server has is not what is here
    assert round_of(shop, server)() == IDLE_S
    assert server.sales() == sold(shop)
    assert shop.store.untold() == 0
    with shop.store.reading() as connection:
        outcomes = connection.execute(
            select(journal.c.epoch, journal.c.outcome).order_by(journal.c.epoch, journal.c.seq)
        ).all()
    assert {row.outcome for row in outcomes if row.epoch == 1} == {"moved"}
    assert whole(shop)


def closed_unheard(shop: Shop, server: Server) -> None:
    """The server closed the epoch, and the terminal goes on in it without knowing."""
    server.before_answering = lost
    with pytest.raises(RuntimeError, match="power"):
        round_of(shop, server)()
    server.before_answering = lambda: None


def z_reports(server: Server) -> list[tuple[str, ShiftClosed]]:
    """With the hash that each was told under."""
    return [
        (server.hashes[epoch][place], happening)
        for epoch, chain in server.chains.items()
        for place, envelope in enumerate(chain)
        if isinstance(happening := decode_happening(envelope.happening), ShiftClosed)
    ]


def close(shop: Shop) -> None:
    said = shop.shifts.close(shop.shifts.next_z_no(), Counted(None, {}))
    assert said.code is NoticeCode.SHIFT_CLOSED


def test_what_moved_to_the_new_epoch_is_counted_once(shop: Shop) -> None:
    server = Server()
    closed_unheard(shop, server)
    shop.shifts.open(1_000)
    sell(shop, 2)
    began = shop.store.first_sale_since_z()
    before, day = shop.shifts.now(), (NOON - timedelta(days=1), NOON + timedelta(days=1))
    sales = shop.store.sold_between(*day)
    opened = len(shop.store.newest_told("shift_opened", 9))
    assert (before.figures.sales, len(sales), opened) == (2, 2, 1)
    assert round_of(shop, server)() == IDLE_S
    assert shop.store.epoch == 2
    assert shop.shifts.now() == before
    assert shop.store.sold_between(*day) == sales
    assert [x.outcome for x in shop.store.newest_told("shift_opened", 9)] == ["posted"]
    assert shop.store.first_sale_since_z() == began
    close(shop)
    assert round_of(shop, server)() == IDLE_S
    ((_, z),) = z_reports(server)
    assert z.figures == before.figures
    assert z.expected_cash_fen == 1_000 + before.figures.money_fen


def test_z_reports_that_moved_name_each_other_as_the_server_has_them(shop: Shop) -> None:
    server = Server()
    closed_unheard(shop, server)
    for _ in range(2):
        sell(shop)
        close(shop)
    sync = round_of(shop, server)
    assert sync() == IDLE_S
    assert shop.store.epoch == 2
    sell(shop)
    close(shop)
    assert sync() == IDLE_S
    told = z_reports(server)
    assert [z.z_no for _, z in told] == [1, 2, 3]
    assert [z.previous_hash for _, z in told] == ["", *[hash_hex for hash_hex, _ in told[:-1]]]
    assert [x.hash_hex for x in shop.store.z_reports(9)] == [x for x, _ in reversed(told)]
    assert [z.figures.sales for _, z in told] == [1, 1, 1]
    assert whole(shop)
