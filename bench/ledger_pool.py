"""A pool on PostgreSQL with residents, merchants and enrolled terminals, made without a server.

Everything that a terminal would send is made and signed before a clock starts, so that what is
measured is the pool's side alone.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine

from bench.figures import BenchError
from config.pool import load_pool
from config.server import ServerSettings
from demo.world import Merchant, Resident, World, guanghui
from protocol.business_day import SHANGHAI, business_date
from protocol.codes import make_slot
from protocol.evidence import SlotEvidence, proof_grade
from protocol.http_signing import sign_request
from protocol.journal import (
    GENESIS,
    ClockState,
    Envelope,
    SignedRecord,
    encode_happening,
    seal,
)
from protocol.keys import public_key_text
from protocol.messages import AuthoriseRequest, JournalBatch
from protocol.money import Points
from protocol.sales import AnsweredBy, Payment, SaleCaptured, SaleLine
from server.awards.commands import OpenBalance
from server.bootstrap.desk import make_desk
from server.bootstrap.opening import create_pool
from server.commands.context import OpenedPool
from server.commands.importing import ImportedCommand
from server.db import writing
from server.directory.commands import EnrolTerminal, InviteTerminal
from server.directory.enrolment import code_hash, code_name, make_code
from server.facts import FactDesk, Refusal
from terminal.store.identity import SystemIds

POOL = "guanghui"
PLACE = "tinghoujie-1"
POINTS_EACH = 2
FEN_EACH = 20
SLOT_MINUTES, SLOT_INDEXES = 240, 65_536
SPARE_POINTS = 1_000


def now() -> datetime:
    return datetime.now(UTC)


def account_of(number: int) -> str:
    """Made-up pseudonyms, counted from 1."""
    return f"{0xBE << 56 | number:016x}"


@dataclass(frozen=True, slots=True)
class Redemption:
    """One sale paid with points: the question, and the record that tells it was done."""

    question: AuthoriseRequest
    record: SignedRecord


@dataclass(frozen=True, slots=True)
class SignedRedemption:
    """The same as two HTTP requests, to the last byte."""

    authorise: bytes
    journal: bytes


@dataclass(slots=True)
class Seller:
    """A terminal with one resident in front of it, who redeems again and again."""

    terminal: str
    account: str
    pool: OpenedPool
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    seq: int = 0
    head: str = GENESIS
    ids: SystemIds = field(default_factory=SystemIds)

    def prepare(self, count: int) -> list[Redemption]:
        """The next sales of this terminal; they must be told in this order, and all of them."""
        return [self._redemption(self._slot()) for _ in range(count)]

    def sign(self, redemption: Redemption, port: int) -> SignedRedemption:
        """Requests to a server on this port, good for the server's ``request_age_s``."""
        batch = JournalBatch(records=(redemption.record,))
        return SignedRedemption(
            authorise=self._request("authorise", msgspec.json.encode(redemption.question), port),
            journal=self._request("journal", msgspec.json.encode(batch), port),
        )

    def _redemption(self, evidence: SlotEvidence) -> Redemption:
        at = now()
        sale_id = self.ids.new(at)
        question = AuthoriseRequest(
            sale_id=sale_id,
            evidence=evidence,
            required_points=0,
            optional_points=POINTS_EACH,
            occurred_at=at,
        )
        return Redemption(question, self._seal(sale_id, evidence, at))

    def _seal(self, sale_id: UUID, evidence: SlotEvidence, at: datetime) -> SignedRecord:
        self.seq += 1
        captured = SaleCaptured(
            sale_id=sale_id,
            receipt_no=f"{self.terminal}-{self.seq:06d}",
            business_date=business_date(at, 0),
            lines=(
                SaleLine(
                    line_no=1,
                    item_id=None,
                    barcode="6999990000012",
                    name="食盐",
                    category="粮油调味",
                    quantity_milli=1000,
                    unit="袋",
                    unit_price_fen=FEN_EACH,
                    amount_fen=FEN_EACH,
                ),
            ),
            payment=Payment(points_for_money=POINTS_EACH),
            answered_by=AnsweredBy.SERVER,
            account=self.account,
            evidence=evidence,
            proof_grade=proof_grade(evidence),
        )
        envelope = Envelope(
            terminal=self.terminal,
            epoch=1,
            seq=self.seq,
            prev_hash=self.head,
            occurred_at=at,
            monotonic_ms=self.seq * 1000,
            boot_id="bench",
            clock_state=ClockState.GOOD,
            policy_version=1,
            directory_version=1,
            happening=encode_happening(captured),
        )
        record = seal(envelope, self.key)
        self.head = record.hash_hex
        return record

    def _slot(self) -> SlotEvidence:
        """A code of its own for each sale, as if each were another resident's."""
        keys = self.pool.keys
        payload = make_slot(
            keys.slot_issuer,
            keys.tag,
            kid=keys.slot_kid,
            account=bytes.fromhex(self.account),
            starts_at=now(),
            minutes=SLOT_MINUTES,
            cap=Points(POINTS_EACH),
            batch=0,
            index=self.seq % SLOT_INDEXES,
        )
        return SlotEvidence(payload_hex=payload.hex())

    def _request(self, verb: str, body: bytes, port: int) -> bytes:
        path = f"/v1/terminals/{self.terminal}/{verb}"
        headers = sign_request(
            self.key,
            key_id=self.terminal,
            method="POST",
            url=f"http://127.0.0.1:{port}{path}",
            body=body,
            created_at=now(),
            nonce=self.ids.new(now()).hex,
        )
        lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode("ascii") + body


