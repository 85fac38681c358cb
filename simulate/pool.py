"""The pool's server in this process: its own application on its own file, and its operator."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct
from werkzeug.test import Client

from config.pool import PoolPreset, load_pool
from protocol.codes import make_card, make_slot, to_digits
from protocol.keys import public_key_text
from protocol.money import Points
from server.api import ApiServices
from server.app import AppServices, create_app
from server.awards import AwardPoints
from server.bootstrap.desk import make_desk
from server.db import create_all, metadata, open_engine, reading, writing
from server.directory import commands as c
from server.directory.adoption import adoption_of
from server.directory.commands import EnrolTerminal
from server.directory.enrolment import code_hash, code_name, make_code
from server.directory.issuers import document_signer
from server.directory.keys import DocumentSigner, PoolKeys, make_keys
from server.facts import Outcome, Refusal
from server.portal.services import PortalServices
from simulate.clockwork import START, WorldClock
from simulate.disk import Disk, Ends
from simulate.statements import share_statements
from terminal.domain.ports import TerminalIdentity

POOL: Final = "guanghui"
HOST: Final = "http://127.0.0.1:8800"
DATABASE: Final = "pool.db"
MERCHANTS: Final = ("shop-a", "shop-b")
TERMINALS: Final = (("t-1", "shop-a"), ("t-2", "shop-b"), ("t-3", "shop-b"))
HEIRS: Final = (("t-8", "shop-a"), ("t-9", "shop-b"))
"""What replaces a dead terminal; switched on for nothing else."""

RULES: Final = ("noise-mediation", "keeping-order", "river-patrol", "tidying", "community-patrol")
RESIDENTS: Final = tuple(f"{0xA0 + number:016x}" for number in range(1, 6))
CARDS: Final = tuple((f"{0xC0 + number:016x}", account) for number, account in enumerate(RESIDENTS))
CARD_CAP: Final = Points(100)
SLOT_CAP: Final = Points(400)
SLOT_MINUTES: Final = 30
CARD_VALID_UNTIL: Final = date(2028, 3, 2)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A terminal that the pool knows, and its key."""

    identity: TerminalIdentity
    key: Ed25519PrivateKey


class PoolServer:
    """One pool's server. It can be stopped in the middle of anything, and started again.

    Args:
        root: the disk is made in it.
        database: a furnished pool's file; None for an empty one.
    """

    def __init__(
        self,
        root: Path,
        keys: PoolKeys,
        clock: WorldClock,
        chance: Random,
        *,
        database: bytes | None = None,
    ) -> None:
        self.keys = keys
        self.clock = clock
        self.disk = Disk(root, chance)
        self.restarts = 0
        self._chance = chance
        self._desk = make_desk()
        if database is not None:
            self.disk.put_back({DATABASE: database})
        self._start()

    def _start(self) -> None:
        self.engine = open_engine(f"sqlite:///{self.disk.folder / DATABASE}")
        api = ApiServices(
            engine=self.engine, pool=POOL, desk=self._desk, keys=self.keys, clock=self.clock
        )
        portal = PortalServices(
            engine=self.engine,
            pool=POOL,
            desk=self._desk,
            signer=self._signer,
            clock=self.clock,
            randomness=self._chance.randbytes,
        )
        app = create_app(
            AppServices(
                api=api,
                portal=portal,
                session_secret=self.keys.session_secret,
                trusted_hosts=("127.0.0.1",),
                max_body_bytes=1024 * 1024,
            )
        )
        self.client = Client(app)

    def _signer(self) -> DocumentSigner:
        with reading(self.engine) as tx:
            return document_signer(tx, POOL, self.keys, self.clock())

    def restart(self) -> None:
        """Off and on again: what is on the disk is all that there is."""
        self.restarts += 1
        if not self.disk.is_off():
            self.disk.end_now(Ends.KILL)
        images = self.disk.images()
        self.engine.dispose()
        self.disk.put_back(images)
        self._start()

    def close(self) -> None:
        """End it in good order."""
        self.engine.dispose()
        self.disk.close()

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes] | None:
        """A terminal's request, and its answer; None where the server ended under it."""
        if self.disk.is_off():
            return None
        answer = self.client.post(path, base_url=HOST, data=body, headers=headers)
        content = answer.get_data()
        answer.close()
        return None if self.disk.is_off() else (answer.status_code, content)

    def do(self, command: Struct) -> Outcome:
        """The operator enters something that must succeed."""
        with writing(self.engine) as tx:
            outcome = self._desk.submit(
                tx, POOL, command, actor="operator:simulation", recorded_at=self.clock()
            )
        assert not isinstance(outcome, Refusal), outcome
        return outcome

    def try_to_do(self, command: Struct) -> None:
        """The operator enters something that may be refused."""
        with writing(self.engine) as tx:
            self._desk.submit(
                tx, POOL, command, actor="operator:simulation", recorded_at=self.clock()
            )

    def award(self, account: str, rule: str) -> None:
        """A resident has done something."""
        self.do(
            AwardPoints(
                award_id=self._chance.randbytes(8).hex(),
                account=account,
                rule_id=rule,
                performed_on=self.clock().date(),
                awarded_by="网格员",
            )
        )

    def slot_text(self, account: str) -> str:
        """What the code on a resident's phone says now."""
        payload = make_slot(
            self.keys.slot_issuer,
            self.keys.tag,
            kid=self.keys.slot_kid,
            account=bytes.fromhex(account),
            starts_at=self.clock(),
            minutes=SLOT_MINUTES,
            cap=SLOT_CAP,
            batch=0,
            index=self._chance.randrange(1 << 16),
        )
        return to_digits(payload)

    def card_text(self, card_id: str) -> str:
        """What is printed on a resident's card."""
        payload = make_card(
            self.keys.card_issuer,
            self.keys.tag,
            kid=self.keys.card_kid,
            card_id=bytes.fromhex(card_id),
            secret=self.keys.card_secret(card_id, 1),
            seq=1,
            expires_on=CARD_VALID_UNTIL,
            cap=CARD_CAP,
        )
        return to_digits(payload)


