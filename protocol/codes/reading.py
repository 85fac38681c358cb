"""From a scanned text to a code's fields. Nothing of it is to be trusted before it is verified."""

from collections.abc import Callable, Mapping

from protocol.codes.challenge import (
    TYPE_CHALLENGE,
    TYPE_RECEIPT,
    Challenge,
    ReceiptCode,
    read_challenge,
    read_receipt,
)
from protocol.codes.issued import (
    TYPE_CARD,
    TYPE_SLOT,
    CardCode,
    SlotCode,
    read_card,
    read_slot,
)
from protocol.codes.phone import (
    TYPE_CONFIRM,
    TYPE_SHOW,
    TYPE_SHOW_ES256,
    ConfirmCode,
    ShowCode,
    read_confirm,
    read_show,
)
from protocol.codes.text import PAYLOAD_BYTES, Unreadable, from_digits, read_text

ResidentCode = SlotCode | CardCode
Code = SlotCode | CardCode | ShowCode | ConfirmCode | Challenge | ReceiptCode

_READERS: Mapping[int, Callable[[bytes], Code | None]] = {
    TYPE_SHOW: read_show,
    TYPE_SHOW_ES256: read_show,
    TYPE_CONFIRM: read_confirm,
    TYPE_CHALLENGE: read_challenge,
    TYPE_SLOT: read_slot,
    TYPE_CARD: read_card,
    TYPE_RECEIPT: read_receipt,
}


def read_payload(payload: bytes) -> Code | Unreadable:
    """A code's fields from its bytes, or why there are none."""
    if not payload:
        return Unreadable.EMPTY
    if payload[0] not in PAYLOAD_BYTES:
        return Unreadable.UNKNOWN_KIND
    if len(payload) != PAYLOAD_BYTES[payload[0]]:
        return Unreadable.WRONG_LENGTH
    return _READERS[payload[0]](payload) or Unreadable.BAD_FIELD


def read_code(text: str) -> Code | Unreadable:
    """A code's fields from what a scanner sent, or why there are none. Never raises."""
    payload = read_text(text)
    return payload if isinstance(payload, Unreadable) else read_payload(payload)


def parse_code(text: str) -> ResidentCode | None:
    """Read a resident's code from its bare digits; None where the text is none."""
    payload = from_digits(text)
    return parse_payload(payload) if payload else None


def parse_payload(payload: bytes) -> ResidentCode | None:
    """As :func:`parse_code`, from the bytes."""
    code = read_payload(payload)
    return code if isinstance(code, ResidentCode) else None
