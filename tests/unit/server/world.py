"""A pool with residents, merchants and enrolled terminals, driven as the outside drives it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TypeVar
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Connection, Engine
from werkzeug.test import TestResponse

from config.pool import load_pool
from protocol.codes import card_proof, make_slot
from protocol.documents import StandInLimits
from protocol.evidence import CardEvidence, Evidence, SlotEvidence
from protocol.http_signing import sign_request
from protocol.ids import uuid7
from protocol.journal import (
    GENESIS,
    ClockState,
    Envelope,
    SignedRecord,
    encode_happening,
    seal,
)
from protocol.keys import public_key_text
from protocol.messages import (
    Approved,
    AuthoriseAnswer,
    AuthoriseRequest,
    EnrolAnswer,
    EnrolRequest,
    JournalAnswer,
    JournalBatch,
    Problem,
    RecordOutcome,
)
from protocol.money import Points, price_of
from protocol.reasons import Declined
from protocol.redemption import Tender, due_of, tender
from protocol.sales import (
    AnsweredBy,
    Happening,
    Payment,
    RefundLine,
    SaleCaptured,
    SaleLine,
    SaleRefunded,
)
from server.api import ApiServices
from server.app import AppServices, create_app
from server.awards import AwardPoints
from server.bootstrap.desk import make_desk
from server.db import reading, writing
from server.directory import commands as c
from server.directory import pool_terms
from server.directory.adoption import adoption_of
from server.directory.enrolment import code_hash, code_name, make_code
from server.directory.issuers import document_signer
from server.directory.keys import DocumentSigner, PoolKeys, make_keys
from server.facts import Outcome, Refusal
from server.ledger import Asset, balance, spendable
from server.portal.services import PortalServices

T = TypeVar("T")

ZHANG = "00000000000000a1"
LIU = "00000000000000b2"
HOST = "http://127.0.0.1:8800"
START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
TODAY = date(2026, 3, 2)
HOLD_S = 300
OK = 200


class MovableClock:
    """The server's clock: stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


