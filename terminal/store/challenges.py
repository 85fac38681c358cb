"""The terminal's certificate, kept in a file, and the challenges that are made with it."""

import logging
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.codes.challenge import (
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


class KeptCertificate:
    """Makes challenges; see :class:`terminal.domain.presented.Challenger`. Thread-safe: a
    certificate is put in place whole.
    """

    def __init__(self, data_dir: Path, key: Ed25519PrivateKey, tag: bytes) -> None:
        self._path = data_dir / CERTIFICATE_FILE
        self._key = key
        self._tag = tag
        self._signed: bytes | None = None
        try:
            self._signed = self._checked(self._path.read_bytes())
        except OSError:
            self._signed = None

    def keep(self, signed: bytes) -> None:
        """A certificate came from the server; one that is not this terminal's is not taken."""
        if signed == self._signed:
            return
        if self._checked(signed) is None:
            LOG.error("the server gave a certificate that is not this terminal's")
            return
        self._signed = signed
        try:
            write_durably(self._path, signed)
        except OSError as error:  # it comes again with the next round
            LOG.warning("the certificate is not kept: %s", error)

    def challenge(self, sale_id: UUID, points: int, at: Moment) -> Challenge | None:
        if self._signed is None or not 0 < points <= _MOST_POINTS:
            return None
        payload = make_challenge(
            self._key,
            self._tag,
            self._signed,
            points=Points(points),
            asked_at=at.at,
            nonce=nonce_of(sale_id),
        )
        return read_challenge(payload)

    def _checked(self, signed: bytes) -> bytes | None:
        certificate = read_terminal_certificate(signed)
        own = self._key.public_key().public_bytes_raw()
        return signed if certificate is not None and certificate.key == own else None
