from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from protocol import http_signing
from protocol.http_signing import (
    SignatureProblem,
    VerifiedSignature,
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


def verdict(verify: Callable[[], VerifiedSignature]) -> VerifiedSignature | None:
    try:
        return verify()
    except SignatureProblem:
        return None


def both_verdicts(
    url: str, headers: dict[str, str], body: bytes, method: str = "POST"
) -> tuple[VerifiedSignature | None, VerifiedSignature | None]:
    """What we say of a request, and what the library says of it."""
    key = KEY.public_key()
    request = http_signing._Request(method, url, dict(headers))
    return (
        verdict(lambda: verify_request(key, method=method, url=url, headers=headers, body=body)),
        verdict(lambda: http_signing._verify_any(key, request, body=body, tag=http_signing.TAG)),
    )


def test_what_we_sign_is_verified_letter_by_letter() -> None:
    request = http_signing._Request("POST", URL, signed())
    assert http_signing._read_plain(request) is not None
    ours, theirs = both_verdicts(URL, signed(), BODY)
    assert ours == theirs is not None


@pytest.mark.parametrize(
    "url",
    [
        "https://pool.example:443/v1/enrol",
        "http://pool.example:80/v1/enrol",
        "https://pool.example/v1/enrol",
        "http://pool.example:0080/v1/enrol",
        "http://POOL.example/v1/enrol",
        "http://pool.example/v1/enrol?again=1",
        "http://pool.example/v1/%E4%BD%99",
        "http://[::1]:8800/v1/enrol",
        "http://pool.example",
    ],
)
def test_addresses_of_every_form_verify_as_the_library_reads_them(url: str) -> None:
    headers = sign_request(
        KEY, key_id="t-1", method="POST", url=url, body=BODY, created_at=LONG_AGO, nonce="n-1"
    )
    ours, theirs = both_verdicts(url, headers, BODY)
    assert ours == theirs is not None


LETTERS = st.characters(min_codepoint=32, max_codepoint=255)


@given(
    field=st.sampled_from(
        ["Content-Type", "Content-Digest", "Signature-Input", "Signature", "url"]
    ),
    place=st.integers(0, 400),
    cut=st.integers(0, 2),
    put=st.text(LETTERS, max_size=3),
)
def test_a_request_that_differs_in_a_few_letters_is_judged_as_the_library_judges_it(
    field: str, place: int, cut: int, put: str
) -> None:
    headers, url = signed(), URL
    whole = url if field == "url" else headers[field]
    place = min(place, len(whole))
    changed = whole[:place] + put + whole[place + cut :]
    if field == "url":
        url = changed
    else:
        headers[field] = changed
    ours, theirs = both_verdicts(url, headers, BODY)
    assert ours == theirs
    if changed != whole and ours is not None:
        # Only spellings of the same: what was signed is what was sent.
        assert ours == VerifiedSignature("t-1", LONG_AGO, "n-1")


@pytest.mark.parametrize("alias", ["content-type", "SIGNATURE"])
def test_a_field_that_stands_there_twice_is_no_plain_request(alias: str) -> None:
    headers = signed() | {alias: "application/json"}
    assert http_signing._read_plain(http_signing._Request("POST", URL, headers)) is None


def test_a_signature_for_another_purpose_is_refused() -> None:
    with pytest.raises(SignatureProblem, match="purpose"):
        verify_request(
            KEY.public_key(),
            method="POST",
            url=URL,
            headers=signed(),
            body=BODY,
            tag=http_signing.PARTNER_TAG,
        )
