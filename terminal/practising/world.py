"""One practice: a till with a folder, a pool, keys and residents of its own.

Nothing leads from here to the shop's books. The records are sealed with a key that no server
knows, the documents signed with a root key that no terminal was enrolled with, the papers stay on
the page, and there is no worker: what is written is taken as told and printed where it was written.
"""

import secrets
import shutil
import threading
from collections import deque
from collections.abc import Sequence
from datetime import UTC, timedelta
from itertools import islice
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct
from msgspec.structs import replace as changed

from config.terminal import TerminalSettings
from drivers.document import document_from_json
from protocol.codes import (
    ResidentCode,
    ShowCode,
    make_card,
    make_slot,
    signature_problem,
    to_digits,
)
from protocol.documents import (
    IssuerKey,
    NumberedDocument,
    Policy,
    sign_document,
    whole_directory,
)
from protocol.keys import pool_tag, public_key_text
from protocol.messages import OutcomeKind, RecordOutcome
from protocol.money import Points
from terminal.domain.changes import Changes, Surroundings
from terminal.domain.notice import NoticeCode, NoticeLevel
from terminal.domain.ports import Clock, Store, TerminalIdentity
from terminal.domain.practising import (
    PRACTICE_PIN,
    PracticePaper,
    PracticeResident,
    Practising,
)
from terminal.domain.print_job import JobEvent, JobKind
from terminal.domain.staff import Person, Role
from terminal.domain.stand_in import ImageTrust
from terminal.fitting import Parts, fit_out
from terminal.makers import make_papers
from terminal.practising.papers import PracticePapers
from terminal.practising.people import (
    ACCOUNTS,
    CARD_ID,
    CARD_SECRET,
    CARD_SEQ,
    balances,
    residents,
    with_practice_workers,
)
from terminal.practising.pool import PracticePool
from terminal.store.outbox import Outbox
from terminal.store.people import ArgonPins
from terminal.store.sealer import Sealer
from terminal.store.spool import Spool
from terminal.store.sqlite import SqliteStore
from terminal.web.routes import WebDesk
from terminal.web.streams import Streams

FOLDER: Final = "practice"
DATABASE: Final = "practice.db"
TERMINAL: Final = "LX"
"""Before the numbers of practice receipts (练习): no enrolled terminal is called so."""
KID: Final = 1
CODE_MINUTES: Final = 30
MAX_PAPERS: Final = 20
OWN_ITEMS_A_STEP: Final = 2_500
OWNER: Final = "练习店主"
CARD_LIVES: Final = timedelta(days=365)


class FromShop(Struct, frozen=True, kw_only=True):
    """What a practice takes over of the shop's till: to read, but for its clock and streams."""

    settings: TerminalSettings
    identity: TerminalIdentity
    store: Store
    clock: Clock
    streams: Streams


