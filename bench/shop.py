"""A shop that sells without pause: the production till on a real file, the pool beside it.

Only the pool's answer is made up, in this process, so that no network is measured. The
workers (printer, outbox) do not run: what they do comes after the sale.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.figures import BenchError
from config.pool import load_preset
from protocol.codes import make_slot, to_digits
from protocol.documents import (
    Catalogue,
    Directory,
    DirectoryEntry,
    IssuerKey,
    Item,
    Policy,
    StandInLimits,
    sign_document,
)
from protocol.keys import pool_tag, public_key_text
from protocol.messages import Approved, AuthoriseRequest
from protocol.money import Points
from protocol.redemption import FenRemainder
from terminal.bootstrap import DATABASE_FILE, SystemIds, system_wall
from terminal.checkout.till import Till
from terminal.domain.changes import Changes
from terminal.domain.clock import ShopClock
from terminal.domain.ports import TerminalIdentity
from terminal.domain.sale import SaleState
from terminal.receipts.composer import ReceiptComposer
from terminal.receipts.words import CHINESE
from terminal.store.sealer import Sealer
from terminal.store.sqlite import SqliteStore
