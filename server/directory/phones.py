"""Residents' phones: invited with a one-time code, enrolled with a key of their own, ended."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct
from sqlalchemy import Connection, Row, exists, func, insert, select, update

from protocol.codes.key import PhoneKey
from protocol.codes.phone import KNOWN_FLAGS
from server.directory.commands import HashHex, HexId, Reason
from server.directory.phone_tables import phone, phone_invitation, phone_use
from server.directory.queries import resident_of
from server.directory.refusals import unknown
from server.directory.temporary import moved_out, was_handed_on
from server.directory.values import Answer, DirectoryProblem, Done, Refused

MOST_PHONES = 65_535
PHONE_DAYS = 90
"""How long a phone's certificate is good, if the key that signs it is."""
KeyHex = Annotated[str, Meta(pattern=r"^([0-9a-f]{64}|0[23][0-9a-f]{64})$")]


class _Command(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    pass


class InvitePhone(_Command, frozen=True, tag="invite_phone"):
    """A one-time code for a resident's phone; an earlier one is dead."""

    account: HexId
    code_name: Annotated[str, Meta(min_length=4, max_length=8)]
    code_hash: HashHex
    expires_at: datetime
    tries: Annotated[int, Meta(ge=1, le=20)]


class EnrolPhone(_Command, frozen=True, tag="enrol_phone"):
    """A phone brings its key: 32 bytes Ed25519 or 33 bytes ES256, in hex."""

    account: HexId
    code_hash: HashHex
    public_key: KeyHex
    flags: Annotated[int, Meta(ge=0, le=255)] = 0


class EndPhone(_Command, frozen=True, tag="end_phone"):
    """The phone is lost or given away: no code of it is good any more."""

    account: HexId
    reason: Reason = ""


class PhoneState(StrEnum):
    """Whether a phone's codes are good."""

    LIVE = "live"
    REVOKED = "revoked"
    REPLACED = "replaced"
    COPIED = "copied"
    """Two devices sign with its key."""


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone's key, by its number among the resident's."""

    account: str
    seq: int
    key: PhoneKey
    flags: int
    state: PhoneState
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class PhoneInvitation:
    """A code that somebody may come with."""

    account: str
    code_hash: str
    expires_at: datetime
    tries_left: int


@dataclass(frozen=True, slots=True)
class PhoneEnrolled:
    """The phone is number ``seq`` of the account."""

    account: str
    seq: int


@dataclass(frozen=True, slots=True)
class PhoneUse:
    """A counter was used for a sale, or for a fulfilment. ``content_hash``: of what was signed."""

    used_for: UUID
    account: str
    seq: int
    counter: int
    content_hash: str
    terminal: str


def phone_code_hash(pool: str, account: str, code: str) -> str:
    """What is kept of a one-time code: hex SHA-256, different for every pool and resident."""
    message = b"\0".join((b"HUIDIAN1/phone-code", pool.encode(), account.encode()))
    return hashlib.sha256(message + b"\0" + code.encode()).hexdigest()


def invite_phone(tx: Connection, pool: str, command: InvitePhone, _at: datetime) -> Answer:
    """Remember a code for a resident's phone."""
    if resident_of(tx, pool, command.account) is None:
        return unknown(DirectoryProblem.UNKNOWN_RESIDENT, "居民", command.account)
    if was_handed_on(tx, pool, command.account):
        return moved_out(command.account)
    values = {
        "code_name": command.code_name,
        "code_hash": command.code_hash,
        "code_expires_at": command.expires_at,
        "tries_left": command.tries,
    }
    if _invitation(tx, pool, command.account) is None:
        tx.execute(insert(phone_invitation).values(pool=pool, account=command.account, **values))
    else:
        _update_invitation(tx, pool, command.account, **values)
    return Done(command.account)


def enrol_phone(
    tx: Connection, pool: str, command: EnrolPhone, at: datetime
) -> Answer | PhoneEnrolled:
    """Give a resident's phone its number. Asked again with the same key, the same answer.

    A wrong code costs the invitation one of its tries, so this command's refusals are kept.
    """
    key = PhoneKey(bytes.fromhex(command.public_key))
    if not key.is_sound or command.flags & ~KNOWN_FLAGS:
        return Refused(DirectoryProblem.BAD_KEY, "手机公钥格式不对 / this is no key of a phone")
    found = _invitation(tx, pool, command.account)
    if found is None or at >= found.code_expires_at:
        return _wrong_code()
    if not hmac.compare_digest(found.code_hash, command.code_hash):
        if found.tries_left > 0:
            _update_invitation(tx, pool, command.account, tries_left=found.tries_left - 1)
        return _wrong_code()
    before = phone_of(tx, pool, command.account)
    if before is not None and before.key == key:
        return PhoneEnrolled(command.account, before.seq)
    if found.tries_left <= 0:
        return _wrong_code()
    # Used up by a key; the same key may ask again, should the answer have been lost.
    _update_invitation(tx, pool, command.account, tries_left=0)
    seq = _last_seq(tx, pool, command.account) + 1
    if seq > MOST_PHONES:
        return Refused(DirectoryProblem.CONFLICT, "手机登记次数已满 / too many phones")
    _end(tx, pool, command.account, PhoneState.REPLACED, at)
    tx.execute(
        insert(phone).values(
            pool=pool,
            account=command.account,
            seq=seq,
            public_key=command.public_key,
            flags=command.flags,
            state=PhoneState.LIVE.value,
            enrolled_at=at,
            ended_at=None,
        )
    )
    return PhoneEnrolled(command.account, seq)


def end_phone(tx: Connection, pool: str, command: EndPhone, at: datetime) -> Answer:
    """No code of the resident's phone is good from now on."""
    if resident_of(tx, pool, command.account) is None:
        return unknown(DirectoryProblem.UNKNOWN_RESIDENT, "居民", command.account)
    live = phone_of(tx, pool, command.account)
    _end(tx, pool, command.account, PhoneState.REVOKED, at)
    return Done(command.account, again=live is None)


def phone_of(tx: Connection, pool: str, account: str, seq: int | None = None) -> Phone | None:
    """A resident's live phone, or the one with this number in whatever state; or None."""
    which = phone.c.state == PhoneState.LIVE.value if seq is None else phone.c.seq == seq
    row = tx.execute(
        select(phone).where(phone.c.pool == pool, phone.c.account == account, which)
    ).one_or_none()
    return None if row is None else _phone(row)


def _phone(row: Row[Any]) -> Phone:
    key = PhoneKey(bytes.fromhex(row.public_key))
    return Phone(row.account, row.seq, key, row.flags, PhoneState(row.state), row.ended_at)


def copied_phones(tx: Connection, pool: str, account: str | None = None) -> list[Phone]:
    """The phones (of one resident) that ended because two devices sign with their key, newest
    first; those are left out whose resident has come with another phone since.
    """
    later = phone.alias()
    rows = tx.execute(
        select(phone)
        .where(
            phone.c.pool == pool,
            *([] if account is None else [phone.c.account == account]),
            phone.c.state == PhoneState.COPIED.value,
            ~exists().where(
                later.c.pool == pool,
                later.c.account == phone.c.account,
                later.c.seq > phone.c.seq,
            ),
        )
        .order_by(phone.c.ended_at.desc(), phone.c.account)
    )
    return [_phone(row) for row in rows]


def lowest_live_seqs(tx: Connection, pool: str) -> dict[str, int]:
    """By account, the number from which on certificates may be good: exact, one integer each.

    Accounts that never had a phone are absent.
    """
    rows = tx.execute(
        select(phone.c.account, phone.c.state, phone.c.seq).where(phone.c.pool == pool)
    )
    lowest: dict[str, int] = {}
    for account, state, seq in rows:
        first = seq if state == PhoneState.LIVE.value else seq + 1
        lowest[account] = max(lowest.get(account, 0), first)
    return lowest


def phone_invitations_named(tx: Connection, pool: str, name: str) -> list[PhoneInvitation]:
    """The invitations whose code begins so, newest first."""
    rows = tx.execute(
        select(phone_invitation)
        .where(phone_invitation.c.pool == pool, phone_invitation.c.code_name == name)
        .order_by(phone_invitation.c.code_expires_at.desc())
    )
    return [
        PhoneInvitation(row.account, row.code_hash, row.code_expires_at, row.tries_left)
        for row in rows
    ]


def uses_of(tx: Connection, pool: str, account: str, seq: int, counter: int) -> list[PhoneUse]:
    """What a counter was used for already, in no order."""
    rows = tx.execute(
        select(phone_use).where(
            phone_use.c.pool == pool,
            phone_use.c.account == account,
            phone_use.c.seq == seq,
            phone_use.c.counter == counter,
        )
    )
    return [_use(row) for row in rows]


def noted_for(tx: Connection, pool: str, used_for: UUID) -> list[PhoneUse]:
    """What is noted for a sale or a fulfilment: what it was asked with, and then, where that was
    another code, what it was captured with.
    """
    rows = tx.execute(
        select(phone_use)
        .where(phone_use.c.pool == pool, phone_use.c.sale_id.in_(_places(used_for)))
        .order_by(func.length(phone_use.c.sale_id).desc())
    )
    return [_use(row) for row in rows]


def can_note(tx: Connection, pool: str, use: PhoneUse) -> bool:
    """Whether there is a place left to keep this use, or it is kept already."""
    noted = noted_for(tx, pool, use.used_for)
    return use in noted or len(noted) < len(_places(use.used_for))


def note_use(tx: Connection, pool: str, use: PhoneUse, fact_no: int) -> None:
    """Keep what a counter was used for; what is noted for the same thing stays as it is."""
    noted = noted_for(tx, pool, use.used_for)
    if use not in noted and can_note(tx, pool, use):
        tx.execute(
            insert(phone_use).values(
                pool=pool,
                sale_id=_places(use.used_for)[len(noted)],
                account=use.account,
                seq=use.seq,
                counter=use.counter,
                content_hash=use.content_hash,
                terminal=use.terminal,
                fact_no=fact_no,
            )
        )


def mark_copied(tx: Connection, pool: str, account: str, seq: int, at: datetime) -> None:
    """Two devices sign with the key of this phone: it is good for nothing any more."""
    tx.execute(
        update(phone)
        .where(
            phone.c.pool == pool,
            phone.c.account == account,
            phone.c.seq == seq,
            phone.c.state == PhoneState.LIVE.value,
        )
        .values(state=PhoneState.COPIED.value, ended_at=at)
    )


def _places(used_for: UUID) -> tuple[str, str]:
    """Where the uses of one sale stand: the code it was asked with by the id with dashes, the code
    it was captured with, if that was another, by the same id without.
    """
    return str(used_for), used_for.hex


def _use(row: Row[Any]) -> PhoneUse:
    return PhoneUse(
        UUID(row.sale_id), row.account, row.seq, row.counter, row.content_hash, row.terminal
    )


def _end(tx: Connection, pool: str, account: str, state: PhoneState, at: datetime) -> None:
    tx.execute(
        update(phone)
        .where(
            phone.c.pool == pool,
            phone.c.account == account,
            phone.c.state == PhoneState.LIVE.value,
        )
        .values(state=state.value, ended_at=at)
    )


def _last_seq(tx: Connection, pool: str, account: str) -> int:
    found = select(func.max(phone.c.seq)).where(phone.c.pool == pool, phone.c.account == account)
    return tx.execute(found).scalar() or 0


def _invitation(tx: Connection, pool: str, account: str) -> Row[Any] | None:
    return tx.execute(
        select(phone_invitation).where(
            phone_invitation.c.pool == pool, phone_invitation.c.account == account
        )
    ).one_or_none()


def _update_invitation(tx: Connection, pool: str, account: str, **values: object) -> None:
    tx.execute(
        update(phone_invitation)
        .where(phone_invitation.c.pool == pool, phone_invitation.c.account == account)
        .values(**values)
    )


def _wrong_code() -> Refused:
    return Refused(
        DirectoryProblem.WRONG_CODE,
        "登记码不对或已失效，请向社区要一个新的"
        " / the code is wrong, used up or too old; ask the community office for a new one",
    )
