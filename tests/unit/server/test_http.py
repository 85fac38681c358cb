"""Requests over HTTP: who may ask, and how the journal is taken in."""

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.journal import RECORD_PURPOSE, SignedRecord
from protocol.keys import public_key_text, sign
from protocol.messages import (
    MAX_BODY_BYTES,
    AuthoriseRequest,
    EnrolAnswer,
    EnrolRequest,
    JournalAnswer,
    JournalBatch,
    OutcomeKind,
    Problem,
    ProblemKind,
)
from protocol.sales import TerminalStarted
from server.redemption import sale_of
from tests.unit.server.world import HOST, Till, World, money_line, read_answer, sold

STARTED = TerminalStarted(version="0.1.0")


def question(world: World) -> tuple[AuthoriseRequest, bytes]:
    request = AuthoriseRequest(
        sale_id=world.sale_id(),
        evidence=world.slot(),
        required_points=0,
        optional_points=1,
        occurred_at=world.clock(),
    )
    return request, msgspec.json.encode(request)


def problem_of(till: Till, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, Problem]:
    response = till.send(path, body, headers)
    return response.status_code, msgspec.json.decode(response.data, type=Problem)


def test_health_is_open_to_everybody(world: World) -> None:
    response = world.client.get("/v1/health", base_url=HOST)
    assert (response.status_code, response.json) == (200, {"ok": True})


def test_an_unsigned_request_gets_nothing(world: World, till: Till) -> None:
    request, body = question(world)
    path = "/v1/terminals/t-1/authorise"
    status, problem = problem_of(till, path, body, {"Content-Type": "application/json"})
    assert (status, problem.problem) == (401, ProblemKind.UNSIGNED)
    assert world.read(lambda tx: sale_of(tx, world.pool, request.sale_id)) is None


def test_a_request_signed_with_another_key_gets_nothing(world: World, till: Till) -> None:
    request, body = question(world)
    path = "/v1/terminals/t-1/authorise"
    headers = till.headers(path, body, key=Ed25519PrivateKey.from_private_bytes(b"x" * 32))
    status, problem = problem_of(till, path, body, headers)
    assert (status, problem.problem) == (401, ProblemKind.BAD_SIGNATURE)
    assert world.read(lambda tx: sale_of(tx, world.pool, request.sale_id)) is None


def test_a_terminal_cannot_ask_in_the_name_of_another(world: World, till: Till) -> None:
    other = world.till(terminal="t-2")
    _, body = question(world)
    path = "/v1/terminals/t-2/authorise"
    status, problem = problem_of(other, path, body, till.headers(path, body))
    assert (status, problem.problem) == (401, ProblemKind.BAD_SIGNATURE)


def test_the_right_key_under_another_name_gets_nothing(world: World, till: Till) -> None:
    _, body = question(world)
    path = "/v1/terminals/t-1/authorise"
    status, problem = problem_of(till, path, body, till.headers(path, body, key_id="t-2"))
    assert (status, problem.problem) == (401, ProblemKind.BAD_SIGNATURE)


def test_an_altered_body_or_another_path_does_not_verify(world: World, till: Till) -> None:
    _, body = question(world)
    path = "/v1/terminals/t-1/authorise"
    headers = till.headers(path, body)
    status, problem = problem_of(till, path, body.replace(b":1", b":9"), headers)
    assert (status, problem.problem) == (401, ProblemKind.BAD_SIGNATURE)
    status, problem = problem_of(till, "/v1/terminals/t-1/journal", body, headers)
    assert (status, problem.problem) == (401, ProblemKind.BAD_SIGNATURE)


def test_a_replayed_request_gets_nothing_a_second_time(world: World, till: Till) -> None:
    till.record(STARTED)
    body = msgspec.json.encode(JournalBatch(records=tuple(till.unsent)))
    path = "/v1/terminals/t-1/journal"
    headers = till.headers(path, body)
    assert isinstance(read_answer(till.send(path, body, headers), JournalAnswer), JournalAnswer)
    world.clock.move(seconds=299)
    status, problem = problem_of(till, path, body, headers)
    assert (status, problem.problem) == (401, ProblemKind.REPLAYED)


