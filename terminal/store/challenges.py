"""The terminal's certificates, kept in a file, and the challenges that are made with it."""

import logging
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.codes.challenge import (
    TERMINAL_CERTIFICATE_BYTES,
    Challenge,
    make_challenge,
    nonce_of,
    read_challenge,
    read_terminal_certificate,
)
from protocol.money import Points
from terminal.domain.ports import Moment
from terminal.store.identity import write_durably

LOG = logging.getLogger(__name__)
CERTIFICATE_FILE = "terminal.certificate"
_MOST_POINTS = 2**32 - 1
_MOST_CERTIFICATES = 8


class KeptCertificates:
    """Makes challenges; see :class:`terminal.domain.presented.Challenger`. Thread-safe: the
    certificates, one by each live issuer key, are put in place together.
    """

    def __init__(self, data_dir: Path, key: Ed25519PrivateKey, tag: bytes) -> None:
        self._path = data_dir / CERTIFICATE_FILE
        self._key = key
        self._tag = tag
        self._signed: tuple[bytes, ...] = ()
        try:
            kept = self._path.read_bytes()
        except OSError:
            return
        size = TERMINAL_CERTIFICATE_BYTES
        self._signed = self._own([kept[at : at + size] for at in range(0, len(kept), size)])

    def keep(self, signed: Sequence[bytes]) -> None:
        """Certificates came from the server, the one to show first; none is taken that is not this
        terminal's, and none of those before stays.
        """
        own = self._own(signed[:_MOST_CERTIFICATES])
        if len(own) < len(signed[:_MOST_CERTIFICATES]):
            LOG.error("the server gave a certificate that is not this terminal's")
        if not own or own == self._signed:
            return
        self._signed = own
        try:
            write_durably(self._path, b"".join(own))
        except OSError as error:  # they come again with the next round
            LOG.warning("the certificates are not kept: %s", error)

    def challenge(self, sale_id: UUID, points: int, at: Moment, kid: int) -> Challenge | None:
        if not self._signed or not 0 < points <= _MOST_POINTS:
            return None
        # The second byte of a certificate is the issuer key's number.
        fitting = (each for each in self._signed if each[1] == kid)
        payload = make_challenge(
            self._key,
            self._tag,
            next(fitting, self._signed[0]),
            points=Points(points),
            asked_at=at.at,
            nonce=nonce_of(sale_id),
        )
        return read_challenge(payload)

    def _own(self, signed: Sequence[bytes]) -> tuple[bytes, ...]:
        own = self._key.public_key().public_bytes_raw()
        read = [(each, read_terminal_certificate(each)) for each in signed]
        return tuple(each for each, told in read if told is not None and told.key == own)