class Template:
    """A furnished pool that every run begins with a copy of; made once, from its own seed."""

    def __init__(self, folder: Path) -> None:
        share_statements()
        chance = Random("template")
        preset = load_pool(POOL)
        self.keys = make_keys(folder / "keys" / POOL, chance.randbytes)
        server = PoolServer(folder / "server", self.keys, WorldClock(), chance)
        create_all(server.engine, metadata)
        command = adoption_of(
            preset, root_key=self.keys.root_key_text, issuer_keys=self.keys.issuer_keys()
        )
        server.do(command)
        _furnish(server, preset)
        self.enrolled = tuple(_enrol(server, *each, chance) for each in TERMINALS)
        self.heirs = {shop: _enrol(server, name, shop, chance) for name, shop in HEIRS}
        with server.engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        self._database = (server.disk.folder / DATABASE).read_bytes()
        server.close()

    def copy(self, folder: Path, clock: WorldClock, chance: Random) -> PoolServer:
        """The pool at the beginning of a run."""
        return PoolServer(folder, self.keys, clock, chance, database=self._database)


def _furnish(server: PoolServer, preset: PoolPreset) -> None:
    place = preset.places[-1].id
    for number, account in enumerate(RESIDENTS):
        server.do(
            c.RegisterResident(
                account=account, name=f"居民{number + 1}", household=f"1-{number}", place=place
            )
        )
    for card_id, account in CARDS:
        server.do(
            c.IssueCard(
                card_id=card_id,
                account=account,
                seq=1,
                expires_on=CARD_VALID_UNTIL,
                cap_points=CARD_CAP,
            )
        )
    for merchant in MERCHANTS:
        server.do(c.RegisterMerchant(merchant=merchant, name=f"商户{merchant}"))
        server.do(
            c.OpenShop(
                shop=merchant,
                merchant=merchant,
                shop_kind=preset.shop_kinds[0].id,
                name=f"门店{merchant}",
                place=place,
            )
        )
        server.do(
            c.AgreeContract(
                contract=f"c-{merchant}",
                merchant=merchant,
                share_bp=1_000,
                reimbursement_bp=10_000,
                valid_from=date(2026, 1, 1),
            )
        )


def _enrol(server: PoolServer, terminal: str, shop: str, chance: Random) -> Enrolled:
    code = make_code(chance.randbytes)
    hashed = code_hash(POOL, terminal, code)
    server.do(
        c.InviteTerminal(
            terminal=terminal,
            shop=shop,
            code_name=code_name(code),
            code_hash=hashed,
            expires_at=START + timedelta(minutes=10),
            tries=5,
        )
    )
    key = Ed25519PrivateKey.from_private_bytes(chance.randbytes(32))
    server.do(
        EnrolTerminal(
            terminal=terminal, public_key=public_key_text(key.public_key()), code_hash=hashed
        )
    )
    identity = TerminalIdentity(
        terminal=terminal,
        epoch=1,
        pool=POOL,
        root_key=server.keys.root_key_text,
        shop=shop,
        shop_name=f"门店{shop}",
        merchant_name=f"商户{shop}",
    )
    return Enrolled(identity, key)
