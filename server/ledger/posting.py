"""The one door: nothing else in the project writes an entry or a transfer."""

import hashlib
from collections import defaultdict
from datetime import UTC, datetime

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, update

from server.ledger.accounts import Head, LockedAccount, lock_accounts, lock_pool
from server.ledger.tables import account as account_table
from server.ledger.tables import entry as entry_table
from server.ledger.tables import ledger_head
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
    Posted,
    PostOutcome,
    Sums,
)

_HASH_BYTES = hashlib.sha256().digest_size


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
    _refuse_nonsense(draft)
    given_hash = draft.input_hash or _hash(draft)
    head = lock_pool(tx, pool)
    booked = tx.execute(
        select(entry_table.c.entry_no, entry_table.c.input_hash).where(
            entry_table.c.pool == pool, entry_table.c.key == draft.key
        )
    ).one_or_none()
    if booked is not None:
        if bytes(booked.input_hash) == given_hash:
            return AlreadyPosted(booked.entry_no)
        return KeyConflict(draft.key, booked.entry_no, bytes(booked.input_hash), given_hash)
    sides = [
        side for leg in draft.legs for side in ((leg.debit, leg.asset), (leg.credit, leg.asset))
    ]
    accounts = lock_accounts(tx, pool, sides)
    moved = _move(draft, accounts)
    if isinstance(moved, InsufficientBalance):
        return moved
    entry_no = head.last_entry_no + 1
    tx.execute(
        insert(entry_table).values(
            pool=pool,
            entry_no=entry_no,
            key=draft.key,
            kind=draft.kind,
            input_hash=given_hash,
            occurred_at=draft.occurred_at,
            recorded_at=recorded_at,
            business_date=draft.business_date,
            fact_no=fact_no,
            memo=draft.memo,
        )
    )
    _write_transfers(tx, pool, entry_no, head, draft)
    _write_sums(tx, pool, moved)
    return Posted(entry_no)


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


def _hash(draft: EntryDraft) -> bytes:
    """SHA-256 over a fixed array, so that a field added to the draft later changes no old hash."""
    if draft.occurred_at.utcoffset() is None:
        raise ValueError(f"{draft.key}: a moment needs its time zone")
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


def _move(
    draft: EntryDraft, accounts: dict[tuple[str, Asset], LockedAccount]
) -> dict[tuple[str, Asset], Sums] | InsufficientBalance:
    """What the legs add to each cold account, or the first account that cannot bear its leg."""
    moved: dict[tuple[str, Asset], Sums] = defaultdict(lambda: Sums(0, 0))
    for leg in draft.legs:
        for name, added in (
            (leg.debit, Sums(leg.amount, 0)),
            (leg.credit, Sums(0, leg.amount)),
        ):
            account = accounts[name, leg.asset]
            if account.hot:
                continue
            so_far = moved[name, leg.asset]
            now = Sums(so_far.debits + added.debits, so_far.credits + added.credits)
            moved[name, leg.asset] = now
            balance = account.sums.on(account.normal) + now.on(account.normal)
            if account.floor_at_zero and balance < 0:
                return InsufficientBalance(name, leg.asset, -balance)
    return moved


def _write_transfers(
    tx: Connection, pool: str, entry_no: int, head: Head, draft: EntryDraft
) -> None:
    tx.execute(
        insert(transfer_table),
        [
            {
                "pool": pool,
                "transfer_no": head.last_transfer_no + position,
                "entry_no": entry_no,
                "position": position,
                "asset": leg.asset.value,
                "code": leg.code,
                "debit_account": leg.debit,
                "credit_account": leg.credit,
                "amount": leg.amount,
            }
            for position, leg in enumerate(draft.legs, start=1)
        ],
    )
    tx.execute(
        update(ledger_head)
        .where(ledger_head.c.pool == pool)
        .values(last_entry_no=entry_no, last_transfer_no=head.last_transfer_no + len(draft.legs))
    )


def _write_sums(tx: Connection, pool: str, moved: dict[tuple[str, Asset], Sums]) -> None:
    if not moved:
        return
    tx.execute(
        update(account_table)
        .where(
            account_table.c.pool == pool,
            account_table.c.account == bindparam("of_account"),
            account_table.c.asset == bindparam("of_asset"),
        )
        .values(
            debits=account_table.c.debits + bindparam("more_debits"),
            credits=account_table.c.credits + bindparam("more_credits"),
        ),
        [
            {
                "of_account": name,
                "of_asset": asset.value,
                "more_debits": sums.debits,
                "more_credits": sums.credits,
            }
            for (name, asset), sums in sorted(moved.items())
        ],
    )
