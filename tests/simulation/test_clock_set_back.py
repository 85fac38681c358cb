"""The real program on a machine whose clock was set back while it was off."""

from datetime import datetime
from pathlib import Path

import msgspec

from protocol.journal import Envelope
from terminal.store.outbox import Outbox
from tests.support.running_till import RunningTill, open_store

BACK_S = 300
"""Further than a clock may be off; less than the age of the documents, so that the journal alone
speaks against it.
"""


def sell(till: RunningTill) -> None:
    screen = till.ask("POST", "/api/item", item_id="bun")
    till.ask("POST", "/api/complete", sale_id=screen["sale_id"])


def times_of(till: RunningTill) -> list[datetime]:
    store = open_store(till.data_dir)
    try:
        told = Outbox(store).next_batch()
    finally:
        store.close()
    return [msgspec.json.decode(each.record.body, type=Envelope).occurred_at for each in told]


def test_after_a_start_its_time_is_not_behind_the_journal_and_not_believed(tmp_path: Path) -> None:
    offset = tmp_path / "offset"
    offset.write_text("0")
    till = RunningTill(tmp_path, clock=f"simulated://{offset}")
    till.enrol()
    try:
        till.start()
        sell(till)
        assert till.ask("GET", "/api/view")["clock_state"] == "held"
        assert till.stop() == 0
        offset.write_text(str(-BACK_S))
        till.start()
        assert till.ask("GET", "/api/view")["clock_state"] == "unknown"
        sell(till)
        assert till.stop() == 0
    finally:
        till.end()
    times = times_of(till)
    assert len(times) > 2
    assert times == sorted(times)
