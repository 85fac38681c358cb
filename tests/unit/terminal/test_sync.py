"""Telling the server: each record once, in order, until it has an outcome."""

from collections.abc import Callable
from datetime import timedelta
from typing import cast

import msgspec

from protocol.documents import Catalogue, SignedDocument, sign_document
from protocol.journal import ClockState, Envelope, SignedRecord
from protocol.keys import pool_tag
from protocol.messages import (
    DocumentsAnswer,
    DocumentsRequest,
    JournalAnswer,
    OutcomeKind,
    Problem,
    ProblemKind,
    RecordOutcome,
)
from terminal.domain.notice import NoticeCode
from terminal.domain.ports import Unreachable, UnreachableReason
from terminal.pool.link import PoolLink, ServerProblem
from terminal.workers.sync import FIRST_BACK_OFF_S, IDLE_S, LONGEST_BACK_OFF_S, SyncRound
from tests.support.shop import ITEMS, NOON, ROOT, TAG, TERMINAL_KEY, Shop, policy

Told = JournalAnswer | ServerProblem | Unreachable


class Wire:
    """Stands where the network is. Without a script the server posts everything."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.script: list[Callable[[list[Envelope]], Told]] = []
        self.documents: tuple[SignedDocument, ...] = ()
        self.server_time = NOON

    def tell(self, records: tuple[SignedRecord, ...]) -> Told:
        envelopes = [msgspec.json.decode(x.body, type=Envelope) for x in records]
        self.batches.append([x.seq for x in envelopes])
        return self.script.pop(0)(envelopes) if self.script else posted(envelopes)

    def fetch_documents(self, _versions: DocumentsRequest) -> DocumentsAnswer:
        return DocumentsAnswer(documents=self.documents, server_time=self.server_time)


def posted(envelopes: list[Envelope], kind: OutcomeKind = OutcomeKind.POSTED) -> JournalAnswer:
    last = envelopes[-1]
    return JournalAnswer(
        outcomes=tuple(
            RecordOutcome(epoch=x.epoch, seq=x.seq, outcome=kind, says="为什么") for x in envelopes
        ),
        head_epoch=last.epoch,
        head_seq=last.seq,
        head_hash="",
    )


def refusing(kind: ProblemKind, expected_seq: int = 0) -> Callable[[list[Envelope]], Told]:
    problem = Problem(problem=kind, says="x", expected_seq=expected_seq)
    return lambda _envelopes: ServerProblem(409, problem)


def unreachable(_envelopes: list[Envelope]) -> Told:
    return Unreachable(UnreachableReason.TIMED_OUT)


def round_of(shop: Shop, wire: Wire) -> SyncRound:
    return SyncRound(
        store=shop.store,
        outbox=shop.outbox,
        link=cast("PoolLink", wire),
        clock=shop.clock,
        changes=shop.changes,
        root_key=ROOT.public_key(),
        tag=pool_tag(ROOT.public_key()),
        pool=shop.identity.pool,
        stop_selling=lambda _says: shop.till.stop_selling(),
    )


def sell(shop: Shop, times: int) -> None:
    for _ in range(times):
        shop.till.add_item("bun")
        shop.till.complete(shop.till.snapshot()[0].sale_id)


def test_every_record_is_told_once_and_in_order(shop: Shop) -> None:
    sell(shop, 3)
    wire = Wire()
    sync = round_of(shop, wire)
    assert sync() == IDLE_S
    assert sync() == IDLE_S
    assert wire.batches == [[1, 2, 3, 4]]
    assert shop.store.untold() == 0
    assert all(x.told for x in shop.store.recent_sales(9))


def test_a_lost_answer_is_asked_again_with_the_same_records(shop: Shop) -> None:
    sell(shop, 2)
    wire = Wire()
    wire.script = [unreachable, unreachable]
    sync = round_of(shop, wire)
    rests = [sync(), sync()]
    assert rests == [FIRST_BACK_OFF_S, FIRST_BACK_OFF_S * 2]
    assert shop.store.untold() == 3
    assert sync() == IDLE_S
    assert wire.batches == [[1, 2, 3]] * 3


def test_the_pause_between_tries_has_a_ceiling(shop: Shop) -> None:
    wire = Wire()
    wire.script = [unreachable] * 20
    sync = round_of(shop, wire)
    assert [sync() for _ in range(20)][-1] == LONGEST_BACK_OFF_S


def test_a_parked_record_blocks_nothing_and_is_shown(shop: Shop) -> None:
    sell(shop, 1)
    wire = Wire()
    wire.script = [lambda envelopes: posted(envelopes, OutcomeKind.PARKED)]
    sync = round_of(shop, wire)
    assert sync() == IDLE_S
    assert shop.store.untold() == 0
    assert shop.store.recent_sales(1)[0].parked
    sell(shop, 1)
    sync()
    assert wire.batches[-1] == [3]


def test_outcomes_for_other_records_are_nonsense(shop: Shop) -> None:
    sell(shop, 1)
    wire = Wire()
    wire.script = [lambda envelopes: posted(envelopes[:1]), lambda _e: posted(_e[::-1])]
    sync = round_of(shop, wire)
    assert sync() > 0
    assert sync() > 0
    assert shop.store.untold() == 2


def test_a_fork_stops_selling_until_somebody_looks(shop: Shop) -> None:
    sell(shop, 1)
    wire = Wire()
    wire.script = [refusing(ProblemKind.FORK)]
    sync = round_of(shop, wire)
    sync()
    sync()
    assert len(wire.batches) == 1, "a forked journal is not sent again and again"
    shop.till.add_item("bun")
    shown = shop.page.view().notice
    assert shown is not None
    assert shown.code == NoticeCode.STOPPED


def test_a_server_that_lost_records_gets_them_again(shop: Shop) -> None:
    sell(shop, 2)
    wire = Wire()
    sync = round_of(shop, wire)
    sync()
    sell(shop, 1)
    wire.script = [refusing(ProblemKind.GAP, expected_seq=2)]
    assert sync() == IDLE_S
    assert wire.batches == [[1, 2, 3], [4], [2, 3, 4]]


def test_a_server_that_knows_more_than_the_terminal_stops_selling(shop: Shop) -> None:
    sell(shop, 1)
    wire = Wire()
    wire.script = [refusing(ProblemKind.GAP, expected_seq=99)]
    round_of(shop, wire)()
    shown = shop.page.view().notice
    assert shown is not None
    assert shown.code == NoticeCode.STOPPED


def test_a_document_that_the_pool_did_not_sign_is_refused(shop: Shop) -> None:
    wire = Wire()
    cheap = Catalogue(
        version=5,
        made_at=NOON,
        items=tuple(msgspec.structs.replace(x, price_points=0) for x in ITEMS),
    )
    forged = sign_document(cheap, TERMINAL_KEY, TAG)
    altered = sign_document(Catalogue(version=6, made_at=NOON, items=ITEMS), ROOT, TAG)
    altered = msgspec.structs.replace(altered, body=altered.body.replace(b"50", b"10"))
    wire.documents = (forged, altered)
    round_of(shop, wire)()
    catalogue = shop.store.documents().catalogue
    assert catalogue is not None
    assert catalogue.version == 1
    wire.documents = (sign_document(policy(version=2), ROOT, TAG),)
    round_of(shop, wire)()
    used = shop.store.documents().policy
    assert used is not None
    assert used.version == 2


def test_a_clock_that_differs_from_the_servers_is_not_believed(shop: Shop) -> None:
    wire = Wire()
    sync = round_of(shop, wire)
    sync()
    assert shop.clock.moment().clock_state is ClockState.GOOD
    wire.server_time = NOON + timedelta(hours=8)
    sync()
    assert shop.clock.moment().clock_state is ClockState.UNKNOWN
    wire.server_time = NOON
    sync()
    shop.wall.monotonic_ms += 25 * 3600 * 1000
    assert shop.clock.moment().clock_state is ClockState.HELD