class World:
    """One pool, its desk and its web application.

    ``names``: what the server is called from outside, behind TLS; then its cookies need https.
    """

    names: tuple[str, ...] = ()

    def __init__(self, engine: Engine, folder: Path, preset: str) -> None:
        self.engine = engine
        self.folder = folder
        self.random = Random(f"world of {preset}")
        self.clock = MovableClock()
        self.desk = make_desk()
        self.preset = load_pool(preset)
        self.pool = self.preset.id
        self.keys: PoolKeys = make_keys(folder / "keys" / self.pool, self.random.randbytes)
        command = adoption_of(
            self.preset,
            root_key=self.keys.root_key_text,
            issuer_keys=self.keys.issuer_keys(),
        )
        self.do(command)
        self.serve(engine)

    def signer(self) -> DocumentSigner:
        return self.read(lambda tx: document_signer(tx, self.pool, self.keys, self.clock()))

    def serve(self, engine: Engine) -> None:
        """Start the server on this database: nothing is left of what an earlier one remembered."""
        self.engine, self.desk = engine, make_desk()
        self.api = ApiServices(
            engine=engine,
            pool=self.pool,
            desk=self.desk,
            keys=self.keys,
            clock=self.clock,
        )
        self.app: Flask = create_app(
            AppServices(
                api=self.api,
                portal=PortalServices(
                    engine=engine,
                    pool=self.pool,
                    desk=self.desk,
                    signer=self.signer,
                    clock=self.clock,
                    randomness=self.random.randbytes,
                ),
                session_secret=self.keys.session_secret,
                trusted_hosts=("127.0.0.1", "localhost", *self.names),
                max_body_bytes=1024 * 1024,
                cookies_need_https=bool(self.names),
            )
        )

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    def submit(self, command: msgspec.Struct) -> Outcome:
        """What the desk answers, refusals included."""
        with writing(self.engine) as tx:
            return self.desk.submit(tx, self.pool, command, actor="test", recorded_at=self.clock())

    def do(self, command: msgspec.Struct) -> Outcome:
        """As submit, for what must succeed."""
        outcome = self.submit(command)
        assert not isinstance(outcome, Refusal), outcome
        return outcome

    def read(self, question: Callable[[Connection], T]) -> T:
        with reading(self.engine) as tx:
            return question(tx)

    def furnish(self) -> None:
        """Two residents, one merchant with a shop and a contract: 10 % share, all reimbursed."""
        place = self.preset.places[0].id
        for account, name in ((ZHANG, "张阿姨"), (LIU, "刘大爷")):
            self.do(c.RegisterResident(account=account, name=name, household="1-101", place=place))
        self.add_merchant("shop-a", share_bp=1_000)

    def add_merchant(
        self, merchant: str, *, share_bp: int = 0, reimbursement_bp: int = 10_000
    ) -> None:
        self.do(c.RegisterMerchant(merchant=merchant, name=f"商户{merchant}"))
        self.do(
            c.OpenShop(
                shop=merchant,
                merchant=merchant,
                shop_kind=self.preset.shop_kinds[0].id,
                name=f"门店{merchant}",
                place=self.preset.places[0].id,
            )
        )
        self.do(
            c.AgreeContract(
                contract=f"c-{merchant}",
                merchant=merchant,
                share_bp=share_bp,
                reimbursement_bp=reimbursement_bp,
                valid_from=date(2026, 1, 1),
            )
        )

    def award(self, account: str, *rules: str) -> None:
        for rule in rules:
            self.do(
                AwardPoints(
                    award_id=self.random.randbytes(8).hex(),
                    account=account,
                    rule_id=rule,
                    performed_on=TODAY,
                    awarded_by="网格员",
                )
            )

    def points(self, key: str) -> int:
        return self.read(lambda tx: balance(tx, self.pool, key, Asset.POINTS))

    def fen(self, key: str) -> int:
        return self.read(lambda tx: balance(tx, self.pool, key, Asset.FEN))

    def free(self, account: str) -> int:
        return self.read(lambda tx: spendable(tx, self.pool, f"resident:{account}", self.clock()))

    def invite(self, shop: str, terminal: str) -> str:
        """A one-time code for a terminal."""
        code = make_code(self.random.randbytes)
        self.do(
            c.InviteTerminal(
                terminal=terminal,
                shop=shop,
                code_name=code_name(code),
                code_hash=code_hash(self.pool, terminal, code),
                expires_at=self.clock() + timedelta(minutes=10),
                tries=5,
            )
        )
        return code

    def till(self, shop: str = "shop-a", terminal: str = "t-1") -> "Till":
        """An enrolled terminal."""
        till = Till(self, terminal)
        answer = till.enrol(self.invite(shop, terminal))
        assert isinstance(answer, EnrolAnswer), answer
        return till

    def slot(
        self, account: str = ZHANG, *, minutes: int = 30, cap: int = 500, starts_in_s: int = 0
    ) -> SlotEvidence:
        payload = make_slot(
            self.keys.slot_issuer,
            self.keys.tag,
            kid=self.keys.slot_kid,
            account=bytes.fromhex(account),
            starts_at=self.clock() + timedelta(seconds=starts_in_s),
            minutes=minutes,
            cap=Points(cap),
            batch=0,
            index=0,
        )
        return SlotEvidence(payload_hex=payload.hex())

    def issue_card(self, account: str, card_id: str = "00000000000000c1", seq: int = 1) -> str:
        self.do(
            c.IssueCard(
                card_id=card_id,
                account=account,
                seq=seq,
                expires_on=date(2027, 3, 2),
                cap_points=100,
            )
        )
        return card_id

    def card(
        self, card_id: str, sale_id: UUID, points: int, *, seq: int = 1, terminal: str = "t-1"
    ) -> CardEvidence:
        """What a terminal makes of a card in front of it."""
        secret = self.keys.card_secret(card_id, seq)
        proof = card_proof(secret, sale_id, points, terminal)
        return CardEvidence(card_id=card_id, seq=seq, proof_hex=proof.hex())

    def sale_id(self) -> UUID:
        return uuid7(self.clock(), self.random.randbytes(10))


