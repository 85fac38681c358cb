"""The office that changes issuer keys, with the root key in a drawer, and a till that hears of it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.documents import SignedDocument
from protocol.issuers import IssuerRole, KeyList
from protocol.journal import SignedRecord
from protocol.messages import (
    DocumentsAnswer,
    DocumentsRequest,
    EnrolAnswer,
    JournalAnswer,
    OutcomeKind,
    Problem,
)
from protocol.reasons import DeclineReason
from server.directory.commands import TakeKeyList
from server.directory.issuers import key_list
from server.directory.key_changes import next_list, request_of, sign_request, with_key, with_revoked
from server.directory.keys import load_keys, make_issuer, read_root_file, take_root_away
from terminal.pool.link import PoolLink, ServerProblem
from terminal.store.sqlite import SqliteStore
from terminal.workers.sync import SyncRound
from tests.support.shop import Shop
from tests.unit.server.world import Till, World

T = TypeVar("T")


@dataclass
class KeyOffice:
    """``drawer``: the file with the root key, once it is away."""

    world: World
    drawer: Path

    @property
    def folder(self) -> Path:
        folder = self.world.keys.folder
        assert folder is not None
        return folder

    @property
    def root(self) -> Ed25519PrivateKey:
        return self.world.keys.root or read_root_file(self.drawer)

    def listed(self) -> KeyList:
        found = self.world.read(lambda tx: key_list(tx, self.world.pool))
        assert found is not None
        return found

    def next(self) -> KeyList:
        world, now = self.world, self.world.clock()
        return world.read(lambda tx: next_list(tx, world.pool, world.keys, now))

    def signed(self, wanted: KeyList) -> SignedDocument:
        """What the root key makes of the request that is carried to it."""
        world = self.world
        request = world.read(lambda tx: request_of(tx, world.pool, world.keys, wanted))
        signed = sign_request(self.root, request)
        assert isinstance(signed, SignedDocument), signed
        return signed

    def take(self, wanted: KeyList) -> SignedDocument:
        signed = self.signed(wanted)
        self.world.do(TakeKeyList(body=signed.body, signature=signed.signature))
        return signed

    def rotate(self, role: IssuerRole, *, lead_days: int, overlap_days: int) -> int:
        """The next key of a role; its number."""
        public = make_issuer(self.folder, self.world.random.randbytes)
        signs_from = self.world.clock() + timedelta(days=lead_days)
        end = signs_from + timedelta(days=overlap_days)
        wanted = with_key(self.next(), role, public, signs_from=signs_from, others_end_at=end)
        self.take(wanted)
        return wanted.keys[-1].kid

    def retire(self, kid: int) -> None:
        wanted = with_revoked(self.next(), kid, self.world.clock())
        assert wanted is not None
        self.take(wanted)

    def root_away(self) -> None:
        """The root key leaves the server, and the server starts anew without it."""
        self.rotate(IssuerRole.DOCUMENT, lead_days=0, overlap_days=0)
        take_root_away(self.folder, self.drawer)
        self.world.keys = load_keys(self.folder)
        self.world.serve(self.world.engine)


class Wire:
    """The till's requests, answered by the real application."""

    def __init__(self, till: Till) -> None:
        self.till = till
        self.heard: list[DocumentsAnswer] = []

    def tell(self, records: tuple[SignedRecord, ...]) -> JournalAnswer | ServerProblem:
        return _answered(self.till.send_records(*records))

    def fetch_documents(self, asked: DocumentsRequest) -> DocumentsAnswer | ServerProblem:
        answer = _answered(self.till.ask("documents", asked, DocumentsAnswer))
        if isinstance(answer, DocumentsAnswer):
            self.heard.append(answer)
        return answer


def _answered(answer: T | Problem) -> T | ServerProblem:
    return ServerProblem(409, answer) if isinstance(answer, Problem) else answer


@dataclass
class DistantTill:
    """A real till of the pool, which hears of the server only when it is told to."""

    world: World
    path: Path
    name: str = "t-1"

    def __post_init__(self) -> None:
        self.path.mkdir()
        self.till = Till(self.world, self.name)
        self.shop = Shop(
            self.path,
            terminal=self.name,
            root_key=self.world.keys.root_public,
            key=self.till.key,
        )
        assert isinstance(self.till.enrol(self.world.invite("shop-a", self.name)), EnrolAnswer)
        self.wire = Wire(self.till)
        self.shop.till.start("test")

    @property
    def store(self) -> SqliteStore:
        return self.shop.store

    def hear(self) -> None:
        """Online for a moment: the records out, the documents in."""
        self.shop.wall.at = self.world.clock()
        sync = SyncRound(
            store=self.shop.store,
            outbox=self.shop.outbox,
            link=cast("PoolLink", self.wire),
            clock=self.shop.clock,
            changes=self.shop.changes,
            root_key=self.world.keys.root_public,
            tag=self.world.keys.tag,
            pool=self.world.pool,
            stop_selling=lambda says: self.shop.till.stop_selling(),
            keep_certificates=self.shop.certificate.keep,
        )
        sync()

    def scan(self, digits: str, yuan: str = "5.00") -> DeclineReason | None:
        """Cut off from the server: why the code is not taken; None where it is."""
        self.shop.wall.at = self.world.clock()
        self.shop.till.clear()
        self.shop.till.add_amount(yuan, "其他商品")
        self.shop.till.scan(digits)
        _, notice = self.shop.till.snapshot()
        return notice.decline.reason if notice is not None and notice.decline else None

    def sell(self, digits: str) -> None:
        """Sell for what was scanned; the server will be told."""
        assert self.scan(digits) is None
        self.shop.till.complete(self.shop.till.snapshot()[0].sale_id)
        assert self.shop.page.view().completed is not None

    def outcomes(self) -> list[OutcomeKind]:
        """What the server makes of all that it was not told yet."""
        batch = [each.record for each in self.shop.outbox.next_batch()]
        told = self.wire.tell(tuple(batch))
        assert isinstance(told, JournalAnswer), told
        return [each.outcome for each in told.outcomes]


@contextmanager
def distant_tills(world: World, folder: Path) -> Iterator[Callable[[str], DistantTill]]:
    """Makes tills by their names, and closes their stores at the end."""
    with ExitStack() as opened:

        def make(name: str) -> DistantTill:
            till = DistantTill(world, folder / name, name)
            opened.callback(till.store.close)
            return till

        yield make
