"""Anybody checks a receipt: by its code, or by its number and check number."""

import msgspec
import pytest

from protocol.codes import from_digits, to_digits
from protocol.codes.challenge import ReceiptKind, check_digits, make_receipt, record_digest
from protocol.journal import encode_happening
from protocol.messages import OutcomeKind, Problem, ProblemKind
from protocol.money import Fen, Points
from protocol.sales import AnsweredBy, RefundLine, SaleCaptured, SaleRefunded
from server.api.phone_messages import ReceiptAnswer, ReceiptLine, ReceiptState
from server.api.wrong_tries import PEER_TRIES
from tests.support.phones import phone_in_hand
from tests.unit.server.test_phones import bought
from tests.unit.server.world import HOST, ZHANG, Till, World, read_answer, refunded


def receipt_digits(
    till: Till,
    happened: SaleCaptured | SaleRefunded,
    *,
    points: int = 50,
    total_fen: int = 500,
    cash_fen: int = 0,
) -> str:
    """What is printed on a receipt, signed with this till's key."""
    is_sale = isinstance(happened, SaleCaptured)
    return to_digits(
        make_receipt(
            till.key,
            till.world.keys.tag,
            kind=ReceiptKind.SALE if is_sale else ReceiptKind.REFUND,
            sale_id=happened.sale_id,
            occurred_at=till.world.clock(),
            points=Points(points),
            total_fen=Fen(total_fen),
            cash_fen=Fen(cash_fen),
            record=bytes(encode_happening(happened)),
        )
    )


def ask(world: World, **question: str) -> ReceiptAnswer | Problem:
    body = msgspec.json.encode(question)
    posted = world.client.post("/v1/receipts/check", base_url=HOST, data=body)
    return read_answer(posted, ReceiptAnswer)


def problem_of(answer: ReceiptAnswer | Problem) -> ProblemKind | None:
    return answer.problem if isinstance(answer, Problem) else None


def says(world: World, text: str) -> ReceiptAnswer:
    answer = ask(world, digits=text)
    assert isinstance(answer, ReceiptAnswer)
    return answer


@pytest.fixture
def rich(world: World) -> World:
    """Zhang has 1,000 points."""
    for _ in range(10):
        world.award(ZHANG, "river-patrol")
    return world


@pytest.fixture
def sale(rich: World, till: Till) -> SaleCaptured:
    made = bought(rich, phone_in_hand(rich).show(), 50, by=AnsweredBy.STAND_IN)
    return msgspec.structs.replace(made, receipt_no=f"{till.terminal}-000001")


def typed_number(happened: SaleCaptured | SaleRefunded) -> str:
    return check_digits(record_digest(bytes(encode_happening(happened))))


def test_a_receipt_is_checked_by_anybody(rich: World, till: Till, sale: SaleCaptured) -> None:
    paper = receipt_digits(till, sale)
    told = says(rich, paper)
    assert (told.state, told.points, told.shop_name) == (ReceiptState.UNTOLD, 50, "门店shop-a")
    assert told.lines == ()
    till.tell(sale)
    told = says(rich, paper)
    assert (told.state, told.genuine, told.booked) == (ReceiptState.WHOLE, True, True)
    assert told.receipt_no == sale.receipt_no
    assert told.lines == (
        ReceiptLine(name="套餐", quantity="1个", amount_fen=500, amount_points=0),
    )
    assert says(rich, f"https://points.example/r#{paper}") == told
    stranger = says(rich, receipt_digits(Till(rich, "t-9"), sale))
    assert (stranger.state, stranger.genuine) == (ReceiptState.UNKNOWN, False)
    for text in ("", "123", "９", "https://points.example/r#", "9" * 700):
        assert says(rich, text).state is ReceiptState.UNKNOWN, text
    assert problem_of(ask(rich, digits="1" * 1_000_000)) is ProblemKind.TOO_LARGE


