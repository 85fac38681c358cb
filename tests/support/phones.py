"""A resident's phone, as the page and a mini-program are: a key, a certificate, a counter."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.codes.challenge import make_challenge, nonce_of
from protocol.codes.key import PhonePrivateKey, public_half, sign_with
from protocol.codes.phone import make_confirm, make_show
from protocol.evidence import ConfirmEvidence, ShowEvidence
from protocol.messages import DocumentsAnswer, DocumentsRequest, Problem
from protocol.money import Points
from server.api.phone_messages import PhoneAnswer, PhoneEnded
from server.directory.enrolment import PHONE_CODE_LETTERS, code_name, make_code
from server.directory.phones import InvitePhone, phone_code_hash
from tests.unit.server.world import HOST, OK, ZHANG, Till, World

PhoneSays = PhoneAnswer | PhoneEnded | Problem


def invite_phone(world: World, account: str = ZHANG, *, tries: int = 5) -> str:
    """A one-time code for a resident's phone."""
    code = make_code(world.random.randbytes, PHONE_CODE_LETTERS)
    world.do(
        InvitePhone(
            account=account,
            code_name=code_name(code),
            code_hash=phone_code_hash(world.pool, account, code),
            expires_at=world.clock() + timedelta(hours=24),
            tries=tries,
        )
    )
    return code


@dataclass
class PhoneInHand:
    """One phone. ``answer`` is the newest that the server told it."""

    world: World
    es256: bool = False
    counter: int = 0
    answer: PhoneAnswer | None = None
    key: PhonePrivateKey = field(init=False)

    def __post_init__(self) -> None:
        seed = self.world.random.randbytes(32)
        self.key = (
            ec.derive_private_key(int.from_bytes(seed) >> 1, ec.SECP256R1())
            if self.es256
            else Ed25519PrivateKey.from_private_bytes(seed)
        )

    def post(self, path: str, body: dict[str, object]) -> PhoneSays:
        response = self.world.client.post(path, base_url=HOST, data=msgspec.json.encode(body))
        if response.status_code != OK:
            return msgspec.json.decode(response.data, type=Problem)
        raw = msgspec.json.decode(response.data)
        if "state" in raw:
            return msgspec.convert(raw, type=PhoneEnded)
        return msgspec.convert(raw, type=PhoneAnswer)

    def enrol(self, code: str, *, extractable: bool = False) -> PhoneSays:
        body: dict[str, object] = {
            "code": code,
            "public_key": public_half(self.key).raw.hex(),
            "extractable": extractable,
        }
        return self._keep(self.post("/v1/phones/enrol", body))

    def refresh(self, *, at: datetime | None = None) -> PhoneSays:
        known = self.known
        at_s = int((at or self.world.clock()).timestamp())
        signed = bytes.fromhex(known.tag + known.account) + known.seq.to_bytes(2)
        signature = sign_with(self.key, "phone-request", signed + at_s.to_bytes(4))
        body: dict[str, object] = {
            "account": known.account,
            "seq": known.seq,
            "at": at_s,
            "signature": signature.hex(),
        }
        return self._keep(self.post("/v1/phones/refresh", body))

    def _keep(self, says: PhoneSays) -> PhoneSays:
        self.answer = says if isinstance(says, PhoneAnswer) else self.answer
        return says

    @property
    def known(self) -> PhoneAnswer:
        assert self.answer is not None
        return self.answer

    @property
    def tag(self) -> bytes:
        return bytes.fromhex(self.known.tag)

    def payload(self, *, counter: int | None = None) -> bytes:
        """The code that it shows now."""
        self.counter += 1
        return make_show(
            self.key,
            self.tag,
            bytes.fromhex(self.known.certificate),
            shown_at=self.world.clock(),
            counter=counter or self.counter,
        )

    def show(self, *, counter: int | None = None) -> ShowEvidence:
        return ShowEvidence(payload_hex=self.payload(counter=counter).hex())

    def confirm(self, challenge: bytes, *, counter: int | None = None) -> ConfirmEvidence:
        """Its yes to a challenge."""
        self.counter += 1
        answer = make_confirm(
            self.key,
            self.tag,
            challenge,
            account=bytes.fromhex(self.known.account),
            seq=self.known.seq,
            counter=counter or self.counter,
        )
        return ConfirmEvidence(
            certificate_hex=self.known.certificate,
            challenge_hex=challenge.hex(),
            answer_hex=answer.hex(),
        )


def phone_in_hand(world: World, account: str = ZHANG, *, es256: bool = False) -> PhoneInHand:
    """A phone that is enrolled."""
    phone = PhoneInHand(world, es256)
    answer = phone.enrol(invite_phone(world, account))
    assert isinstance(answer, PhoneAnswer), answer
    return phone


def challenge_of(till: Till, sale_id: UUID, points: int) -> bytes:
    """What a till shows a phone, with the certificate that the server gave it."""
    documents = till.ask("documents", DocumentsRequest(), DocumentsAnswer)
    assert isinstance(documents, DocumentsAnswer), documents
    assert documents.certificate is not None
    return make_challenge(
        till.key,
        till.world.keys.tag,
        documents.certificate,
        points=Points(points),
        asked_at=till.world.clock(),
        nonce=nonce_of(sale_id),
    )
