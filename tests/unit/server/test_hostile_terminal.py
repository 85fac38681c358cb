"""A terminal that is enrolled and signs properly, and lies: what it can gain is nothing."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from protocol.http_signing import sign_request
from protocol.messages import (
    Approved,
    EnrolRequest,
    JournalAnswer,
    OutcomeKind,
    Problem,
    ProblemKind,
)
from protocol.reasons import Declined
from protocol.sales import (
    AnsweredBy,
    RefundLine,
    SaleCaptured,
    TakingsDeclared,
    TerminalStarted,
)
from server.db import create_all, metadata, open_engine
from server.facts import read
from server.settlement import Settle, Settled
from tests.unit.server.bookkeeping import Books, books
from tests.unit.server.world import (
    HOST,
    TODAY,
    ZHANG,
    Till,
    World,
    money_line,
    points_line,
    read_answer,
    refunded,
    sold,
)

POSTED, PARKED = OutcomeKind.POSTED, OutcomeKind.PARKED
NOTHING = Books(0, 0, 0, 0, 0)


def stood_in(sale: SaleCaptured) -> SaleCaptured:
    return msgspec.structs.replace(sale, answered_by=AnsweredBy.STAND_IN)


@pytest.mark.parametrize("answered_by", list(AnsweredBy))
def test_one_code_mints_no_money_beyond_what_a_terminal_may_answer_for(
    world: World, till: Till, answered_by: AnsweredBy
) -> None:
    """A code shown once, and a basket of 50,000 yuan that nobody bought."""
    sale = sold(world, money_line("金条", 5_000_000), points=500_000)
    parked = till.outcome(msgspec.structs.replace(sale, answered_by=answered_by))
    assert (parked.outcome, "积分" in parked.says) == (PARKED, True)
    assert books(world) == NOTHING


def test_a_stand_in_up_to_the_limit_a_sale_posts_and_above_it_is_parked(
    world: World, till: Till
) -> None:
    limit = world.preset.standin.per_sale_points
    good = stood_in(sold(world, money_line("米", limit * 10), points=limit))
    much = stood_in(sold(world, money_line("米", limit * 10 + 10), points=limit + 1))
    assert [each.outcome for each in till.tell(good, much)] == [OutcomeKind.OVERDRAFT, PARKED]
    assert books(world).owed_fen == limit * 10


def test_a_stand_in_never_takes_more_than_the_code_allows(world: World, till: Till) -> None:
    slot = world.slot(cap=30)
    good = stood_in(sold(world, money_line("米", 300), points=30, evidence=slot))
    much = stood_in(sold(world, money_line("米", 310), points=31, evidence=slot))
    outcomes = [each.outcome for each in till.tell(good, much)]
    assert outcomes == [OutcomeKind.OVERDRAFT, PARKED]


def test_what_the_server_approved_is_the_most_that_is_captured_in_its_name(
    world: World, till: Till
) -> None:
    world.award(ZHANG, "river-patrol", "river-patrol", "tidying")
    sale_id, slot = world.sale_id(), world.slot()
    answer = till.authorise(sale_id, slot, optional=150)
    assert isinstance(answer, Approved)
    assert answer.points == 150
    much = sold(world, money_line("米", 2_000), points=151, sale_id=sale_id, evidence=slot)
    good = sold(world, money_line("米", 2_000), points=150, sale_id=sale_id, evidence=slot)
    assert [each.outcome for each in till.tell(much, good)] == [PARKED, POSTED]


def test_a_stand_in_beside_a_lost_approval_of_fewer_points_still_posts(
    world: World, till: Till
) -> None:
    """The server held 60, its answer was lost, and the terminal gave what its bucket allowed."""
    world.award(ZHANG, "tidying")
    sale_id, slot = world.sale_id(), world.slot()
    assert isinstance(till.authorise(sale_id, slot, optional=80), Approved)
    sale = stood_in(sold(world, money_line("米", 800), points=80, sale_id=sale_id, evidence=slot))
    assert till.outcome(sale).outcome is OutcomeKind.OVERDRAFT
    assert books(world) == Books(0, 20, 80, 800, 0)


@pytest.mark.parametrize("day", [date(2020, 1, 1), TODAY - timedelta(days=2)])
def test_a_sale_before_the_terminal_was_enrolled_does_not_stop_the_settlement(
    world: World, till: Till, day: date
) -> None:
    sale = sold(world, money_line("馒头", 50), day=day)
    assert till.outcome(sale).outcome is PARKED
    world.clock.move(days=1)
    settled = world.do(Settle(run="r", through=TODAY, settled_by="test"))
    assert isinstance(settled, Settled)


def test_a_refund_before_the_terminal_was_enrolled_is_parked(world: World, till: Till) -> None:
    sale = sold(world, money_line("馒头", 50))
    back = RefundLine(line_no=1, quantity_milli=1_000, amount_fen=50, amount_points=0)
    refund = refunded(world, sale, back, cash_fen=50)
    early = msgspec.structs.replace(refund, business_date=date(2020, 1, 1))
    assert [each.outcome for each in till.tell(sale, early, refund)] == [POSTED, PARKED, POSTED]


@pytest.mark.parametrize("day", [date.min, date.max])
def test_a_sale_on_the_first_or_the_last_day_of_the_calendar_blocks_nothing(
    world: World, till: Till, day: date
) -> None:
    """Terms are looked for on the day before as well: there is none before the first."""
    sale = msgspec.structs.replace(sold(world, money_line("馒头", 50)), business_date=day)
    outcomes = till.tell(sale, TerminalStarted(version="1"))
    assert [each.outcome for each in outcomes] == [PARKED, POSTED]


@pytest.mark.parametrize("z_no", [-1, 0, 2**63, 10**30])
def test_a_declaration_whose_number_no_database_holds_blocks_nothing(till: Till, z_no: int) -> None:
    declared = TakingsDeclared(z_no=z_no, business_date=TODAY, takings_fen={}, counted_fen=0)
    outcomes = till.tell(declared, TerminalStarted(version="1"))
    assert [each.outcome for each in outcomes] == [PARKED, POSTED]


@pytest.mark.parametrize(
    "raw",
    [
        b'{"type":"terminal_started","version":"\xff\xfe"}',
        b'{"type":"terminal_started","version":1e400}',
        b'{"type":"sale_captured","lines":' + b"[" * 60 + b"]" * 60 + b"}",
    ],
    ids=["no UTF-8", "infinite", "deep"],
)
def test_a_happening_that_cannot_be_read_is_parked_and_blocks_nothing(
    world: World, till: Till, raw: bytes
) -> None:
    outcomes = till.tell(msgspec.Raw(raw), TerminalStarted(version="1"))
    assert [each.outcome for each in outcomes] == [PARKED, POSTED]


@pytest.mark.parametrize(
    "raw",
    [
        b'{"type":"terminal_started","version":"\\ud800"}',
        b'{"type":"terminal_started","version":"1","more":' + b"[" * 65 + b"]" * 65 + b"}",
        b'{"type":"terminal_started","version":"[","more":' + b"[{" * 30_000 + b"]}" * 30_000,
    ],
    ids=["half a surrogate", "deep", "very deep"],
)
def test_bytes_that_no_stack_should_decide_about_are_no_record(till: Till, raw: bytes) -> None:
    """Read once and not again, they would make the replay of the facts another history."""
    till.record(msgspec.Raw(raw))
    answer = till.send_records(*till.unsent)
    assert isinstance(answer, Problem)
    assert answer.problem is ProblemKind.BAD_REQUEST


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", b'"\xff"']
)
def test_a_body_that_cannot_be_read_is_a_bad_request_and_no_fault(
    world: World, till: Till, body: bytes
) -> None:
    answer = read_answer(till.send("/v1/terminals/t-1/journal", body), JournalAnswer)
    assert isinstance(answer, Problem)
    assert answer.problem is ProblemKind.BAD_REQUEST


class Never(datetime):
    """A moment that no calendar has, as a number of seconds."""

    def timestamp(self) -> float:
        return 10.0**14


def test_a_signature_of_an_impossible_time_is_no_signature(world: World, till: Till) -> None:
    path, body = "/v1/terminals/t-1/journal", b'{"records":[]}'
    headers = sign_request(
        till.key,
        key_id="t-1",
        method="POST",
        url=HOST + path,
        body=body,
        created_at=Never(2026, 1, 1, tzinfo=UTC),
        nonce="n",
    )
    assert "created=100000000000000;" in headers["Signature-Input"]
    answer = read_answer(till.send(path, body, headers), JournalAnswer)
    assert isinstance(answer, Problem)
    assert answer.problem is ProblemKind.BAD_SIGNATURE


@pytest.mark.parametrize(
    "field",
    [
        'sig=("@method");keyid="t-1"',
        'sig=();keyid="t-1"',
        'keyid="t-1"',
        'sig=1;keyid="t-1"',
        'sig=("@method" "@nothing");keyid="t-1";tag="huidian-terminal"',
        'sig=("@method";req);keyid="t-1";tag="huidian-terminal"',
        'sig=("@query-param";name="x" "@status");keyid="t-1";tag="huidian-terminal"',
        'sig=("x-missing");keyid="t-1";tag="huidian-terminal"',
        '\xe9=("@method");keyid="t-1"',
        'sig=("@method");alg="none";keyid="t-1";tag="huidian-terminal"',
    ],
)
@pytest.mark.parametrize("signature", ["sig=:AAAA:", "sig=1", "", "other=:AAAA:", "sig=:!!:"])
def test_a_signature_field_of_any_shape_is_answered_401(
    world: World, till: Till, field: str, signature: str
) -> None:
    path, body = "/v1/terminals/t-1/journal", b'{"records":[]}'
    headers = till.headers(path, body) | {"Signature-Input": field, "Signature": signature}
    assert till.send(path, body, headers).status_code == 401


@pytest.mark.parametrize("digest", ["sha-256=:AAAA:", "sha-256=1", "md5=:AAAA:", "", "\xe9"])
def test_a_digest_field_of_any_shape_is_answered_401(till: Till, digest: str) -> None:
    path, body = "/v1/terminals/t-1/journal", b'{"records":[]}'
    headers = till.headers(path, body) | {"Content-Digest": digest}
    assert till.send(path, body, headers).status_code == 401


def test_absurd_numbers_in_a_question_are_refused_or_declined_and_hold_nothing(
    world: World, till: Till
) -> None:
    world.award(ZHANG, "river-patrol")
    for points in (-1, 2**31, 2**63, 10**30):
        answer = till.authorise(world.sale_id(), optional=points)
        assert isinstance(answer, Problem), points
        assert answer.problem is ProblemKind.BAD_REQUEST
    card = msgspec.structs.replace(
        world.card("00000000000000c1", world.sale_id(), 1), seq=10**30, card_id="' OR 1 --"
    )
    assert isinstance(till.authorise(world.sale_id(), card, optional=1), Declined)
    assert world.free(ZHANG) == 100


def test_weighed_goods_come_back_in_crumbs_for_no_more_points_than_their_weight(
    counter: World,
) -> None:
    """Half a fen or half a point rounds up; 15 crumbs of 34 g must not add up to a kilogram."""
    till = counter.till()
    counter.award(ZHANG, "early-fire", "haircut")
    sale = sold(counter, points_line("rice", 15, 2_800), points=15)
    crumb = RefundLine(line_no=1, quantity_milli=34, amount_fen=0, amount_points=1)
    crumbs = [refunded(counter, sale, crumb, points_for_goods=1) for _ in range(15)]
    till.tell(sale, *crumbs)
    # Three crumbs are worth 1.53 points, rounded to 2; one more may come of their own rounding.
    assert counter.points("returned:shop-a") == 3


def facts_of(world: World) -> int:
    return len(world.read(lambda tx: read(tx, world.pool)))


def test_guesses_at_a_code_that_is_over_leave_nothing_in_the_fact_log(world: World) -> None:
    """Anybody can guess; what nobody can win any more must not grow the log for ever."""
    used = world.invite("shop-a", "t-5")
    Till(world, "t-5").enrol(used)
    dead = world.invite("shop-a", "t-6")
    for _ in range(5):
        Till(world, "t-6").enrol(dead[:4] + ("BBBB" if dead[4:] != "BBBB" else "CCCC"))
    old = world.invite("shop-a", "t-7")
    world.clock.move(minutes=10)
    before = facts_of(world)
    for code in (used, dead, old):
        for guess in (code, code[:4] + "BBBB", code[:4] + "CCCC"):
            answer = Till(world, "t-9").enrol(guess)
            assert isinstance(answer, Problem)
            assert answer.problem is ProblemKind.WRONG_CODE
    assert facts_of(world) == before


def test_a_stranger_without_a_code_leaves_nothing_in_the_database(world: World) -> None:
    def rows() -> int:
        with world.engine.connect() as tx:
            return int(tx.exec_driver_sql("SELECT count(*) FROM used_nonce").scalar_one())

    before = rows()
    answer = Till(world, "t-9").enrol("BCDF-GHJK")
    assert isinstance(answer, Problem)
    assert answer.problem is ProblemKind.WRONG_CODE
    assert rows() == before


@pytest.mark.parametrize("garbage", ["!", "=", "*" * 200, "\n", "é"])
def test_a_key_has_one_spelling(world: World, garbage: str) -> None:
    """Else one key could be two terminals', and a long one a fault."""
    till, code = Till(world, "t-8"), world.invite("shop-a", "t-8")
    key = till.key_text.replace("ed25519:", f"ed25519:{garbage}")
    body = msgspec.json.encode(EnrolRequest(code=code, public_key=key))
    headers = till.headers("/v1/enrol", body, key_id=key.encode("unicode_escape").decode())
    answer = read_answer(till.send("/v1/enrol", body, headers), JournalAnswer)
    assert isinstance(answer, Problem)
    assert answer.problem in {ProblemKind.BAD_REQUEST, ProblemKind.BAD_SIGNATURE}


@pytest.mark.postgres
def test_text_that_postgresql_cannot_keep_is_refused_and_no_fault(
    postgres_url: str, tmp_path: Path
) -> None:
    engine = open_engine(postgres_url)
    create_all(engine, metadata)
    world = World(engine, tmp_path, "guanghui")
    world.furnish()
    till = world.till()
    nul = msgspec.structs.replace(world.card("00000000000000c1", world.sale_id(), 1), card_id="\0")
    answer = till.authorise(world.sale_id(), nul, optional=1)
    assert isinstance(answer, Problem)
    assert answer.problem is ProblemKind.BAD_REQUEST
    for path in ("/v1/terminals/%00/journal", "/v1/terminals/t%001/journal", "/portal/%00"):
        assert till.send(path, b"{}").status_code == 404, path
    browser = world.client
    page = browser.get("/portal/sign-in", base_url=HOST).text
    token = page.partition('name="csrf" value="')[2].partition('"')[0]
    form = {"csrf": token, "user": "a\0b", "password": "\0"}
    assert browser.post("/portal/sign-in", base_url=HOST, data=form).status_code == 403
    engine.dispose()
