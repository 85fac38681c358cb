"""A real pool server with residents who have points, and terminals enrolled with it."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import urllib3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.figures import BenchError, timed_into
from bench.processes import run_module, serving
from demo.running import free_port
from demo.world import Resident, World, guanghui
from protocol.business_day import SHANGHAI, business_date
from protocol.codes import SlotCode, parse_code
from protocol.documents import Catalogue, Item, Policy, open_document
from protocol.evidence import SlotEvidence, proof_grade
from protocol.keys import pool_tag, read_public_key
from protocol.messages import (
    Approved,
    AuthoriseRequest,
    DocumentsAnswer,
    DocumentsRequest,
    JournalAnswer,
    OutcomeKind,
)
from protocol.money import QUANTITY_ONE_MILLI
from protocol.sales import AnsweredBy, Payment, SaleCaptured
from terminal.domain.basket import Basket
from terminal.domain.clock import ShopClock
from terminal.domain.ports import TerminalIdentity
from terminal.makers import system_wall
from terminal.pool.breaker import Breaker
from terminal.pool.link import HttpLink, PoolLink, enrol
from terminal.store.identity import SystemIds
from terminal.store.sealer import ChainHead, Sealer

POOL = "guanghui"
ITEM, POINTS_EACH = "salt", 25
DEED, DEED_POINTS = "keeping-order", 100
PLACE = "tinghoujie-1"
ASK_TIMEOUT_S = 10.0
"""Longer than a cashier waits: a slow answer is measured, not given up."""


@dataclass(frozen=True, slots=True)
class Latencies:
    """What one client saw, in seconds."""

    authorise_s: list[float]
    tell_s: list[float]


class Client:
    """One terminal that asks and tells, without a till or a disk of its own."""

    def __init__(self, server_url: str, invitation: str, code_text: str) -> None:
        key = Ed25519PrivateKey.generate()
        self._clock = ShopClock(system_wall, lambda: time.monotonic_ns() // 1_000_000)
        self._clock.note_server_time(system_wall())
        answer = enrol(server_url, invitation, key, self._clock)
        identity = TerminalIdentity(
            terminal=answer.terminal,
            epoch=answer.epoch,
            pool=answer.pool,
            root_key=answer.root_key,
            shop=answer.shop,
            shop_name=answer.shop_name,
            merchant_name=answer.merchant_name,
        )
        code = parse_code(code_text)
        if not isinstance(code, SlotCode):
            raise BenchError("the server's code is no phone code")
        self._account = code.account.hex()
        self._evidence = SlotEvidence(payload_hex=code.payload.hex())
        self._link = PoolLink(
            HttpLink(server_url, key, answer.terminal, self._clock),
            terminal=answer.terminal,
            ask_timeout_s=ASK_TIMEOUT_S,
            breaker=Breaker(ASK_TIMEOUT_S, time.monotonic),
            note_server=lambda _answered: None,
        )
        self._terminal = answer.terminal
        self._sealer = Sealer(identity=identity, key=key, boot_id="bench")
        self._head: ChainHead | None = None
        self._ids = SystemIds()
        self._sold = 0
        self._policy, self._catalogue = self._documents(answer.root_key)

    def close(self) -> None:
        self._link.close()

    def redeem(self, latencies: Latencies) -> None:
        """Ask for a packet of salt's worth of points, and tell that they were taken.

        Raises:
            BenchError: the server did not approve, or did not post.
        """
        item = self._item()
        fen, rate = item.price_fen or 0, self._policy.fen_per_point or 1
        moment = self._clock.moment()
        sale_id = self._ids.new(moment.at)
        request = AuthoriseRequest(
            sale_id=sale_id,
            evidence=self._evidence,
            required_points=0,
            optional_points=fen // rate,
            occurred_at=moment.at,
        )
        with timed_into(latencies.authorise_s):
            approved = self._link.authorise(request)
        if not isinstance(approved, Approved) or approved.points * rate != fen:
            raise BenchError(f"{self._terminal}: not approved in full: {approved}")
        self._sold += 1
        captured = SaleCaptured(
            sale_id=sale_id,
            receipt_no=f"{self._terminal}-{self._sold:06d}",
            business_date=business_date(moment.at, self._policy.cut_off_hour),
            lines=Basket()
            .with_item(item, QUANTITY_ONE_MILLI)
            .frozen_lines(self._catalogue.version),
            payment=Payment(points_for_money=approved.points),
            answered_by=AnsweredBy.SERVER,
            account=self._account,
            evidence=self._evidence,
            proof_grade=proof_grade(self._evidence),
        )
        head, record = self._sealer.seal_next(
            self._head,
            captured,
            moment,
            policy_version=self._policy.version,
            directory_version=0,
        )
        with timed_into(latencies.tell_s):
            told = self._link.tell((record,))
        if not isinstance(told, JournalAnswer) or told.outcomes[0].outcome != OutcomeKind.POSTED:
            raise BenchError(f"{self._terminal}: not posted: {told}")
        self._head = head

    def _item(self) -> Item:
        return next(each for each in self._catalogue.items if each.item_id == ITEM)

    def _documents(self, root_key_text: str) -> tuple[Policy, Catalogue]:
        root_key = read_public_key(root_key_text)
        answer = self._link.fetch_documents(DocumentsRequest())
        if not isinstance(answer, DocumentsAnswer):
            raise BenchError(f"{self._terminal}: no documents: {answer}")
        opened = [open_document(each, root_key, pool_tag(root_key)) for each in answer.documents]
        policy = next((each for each in opened if isinstance(each, Policy)), None)
        catalogue = next((each for each in opened if isinstance(each, Catalogue)), None)
        if policy is None or catalogue is None:
            raise BenchError(f"{self._terminal}: policy or catalogue is missing")
        return policy, catalogue


@dataclass(frozen=True, slots=True)
class RunningPool:
    """A pool server that is up, and its clients."""

    url: str
    pid: int
    clients: tuple[Client, ...]
    codes: tuple[str, ...]
    """A phone code for each client's resident."""
    shop: str
    config: Path

    def invite(self, name: str) -> str:
        """One more terminal for :attr:`shop`: its code for enrolling.

        Raises:
            BenchError: the server gave none.
        """
        asked = ("--shop", self.shop, "--terminal", name, "--json")
        told = run_module("server", "--config", str(self.config), "invite-terminal", *asked)
        return str(json.loads(told)["code"])

    def audit(self) -> None:
        """Check the books of what was measured.

        Raises:
            BenchError: an invariant does not hold.
        """
        run_module("server", "--config", str(self.config), "audit")


