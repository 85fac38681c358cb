from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.evidence import SlotEvidence
from protocol.journal import (
    GENESIS,
    MAX_RECORD_BYTES,
    ClockState,
    Envelope,
    RecordProblem,
    SignedRecord,
    decode_happening,
    encode_happening,
    open_record,
    seal,
)
from protocol.sales import (
    AnsweredBy,
    Happening,
    OrderFulfilled,
    Payment,
    ReversalReason,
    SaleCaptured,
    SaleLine,
    SaleReversed,
    TerminalStarted,
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))


def envelope(happening: Happening, seq: int = 1, prev_hash: str = GENESIS) -> Envelope:
    return Envelope(
        terminal="t-1",
        epoch=1,
        seq=seq,
        prev_hash=prev_hash,
        occurred_at=datetime(2026, 3, 1, 12, 0, tzinfo=UTC),
        monotonic_ms=5,
        boot_id="b",
        clock_state=ClockState.GOOD,
        policy_version=1,
        directory_version=2,
        happening=encode_happening(happening),
    )


SALE = SaleCaptured(
    sale_id=UUID(int=7),
    receipt_no="t-1-000001",
    business_date=date(2026, 3, 1),
    lines=(
        SaleLine(
            line_no=1,
            item_id=None,
            barcode=None,
            name="馒头",
            category="食品",
            quantity_milli=5000,
            unit="个",
            unit_price_fen=50,
            amount_fen=250,
        ),
    ),
    payment=Payment(points_for_money=25),
    answered_by=AnsweredBy.STAND_IN,
)


@pytest.mark.parametrize(
    "happening",
    [
        SALE,
        SaleReversed(sale_id=UUID(int=7), reason=ReversalReason.CANCELLED),
        TerminalStarted(version="0.1.0"),
        OrderFulfilled(
            fulfilment_id=UUID(int=9),
            order_id=f"{UUID(int=7)}-1",
            business_date=date(2026, 3, 2),
            units_milli=1_000,
            confirmation=SlotEvidence(payload_hex="31"),
        ),
    ],
)
def test_a_record_is_read_as_it_was_sealed(happening: Happening) -> None:
    record = seal(envelope(happening), KEY)
    opened = open_record(record, KEY.public_key(), "t-1")
    assert isinstance(opened, Envelope)
    assert decode_happening(opened.happening) == happening


def test_the_chain_names_the_record_before() -> None:
    first = seal(envelope(SALE), KEY)
    second = seal(envelope(TerminalStarted(version="x"), seq=2, prev_hash=first.hash_hex), KEY)
    opened = open_record(second, KEY.public_key(), "t-1")
    assert isinstance(opened, Envelope)
    assert opened.prev_hash == first.hash_hex
    assert first.hash_hex != second.hash_hex


def test_one_altered_byte_breaks_the_record() -> None:
    record = seal(envelope(SALE), KEY)
    altered = SignedRecord(
        body=record.body.replace(b'"points_for_money":25', b'"points_for_money":95'),
        signature=record.signature,
    )
    assert altered.body != record.body
    assert altered.hash_hex != record.hash_hex
    assert open_record(altered, KEY.public_key(), "t-1") is RecordProblem.BAD_SIGNATURE


@dataclass(frozen=True)
class Wrong:
    record: SignedRecord
    problem: RecordProblem


@pytest.mark.parametrize(
    "wrong",
    [
        Wrong(seal(envelope(SALE), OTHER), RecordProblem.BAD_SIGNATURE),
        Wrong(SignedRecord(body=b"{}", signature=b""), RecordProblem.NOT_A_RECORD),
        Wrong(SignedRecord(body=b"\xff\x00", signature=b""), RecordProblem.NOT_A_RECORD),
        Wrong(
            SignedRecord(body=b" " * (MAX_RECORD_BYTES + 1), signature=b""), RecordProblem.TOO_LARGE
        ),
    ],
)
def test_what_is_not_authentic_is_named(wrong: Wrong) -> None:
    assert open_record(wrong.record, KEY.public_key(), "t-1") is wrong.problem


def test_another_terminals_record_is_foreign() -> None:
    record = seal(envelope(SALE), KEY)
    assert open_record(record, KEY.public_key(), "t-2") is RecordProblem.FOREIGN_TERMINAL


def test_a_kind_from_the_future_is_authentic_and_not_understood() -> None:
    strange = msgspec.structs.replace(
        envelope(SALE), happening=msgspec.Raw(b'{"type":"moon_landing","sale_id":"x"}')
    )
    opened = open_record(seal(strange, KEY), KEY.public_key(), "t-1")
    assert isinstance(opened, Envelope)
    assert decode_happening(opened.happening) is None
