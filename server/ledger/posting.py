"""The one door: nothing else in the project writes an entry or a transfer."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from sqlalchemy import Connection, bindparam, select

from server.db.bulk import Row, among
from server.db.working_set import Key, Stored, Wish, WorkingSet, working
from server.ledger.accounts import ACCOUNT, LEDGER_HEAD, locked_accounts, locked_head, sums_of
from server.ledger.tables import entry as entry_table
from server.ledger.tables import transfer as transfer_table
from server.ledger.values import (
    MAX_AMOUNT,
    MAX_LEGS,
    AlreadyPosted,
    Asset,
    EntryDraft,
    InsufficientBalance,
    KeyConflict,
    LedgerFault,
    Leg,
    Normal,
    Posted,
    PostOutcome,
    Sums,
)

_HASH_BYTES = hashlib.sha256().digest_size
_ENTRY = Stored(entry_table)
_TRANSFER = Stored(transfer_table)
_BOOKED = "what is booked under a natural key"
_BY_NATURAL_KEY = select(entry_table.c.key, entry_table.c.entry_no, entry_table.c.input_hash).where(
    entry_table.c.pool == bindparam("pool"),
    among(entry_table.c.key, "keys"),
)


@dataclass(frozen=True, slots=True)
class _Booked:
    """What stands under a natural key; entry number 0 where nothing does."""

    entry_no: int
    input_hash: bytes


_NOT_BOOKED = _Booked(0, b"")


def post(
    tx: Connection, pool: str, draft: EntryDraft, *, recorded_at: datetime, fact_no: int
) -> PostOutcome:
    """Books the draft's legs as one entry, all of them or none, once for its key.

    The same key with the same input is `AlreadyPosted` and changes nothing, whenever it comes.
    Legs apply in their order; a floored account may at no leg stand below zero. A transfer does
    not ask about holds: whoever spends asks `spendable` or `cover` first.

    Raises:
        UnknownAccount: a leg names an account that was never opened.
        LedgerFault: no legs or more than 1 000, an amount outside 1..10^15, a leg with one
            account on both sides, a hash that is no SHA-256.
        ValueError: a moment without a time zone.
    """
    return post_many(tx, pool, (draft,), recorded_at=recorded_at, fact_no=fact_no)[0]


def post_many(
    tx: Connection,
    pool: str,
    drafts: Sequence[EntryDraft],
    *,
    recorded_at: datetime,
    fact_no: int,
) -> list[PostOutcome]:
    """Books drafts one after the other, as `post` does each of them, in a constant number of
    statements. Each has its own outcome; one that is refused stands in nobody's way.

    Raises:
        UnknownAccount, LedgerFault, ValueError: as `post`, for any of them; nothing is written.
    """
    if recorded_at.utcoffset() is None:
        raise ValueError(f"a moment needs its time zone: {recorded_at!r}")
    for draft in drafts:
        _refuse_nonsense(draft)
    with working(tx, pool) as books:
        locked_head(books)
        books.fulfil(entries_wish(books, [draft.key for draft in drafts]))
        new = [draft for draft in drafts if books.noted((_BOOKED, draft.key)) is _NOT_BOOKED]
        locked_accounts(
            books, {side for draft in new for leg in draft.legs for side in _sides(leg)}
        )
        return [_post_one(books, draft, recorded_at, fact_no) for draft in drafts]


def entries_wish(books: WorkingSet, keys: Iterable[str]) -> Wish | None:
    """To read what is booked under these keys."""
    unknown = sorted({key for key in keys if books.noted((_BOOKED, key)) is None})
    if not unknown:
        return None

    def take(rows: Sequence[Row]) -> None:
        found = {row["key"]: row for row in rows}
        for key in unknown:
            row = found.get(key)
            booked = _Booked(row["entry_no"], row["input_hash"]) if row else _NOT_BOOKED
            books.note((_BOOKED, key), booked)

    return Wish(_BY_NATURAL_KEY, {"pool": books.pool, "keys": unknown}, take)


def _post_one(
    books: WorkingSet, draft: EntryDraft, recorded_at: datetime, fact_no: int
) -> PostOutcome:
    given_hash = draft.input_hash or _hash(draft)
    booked: _Booked = books.noted((_BOOKED, draft.key))
    if booked is not _NOT_BOOKED:
        if booked.input_hash == given_hash:
            return AlreadyPosted(booked.entry_no)
        return KeyConflict(draft.key, booked.entry_no, booked.input_hash, given_hash)
    moved = _move(books, draft)
    if isinstance(moved, InsufficientBalance):
        return moved
    head = locked_head(books)
    entry_no, first_no = head["last_entry_no"] + 1, head["last_transfer_no"] + 1
    entry = {
        "pool": books.pool,
        "entry_no": entry_no,
        "key": draft.key,
        "kind": draft.kind,
        "input_hash": given_hash,
        "occurred_at": draft.occurred_at,
        "recorded_at": recorded_at,
        "business_date": draft.business_date,
        "fact_no": fact_no,
        "memo": draft.memo,
    }
    books.append(_ENTRY, entry)
    for position, leg in enumerate(draft.legs):
        books.append(_TRANSFER, _transfer(books.pool, entry_no, first_no, position, leg))
    last_no = first_no + len(draft.legs) - 1
    books.update(LEDGER_HEAD, (), last_entry_no=entry_no, last_transfer_no=last_no)
    for key, sums in moved.items():
        books.update(ACCOUNT, key, debits=sums.debits, credits=sums.credits)
    books.note((_BOOKED, draft.key), _Booked(entry_no, given_hash))
    return Posted(entry_no, first_no)


def _refuse_nonsense(draft: EntryDraft) -> None:
    if not draft.key or not draft.kind:
        raise LedgerFault("an entry needs a key and a kind")
    if not 1 <= len(draft.legs) <= MAX_LEGS:
        raise LedgerFault(f"{draft.key}: {len(draft.legs)} legs, not 1 to {MAX_LEGS}")
    if draft.input_hash and len(draft.input_hash) != _HASH_BYTES:
        raise LedgerFault(f"{draft.key}: the input's hash is not a SHA-256")
    for leg in draft.legs:
        # A float or a bool that got this far would be stored rounded; the books want whole numbers.
        if type(leg.amount) is not int or not 1 <= leg.amount <= MAX_AMOUNT:
            raise LedgerFault(f"{draft.key}: cannot move {leg.amount!r} of {leg.asset}")
        if leg.debit == leg.credit:
            raise LedgerFault(f"{draft.key}: {leg.debit} on both sides of a leg")
    if draft.occurred_at.utcoffset() is None:
        raise ValueError(f"{draft.key}: a moment needs its time zone")


def _hash(draft: EntryDraft) -> bytes:
    """SHA-256 over a fixed array, so that a field added to the draft later changes no old hash."""
    what = (
        "entry/1",
        draft.key,
        draft.kind,
        draft.occurred_at.astimezone(UTC),
        draft.business_date,
        draft.memo,
        [(leg.asset.value, leg.code, leg.debit, leg.credit, leg.amount) for leg in draft.legs],
    )
    return hashlib.sha256(msgspec.json.encode(what)).digest()


def _move(books: WorkingSet, draft: EntryDraft) -> dict[Key, Sums] | InsufficientBalance:
    """What the legs make of each cold account, or the first account that cannot bear its leg."""
    moved: dict[Key, Sums] = {}
    for leg in draft.legs:
        for key, debits, credits_ in (
            ((leg.debit, leg.asset), leg.amount, 0),
            ((leg.credit, leg.asset), 0, leg.amount),
        ):
            account = books.row(ACCOUNT, key)
            assert account is not None, key
            if account["hot"]:
                continue
            sums = moved.get(key) or sums_of(account)
            now = moved[key] = Sums(sums.debits + debits, sums.credits + credits_)
            if account["floor_at_zero"]:
                balance = now.on(Normal(account["normal"]))
                if balance < 0:
                    return InsufficientBalance(key[0], leg.asset, -balance)
    return moved


def _transfer(pool: str, entry_no: int, first_no: int, position: int, leg: Leg) -> Row:
    return {
        "pool": pool,
        "transfer_no": first_no + position,
        "entry_no": entry_no,
        "position": position + 1,
        "asset": leg.asset,
        "code": leg.code,
        "debit_account": leg.debit,
        "credit_account": leg.credit,
        "amount": leg.amount,
    }


def _sides(leg: Leg) -> tuple[tuple[str, Asset], tuple[str, Asset]]:
    return (leg.debit, leg.asset), (leg.credit, leg.asset)
