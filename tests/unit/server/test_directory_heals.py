"""Two server processes publish the directory at the same moment; terminals get one all the same."""

from datetime import timedelta
from pathlib import Path

import pytest

from protocol.documents import AccountStatus, DirectoryEntry, DirectoryPlace
from protocol.messages import DocumentsAnswer, DocumentsRequest
from server.db import create_all, metadata, open_engine, writing
from server.directory.listing import compare, listed_entries, newest_listing, publish_listing
from tests.unit.server.test_directory_changes import Terminal, pages_of, settle
from tests.unit.server.world import LIU, ZHANG, Till, World


@pytest.mark.postgres
def test_a_digest_that_is_of_no_directory_is_published_again(
    postgres_url: str, tmp_path: Path
) -> None:
    """One process blocks Zhang under the next number. The other, which was shown a number far
    above and saw nothing new yet, gives the old digest a number that is no conflict.
    """
    engine = open_engine(postgres_url)
    create_all(engine, metadata)
    world = World(engine, tmp_path, "guanghui")
    world.furnish()
    made = Terminal(world, tmp_path / "till")
    settle(made)
    before = world.read(lambda tx: list(listed_entries(tx, world.pool)))
    blocked = [
        DirectoryEntry(account=x.account, allowance_points=0, status=AccountStatus.BLOCKED)
        if x.account == ZHANG
        else x
        for x in before
    ]
    later = world.clock() + timedelta(hours=7)
    one = world.read(lambda tx: compare(tx, world.pool, blocked, later))
    other = world.read(lambda tx: compare(tx, world.pool, before, later))
    assert one is not None
    assert other is not None
    with writing(engine) as first:
        assert publish_listing(first, world.pool, one, at=later) is not None
        with writing(engine) as second:
            number = publish_listing(second, world.pool, other, at=later, above=1_000)
    newest = world.read(lambda tx: newest_listing(tx, world.pool))
    assert newest is not None
    assert (newest.version, newest.digest) == (number, other.digest), "of what is not there"
    world.award(LIU, "river-patrol")
    settle(made)
    made.close()
    engine.dispose()


@pytest.mark.parametrize("version", [1_000, 2**63, 10**30])
def test_a_place_in_another_history_begins_anew(world: World, till: Till, version: int) -> None:
    """Of a server that was restored since, or of no server at all."""
    place = DirectoryPlace(version=version, account=ZHANG)
    answer = till.ask("documents", DocumentsRequest(directory_after=place), DocumentsAnswer)
    assert isinstance(answer, DocumentsAnswer)
    (page,) = pages_of(answer)
    assert (page.after, page.upto, len(page.entries)) == (None, None, 2)