class PracticeWorld:
    """See :class:`terminal.domain.practising.PracticeTill`. ``desk`` is the till itself."""

    def __init__(self, shop: FromShop, policy: Policy, practising: Practising) -> None:
        """Build it in an empty folder; the one before is deleted.

        Raises:
            StoreFaultError, OSError: the disk did not take it.
        """
        self._clock = shop.clock
        self._papers: deque[PracticePaper] = deque(maxlen=MAX_PAPERS)
        self._settling = threading.Lock()
        self._slots = 0
        self._root, self._issuer = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        self._tag = pool_tag(self._root.public_key())
        self._policy = policy
        folder = shop.settings.data_dir / FOLDER
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        identity = _own_identity(shop.identity, self._root)
        self._store = _open_store(folder, identity)
        self._people = balances(self._clock.moment().at.date())
        self._copy(shop.store, policy)
        self._pool = PracticePool(self._store, self._people, policy, identity.shop_name)
        self.mode = f"practice-{secrets.token_hex(8)}"
        self.desk = self._fit_out(shop, identity, practising)
        self.desk.till.start("practice")
        self.desk.till.say(NoticeCode.PRACTICE_BEGUN, NoticeLevel.GOOD)

    def close(self) -> None:
        """Its files stay until the next practice, for whoever wants to look."""
        self._store.close()

    def show(self, resident: PracticeResident) -> None:
        """See :class:`terminal.domain.practising.PracticeTill`."""
        payload = self._card() if resident is PracticeResident.CARD else self._slot(resident)
        self.desk.till.scan(to_digits(payload))

    @property
    def asks_card_pin(self) -> bool:
        """See :class:`terminal.domain.practising.PracticeTill`."""
        return self._policy.limits.card_no_pin_day_points is not None

    def points_of(self, resident: PracticeResident) -> int:
        """See :class:`terminal.domain.practising.PracticeTill`."""
        return self._pool.left(ACCOUNTS[resident], self._clock.moment().at)

    def papers(self) -> Sequence[PracticePaper]:
        """See :class:`terminal.domain.practising.PracticeTill`."""
        with self._settling:
            return tuple(self._papers)

    def _slot(self, resident: PracticeResident) -> bytes:
        self._slots += 1
        return make_slot(
            self._issuer,
            self._tag,
            kid=KID,
            account=bytes.fromhex(ACCOUNTS[resident]),
            starts_at=self._clock.moment().at.astimezone(UTC) - timedelta(minutes=1),
            minutes=CODE_MINUTES,
            cap=Points(self._policy.slot_cap_points),
            batch=0,
            index=self._slots,
        )

    def _card(self) -> bytes:
        return make_card(
            self._issuer,
            self._tag,
            kid=KID,
            card_id=CARD_ID,
            secret=CARD_SECRET,
            seq=CARD_SEQ,
            expires_on=self._clock.moment().at.date() + CARD_LIVES,
            cap=Points(self._policy.card_cap_points),
        )

    def _fit_out(
        self, shop: FromShop, identity: TerminalIdentity, practising: Practising
    ) -> WebDesk:
        changes = Changes()
        surroundings = Surroundings(changes)
        surroundings.note(server="online")
        papers = PracticePapers(make_papers(shop.settings))
        desk = fit_out(
            Parts(
                # A practice till has no second medium to wait for.
                settings=changed(shop.settings, second_medium_failed="sell"),
                identity=identity,
                store=self._store,
                pool=self._pool,
                receipts=papers,
                papers=papers,
                clock=shop.clock,
                changes=changes,
                surroundings=surroundings,
                trust=ImageTrust(confirmed=True),
                wake_workers=self._settle,
                streams=shop.streams,
                practising=practising,
                practice=self,
                mode=self.mode,
            )
        )
        others = desk.till.code_taker

        def take(code: ResidentCode | ShowCode) -> bool:
            keys = {KID: self._issuer.public_key()}
            if signature_problem(code, keys, self._tag) is None:
                return others(code)
            desk.till.say(NoticeCode.PRACTICE_REAL_CODE, NoticeLevel.REFUSED)
            return True

        desk.till.code_taker = take
        return desk

    def _copy(self, shop: Store, policy: Policy) -> None:
        """The shop's rules, goods and prices; none of its people, residents and sales."""
        now = self._clock.moment().at
        issuer = IssuerKey(kid=KID, public_key=public_key_text(self._issuer.public_key()))
        self._keep(changed(policy, made_at=now, issuer_keys=(issuer,)))
        catalogue = shop.documents().catalogue
        if catalogue is not None:
            self._keep(catalogue)
        pin = ArgonPins().hash(PRACTICE_PIN)
        awards = shop.documents().awards
        if awards is not None:
            self._keep(with_practice_workers(awards, pin))
        people = residents(self._people, policy)
        page = whole_directory(people, version=1, made_at=now, key=self._root, tag=self._tag)
        self._store.take_page(page)
        list_no = self._store.begin_list()
        own = iter(shop.own_goods())
        while some := list(islice(own, OWN_ITEMS_A_STEP)):
            self._store.add_to_list(list_no, some)
        with self._store.working() as work:
            work.use_list(list_no)
            work.save_person(Person(OWNER, Role.OWNER, pin))

    def _keep(self, document: NumberedDocument) -> None:
        self._store.save_document(sign_document(document, self._root, self._tag), document)

    def _settle(self) -> None:
        """Take everything as told, and the papers as printed: onto the page."""
        outbox, spool = Outbox(self._store), Spool(self._store)
        with self._settling:
            while batch := outbox.next_batch():
                told = [
                    RecordOutcome(epoch=x.epoch, seq=x.seq, outcome=OutcomeKind.POSTED)
                    for x in batch
                ]
                outbox.mark_told(told, self._clock.moment().at)
            while (job := spool.next_job()) is not None:
                if job.kind is not JobKind.DRAWER:
                    document = document_from_json(job.document_json)
                    self._papers.appendleft(PracticePaper(job.receipt_no, document))
                spool.move(job.job_no, JobEvent.SEND)
                spool.move(job.job_no, JobEvent.PRINTED)


def _own_identity(shop: TerminalIdentity, root: Ed25519PrivateKey) -> TerminalIdentity:
    return TerminalIdentity(
        terminal=TERMINAL,
        epoch=1,
        pool=shop.pool,
        root_key=public_key_text(root.public_key()),
        shop=shop.shop,
        shop_name=shop.shop_name,
        merchant_name=shop.merchant_name,
    )


def _open_store(folder: Path, identity: TerminalIdentity) -> SqliteStore:
    sealer = Sealer(identity=identity, key=Ed25519PrivateKey.generate(), boot_id="practice")
    return SqliteStore(folder / DATABASE, sealer)
