"""Signed HTTP requests (RFC 9421) between a terminal and its server.

Covered: method, authority, path, content type and digest; with them the time of signing,
a nonce and the key's name. The library proves that the request is whole; that its time is
near and its nonce new is for the server to judge, with its own clock and its own memory.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any

from cryptography.exceptions import InvalidSignature as BadSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    algorithms,
)
from http_message_signatures.exceptions import HTTPMessageSignaturesException
from msgspec import Struct

COVERED = ("@method", "@authority", "@path", "content-type")
TAG = "huidian-terminal"
PARTNER_TAG = "huidian-partner"
"""Tags keep apart what is signed for what: a terminal's request is never a partner's."""

MAX_NONCE_CHARS = 64


class SignatureProblem(ValueError):  # noqa: N818 - a finding about a request, raised at the edge
    """The request is unsigned, altered, or signed with another key."""


class _Request(Struct, frozen=True):
    method: str
    url: str
    headers: MutableMapping[str, str]


class VerifiedSignature(Struct, frozen=True):
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

    A request in the very form that :func:`sign_request` writes is verified here, letter by
    letter; RFC 9421 knows many more forms, and those are for the library, which takes five
    times as long. Both come to the same answer.

    Raises:
        SignatureProblem: unsigned, altered, signed with another key, or covering too little.
    """
    request = _Request(method, url, dict(headers))
    plain = _read_plain(request)
    if plain is not None:
        return _verify_plain(key, plain, body=body, tag=tag)
    return _verify_any(key, request, body=body, tag=tag)


class _Plain(Struct, frozen=True):
    """A request as :func:`sign_request` signs it: what was signed, and its parts."""

    base: bytes
    signature: bytes
    digest: bytes
    key_id: str
    created_s: int
    nonce: str
    tag: str


_TEXT = r"[ !#-\[\]-~]"  # a string of RFC 9651 without escapes
_PLAIN_INPUT = re.compile(
    r'sig=(\("@method" "@authority" "@path" "content-type" "content-digest"\)'
    rf';created=([0-9]{{1,15}});keyid="({_TEXT}*)"(?:;alg="ed25519")?'
    rf';nonce="({_TEXT}{{1,{MAX_NONCE_CHARS}}})";tag="({_TEXT}*)")'
)
_PLAIN_SIGNATURE = re.compile(r"sig=:([A-Za-z0-9+/]{86}==):")
_PLAIN_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")
_PLAIN_URL = re.compile(
    r"(https?)://([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::([1-9][0-9]{0,4}))?(/[A-Za-z0-9/._~%:@-]*)"
)
_PLAIN_METHOD = re.compile(r"[A-Z]{1,16}")
_PLAIN_TYPE = re.compile(r"[a-z]+/[a-z]+")
_DEFAULT_PORT = {"http": "80", "https": "443"}


def _read_plain(request: _Request) -> _Plain | None:
    """The request's parts, or None where a single letter is other than we write it."""
    fields = {name.lower(): value for name, value in request.headers.items()}
    content_type, digest_field = fields.get("content-type", ""), fields.get("content-digest", "")
    signed = _PLAIN_INPUT.fullmatch(fields.get("signature-input", ""))
    signature = _PLAIN_SIGNATURE.fullmatch(fields.get("signature", ""))
    digest = _PLAIN_DIGEST.fullmatch(digest_field)
    url = _PLAIN_URL.fullmatch(request.url)
    if signed is None or signature is None or digest is None or url is None:
        return None
    if len(fields) != len(request.headers):  # a field stands there twice, in other capitals
        return None
    if not _PLAIN_METHOD.fullmatch(request.method) or not _PLAIN_TYPE.fullmatch(content_type):
        return None
    scheme, host, port, path = url.groups()
    authority = host if port is None or port == _DEFAULT_PORT[scheme] else f"{host}:{port}"
    parameters, created, key_id, nonce, tag = signed.groups()
    base = (
        f'"@method": {request.method}\n"@authority": {authority}\n"@path": {path}\n'
        f'"content-type": {content_type}\n"content-digest": {digest_field}\n'
        f'"@signature-params": {parameters}'
    )
    return _Plain(
        base=base.encode("ascii"),
        signature=base64.b64decode(signature[1]),
        digest=base64.b64decode(digest[1]),
        key_id=key_id,
        created_s=int(created),
        nonce=nonce,
        tag=tag,
    )


def _verify_plain(
    key: Ed25519PublicKey, plain: _Plain, *, body: bytes, tag: str
) -> VerifiedSignature:
    if plain.tag != tag:
        raise SignatureProblem("the signature is for another purpose")
    if hashlib.sha256(body).digest() != plain.digest:
        raise SignatureProblem("the body is another one")
    try:
        key.verify(plain.signature, plain.base)
    except BadSignature as error:
        raise SignatureProblem("the signature does not hold") from error
    return VerifiedSignature(plain.key_id, _moment(plain.created_s), plain.nonce)


def _verify_any(
    key: Ed25519PublicKey, request: _Request, *, body: bytes, tag: str
) -> VerifiedSignature:
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
    return VerifiedSignature(str(parameters["keyid"]), _moment(created), nonce)


def _moment(created_s: int) -> datetime:
    try:
        return datetime.fromtimestamp(created_s, UTC)
    except (ValueError, OverflowError, OSError) as error:  # no calendar has such a year
        raise SignatureProblem("the signature's time is none") from error