@contextmanager
def running_pool(
    folder: Path, *, clients: int, redemptions_each: int, database_url: str | None = None
) -> Iterator[RunningPool]:
    """A pool in an empty folder with a resident and a terminal for each client.

    Raises:
        BenchError: something of it did not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port, config = free_port(), folder / "server.toml"
    settings = [f'data_dir = "{folder / "server"}"', f"listen_port = {port}"]
    if database_url is not None:
        settings.append(f'database_url = "{database_url}"')
    config.write_text("\n".join(settings) + "\n")
    server = ("server", "--config", str(config))
    run_module(*server, "init", "--pool", POOL)
    world = _world(clients, redemptions_each)
    today = datetime.now(SHANGHAI).date()
    rows = (json.dumps(row, ensure_ascii=False) for row in world.commands(today))
    run_module(*server, "import", "-", standard_input="\n".join(rows))
    invitations, codes = list[str](), list[str]()
    for number, resident in enumerate(world.residents, 1):
        shop = world.merchants[number % len(world.merchants)].shop
        asked = ("--shop", shop, "--terminal", f"t{number}", "--json")
        invitations.append(json.loads(run_module(*server, "invite-terminal", *asked))["code"])
        codes.append(run_module(*server, "code", "--account", resident.account, "--text").strip())
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", *server, "serve"]
    with serving(command, is_up=lambda: is_healthy(url), log=folder / "server.log") as pid:
        enrolled = tuple(
            Client(url, invitation, code)
            for invitation, code in zip(invitations, codes, strict=True)
        )
        try:
            shop = world.merchants[0].shop
            yield RunningPool(url, pid, enrolled, tuple(codes), shop, config)
        finally:
            for client in enrolled:
                client.close()


def is_healthy(url: str) -> bool:
    """Whether a server answers there."""
    try:
        answer = urllib3.request("GET", f"{url}/v1/health", retries=False, timeout=2.0)
    except urllib3.exceptions.HTTPError:
        return False
    return answer.status == 200


def _world(clients: int, redemptions_each: int) -> World:
    """As many residents as clients, each with more points than they will spend."""
    today = datetime.now(SHANGHAI).date()
    deeds = redemptions_each * POINTS_EACH // DEED_POINTS + 1
    residents = tuple(
        Resident(
            key=f"r{number}",
            account=f"{0xBE << 56 | number:016x}",
            name=f"居民{number}",
            place=PLACE,
            deeds=(DEED,) * deeds,
        )
        for number in range(1, clients + 1)
    )
    return World(pool=POOL, residents=residents, merchants=guanghui(today.year).merchants)
