"""What the page sends: small JSON bodies, parsed once, with nothing in them that is not known."""

import unicodedata
from typing import Annotated, Final, TypeVar
from uuid import UUID

import msgspec
from flask import request
from msgspec import Meta, Struct

from drivers.ports import MAX_SCAN_CHARS
from protocol.money import QUANTITY_ONE_MILLI

MAX_BODY_BYTES: Final = 64 * 1024
_NUL_IN_JSON: Final = b"\\u0000"
MAX_QUANTITY_CHARS: Final = 8
DECIMALS_OF_A_QUANTITY: Final = 3

ShortText = Annotated[str, Meta(max_length=64)]
"""Amounts, quantities, ids: longer than any that means something."""


class BadBodyError(Exception):
    """A request's body is not the one that its address takes: a fault of the page's program."""


class NoBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing to say beside the address."""


class ScanBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What a scanner that types like a keyboard typed. Too long is answered, not refused."""

    text: Annotated[str, Meta(max_length=8 * MAX_SCAN_CHARS)]


class ItemBody(Struct, frozen=True, forbid_unknown_fields=True):
    """``quantity`` as typed, in the item's unit: 2, 1.3."""

    item_id: ShortText
    quantity: ShortText = "1"


class AmountBody(Struct, frozen=True, forbid_unknown_fields=True):
    """An amount in yuan as typed."""

    text: Annotated[str, Meta(max_length=1024)]


class QuantityBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A line's new quantity as typed; 0 takes the line out."""

    line_no: int
    quantity: ShortText


class PointsBody(Struct, frozen=True, forbid_unknown_fields=True):
    """How many of the approved points to use."""

    points: int


class CompleteBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The sale that the page showed, and the points and the money that its button named."""

    sale_id: UUID
    points: int | None = None
    cash_fen: int | None = None


class PinBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A card's PIN as its holder typed it. Never logged, never kept."""

    pin: ShortText

    def __repr__(self) -> str:
        return "PinBody(withheld)"


class ReprintBody(Struct, frozen=True, forbid_unknown_fields=True):
    receipt_no: ShortText


Body = TypeVar("Body", bound=Struct)


def read_body(kind: type[Body]) -> Body:
    """Parse this request's body.

    Raises:
        BadBodyError: not JSON, a field missing, of another type, too long, not known, or a NUL in
            it.
    """
    try:
        body = msgspec.json.decode(request.get_data(cache=False), type=kind)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadBodyError(str(error)) from error
    # No key types one, and the server keeps none: the sale or refund whose reason held it would
    # wait there for a person, its points unbooked. Looked for as the server looks: in the JSON.
    if _NUL_IN_JSON in msgspec.json.encode(body):
        raise BadBodyError("a NUL in a text")
    return body


def parse_quantity_milli(text: str) -> int | None:
    """A quantity as typed (``2``, ``1.3``, ``１．３``) in thousandths; None where it is none."""
    plain = unicodedata.normalize("NFKC", text).strip()
    whole, dot, decimals = plain.partition(".")
    digits = whole + decimals
    if (
        not whole
        or len(digits) > MAX_QUANTITY_CHARS
        or not (digits.isascii() and digits.isdigit())
        or len(decimals) > DECIMALS_OF_A_QUANTITY
        or (dot and not decimals)
    ):
        return None
    return int(whole) * QUANTITY_ONE_MILLI + int(decimals.ljust(DECIMALS_OF_A_QUANTITY, "0"))