def test_no_bit_of_a_receipt_can_be_changed(rich: World, till: Till, sale: SaleCaptured) -> None:
    till.tell(sale)
    payload = from_digits(receipt_digits(till, sale))
    assert payload is not None
    for place in range(len(payload) * 8):
        flipped = bytearray(payload)
        flipped[place // 8] ^= 1 << place % 8
        told = says(rich, to_digits(bytes(flipped)))
        assert not told.genuine, place
        assert told.state in {ReceiptState.ALTERED, ReceiptState.UNKNOWN}, place


def test_a_receipt_that_differs_from_the_books_is_not_called_whole(
    rich: World, till: Till, sale: SaleCaptured
) -> None:
    elsewhere = rich.till(terminal="t-2")
    till.tell(sale)
    # The same figures, of a record that says another thing about the goods.
    dearer = msgspec.structs.replace(sale.lines[0], name="烟")
    other_goods = msgspec.structs.replace(sale, lines=(dearer,))
    for paper in (
        receipt_digits(till, sale, points=5),
        receipt_digits(till, sale, cash_fen=100),
        receipt_digits(till, sale, total_fen=5_000),
        receipt_digits(elsewhere, sale),
        receipt_digits(till, other_goods),
    ):
        told = says(rich, paper)
        assert (told.state, told.genuine, told.booked) == (ReceiptState.ALTERED, True, False)
        assert "不符" in told.says


def test_the_receipt_of_a_refund_is_looked_up_among_the_refunds(
    rich: World, till: Till, sale: SaleCaptured
) -> None:
    till.tell(sale)
    line = sale.lines[0]
    back = RefundLine(
        line_no=line.line_no,
        quantity_milli=line.quantity_milli,
        amount_fen=line.amount_fen,
        amount_points=0,
    )
    refund = refunded(rich, sale, back, points_for_money=50)
    paper = receipt_digits(till, refund)
    told = says(rich, paper)
    assert (told.state, told.kind) == (ReceiptState.UNTOLD, "refund")
    assert till.outcome(refund).outcome is OutcomeKind.POSTED
    told = says(rich, paper)
    assert (told.state, told.lines[0].name) == (ReceiptState.WHOLE, "套餐")
    # Another part may be on its way still: that alone is no sign of a forgery.
    assert says(rich, receipt_digits(till, refund, points=40)).state is ReceiptState.UNTOLD


def test_who_cannot_scan_types_two_numbers(rich: World, till: Till, sale: SaleCaptured) -> None:
    number = typed_number(sale)
    untold = ask(rich, receipt_no=sale.receipt_no, check=number)
    assert isinstance(untold, ReceiptAnswer)
    assert untold.state is ReceiptState.UNKNOWN
    till.tell(sale)
    spaced = f" {number[:3]} {number[3:7]}-{number[7:]} "
    # A Chinese keyboard may write all of it wide.
    wide = {ord(each): ord(each) + 0xFEE0 for each in f"-{number}{sale.receipt_no}"}
    assert sale.receipt_no is not None
    for check, receipt_no in (
        (number, f" {sale.receipt_no} "),
        (spaced, sale.receipt_no),
        (number.translate(wide), sale.receipt_no.translate(wide) + "\u3000"),
    ):
        told = ask(rich, receipt_no=receipt_no, check=check)
        assert isinstance(told, ReceiptAnswer)
        assert (told.state, told.points) == (ReceiptState.WHOLE, 50)
    for wrong in ("", "1", number[::-1], number[:-1] + "²", number + "0"):
        told = ask(rich, receipt_no=sale.receipt_no, check=wrong)
        assert isinstance(told, ReceiptAnswer)
        assert told.state is ReceiptState.ALTERED
        assert (told.points, told.shop_name, told.lines) == (0, "", ()), "nothing is given away"


def test_check_numbers_are_not_guessed_away(rich: World, till: Till, sale: SaleCaptured) -> None:
    till.tell(sale)

    def post(check: str, peer: str) -> ReceiptAnswer | Problem:
        body = msgspec.json.encode({"receipt_no": sale.receipt_no, "check": check})
        posted = rich.client.post(
            "/v1/receipts/check", base_url=HOST, data=body, environ_base={"REMOTE_ADDR": peer}
        )
        return read_answer(posted, ReceiptAnswer)

    for each in range(PEER_TRIES):
        assert isinstance(post(f"{each:010}", "10.0.0.9"), ReceiptAnswer)
    assert problem_of(post(typed_number(sale), "10.0.0.9")) is ProblemKind.TRY_AGAIN
    other = post(typed_number(sale), "10.0.0.10")
    assert isinstance(other, ReceiptAnswer)
    assert other.state is ReceiptState.WHOLE
    rich.clock.move(minutes=1)
    assert isinstance(post(typed_number(sale), "10.0.0.9"), ReceiptAnswer)
