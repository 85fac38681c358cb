"""Opening a terminal's record once, however often it is asked about.

Whether bytes are an authentic record depends on nothing but themselves and the key. The edge
opens a record before it takes its turn at writing; the handler that books it inside finds the
answer remembered, and a replay works it out anew.
"""

from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from protocol.journal import Envelope, RecordProblem, SignedRecord, open_record
from protocol.keys import read_public_key

_REMEMBERED = 1_024
_KEYS_REMEMBERED = 4_096
_REMEMBERED_BYTES_MAX = 8 * 1024


def opened(record: SignedRecord, public_key: str, terminal: str) -> Envelope | RecordProblem:
    """As :func:`protocol.journal.open_record`; ``public_key`` is the terminal's, as text.

    Raises:
        protocol.keys.KeyTextError: the text is no key.
    """
    if len(record.body) > _REMEMBERED_BYTES_MAX:
        return open_record(record, _key(public_key), terminal)
    return _open(record.body, record.signature, public_key, terminal)


@lru_cache(maxsize=_REMEMBERED)
def _open(
    body: bytes, signature: bytes, public_key: str, terminal: str
) -> Envelope | RecordProblem:
    record = SignedRecord(body=body, signature=signature)
    return open_record(record, _key(public_key), terminal)


@lru_cache(maxsize=_KEYS_REMEMBERED)
def _key(public_key: str) -> Ed25519PublicKey:
    return read_public_key(public_key)
