"""The directory by what changed: real server, real terminal file, and a wire that misbehaves."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import cast

import msgspec
import pytest
from sqlalchemy import insert, select, text, update

from protocol.documents import (
    AccountStatus,
    DirectoryPage,
    DocumentKind,
    SignedDocument,
    sign_document,
    whole_directory,
)
from protocol.issuers import IssuerRole
from protocol.messages import DocumentsAnswer, DocumentsRequest
from server.api.publishing import DocumentPublisher
from server.db import create_all, metadata, open_engine, writing
from server.directory import commands as c
from server.directory import listing
from server.directory.listing import newest_listing
from server.directory.listing_tables import directory_version
from server.directory.tables import resident
from terminal.domain.clock import ShopClock
from terminal.pool.link import PoolLink
from terminal.store.sqlite import SqliteStore
from terminal.store.tables import directory_card as cards_here
from terminal.store.tables import directory_entry as entries_here
from terminal.workers.sync import SyncRound
from tests.support.key_office import KeyOffice
from tests.support.shop import Shop
from tests.unit.server.test_restored_server import copy
from tests.unit.server.world import LIU, TODAY, ZHANG, Till, World

Meddling = Callable[[DocumentsAnswer], DocumentsAnswer]


class Wire:
    """The till's real requests; ``meddle`` is what the way back does to an answer."""

    def __init__(self, till: Till) -> None:
        self.till = till
        self.meddle: Meddling = lambda answer: answer
        self.asked: list[DocumentsRequest] = []
        self.answers: list[DocumentsAnswer] = []

    def fetch_documents(self, asked: DocumentsRequest) -> DocumentsAnswer:
        answer = self.till.ask("documents", asked, DocumentsAnswer)
        assert isinstance(answer, DocumentsAnswer), answer
        self.asked.append(asked)
        self.answers.append(answer)
        return self.meddle(answer)

    def pages(self) -> list[DirectoryPage]:
        """Those of the newest answer."""
        return pages_of(self.answers[-1])


def pages_of(answer: DocumentsAnswer) -> list[DirectoryPage]:
    return [
        msgspec.json.decode(each.body, type=DirectoryPage)
        for each in answer.documents
        if each.kind is DocumentKind.DIRECTORY
    ]


class Terminal:
    """A terminal's file and the sync worker's round on it."""

    def __init__(self, world: World, path: Path, name: str = "t-1") -> None:
        self.world, self.path = world, path
        self.wire = Wire(world.till(terminal=name))
        path.mkdir()
        self.shop = Shop(path, terminal=name)

    @property
    def store(self) -> SqliteStore:
        return self.shop.store

    def fetch(self) -> bool:
        """One look for documents, a second after the one before."""
        self.world.clock.move(seconds=1)
        keys = self.world.keys
        sync = SyncRound(
            store=self.store,
            outbox=self.shop.outbox,
            link=cast("PoolLink", self.wire),
            clock=ShopClock(self.world.clock, lambda: 0),
            changes=self.shop.changes,
            root_key=keys.root_public,
            tag=keys.tag,
            pool=self.world.pool,
            stop_selling=pytest.fail,
        )
        return sync._fetch()

    def version(self) -> int:
        head = self.store.documents().directory
        return head.version if head else 0

    def listed(self) -> dict[str, int]:
        """Allowances by account, of the directory in force."""
        rows = self.rows(
            entries_here.name, "generation = (select value from counter where name = 'directory')"
        )
        entries = [msgspec.json.decode(row["body"]) for row in rows]
        return {each["account"]: each["allowance_points"] for each in entries}

    def rows(self, table: str, where: str = "1") -> list[dict[str, bytes]]:
        with self.store.reading() as connection:
            found = connection.execute(text(f"select * from {table} where {where}"))
            return [dict(row._mapping) for row in found]

    def close(self) -> None:
        self.store.close()


