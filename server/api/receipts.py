"""Whether a receipt is what a terminal printed: asked by anybody who holds the paper."""

from datetime import datetime

from flask import Blueprint, Response, request
from msgspec.structs import replace
from sqlalchemy import Connection

from protocol.codes import read_code
from protocol.codes.challenge import (
    CHECK_DIGITS,
    ReceiptCode,
    ReceiptKind,
    check_digits,
    terminal_name,
)
from protocol.codes.verifying import receipt_holds
from protocol.keys import read_public_key
from protocol.messages import ProblemKind
from protocol.money import format_quantity
from protocol.narrow import narrow
from server.api.phone_messages import ReceiptAnswer, ReceiptCheck, ReceiptLine, ReceiptState
from server.api.phones import MAX_PHONE_BODY_BYTES
from server.api.replies import NotDealt, response
from server.api.services import ApiServices
from server.api.views import read_message
from server.api.wrong_tries import WrongTries
from server.db import reading
from server.directory import Terminal, pool_terms, shop_of, terminal_of
from server.directory.terminals import enrolled_keys
from server.redemption.on_paper import OnPaper, booked_as, booked_of

NO_RECEIPT = "这不是小票上的码 / this is no code of a receipt"
OTHER_POOL = "这张小票不是本积分池的终端开的 / no terminal of this pool made this receipt"
FORGED = "小票上的码被改过，不是终端开的 / the code was changed: no terminal made it like this"
WHOLE = "小票属实，已入账 / genuine, and in the books"
UNTOLD = (
    "小票属实，还没有入账：店里还没上传，或社区还在核对"
    " / genuine, not in the books yet: not told, or still being looked at"
)
DIFFERS = (
    "小票是真的，但与账上不符，请拿小票到社区核对"
    " / made by this terminal, but the books differ: take it to the community office"
)
NO_NUMBER = (
    "账上没有这个单号：请看清再输；刚买的可能还没上传"
    " / no such number in the books: look again; a sale of just now may not be told yet"
)
WRONG_CHECK = (
    "核对码不对：请看清再输；还是不对，小票可能被改过"
    " / the check number does not fit: look again; if it still does not, the paper may be altered"
)


def create_receipt_blueprint(services: ApiServices) -> Blueprint:
    """``/v1/receipts``."""
    api = Blueprint("receipts", __name__, url_prefix="/v1")
    tries = WrongTries(services.workers)

    @api.before_request
    def limit_the_body() -> None:
        request.max_content_length = MAX_PHONE_BODY_BYTES

    @api.post("/receipts/check")
    def check() -> Response:
        message = read_message(request.get_data(cache=False), ReceiptCheck)
        if isinstance(message, NotDealt):
            return response(message)
        if not message.receipt_no:
            with reading(services.engine) as tx:
                return response(check_scanned(tx, services, message.digits))
        now, peer = services.clock(), request.remote_addr
        # Ten digits could be tried out, a signature not.
        if tries.must_wait(peer, now):
            return response(NotDealt(ProblemKind.TRY_AGAIN))
        with reading(services.engine) as tx:
            answer = check_typed(tx, services, message.receipt_no, message.check)
        if answer.state is not ReceiptState.WHOLE:
            tries.failed(peer, now)
        return response(answer)

    return api


def check_scanned(tx: Connection, services: ApiServices, text: str) -> ReceiptAnswer:
    """What a scan of the paper comes to: the digits alone, or the page's address with them."""
    code = read_code(text.rpartition("#")[2])
    if not isinstance(code, ReceiptCode):
        return _refused(ReceiptState.UNKNOWN, NO_RECEIPT)
    terminal = _terminal_named(tx, services.pool, code.terminal)
    if terminal is None or terminal.public_key is None:
        return _refused(ReceiptState.UNKNOWN, OTHER_POOL)
    if not receipt_holds(code, read_public_key(terminal.public_key), services.keys.tag):
        return _refused(ReceiptState.ALTERED, FORGED)
    booked = booked_of(tx, services.pool, code.kind, code.sale_id)
    same = next((each for each in booked if _is_same(each, code, terminal.terminal)), None)
    if same is not None:
        return _whole(tx, services.pool, same)
    # A sale has one receipt; of a refund, another part may be on its way still.
    differs = bool(booked) and code.kind is ReceiptKind.SALE
    answer = ReceiptAnswer(
        state=ReceiptState.ALTERED if differs else ReceiptState.UNTOLD,
        genuine=True,
        booked=False,
        says=DIFFERS if differs else UNTOLD,
        kind=_kind(code.kind),
        occurred_at=_seconds(code.occurred_at),
        points=code.points,
        total_fen=code.total_fen,
        cash_fen=code.cash_fen,
    )
    return _placed(tx, services.pool, answer, terminal)