@pytest.mark.parametrize("off_s", [301, -301])
def test_a_request_of_another_time_is_told_the_servers_time(
    world: World, till: Till, off_s: int
) -> None:
    _, body = question(world)
    path = "/v1/terminals/t-1/authorise"
    headers = till.headers(path, body)
    world.clock.move(seconds=off_s)
    status, problem = problem_of(till, path, body, headers)
    assert (status, problem.problem) == (401, ProblemKind.CLOCK_SKEW)
    assert problem.server_time == world.clock()


def test_a_nonce_is_remembered_as_long_as_its_request_could_come_again(
    world: World, till: Till
) -> None:
    body = msgspec.json.encode(JournalBatch(records=()))
    path = "/v1/terminals/t-1/journal"
    world.clock.move(seconds=300)  # the terminal's clock is ahead of the server's
    headers = till.headers(path, body)
    world.clock.move(seconds=-300)
    assert till.send(path, body, headers).status_code == 200
    for _ in range(5):
        world.clock.move(seconds=119)
        till.send_records()  # other requests, which make the server forget old nonces
    status, problem = problem_of(till, path, body, headers)
    assert (status, problem.problem) == (401, ProblemKind.REPLAYED)


def test_an_unknown_terminal_and_one_that_has_not_enrolled_get_nothing(
    world: World, till: Till
) -> None:
    world.invite("shop-a", "t-9")
    _, body = question(world)
    for terminal in ("t-9", "nobody"):
        path = f"/v1/terminals/{terminal}/authorise"
        status, problem = problem_of(till, path, body, till.headers(path, body, key_id=terminal))
        assert (status, problem.problem) == (401, ProblemKind.UNKNOWN_TERMINAL)


@pytest.mark.parametrize("body", [b"", b"{}", b"[1", b'{"sale_id":1}', b"\xff\xfe"])
def test_a_body_that_is_no_question_is_a_bad_request(till: Till, body: bytes) -> None:
    path = "/v1/terminals/t-1/authorise"
    status, problem = problem_of(till, path, body, till.headers(path, body))
    assert (status, problem.problem) == (400, ProblemKind.BAD_REQUEST)


def test_a_body_beyond_the_limit_is_not_read(till: Till) -> None:
    body = b" " * (MAX_BODY_BYTES + 1)
    path = "/v1/terminals/t-1/journal"
    status, problem = problem_of(till, path, body, till.headers(path, body))
    assert (status, problem.problem) == (413, ProblemKind.TOO_LARGE)


def test_an_unknown_address_under_v1_is_a_problem_and_elsewhere_a_page(world: World) -> None:
    api = world.client.get("/v1/nothing", base_url=HOST)
    assert msgspec.json.decode(api.data, type=Problem).problem is ProblemKind.NOT_FOUND
    page = world.client.get("/nothing", base_url=HOST)
    assert page.status_code == 404
    assert page.mimetype == "text/plain"
    assert "没有这一页" in page.text


def test_a_foreign_host_name_gets_nothing(world: World) -> None:
    response = world.client.get("/v1/health", base_url="http://evil.example")
    assert response.status_code == 400


def test_every_answer_carries_the_security_headers(world: World) -> None:
    for path in ("/v1/health", "/portal/sign-in", "/nothing"):
        headers = world.client.get(path, base_url=HOST).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'self'")
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_fault_is_logged_and_told_without_its_inside(
    world: World, till: Till, caplog: pytest.LogCaptureFixture
) -> None:
    world.engine.dispose()
    with world.engine.begin() as tx:
        tx.exec_driver_sql("ALTER TABLE used_nonce RENAME TO hidden")
    _, body = question(world)
    path = "/v1/terminals/t-1/authorise"
    status, problem = problem_of(till, path, body, till.headers(path, body))
    assert (status, problem.problem) == (500, ProblemKind.FAULT)
    assert "used_nonce" not in problem.says
    assert "used_nonce" in caplog.text


