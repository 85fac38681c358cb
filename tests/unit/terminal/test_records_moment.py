"""What a record says of the moment it was made in, and what the page says of the list's age."""

from datetime import timedelta

import msgspec
import pytest

from protocol.journal import ClockState, Envelope
from terminal.web.device_words import status_views
from tests.support.shop import NOON, Shop, policy
from tests.support.till_web import app_of


def newest(shop: Shop) -> Envelope:
    return msgspec.json.decode(shop.outbox.next_batch()[-1].record.body, type=Envelope)


def test_a_record_tells_both_clocks_their_state_and_the_documents_it_was_made_by(
    shop: Shop,
) -> None:
    shop.take(policy(version=7))
    shop.wall.at, shop.wall.monotonic_ms = NOON + timedelta(minutes=3), 181_000
    shop.clock.note_server_time(shop.wall.at)
    shop.till.add_item("bun")
    shop.till.complete(shop.till.snapshot()[0].sale_id)
    record = newest(shop)
    documents = shop.store.documents()
    assert documents.directory is not None
    assert (record.terminal, record.epoch, record.boot_id) == ("T0001", 1, "boot")
    assert (record.occurred_at, record.monotonic_ms) == (NOON + timedelta(minutes=3), 181_000)
    assert record.clock_state is ClockState.GOOD
    assert (record.policy_version, record.directory_version) == (7, documents.directory.version)

    shop.wall.at -= timedelta(hours=1)  # set back: behind what has happened
    shop.till.add_item("bun")
    shop.till.complete(shop.till.snapshot()[0].sale_id)
    later = newest(shop)
    assert later.clock_state is ClockState.UNKNOWN
    assert later.occurred_at >= record.occurred_at, "never behind the journal"


@pytest.mark.parametrize(
    ("age", "says"),
    [
        (timedelta(minutes=45), "离线：名单是 45 分钟前的"),
        (timedelta(hours=3), "离线：名单是 3 小时前的"),
        (timedelta(days=4), "离线：名单是 4 天前的"),
    ],
)
def test_while_offline_the_page_says_how_old_the_list_of_residents_is(
    shop: Shop, age: timedelta, says: str
) -> None:
    listed = shop.store.documents().directory
    assert listed is not None
    shop.wall.at = listed.made_at + age
    shop.surroundings.note(server="offline")
    with app_of(shop).test_request_context():
        assert says in [each.text for each in status_views(shop.page.view())]