@dataclass(frozen=True, slots=True)
class LedgerPool:
    """The pool, who sells in it, and what it is reached by."""

    opened: OpenedPool
    settings: ServerSettings
    desk: FactDesk
    sellers: tuple[Seller, ...]

    @property
    def engine(self) -> Engine:
        return self.opened.engine


@contextmanager
def ledger_pool(
    folder: Path, database_url: str, *, sellers: int, redemptions_each: int
) -> Iterator[LedgerPool]:
    """A pool in an empty folder and an empty database; its connections are closed afterwards.

    Raises:
        BenchError: a command was refused.
    """
    settings = ServerSettings(data_dir=folder, database_url=database_url)
    opened = create_pool(settings, load_pool(POOL), clock=now, randomness=os.urandom)
    try:
        desk = make_desk()
        world = _world(sellers)
        _apply(opened, desk, _furniture(world, redemptions_each))
        made = tuple(
            Seller(f"t{number:03d}", resident.account, opened)
            for number, resident in enumerate(world.residents, 1)
        )
        _enrol(opened, desk, made, world.merchants)
        yield LedgerPool(opened, settings, desk, made)
    finally:
        opened.engine.dispose()


def _world(sellers: int) -> World:
    today = datetime.now(SHANGHAI).date()
    residents = tuple(
        Resident(key=f"r{number}", account=account_of(number), name=f"居民{number}", place=PLACE)
        for number in range(1, sellers + 1)
    )
    return World(pool=POOL, residents=residents, merchants=guanghui(today.year).merchants)


def _furniture(world: World, redemptions_each: int) -> list[msgspec.Struct]:
    today = datetime.now(SHANGHAI).date()
    rows = world.commands(today)
    commands: list[msgspec.Struct] = [
        msgspec.convert(row, ImportedCommand) for row in msgspec.to_builtins(rows)
    ]
    points = redemptions_each * POINTS_EACH + SPARE_POINTS
    return commands + [_opening(each.account, points, today) for each in world.residents]


def _opening(account: str, points: int, today: date) -> OpenBalance:
    return OpenBalance(
        opening_id=f"bench-{account}",
        account=account,
        points=points,
        as_of=today,
        opened_by="bench",
    )


def _enrol(
    opened: OpenedPool,
    desk: FactDesk,
    sellers: tuple[Seller, ...],
    merchants: tuple[Merchant, ...],
) -> None:
    commands: list[msgspec.Struct] = []
    for number, seller in enumerate(sellers):
        code = make_code(os.urandom)
        hashed = code_hash(POOL, seller.terminal, code)
        commands += [
            InviteTerminal(
                terminal=seller.terminal,
                shop=merchants[number % len(merchants)].shop,
                code_name=code_name(code),
                code_hash=hashed,
                expires_at=now() + timedelta(minutes=10),
                tries=5,
            ),
            EnrolTerminal(
                terminal=seller.terminal,
                public_key=public_key_text(seller.key.public_key()),
                code_hash=hashed,
            ),
        ]
    _apply(opened, desk, commands)


def _apply(opened: OpenedPool, desk: FactDesk, commands: list[msgspec.Struct]) -> None:
    with writing(opened.engine) as tx:
        for command in commands:
            outcome = desk.submit(tx, POOL, command, actor="operator:bench", recorded_at=now())
            if isinstance(outcome, Refusal):
                raise BenchError(f"{type(command).__name__} was refused: {outcome}")
