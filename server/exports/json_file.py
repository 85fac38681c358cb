"""A statement as JSON: its canonical text with the seal as one more member, the last."""

from dataclasses import replace

import msgspec

from server.exports.canonical import FORMAT_NAME
from server.settlement.document import StatementDocument
from server.settlement.values import DOCUMENT_VERSION

_SEAL_MEMBER = b',"seal":"'


class NotThisFormat(ValueError):  # noqa: N818 - named as the sentence it states
    """The text is no statement of a version that this program reads."""


class _Envelope(msgspec.Struct, frozen=True):
    document: StatementDocument
    format: str
    version: int


def json_bytes(payload: bytes) -> bytes:
    """The file up to where the seal goes: the payload without its closing brace, and a member."""
    return payload[:-1] + _SEAL_MEMBER


def read_document(text: bytes) -> StatementDocument:
    """The document in a payload or in a JSON file; what is not looked at is the seal.

    Raises:
        NotThisFormat: it is something else, or of a version that is unknown here.
    """
    try:
        found = msgspec.json.decode(text, type=_Envelope)
    except msgspec.DecodeError as fault:
        raise NotThisFormat(str(fault)) from fault
    if found.format != FORMAT_NAME or not 1 <= found.version <= DOCUMENT_VERSION:
        raise NotThisFormat(f"{found.format} {found.version}")
    return replace(found.document, version=found.version)