def test_records_get_one_outcome_each_and_the_head_moves(world: World, till: Till) -> None:
    till.record(STARTED)
    till.record(sold(world, money_line("馒头", 50)))
    answer = till.send_records(*till.unsent)
    assert isinstance(answer, JournalAnswer)
    assert [(each.seq, each.outcome) for each in answer.outcomes] == [
        (1, OutcomeKind.POSTED),
        (2, OutcomeKind.POSTED),
    ]
    assert (answer.head_epoch, answer.head_seq, answer.head_hash) == (1, 2, till.head)


def test_records_sent_again_get_the_outcomes_that_they_had(world: World, till: Till) -> None:
    sale = sold(world, money_line("馒头", 50))
    till.record(sale)
    till.record(sale)
    first = till.send_records(*till.unsent)
    assert till.send_records(*till.unsent) == first
    till.record(STARTED)
    overlapping = till.send_records(*till.unsent[1:])
    assert isinstance(overlapping, JournalAnswer)
    assert [each.outcome for each in overlapping.outcomes] == [
        OutcomeKind.DUPLICATE,
        OutcomeKind.POSTED,
    ]
    assert world.fen("takings:shop-a") == 50


def test_no_records_tell_the_head(till: Till) -> None:
    till.tell(STARTED)
    answer = till.send_records()
    assert isinstance(answer, JournalAnswer)
    assert (answer.outcomes, answer.head_seq) == ((), 1)


def test_a_gap_says_which_record_is_wanted_and_stores_nothing(world: World, till: Till) -> None:
    till.tell(STARTED)
    till.record(STARTED)
    third = till.record(sold(world, money_line("馒头", 50)))
    answer = till.send_records(third)
    assert isinstance(answer, Problem)
    assert (answer.problem, answer.expected_seq) == (ProblemKind.GAP, 2)
    assert world.fen("takings:shop-a") == 0
    assert isinstance(till.send_records(*till.unsent), JournalAnswer)


def test_a_batch_with_a_hole_stores_nothing(till: Till) -> None:
    first, _, third = (till.record(STARTED) for _ in range(3))
    answer = till.send_records(first, third)
    assert isinstance(answer, Problem)
    assert (answer.problem, answer.expected_seq) == (ProblemKind.GAP, 1)


def forked(till: Till, *, seq: int, head: str) -> SignedRecord:
    """Another record for a place of the terminal's chain, properly signed."""
    kept = (till.seq, till.head, list(till.unsent))
    till.seq, till.head = seq - 1, head
    record = till.record(TerminalStarted(version="another"))
    till.seq, till.head, till.unsent = kept[0], kept[1], kept[2]
    return record


def test_another_record_at_a_place_is_a_fork(till: Till) -> None:
    genesis = till.head
    till.tell(STARTED)
    answer = till.send_records(forked(till, seq=1, head=genesis))
    assert isinstance(answer, Problem)
    assert answer.problem is ProblemKind.FORK


def test_a_record_with_another_past_is_a_fork(till: Till) -> None:
    till.tell(STARTED)
    answer = till.send_records(forked(till, seq=2, head="ab" * 32))
    assert isinstance(answer, Problem)
    assert answer.problem is ProblemKind.FORK


def test_an_epoch_that_the_server_never_gave_is_a_fork(till: Till) -> None:
    till.epoch = 2
    answer = till.send_records(till.record(STARTED))
    assert isinstance(answer, Problem)
    assert answer.problem is ProblemKind.FORK


def test_a_record_of_another_terminal_stops_the_whole_batch(world: World, till: Till) -> None:
    foreign = world.till(terminal="t-2").record(STARTED)
    answer = till.send_records(till.record(STARTED), foreign)
    assert isinstance(answer, Problem)
    assert answer.problem is ProblemKind.BAD_SIGNATURE
    answer = till.send_records()
    assert isinstance(answer, JournalAnswer)
    assert answer.head_seq == 0