@pytest.fixture
def terminal(world: World, tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(world, tmp_path / "till")
    assert made.fetch()
    yield made
    made.close()


def published(world: World) -> dict[str, int]:
    """What the server's directory in force allows, by account."""
    return world.read(
        lambda tx: {
            each.account: each.allowance_points for each in listing.listed_entries(tx, world.pool)
        }
    )


def in_step(terminal: Terminal) -> None:
    """The terminal has exactly the server's directory, entry by entry and by its digest."""
    newest = terminal.world.read(lambda tx: newest_listing(tx, terminal.world.pool))
    head = terminal.store.documents().directory
    assert newest is not None
    assert head is not None
    assert (head.version, head.digest) == (newest.version, newest.digest)
    assert terminal.listed() == published(terminal.world)
    total = sum(
        int.from_bytes(hashlib.sha256(row["body"]).digest(), "big")
        for row in terminal.rows(entries_here.name)
    )
    assert f"{total % 2**256:064x}" == head.digest, "of the file itself, no other generation left"


def settle(terminal: Terminal) -> None:
    """Look until there is nothing new, a few times at most."""
    for _ in range(4):
        assert terminal.fetch()
    in_step(terminal)


def test_what_changed_comes_alone_and_is_all_there_is(world: World, terminal: Terminal) -> None:
    in_step(terminal)
    world.award(ZHANG, "river-patrol")
    terminal.fetch()
    (page,) = terminal.wire.pages()
    assert [each.account for each in page.residents()] == [ZHANG]
    assert page.base is not None
    assert (page.base.version, terminal.version()) == (1, 2)
    in_step(terminal)
    entry = terminal.store.resident(ZHANG)
    assert entry is not None
    assert entry.allowance_points == 100
    assert terminal.store.resident("00" * 8) is None


def test_a_ban_and_a_block_are_known_to_a_till_that_is_cut_off_afterwards(
    world: World, terminal: Terminal
) -> None:
    until = TODAY + timedelta(days=180)
    world.do(c.BanRedemption(account=ZHANG, until=until, reason="虚报"))
    world.do(c.BlockResident(account=LIU, reason="核实中"))
    terminal.fetch()
    banned, blocked = terminal.store.resident(ZHANG), terminal.store.resident(LIU)
    assert banned is not None
    assert (banned.banned_until, banned.status) == (until, AccountStatus.ACTIVE)
    assert blocked is not None
    assert (blocked.banned_until, blocked.status) == (None, AccountStatus.BLOCKED)
    world.do(c.BanRedemption(account=ZHANG, until=None, reason="提前解除"))
    terminal.fetch()
    lifted = terminal.store.resident(ZHANG)
    assert lifted is not None
    assert lifted.banned_until is None


def test_nothing_is_sent_while_nothing_changed(terminal: Terminal) -> None:
    terminal.fetch()
    assert terminal.wire.answers[-1].documents == ()


def test_a_revoked_card_is_gone_and_its_replacement_known(world: World, terminal: Terminal) -> None:
    world.issue_card(ZHANG)
    terminal.fetch()
    holder = terminal.store.holder_of_card("00000000000000c1", 1)
    assert holder is not None
    assert holder.account == ZHANG
    assert terminal.store.holder_of_card("00000000000000c1", 2) is None
    world.do(c.RevokeCard(card_id="00000000000000c1", reason="遗失"))
    terminal.fetch()
    assert terminal.store.holder_of_card("00000000000000c1", 1) is None
    assert terminal.rows(cards_here.name) == []
    in_step(terminal)


def test_a_change_whose_answer_was_lost_comes_with_the_next(
    world: World, terminal: Terminal
) -> None:
    lost = msgspec.structs.replace
    terminal.wire.meddle = lambda answer: lost(answer, documents=())
    world.award(ZHANG, "river-patrol")
    terminal.fetch()
    assert terminal.version() == 1
    terminal.wire.meddle = lambda answer: answer
    world.do(c.BlockResident(account=LIU, reason="核实中"))
    terminal.fetch()
    assert len(terminal.wire.pages()[0].entries) == 2
    in_step(terminal)


def test_changes_twice_late_and_in_the_wrong_order_change_nothing(
    world: World, terminal: Terminal
) -> None:
    """Of three answers each is delivered again after the others: nothing goes back."""
    for _ in range(3):
        world.award(ZHANG, "river-patrol")
        terminal.fetch()
    seen = [each for each in terminal.wire.answers if pages_of(each)]
    before = terminal.listed()
    for again in (seen[3], seen[1], seen[2], seen[0]):
        terminal.wire.meddle = lambda _, again=again: again  # type: ignore[misc]  # a default argument binds it
        terminal.fetch()
        assert (terminal.version(), terminal.listed()) == (4, before)
    terminal.wire.meddle = lambda answer: answer
    settle(terminal)


def test_changes_of_another_base_make_the_terminal_ask_for_all(
    world: World, terminal: Terminal
) -> None:
    """A gap: what stands between is missing, and nobody guesses."""
    world.award(ZHANG, "river-patrol")
    terminal.fetch()
    world.award(ZHANG, "river-patrol")
    held = Terminal(world, terminal.path.parent / "ahead", "t-2")
    held.fetch()  # another till of the same name, whose next changes begin at 3
    world.award(ZHANG, "river-patrol")
    held.fetch()
    ahead = held.wire.answers[-1]
    assert pages_of(ahead)[0].base is not None
    held.close()
    terminal.wire.meddle = lambda _: ahead
    terminal.fetch()
    assert terminal.version() == 2, "changes since 3 do not fit a terminal that has 2"
    terminal.wire.meddle = lambda answer: answer
    terminal.fetch()
    assert terminal.wire.asked[-1].directory == 0
    in_step(terminal)


@pytest.mark.parametrize("part", ["entry", "gone", "digest", "signature"])
def test_changes_that_were_altered_on_the_way_are_not_taken(
    world: World, terminal: Terminal, part: str
) -> None:
    world.award(ZHANG, "river-patrol")

    def altered(answer: DocumentsAnswer) -> DocumentsAnswer:
        (signed,) = answer.documents
        body = {
            "entry": signed.body.replace(b'"allowance_points":100', b'"allowance_points":999'),
            "gone": signed.body.replace(b'"gone":[]', f'"gone":["{LIU}"]'.encode()),
            "digest": signed.body.replace(b'"version":1', b'"version":0'),
            "signature": signed.body,
        }[part]
        assert (body != signed.body) is (part != "signature")
        signature = bytes(64) if part == "signature" else signed.signature
        other = SignedDocument(kind=signed.kind, body=body, signature=signature)
        return msgspec.structs.replace(answer, documents=(other,))

    before = terminal.listed()
    terminal.wire.meddle = altered
    terminal.fetch()
    assert (terminal.version(), terminal.listed()) == (1, before)
    terminal.wire.meddle = lambda answer: answer
    settle(terminal)


def test_signed_changes_that_do_not_make_their_digest_are_refused_whole(
    world: World, terminal: Terminal
) -> None:
    """A fault of the server's own: its signature alone does not make a directory right."""
    world.award(ZHANG, "river-patrol")

    def short(answer: DocumentsAnswer) -> DocumentsAnswer:
        page = pages_of(answer)
        if not page or page[0].base is None:
            return answer
        assert world.keys.root is not None
        less = msgspec.structs.replace(page[0], entries=())
        signed = sign_document(less, world.keys.root, world.keys.tag)
        return msgspec.structs.replace(answer, documents=(signed,))

    before = terminal.listed()
    terminal.wire.meddle = short
    terminal.fetch()
    assert (terminal.version(), terminal.listed()) == (1, before)
    terminal.fetch()
    in_step(terminal)
    assert terminal.wire.asked[-1].directory == 0, "it asked for the whole"


def test_an_entry_that_the_card_lost_is_found_and_mended(world: World, terminal: Terminal) -> None:
    with terminal.store.writing() as connection:
        connection.execute(text("delete from directory_entry where account = :a"), {"a": LIU})
    world.do(c.BlockResident(account=LIU, reason="核实中"))
    terminal.fetch()
    assert terminal.version() == 1
    settle(terminal)


def test_a_rolled_back_terminal_gets_what_it_lost(
    world: World, terminal: Terminal, tmp_path: Path
) -> None:
    world.award(ZHANG, "river-patrol")
    terminal.fetch()
    copy(terminal.path / "terminal.db", tmp_path / "old.db")
    world.do(c.BlockResident(account=LIU, reason="核实中"))
    terminal.fetch()
    terminal.store.close()
    for each in terminal.path.glob("terminal.db*"):
        each.unlink()
    shutil.copy(tmp_path / "old.db", terminal.path / "terminal.db")
    terminal.shop.open()
    assert terminal.version() == 2
    terminal.fetch()
    assert [each.account for each in terminal.wire.pages()[0].residents()] == [LIU]
    in_step(terminal)


@pytest.mark.parametrize("before_it_called", [0, 1, 5])
def test_a_server_restored_from_a_backup_publishes_above_what_it_gave(
    world: World, terminal: Terminal, tmp_path: Path, before_it_called: int
) -> None:
    """Its number goes back; it may be behind the till's, the same or above when the till calls."""
    copy(Path(str(world.engine.url.database)), tmp_path / "backup.sqlite3")
    world.do(c.BlockResident(account=LIU, reason="核实中"))
    terminal.fetch()
    assert terminal.version() == 2
    world.serve(open_engine(f"sqlite:///{tmp_path / 'backup.sqlite3'}"))
    other = Terminal(world, tmp_path / "other", "t-2")
    for _ in range(before_it_called):
        world.award(ZHANG, "river-patrol")
        other.fetch()
    other.close()
    terminal.fetch()
    assert terminal.version() > 2
    in_step(terminal)
    assert terminal.listed()[ZHANG] == min(300, 100 * before_it_called)
    policy = terminal.store.documents().policy
    assert policy is not None
    world.award(LIU, "river-patrol")
    terminal.fetch()
    in_step(terminal)


@pytest.mark.parametrize("then", ["newer than the backup", "taken back since"])
def test_a_restored_server_believes_what_its_listed_keys_signed(
    world: World, terminal: Terminal, tmp_path: Path, then: str
) -> None:
    """The root key lies in a drawer. A key that was taken back counts for the number too: its
    directory must not stay in force because of a number that nobody reaches.
    """
    office = KeyOffice(world, tmp_path / "root.key")
    office.root_away()
    terminal.fetch()
    if then == "taken back since":
        first = next(each.kid for each in office.listed().keys if each.role is IssuerRole.DOCUMENT)
    copy(Path(str(world.engine.url.database)), tmp_path / "backup.sqlite3")
    if then == "newer than the backup":
        office.rotate(IssuerRole.DOCUMENT, lead_days=0, overlap_days=30)
    for _ in range(3):
        world.award(ZHANG, "river-patrol")
        terminal.fetch()
    given = terminal.version()
    assert given >= 4
    world.serve(open_engine(f"sqlite:///{tmp_path / 'backup.sqlite3'}"))
    if then == "taken back since":
        office.rotate(IssuerRole.DOCUMENT, lead_days=0, overlap_days=0)
        office.retire(first)
    terminal.fetch()
    assert terminal.version() > given
    in_step(terminal)


def test_a_number_beyond_every_lifetime_is_not_gone_above(world: World, terminal: Terminal) -> None:
    """A key that got into other hands cannot drive the numbers to where they end."""
    assert world.keys.root is not None
    page = whole_directory(
        (),
        version=2**63 - 1,
        made_at=world.clock(),
        key=world.keys.root,
        tag=world.keys.tag,
    )
    claimed = DocumentsRequest(directory=2**63 - 1, directory_digest="0" * 64, shown=(page.head,))
    terminal.wire.fetch_documents(claimed)
    newest = world.read(lambda tx: newest_listing(tx, world.pool))
    assert newest is not None
    assert newest.version == 1


def test_a_terminal_cannot_drive_the_numbers_up(world: World, terminal: Terminal) -> None:
    """What it claims counts only with the pool's own signature."""
    claimed = DocumentsRequest(directory=10**12, directory_digest="0" * 64)
    answer = terminal.wire.fetch_documents(claimed)
    assert answer.unknown == (DocumentKind.DIRECTORY,)
    (head,) = terminal.store.signed_documents([DocumentKind.DIRECTORY_HEAD])
    forged = SignedDocument(
        kind=head.kind,
        body=head.body.replace(b'"version":1', b'"version":9999'),
        signature=head.signature,
    )
    terminal.wire.fetch_documents(msgspec.structs.replace(claimed, shown=(forged,)))
    newest = world.read(lambda tx: newest_listing(tx, world.pool))
    assert newest is not None
    assert newest.version == 1


def test_somebody_too_long_away_gets_the_whole(
    world: World, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "KEPT_VERSIONS", 3)
    monkeypatch.setattr(listing, "_TIDIED_EVERY", 1)
    other = Terminal(world, terminal.path.parent / "busy", "t-2")
    world.issue_card(ZHANG)
    for _ in range(3):
        world.do(c.BlockResident(account=LIU, reason="核实中"))
        other.fetch()
        world.do(c.UnblockResident(account=LIU, reason="已核实"))
        other.fetch()
    other.close()
    kept = world.read(lambda tx: list(tx.execute(select(directory_version.c.version)).scalars()))
    assert min(kept) > 1
    terminal.fetch()
    (page,) = terminal.wire.pages()
    assert page.base is None
    in_step(terminal)


FIRST = f"{1 | 1 << 60:016x}"


def fill(world: World, count: int) -> None:
    """So many residents as rows, without a fact for each."""
    with writing(world.engine) as tx:
        like = tx.execute(select(resident).where(resident.c.account == ZHANG)).mappings().one()
        rows = [
            {**like, "account": f"{number | 1 << 60:016x}", "name": f"居民{number}"}
            for number in range(1, count + 1)
        ]
        tx.execute(insert(resident), rows)


def size_of(answer: DocumentsAnswer) -> int:
    return len(msgspec.json.encode(answer))


def test_a_town_of_100_000_comes_in_pages_and_one_change_in_a_small_message(
    world: World, tmp_path: Path
) -> None:
    fill(world, 100_000)
    made = Terminal(world, tmp_path / "town")
    made.fetch()
    in_step(made)
    sizes = [size_of(each) for each in made.wire.answers]
    assert len(made.listed()) == 100_002
    assert len(sizes) >= 25
    assert max(sizes) < 4 * 1024 * 1024, "more than that neither side reads"
    world.award(ZHANG, "river-patrol")
    made.fetch()
    assert size_of(made.wire.answers[-1]) < 2_500
    in_step(made)
    made.close()


def test_what_changes_while_a_whole_directory_is_read_is_in_it_at_the_end(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PAGE_ENTRIES", 3)
    fill(world, 20)
    made = Terminal(world, tmp_path / "slow")

    def busy(answer: DocumentsAnswer) -> DocumentsAnswer:
        if len(made.wire.answers) < 6:
            world.clock.move(seconds=2)
            world.award(ZHANG, "river-patrol")
        if len(made.wire.answers) == 3:
            with writing(world.engine) as tx:
                tx.execute(
                    update(resident).where(resident.c.account == FIRST).values(status="blocked")
                )
        return answer

    made.wire.meddle = busy
    made.fetch()
    in_step(made)
    assert len(made.wire.answers) > 7
    heads = {page.opened_head().version for each in made.wire.answers for page in pages_of(each)}
    assert len(heads) > 1, "the parts had several numbers"
    first = made.store.resident(FIRST)
    assert first is not None
    assert first.status == "blocked"
    made.close()


def test_the_old_directory_is_in_force_until_the_whole_new_one_is_there(
    world: World, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The power goes after each part; at every moment there is one whole directory."""
    monkeypatch.setattr(listing, "PAGE_ENTRIES", 3)
    fill(world, 10)
    old = terminal.listed()

    def cut(answer: DocumentsAnswer) -> DocumentsAnswer:
        if pages_of(answer) and pages_of(answer)[0].after is not None:
            raise KeyboardInterrupt
        return answer

    terminal.wire.meddle = cut
    with pytest.raises(KeyboardInterrupt):
        terminal.fetch()
    terminal.store.close()
    terminal.shop.open()
    assert (terminal.version(), terminal.listed()) == (1, old)
    assert terminal.store.resident(ZHANG) is not None
    terminal.wire.meddle = lambda answer: answer
    settle(terminal)


def test_a_look_that_takes_much_work_is_taken_less_often(world: World) -> None:
    worked_s = iter([0.0, 2.0, 10.0, 10.1])
    publisher = DocumentPublisher(world.api, lambda: next(worked_s))
    publisher.refresh(world.clock())
    world.award(ZHANG, "river-patrol")
    world.clock.move(seconds=9)
    publisher.refresh(world.clock())
    assert published(world)[ZHANG] == 0, "2 s of work: not before 10 s"
    world.clock.move(seconds=1)
    publisher.refresh(world.clock())
    assert published(world)[ZHANG] == 100


@pytest.mark.postgres
def test_on_postgresql_the_same(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole in parts, then what changed, somebody gone among it."""
    monkeypatch.setattr(listing, "PAGE_ENTRIES", 4)
    engine = open_engine(postgres_url)
    create_all(engine, metadata)
    world = World(engine, tmp_path, "guanghui")
    world.furnish()
    fill(world, 10)
    made = Terminal(world, tmp_path / "till")
    made.fetch()
    in_step(made)
    assert len(made.wire.answers) >= 3
    world.award(ZHANG, "river-patrol")
    with writing(engine) as tx:
        tx.exec_driver_sql("delete from resident where account = '1000000000000001'")
    made.fetch()
    (page,) = made.wire.pages()
    assert (page.base is not None, page.gone) == (True, (FIRST,))
    in_step(made)
    made.close()
    engine.dispose()
