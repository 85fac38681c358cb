"""What a test of the till presses, and what it reads back."""

from uuid import UUID

from protocol.journal import GENESIS, Envelope, decode_happening, open_record
from protocol.reasons import Declined
from protocol.sales import Happening
from terminal.checkout.view import CompletedView
from tests.support.shop import TERMINAL_KEY, Shop


def sale_id(shop: Shop) -> UUID:
    return UUID(shop.page.view().sale_id)


def complete(shop: Shop) -> CompletedView:
    shop.till.complete(sale_id(shop))
    completed = shop.page.view().completed
    assert completed is not None, shop.page.view().notice
    return completed


def notice(shop: Shop) -> str | None:
    shown = shop.page.view().notice
    return shown.code if shown else None


def decline(shop: Shop) -> Declined:
    shown = shop.page.view().notice
    assert shown is not None
    assert shown.decline is not None
    return shown.decline


def happenings(shop: Shop) -> list[Happening]:
    """The untold journal, its chain and signatures checked on the way."""
    found = []
    previous, seq = GENESIS, 0
    for untold in shop.outbox.next_batch():
        envelope = open_record(untold.record, TERMINAL_KEY.public_key(), "T0001")
        assert isinstance(envelope, Envelope)
        assert (envelope.prev_hash, envelope.seq) == (previous, seq + 1)
        previous, seq = untold.record.hash_hex, envelope.seq
        happening = decode_happening(envelope.happening)
        assert happening is not None
        found.append(happening)
    return found


def buns_and_greens(shop: Shop) -> None:
    for _ in range(5):
        shop.till.scan("6900000000014")
    shop.till.add_item("greens")
