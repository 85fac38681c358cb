from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.http_signing import (
    SignatureProblem,
    claimed_key_id,
    sign_request,
    verify_request,
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
LONG_AGO = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)
URL = "http://127.0.0.1:8800/v1/terminals/t-1/journal"
BODY = '{"points":71,"名":"馒头"}'.encode()


def signed(key: Ed25519PrivateKey = KEY) -> dict[str, str]:
    return sign_request(
        key, key_id="t-1", method="POST", url=URL, body=BODY, created_at=LONG_AGO, nonce="n-1"
    )


def test_a_signed_request_tells_who_when_and_which_nonce() -> None:
    headers = signed()
    assert claimed_key_id(headers) == "t-1"
    verified = verify_request(KEY.public_key(), method="POST", url=URL, headers=headers, body=BODY)
    assert (verified.key_id, verified.created_at, verified.nonce) == ("t-1", LONG_AGO, "n-1")


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("PUT", URL, BODY),
        ("POST", URL.replace("t-1", "t-2"), BODY),
        ("POST", URL.replace("8800", "8899"), BODY),
        ("POST", URL, BODY.replace(b"71", b"72")),
        ("POST", URL, b""),
    ],
)
def test_an_altered_request_is_refused(method: str, url: str, body: bytes) -> None:
    with pytest.raises(SignatureProblem):
        verify_request(KEY.public_key(), method=method, url=url, headers=signed(), body=body)


def test_another_key_or_none_is_refused() -> None:
    for headers in (signed(OTHER), {"Content-Type": "application/json"}, {}):
        with pytest.raises(SignatureProblem):
            verify_request(KEY.public_key(), method="POST", url=URL, headers=headers, body=BODY)


@pytest.mark.parametrize("field", ["Signature", "Signature-Input", "Content-Digest"])
def test_each_header_of_the_signature_matters(field: str) -> None:
    headers = signed()
    del headers[field]
    with pytest.raises(SignatureProblem):
        verify_request(KEY.public_key(), method="POST", url=URL, headers=headers, body=BODY)
    broken = signed() | {field: "sig=:AAAA:"}
    with pytest.raises(SignatureProblem):
        verify_request(KEY.public_key(), method="POST", url=URL, headers=broken, body=BODY)


def test_an_unsigned_request_claims_no_key() -> None:
    assert claimed_key_id({}) is None
    assert claimed_key_id({"Signature-Input": "sig=()"}) is None
