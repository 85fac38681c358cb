"""Signed HTTP requests (RFC 9421) between a terminal and its server.

Covered: method, authority, path, content type and digest; with them the time of signing,
a nonce and the key's name. The library proves that the request is whole; that its time is
near and its nonce new is for the server to judge, with its own clock and its own memory.
"""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    algorithms,
)
from http_message_signatures.exceptions import HTTPMessageSignaturesException

COVERED = ("@method", "@authority", "@path", "content-type")
TAG = "huidian-terminal"
PARTNER_TAG = "huidian-partner"
"""Tags keep apart what is signed for what: a terminal's request is never a partner's."""

MAX_NONCE_CHARS = 64


class SignatureProblem(ValueError):  # noqa: N818 - a finding about a request, raised at the edge
    """The request is unsigned, altered, or signed with another key."""


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    url: str
    headers: MutableMapping[str, str]


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """Who signed, when, and with which nonce."""

    key_id: str
    created_at: datetime
    nonce: str


class _OneKey(HTTPSignatureKeyResolver):
    def __init__(
        self,
        private_key: Ed25519PrivateKey | None = None,
        public_key: Ed25519PublicKey | None = None,
    ) -> None:
        self._private_key = private_key
        self._public_key = public_key

    def resolve_private_key(self, key_id: str) -> Any:  # noqa: ARG002 - the library's interface
        return self._private_key

    def resolve_public_key(self, key_id: str) -> Any:  # noqa: ARG002 - the library's interface
        return self._public_key


class _Verifier(HTTPMessageVerifier):
    def validate_created_and_expires(self, sig_input: Any, max_age: Any = None) -> None:
        """Leave the time to the caller: the library would ask the machine's clock."""


def sign_request(
    key: Ed25519PrivateKey,
    *,
    key_id: str,
    method: str,
    url: str,
    body: bytes,
    created_at: datetime,
    nonce: str,
    tag: str = TAG,
) -> dict[str, str]:
    """Headers for a JSON request, with content type, digest and signature."""
    request = _Request(method, url, {"Content-Type": "application/json"})
    signer = HTTPMessageSigner(
        signature_algorithm=algorithms.ED25519, key_resolver=_OneKey(private_key=key)
    )
    signer.sign(
        request,
        key_id=key_id,
        created=created_at,
        nonce=nonce,
        tag=tag,
        label="sig",
        covered_component_ids=COVERED,
        body=body,
    )
    return dict(request.headers)


def claimed_key_id(headers: Mapping[str, str]) -> str | None:
    """The key that the request says it is signed with, unproven; None for an unsigned one."""
    field = headers.get("Signature-Input", "")
    _, found, rest = field.partition('keyid="')
    return rest.partition('"')[0] if found else None


def verify_request(
    key: Ed25519PublicKey,
    *,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    tag: str = TAG,
) -> VerifiedSignature:
    """Prove that this key signed this request, body included, for the purpose of ``tag``.

    Raises:
        SignatureProblem: unsigned, altered, signed with another key, or covering too little.
    """
    request = _Request(method, url, dict(headers))
    verifier = _Verifier(
        signature_algorithm=algorithms.ED25519, key_resolver=_OneKey(public_key=key)
    )
    try:
        results = verifier.verify(
            request,
            max_age=None,
            expect_tag=tag,
            require_components=(*COVERED, "content-digest"),
            body=body,
        )
    except (InvalidSignature, HTTPMessageSignaturesException) as error:
        raise SignatureProblem(str(error)) from error
    parameters = results[0].parameters
    nonce = parameters.get("nonce")
    created = parameters.get("created")
    if not isinstance(nonce, str) or not 0 < len(nonce) <= MAX_NONCE_CHARS:
        raise SignatureProblem("the signature carries no nonce")
    if not isinstance(created, int):
        raise SignatureProblem("the signature carries no time")
    try:
        created_at = datetime.fromtimestamp(created, UTC)
    except (ValueError, OverflowError, OSError) as error:  # no calendar has such a year
        raise SignatureProblem("the signature's time is none") from error
    return VerifiedSignature(key_id=str(parameters["keyid"]), created_at=created_at, nonce=nonce)