@dataclass
class Till:
    """A terminal: its key, and its chain of records."""

    world: World
    terminal: str
    epoch: int = 1
    seq: int = 0
    head: str = GENESIS
    directory_version: int = 1
    unsent: list[SignedRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.key = Ed25519PrivateKey.from_private_bytes(self.world.random.randbytes(32))

    @property
    def key_text(self) -> str:
        return public_key_text(self.key.public_key())

    def headers(
        self,
        path: str,
        body: bytes,
        *,
        key_id: str | None = None,
        key: Ed25519PrivateKey | None = None,
    ) -> dict[str, str]:
        return sign_request(
            key or self.key,
            key_id=key_id or self.terminal,
            method="POST",
            url=HOST + path,
            body=body,
            created_at=self.world.clock(),
            nonce=self.world.random.randbytes(12).hex(),
        )

    def send(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> TestResponse:
        return self.world.client.post(
            path,
            base_url=HOST,
            data=body,
            headers=self.headers(path, body) if headers is None else headers,
        )

    def ask(self, path: str, message: msgspec.Struct, answer_type: type[T]) -> T | Problem:
        """One signed request; a Problem where the server did not deal with it."""
        response = self.send(f"/v1/terminals/{self.terminal}/{path}", msgspec.json.encode(message))
        return read_answer(response, answer_type)

    def enrol(self, code: str) -> EnrolAnswer | Problem:
        body = msgspec.json.encode(EnrolRequest(code=code, public_key=self.key_text))
        headers = self.headers("/v1/enrol", body, key_id=self.key_text)
        return read_answer(self.send("/v1/enrol", body, headers), EnrolAnswer)

    def authorise(
        self,
        sale_id: UUID,
        evidence: Evidence | None = None,
        *,
        required: int = 0,
        optional: int = 0,
    ) -> Approved | Declined | Problem:
        request = AuthoriseRequest(
            sale_id=sale_id,
            evidence=evidence or self.world.slot(),
            required_points=required,
            optional_points=optional,
            occurred_at=self.world.clock(),
        )
        path = f"/v1/terminals/{self.terminal}/authorise"
        response = self.send(path, msgspec.json.encode(request))
        body_type = AuthoriseAnswer if response.status_code == OK else Problem
        answer: Approved | Declined | Problem = msgspec.json.decode(response.data, type=body_type)
        return answer

    def record(
        self,
        happening: Happening | msgspec.Raw,
        *,
        clock_state: ClockState = ClockState.GOOD,
        occurred_at: datetime | None = None,
    ) -> SignedRecord:
        """Journal something; it goes out with the next tell."""
        raw = happening if isinstance(happening, msgspec.Raw) else encode_happening(happening)
        self.seq += 1
        envelope = Envelope(
            terminal=self.terminal,
            epoch=self.epoch,
            seq=self.seq,
            prev_hash=self.head,
            occurred_at=occurred_at or self.world.clock(),
            monotonic_ms=self.seq * 1000,
            boot_id="boot-1",
            clock_state=clock_state,
            policy_version=1,
            directory_version=self.directory_version,
            happening=raw,
        )
        record = seal(envelope, self.key)
        self.head = record.hash_hex
        self.unsent.append(record)
        return record

    def send_records(self, *records: SignedRecord) -> JournalAnswer | Problem:
        return self.ask("journal", JournalBatch(records=records), JournalAnswer)

    def tell(self, *happenings: Happening | msgspec.Raw) -> list[RecordOutcome]:
        """Journal and send; what became of each record that was not sent before."""
        for happening in happenings:
            self.record(happening)
        answer = self.send_records(*self.unsent)
        assert isinstance(answer, JournalAnswer), answer
        self.unsent.clear()
        return list(answer.outcomes)

    def outcome(self, happening: Happening | msgspec.Raw) -> RecordOutcome:
        """What became of one happening."""
        return self.tell(happening)[-1]


def read_answer(response: TestResponse, answer_type: type[T]) -> T | Problem:
    if response.status_code == OK:
        return msgspec.json.decode(response.data, type=answer_type)
    return msgspec.json.decode(response.data, type=Problem)


def money_line(name: str, price_fen: int, quantity_milli: int = 1000, line_no: int = 1) -> SaleLine:
    return SaleLine(
        line_no=line_no,
        item_id=None,
        barcode=None,
        name=name,
        category="食品",
        quantity_milli=quantity_milli,
        unit="个",
        unit_price_fen=price_fen,
        amount_fen=price_of(price_fen, quantity_milli),
    )


def points_line(
    item_id: str, price: int, cost_fen: int, quantity_milli: int = 1000, line_no: int = 1
) -> SaleLine:
    return SaleLine(
        line_no=line_no,
        item_id=item_id,
        barcode=None,
        name=item_id,
        category="食品",
        quantity_milli=quantity_milli,
        unit="袋",
        unit_price_points=price,
        amount_points=price_of(price, quantity_milli),
        reimbursement_fen=cost_fen,
        catalogue_version=1,
    )


def sold(
    world: World,
    *lines: SaleLine,
    points: int = 0,
    sale_id: UUID | None = None,
    account: str | None = ZHANG,
    evidence: Evidence | None = None,
    day: date = TODAY,
    practice: bool = False,
) -> SaleCaptured:
    """A sale as a terminal captures it, paid by the rule that both sides run."""
    terms = world.read(lambda tx: pool_terms(tx, world.pool)).redemption_on(day)
    paid = tender(due_of(lines, terms.limits), terms, Points(points))
    assert isinstance(paid, Tender), paid
    return SaleCaptured(
        sale_id=sale_id or world.sale_id(),
        receipt_no="T1-000001",
        business_date=day,
        lines=lines,
        payment=Payment(
            points_for_goods=paid.points_for_goods,
            points_for_money=paid.points_for_money,
            cash_fen=paid.cash_fen,
            waived_fen=paid.waived_fen,
            rounded_up_fen=paid.rounded_up_fen,
        ),
        answered_by=AnsweredBy.SERVER if points else AnsweredBy.NOBODY,
        account=account if points else None,
        evidence=(evidence or world.slot(account or ZHANG)) if points else None,
        practice=practice,
    )


def asked_and_sold(world: World, till: Till, *lines: SaleLine, points: int) -> SaleCaptured:
    """A sale of Zhang's whose points the server holds: more than a till may give by itself."""
    sale_id, slot = world.sale_id(), world.slot()
    goods = sum(line.amount_points for line in lines)
    answer = till.authorise(sale_id, slot, required=goods, optional=points - goods)
    assert isinstance(answer, Approved), answer
    return sold(world, *lines, points=points, sale_id=sale_id, evidence=slot)


def refunded(
    world: World,
    sale: SaleCaptured,
    *lines: RefundLine,
    points_for_goods: int = 0,
    points_for_money: int = 0,
    cash_fen: int = 0,
    waived_fen: int = 0,
    refund_id: UUID | None = None,
) -> SaleRefunded:
    return SaleRefunded(
        refund_id=refund_id or world.sale_id(),
        sale_id=sale.sale_id,
        receipt_no="T1-000009",
        business_date=TODAY,
        lines=lines,
        payment=Payment(
            points_for_goods=points_for_goods,
            points_for_money=points_for_money,
            cash_fen=cash_fen,
            waived_fen=waived_fen,
        ),
        account=sale.account,
        reason="质量问题",
    )


def first_limits(limits: StandInLimits) -> StandInLimits:
    """Those that the first programs knew; the rest as a command says that does not name them."""
    return StandInLimits(
        per_sale_points=limits.per_sale_points,
        per_resident_points=limits.per_resident_points,
        per_terminal_soft_points=limits.per_terminal_soft_points,
        per_terminal_hard_points=limits.per_terminal_hard_points,
        directory_max_age_h=limits.directory_max_age_h,
    )