def test_a_record_whose_signature_is_anothers_is_refused(till: Till) -> None:
    record = till.record(STARTED)
    thief = Ed25519PrivateKey.from_private_bytes(b"y" * 32)
    forged = SignedRecord(body=record.body, signature=sign(thief, RECORD_PURPOSE, record.body))
    answer = till.send_records(forged)
    assert isinstance(answer, Problem)
    assert answer.problem is ProblemKind.BAD_SIGNATURE


def test_more_records_than_a_batch_may_have_are_refused(till: Till) -> None:
    for _ in range(101):
        till.record(STARTED)
    answer = till.send_records(*till.unsent)
    assert isinstance(answer, Problem)
    assert answer.problem is ProblemKind.TOO_LARGE
    assert isinstance(till.send_records(*till.unsent[:100]), JournalAnswer)


def test_a_code_enrols_a_terminal_however_it_is_typed(world: World) -> None:
    code = world.invite("shop-a", "t-7")
    till = Till(world, "t-7")
    answer = till.enrol(f" {code[:4].lower()}-{code[4:]} ")
    assert answer == EnrolAnswer(
        terminal="t-7",
        epoch=1,
        pool=world.pool,
        root_key=world.keys.root_key_text,
        shop="shop-a",
        shop_name="门店shop-a",
        merchant_name="商户shop-a",
    )
    assert till.tell(STARTED)[0].outcome is OutcomeKind.POSTED


def wrong_code(answer: EnrolAnswer | Problem) -> bool:
    return isinstance(answer, Problem) and answer.problem is ProblemKind.WRONG_CODE


def test_a_lost_answer_of_enrolment_is_given_again_to_the_same_key_only(world: World) -> None:
    code = world.invite("shop-a", "t-7")
    till = Till(world, "t-7")
    first = till.enrol(code)
    assert isinstance(first, EnrolAnswer)
    assert till.enrol(code) == first
    assert wrong_code(Till(world, "t-7").enrol(code))


def test_a_code_is_dead_after_ten_minutes(world: World) -> None:
    code = world.invite("shop-a", "t-7")
    world.clock.move(minutes=10)
    assert wrong_code(Till(world, "t-7").enrol(code))


def other_letter(letter: str) -> str:
    return "C" if letter == "B" else "B"


def test_five_wrong_guesses_kill_a_code(world: World) -> None:
    code = world.invite("shop-a", "t-7")
    guess = code[:7] + other_letter(code[7])
    till = Till(world, "t-7")
    for _ in range(4):
        assert wrong_code(till.enrol(guess))
    assert isinstance(till.enrol(code), EnrolAnswer)
    code = world.invite("shop-a", "t-8")
    guess = code[:7] + other_letter(code[7])
    till = Till(world, "t-8")
    for _ in range(5):
        assert wrong_code(till.enrol(guess))
    assert wrong_code(till.enrol(code))


@pytest.mark.parametrize("code", ["", "AEIO-UAEI", "BCDF", "B" * 4000, "BBBB-BBBB"])
def test_what_is_no_code_of_ours_is_a_wrong_code(world: World, code: str) -> None:
    assert wrong_code(Till(world, "t-7").enrol(code))


def test_an_enrolment_must_be_signed_with_the_key_that_it_brings(world: World) -> None:
    code = world.invite("shop-a", "t-7")
    till = Till(world, "t-7")
    other = Ed25519PrivateKey.from_private_bytes(b"z" * 32)
    other_text = public_key_text(other.public_key())
    body = msgspec.json.encode(EnrolRequest(code=code, public_key=other_text))
    headers = till.headers("/v1/enrol", body, key_id=other_text)
    answer = read_answer(till.send("/v1/enrol", body, headers), EnrolAnswer)
    assert isinstance(answer, Problem)
    assert answer.problem is ProblemKind.BAD_SIGNATURE


def test_a_key_that_is_a_terminals_cannot_enrol_as_another(world: World, till: Till) -> None:
    code = world.invite("shop-a", "t-2")
    answer = till.enrol(code)
    assert isinstance(answer, Problem)
    assert answer.problem is ProblemKind.BAD_REQUEST
