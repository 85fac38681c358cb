"""What several questions and records will need, read in a few statements before the first."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from protocol.evidence import CardEvidence, Evidence, ManualEvidence
from protocol.journal import Envelope, decode_happening
from protocol.sales import SaleCaptured, SaleReversed
from server.db.working_set import working
from server.directory import card_of, terminal_of
from server.directory.accounts import (
    POOL_FUND,
    TAKINGS_CONTRA,
    card_account,
    merchant_account,
    redeemed_account,
    resident_account,
    takings_account,
)
from server.ledger import Ahead, Asset, read_ahead_in_books
from server.redemption.authorise import Authorise, hold_key
from server.redemption.capture import SALE_KEY
from server.redemption.evidence import slot_of
from server.redemption.intake import JournalRecord
from server.redemption.opening import opened
from server.redemption.phone_evidence import PhoneEvidence, read_phone_evidence
from server.redemption.queries import chain_heads_wish
from server.redemption.rows import SALE, STOCK_LEVEL


@dataclass(frozen=True, slots=True)
class _Wanted:
    books: Ahead = field(default_factory=Ahead)
    sales: set[str] = field(default_factory=set)
    terminals: set[str] = field(default_factory=set)
    items: set[str] = field(default_factory=set)

    def add_sale(self, sale_id: UUID) -> None:
        self.sales.add(str(sale_id))
        self.books.hold_keys.add(hold_key(sale_id))


def read_ahead(
    tx: Connection, pool: str, commands: Sequence[tuple[Authorise | JournalRecord, datetime]]
) -> None:
    """Reads and locks what the commands will most likely touch; what it misses is read later.

    Nothing is judged here: a command that makes no sense is told so by its handler.
    """
    wanted = _Wanted()
    for command, _ in commands:
        if isinstance(command, Authorise):
            wanted.add_sale(command.sale_id)
            _want_holder(tx, pool, wanted, command.evidence)
        else:
            _want_record(tx, pool, wanted, command)
    with working(tx, pool) as rows:
        read_ahead_in_books(
            tx,
            pool,
            wanted.books,
            min(at for _, at in commands),
            rows.wish(SALE, [(each,) for each in wanted.sales]),
            chain_heads_wish(rows, wanted.terminals),
            rows.wish(STOCK_LEVEL, [(each,) for each in wanted.items]),
        )


def _want_record(tx: Connection, pool: str, wanted: _Wanted, command: JournalRecord) -> None:
    terminal = terminal_of(tx, pool, command.terminal)
    if terminal is None or terminal.public_key is None:
        return
    envelope = opened(command.record, terminal.public_key, command.terminal)
    if not isinstance(envelope, Envelope):
        return
    wanted.terminals.add(terminal.terminal)
    happening = decode_happening(envelope.happening)
    if isinstance(happening, SaleReversed):
        wanted.add_sale(happening.sale_id)
    if not isinstance(happening, SaleCaptured):
        return
    wanted.add_sale(happening.sale_id)
    wanted.books.entry_keys.add(f"{SALE_KEY}{happening.sale_id}")
    wanted.items.update(line.item_id for line in happening.lines if line.item_id is not None)
    if happening.evidence is not None:
        _want_holder(tx, pool, wanted, happening.evidence)
    merchant = terminal.merchant
    wanted.books.accounts.update(
        [
            (redeemed_account(merchant), Asset.POINTS),
            (merchant_account(merchant), Asset.FEN),
            (takings_account(merchant), Asset.FEN),
            (POOL_FUND, Asset.FEN),
            (TAKINGS_CONTRA, Asset.FEN),
        ]
    )


def _want_holder(tx: Connection, pool: str, wanted: _Wanted, evidence: Evidence) -> None:
    if isinstance(evidence, CardEvidence | ManualEvidence):
        card = card_of(tx, pool, evidence.card_id)
        wanted.books.spenders.add(
            resident_account(card.account) if card else card_account(evidence.card_id)
        )
        return
    if isinstance(evidence, PhoneEvidence):
        shown = read_phone_evidence(evidence)
        if shown is not None:
            wanted.books.spenders.add(resident_account(shown.account))
        return
    code = slot_of(evidence)
    if code is not None:
        wanted.books.spenders.add(resident_account(code.account.hex()))