def check_typed(
    tx: Connection, services: ApiServices, receipt_no: str, check: str
) -> ReceiptAnswer:
    """What a receipt's number and check number, typed off the paper, come to."""
    typed = "".join(each for each in narrow(check) if each not in " -")
    number = narrow(receipt_no)
    numbers = dict.fromkeys((number, number.lower()))
    booked = [each for named in numbers for each in booked_as(tx, services.pool, named)]
    if not booked:
        return _refused(ReceiptState.UNKNOWN, NO_NUMBER)
    is_number = len(typed) == CHECK_DIGITS and typed.isascii() and typed.isdigit()
    fits = [each for each in booked if is_number and check_digits(each.digest) == typed]
    # Nothing of it is told to somebody who only knows the number.
    if not fits:
        return _refused(ReceiptState.ALTERED, WRONG_CHECK)
    return _whole(tx, services.pool, fits[0])


def _is_same(on_paper: OnPaper, code: ReceiptCode, terminal: str) -> bool:
    figures = (on_paper.points, on_paper.cash_fen, on_paper.total_fen, on_paper.digest)
    told = (code.points, code.cash_fen, code.total_fen, code.digest)
    return on_paper.booked.terminal == terminal and figures == told


def _whole(tx: Connection, pool: str, on_paper: OnPaper) -> ReceiptAnswer:
    booked = on_paper.booked
    sold = {line.line_no: line for line in on_paper.sold}
    lines = tuple(
        ReceiptLine(
            name=sold[line.line_no].name,
            quantity=f"{format_quantity(line.quantity_milli)}{sold[line.line_no].unit}",
            amount_fen=line.amount_fen,
            amount_points=line.amount_points,
        )
        for line in booked.lines
    )
    terminal = terminal_of(tx, pool, booked.terminal)
    assert booked.occurred_at is not None
    answer = ReceiptAnswer(
        state=ReceiptState.WHOLE,
        genuine=True,
        booked=True,
        says=WHOLE,
        kind=_kind(on_paper.kind),
        receipt_no=booked.receipt_no or "",
        occurred_at=_seconds(booked.occurred_at),
        points=on_paper.points,
        total_fen=on_paper.total_fen,
        cash_fen=on_paper.cash_fen,
        lines=lines,
    )
    return _placed(tx, pool, answer, terminal)


def _placed(
    tx: Connection, pool: str, answer: ReceiptAnswer, terminal: Terminal | None
) -> ReceiptAnswer:
    """With the shop's name, and what the pool calls its points."""
    shop = shop_of(tx, pool, terminal.shop) if terminal is not None else None
    terms = pool_terms(tx, pool)
    return replace(
        answer,
        shop_name=shop.name if shop is not None else "",
        unit_name=terms.unit_name,
        unit_name_en=terms.unit_name_en,
    )


def _refused(state: ReceiptState, says: str) -> ReceiptAnswer:
    return ReceiptAnswer(state=state, genuine=False, booked=False, says=says)


def _kind(kind: ReceiptKind) -> str:
    return "sale" if kind is ReceiptKind.SALE else "refund"


def _seconds(at: datetime) -> int:
    return int(at.timestamp())


def _terminal_named(tx: Connection, pool: str, name: bytes) -> Terminal | None:
    for terminal, key in enrolled_keys(tx, pool).items():
        if terminal_name(read_public_key(key)) == name:
            return terminal_of(tx, pool, terminal)
    return None
