"""Whatever is signed: a signature that its own key made for anything else is refused.

Each row re-makes one signature of one format over its very own bytes, by the right key, under the
purpose of every other one; that is the most that a key which signs several things could be used
for. Where the bytes of two formats could be the same, they are tried under each other's kind too.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec
import pytest

from protocol.codes import (
    CardCode,
    ConfirmCode,
    ShowCode,
    SlotCode,
    Unreadable,
    read_payload,
    signature_problem,
)
from protocol.codes.challenge import (
    Challenge,
    ReceiptCode,
    make_terminal_certificate,
    read_terminal_certificate,
)
from protocol.codes.key import PhonePrivateKey, sign_with
from protocol.codes.phone import read_certificate
from protocol.codes.verifying import (
    certificate_problem,
    challenge_problem,
    confirm_problem,
    receipt_holds,
    terminal_certificate_problem,
)
from protocol.documents import (
    Catalogue,
    DocumentKind,
    DocumentProblem,
    SignedDocument,
    open_document,
    sign_document,
)
from protocol.issuers import IssuerRole, certificate_holds, certify
from protocol.journal import (
    ClockState,
    Envelope,
    RecordProblem,
    SignedRecord,
    encode_happening,
    open_record,
)
from protocol.keys import SIGNATURE_BYTES, pool_tag, sign
from protocol.sales import ReversalReason, SaleReversed
from server.api.phone_messages import PhoneAnswer
from server.exports.seal import Seal, StatementFormat, Verdict, close_file, make_seal, verify_file
from tests.support.code_examples import (
    ISSUER,
    KEYS,
    KID,
    PHONE,
    PHONE_ES256,
    ROOT,
    SALE_ID,
    TAG,
    TERMINAL,
    card,
    certificate,
    challenge,
    confirm,
    receipt,
    show,
    slot,
)
from tests.support.phones import phone_in_hand
from tests.unit.server.world import World

Takes = Callable[[str], bool]
SOURCES = Path(__file__).parents[3]
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def _code(payload: bytes, key: PhonePrivateKey, purpose: str, behind: bytes = b"") -> bytes:
    """The payload with its last signature made anew; ``behind`` is signed and not carried."""
    body = payload[:-SIGNATURE_BYTES]
    return body + sign_with(key, purpose, TAG + body + behind)


def _phone_certificate(purpose: str, *, es256: bool) -> bool:
    signed = read_certificate(_code(certificate(es256=es256), ISSUER, purpose))
    return signed is not None and certificate_problem(signed, KEYS, TAG) is None


def _certificate_in_a_code(purpose: str, *, es256: bool) -> bool:
    """The phone signs rightly over a certificate that the issuer signed for something else."""
    signed = _code(certificate(es256=es256), ISSUER, purpose)
    rest = show(es256=es256)[len(signed) :]
    code = _code(signed + rest, PHONE_ES256 if es256 else PHONE, "phone-show")
    read = read_payload(code)
    return isinstance(read, ShowCode) and signature_problem(read, KEYS, TAG) is None


def _show(purpose: str, *, es256: bool) -> bool:
    code = _code(show(es256=es256), PHONE_ES256 if es256 else PHONE, purpose)
    read = read_payload(code)
    return isinstance(read, ShowCode) and signature_problem(read, KEYS, TAG) is None


def _confirm(purpose: str, *, es256: bool) -> bool:
    key = PHONE_ES256 if es256 else PHONE
    answer = read_payload(_code(confirm(es256=es256), key, purpose, challenge()))
    asked, phone = read_payload(challenge()), read_certificate(certificate(es256=es256))
    assert isinstance(answer, ConfirmCode)
    assert isinstance(asked, Challenge)
    assert phone is not None
    return confirm_problem(answer, phone, asked, TAG) is None


def _terminal_certificate(purpose: str) -> bool:
    made = make_terminal_certificate(
        ISSUER,
        TAG,
        kid=KID,
        key=TERMINAL.public_key(),
        expires_at=NOON + timedelta(days=90),
        shop_name="惠民便利店",
    )
    signed = read_terminal_certificate(_code(made, ISSUER, purpose))
    return signed is not None and terminal_certificate_problem(signed, KEYS, TAG) is None


def _challenge(purpose: str) -> bool:
    read = read_payload(_code(challenge(), TERMINAL, purpose))
    return isinstance(read, Challenge) and challenge_problem(read, KEYS, TAG) is None


def _issued(purpose: str, payload: bytes) -> bool:
    read = read_payload(_code(payload, ISSUER, purpose))
    assert isinstance(read, SlotCode | CardCode)
    return signature_problem(read, KEYS, TAG) is None


def _receipt(purpose: str) -> bool:
    read = read_payload(_code(receipt(), TERMINAL, purpose))
    return isinstance(read, ReceiptCode) and receipt_holds(read, TERMINAL.public_key(), TAG)


def _record(purpose: str) -> bool:
    envelope = Envelope(
        terminal="t-1",
        epoch=1,
        seq=1,
        prev_hash="0" * 64,
        occurred_at=NOON,
        monotonic_ms=5,
        boot_id="b",
        clock_state=ClockState.GOOD,
        policy_version=1,
        directory_version=2,
        happening=encode_happening(SaleReversed(sale_id=SALE_ID, reason=ReversalReason.CANCELLED)),
    )
    body = msgspec.json.encode(envelope)
    record = SignedRecord(body=body, signature=sign(TERMINAL, purpose, body))
    opened = open_record(record, TERMINAL.public_key(), "t-1")
    assert isinstance(opened, Envelope) or opened is RecordProblem.BAD_SIGNATURE
    return isinstance(opened, Envelope)


CATALOGUE = sign_document(Catalogue(version=1, made_at=NOON, items=()), ISSUER, TAG)


def _document(purpose: str) -> bool:
    message = CATALOGUE.kind.value.encode() + b"\0" + TAG + CATALOGUE.body
    made = SignedDocument(
        kind=CATALOGUE.kind, body=CATALOGUE.body, signature=sign(ISSUER, purpose, message)
    )
    return not isinstance(open_document(made, ISSUER.public_key(), TAG), DocumentProblem)


def _issuer_key(purpose: str) -> bool:
    message = (
        pool_tag(ROOT.public_key())
        + IssuerRole.CARD.value.encode()
        + b"\0"
        + bytes([KID])
        + ISSUER.public_key().public_bytes_raw()
    )
    certified = sign(ROOT, purpose, message).hex()
    return certificate_holds(
        ROOT.public_key(), IssuerRole.CARD, KID, ISSUER.public_key(), certified
    )


def _sealed(monkeypatch: pytest.MonkeyPatch, which: str, purpose: str) -> bool:
    """An exported file; one of its two signatures was made for another purpose."""
    with monkeypatch.context() as patched:
        patched.setattr(f"server.exports.seal.{which}", purpose)
        seal: Seal = make_seal(ROOT, "pool", "shop-a-20260331", b"figures")
        content = close_file(ROOT, StatementFormat.JSON, b'{"document":{},"seal":"', seal)
    return verify_file(content, ROOT.public_key()).verdict is Verdict.WHOLE


def _phone_request(world: World, monkeypatch: pytest.MonkeyPatch, purpose: str) -> bool:
    phone = phone_in_hand(world)

    def signed_for(key: PhonePrivateKey, _own: str, message: bytes) -> bytes:
        return sign_with(key, purpose, message)

    with monkeypatch.context() as patched:
        patched.setattr("tests.support.phones.sign_with", signed_for)
        return isinstance(phone.refresh(), PhoneAnswer)


@pytest.fixture
def rows(world: World, monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[str, Takes]]:
    """Every signature by its name: its own purpose, and whether one made for a purpose is taken."""
    made: dict[str, tuple[str, Takes]] = {
        "terminal's certificate": ("terminal-certificate", _terminal_certificate),
        "challenge": ("terminal-challenge", _challenge),
        "slot": ("slot", lambda purpose: _issued(purpose, slot())),
        "card": ("card", lambda purpose: _issued(purpose, card())),
        "receipt": ("receipt-code", _receipt),
        "record": ("record", _record),
        "document": ("document", _document),
        "issuer key": ("issuer-key", _issuer_key),
        "statement": ("statement", lambda p: _sealed(monkeypatch, "STATEMENT_PURPOSE", p)),
        "file": ("statement-file", lambda p: _sealed(monkeypatch, "FILE_PURPOSE", p)),
        "phone's request": ("phone-request", lambda p: _phone_request(world, monkeypatch, p)),
    }
    for es256 in (False, True):
        kind = "es256" if es256 else "ed25519"
        made |= {
            f"phone's certificate, {kind}": (
                "phone-certificate",
                partial(_phone_certificate, es256=es256),
            ),
            f"certificate in a code, {kind}": (
                "phone-certificate",
                partial(_certificate_in_a_code, es256=es256),
            ),
            f"shown, {kind}": ("phone-show", partial(_show, es256=es256)),
            f"confirm, {kind}": ("phone-confirm", partial(_confirm, es256=es256)),
        }
    return made


def purposes_in_the_sources() -> set[str]:
    found: set[str] = set()
    for room in ("protocol", "terminal", "server"):
        for path in (SOURCES / room).rglob("*.py"):
            found |= set(
                re.findall(r'^\w*_PURPOSE(?:: \w+)? = "([^"]+)"', path.read_text(), re.MULTILINE)
            )
    return found


def test_a_signature_for_one_purpose_serves_for_no_other(
    rows: dict[str, tuple[str, Takes]],
) -> None:
    purposes = {own for own, _ in rows.values()}
    assert purposes == purposes_in_the_sources(), "a purpose that is in no row"
    for name, (own, takes) in rows.items():
        assert takes(own), f"{name}: what is tried is its own signature indeed"
        for purpose in {*purposes, ""} - {own}:
            assert not takes(purpose), f"{name} under {purpose!r}"


@pytest.mark.parametrize("role", sorted(set(IssuerRole) - {IssuerRole.CARD}))
def test_the_root_keys_word_for_a_key_of_one_role_is_none_for_another(role: IssuerRole) -> None:
    certified = certify(ROOT, IssuerRole.CARD, KID, ISSUER.public_key())
    key = ISSUER.public_key()
    assert certificate_holds(ROOT.public_key(), IssuerRole.CARD, KID, key, certified)
    assert not certificate_holds(ROOT.public_key(), role, KID, key, certified)
    assert not certificate_holds(ROOT.public_key(), IssuerRole.CARD, KID + 1, key, certified)


@pytest.mark.parametrize("kind", sorted(set(DocumentKind) - {CATALOGUE.kind}))
def test_a_document_of_one_kind_is_none_of_another(kind: DocumentKind) -> None:
    renamed = SignedDocument(kind=kind, body=CATALOGUE.body, signature=CATALOGUE.signature)
    key = ISSUER.public_key()
    assert open_document(renamed, key, TAG) is DocumentProblem.BAD_SIGNATURE


def test_a_code_under_the_type_of_another_of_its_length_is_refused() -> None:
    """The type is signed with the rest: nothing of one format is read as another."""
    made = {"show": show(), "slot": slot(), "card": card(), "receipt": receipt()}
    for name, payload in made.items():
        for type_ in range(256):
            if type_ == payload[0]:
                continue
            read = read_payload(bytes([type_]) + payload[1:])
            if isinstance(read, Unreadable):
                continue
            assert isinstance(read, ShowCode | SlotCode | CardCode), name
            assert signature_problem(read, KEYS, TAG) is not None, (name, type_)
