"""Who awards and reviews, and which channels may award over HTTP."""

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from protocol.keys import KeyTextError, public_key_text, read_public_key
from server.awards.commands import (
    AwarderRole,
    ClosePartner,
    RegisterAwarder,
    RegisterPartner,
    RetireAwarder,
)
from server.awards.tables import awarder, partner
from server.awards.values import AwardProblem, Noted
from server.directory import resident_of
from server.directory.refusals import conflict_says
from server.facts import FactStamp
from server.facts.refused import Refused

PARTNER_PREFIX = "partner:"
"""Before a partner's id: how it awards, and the name of the key that it signs with."""


@dataclass(frozen=True, slots=True)
class KnownAwarder:
    """Somebody who awards or reviews; ``account`` is his own as a resident."""

    awarder: str
    name: str
    role: AwarderRole
    account: str | None
    retired: bool


@dataclass(frozen=True, slots=True)
class Partner:
    """A channel that signs its requests with the key of this text."""

    partner: str
    name: str
    public_key: str
    closed: bool


def register_awarder(tx: Connection, stamp: FactStamp, command: RegisterAwarder) -> Noted | Refused:
    """Register somebody once; an id never passes to another person, name, role or account."""
    if command.account is not None and resident_of(tx, stamp.pool, command.account) is None:
        return Refused(
            AwardProblem.UNKNOWN_RESIDENT,
            f"没有这位居民：{command.account}，请先登记 / not registered: {command.account}",
        )
    found = awarder_of(tx, stamp.pool, command.awarder)
    if found is None and not command.awarder.startswith(PARTNER_PREFIX):
        tx.execute(
            insert(awarder).values(
                pool=stamp.pool,
                awarder=command.awarder,
                name=command.name,
                role=command.role.value,
                account=command.account,
                retired=False,
            )
        )
        return Noted(command.awarder)
    asked = KnownAwarder(
        command.awarder, command.name, command.role, command.account, retired=False
    )
    if found == asked:
        return Noted(command.awarder, again=True)
    stands = ("渠道 channel",) if found is None else _is_awarder(found)
    says = conflict_says("登记人编号", command.awarder, stands=stands, asked=_is_awarder(asked))
    return Refused(AwardProblem.CONFLICT, says)


def _is_awarder(who: KnownAwarder) -> tuple[str | None, ...]:
    return who.name, who.role, who.account, "已停用 retired" if who.retired else None


def retire_awarder(tx: Connection, stamp: FactStamp, command: RetireAwarder) -> Noted | Refused:
    """Let somebody award and review no more."""
    found = awarder_of(tx, stamp.pool, command.awarder)
    if found is None:
        return Refused(
            AwardProblem.UNKNOWN_AWARDER,
            f"没有这位登记人：{command.awarder}，请核对编号 / not registered: {command.awarder}",
        )
    tx.execute(
        update(awarder)
        .where(awarder.c.pool == stamp.pool, awarder.c.awarder == command.awarder)
        .values(retired=True)
    )
    return Noted(command.awarder, again=found.retired)


def awarder_of(tx: Connection, pool: str, awarder_id: str) -> KnownAwarder | None:
    """Whoever is registered under this id, retired or not; ``partner:<id>`` is a channel."""
    if awarder_id.startswith(PARTNER_PREFIX):
        channel = partner_of(tx, pool, awarder_id.removeprefix(PARTNER_PREFIX))
        if channel is None:
            return None
        return KnownAwarder(
            awarder_id, channel.name, AwarderRole.PARTNER, None, retired=channel.closed
        )
    row = tx.execute(
        select(awarder).where(awarder.c.pool == pool, awarder.c.awarder == awarder_id)
    ).one_or_none()
    if row is None:
        return None
    return KnownAwarder(row.awarder, row.name, AwarderRole(row.role), row.account, row.retired)


def register_partner(tx: Connection, stamp: FactStamp, command: RegisterPartner) -> Noted | Refused:
    """Register a channel, open it again, or give it a new key; its name stays."""
    if not _is_key(command.public_key):
        return Refused(
            AwardProblem.BAD_KEY,
            "公钥格式不对，应为 ed25519: 加 base64url / this is no Ed25519 public key",
        )
    owner = tx.execute(
        select(partner.c.partner).where(
            partner.c.pool == stamp.pool, partner.c.public_key == command.public_key
        )
    ).scalar_one_or_none()
    found = partner_of(tx, stamp.pool, command.partner)
    if owner not in {None, command.partner}:
        return Refused(
            AwardProblem.BAD_KEY,
            f"这把公钥属于渠道 {owner}，请换一把 / this key is {owner}'s, make another one",
        )
    if found is None:
        tx.execute(
            insert(partner).values(
                pool=stamp.pool,
                partner=command.partner,
                name=command.name,
                public_key=command.public_key,
                closed=False,
            )
        )
        return Noted(command.partner)
    if found.name != command.name:
        says = conflict_says(
            "渠道编号", command.partner, stands=(found.name,), asked=(command.name,)
        )
        return Refused(AwardProblem.CONFLICT, says)
    _change_partner(tx, stamp.pool, command.partner, public_key=command.public_key, closed=False)
    return Noted(
        command.partner, again=(found.public_key, found.closed) == (command.public_key, False)
    )


def close_partner(tx: Connection, stamp: FactStamp, command: ClosePartner) -> Noted | Refused:
    """Deal with a channel no more."""
    found = partner_of(tx, stamp.pool, command.partner)
    if found is None:
        return Refused(
            AwardProblem.UNKNOWN_PARTNER,
            f"没有这个渠道：{command.partner}，请核对编号 / no such partner: {command.partner}",
        )
    _change_partner(tx, stamp.pool, command.partner, closed=True)
    return Noted(command.partner, again=found.closed)


def partner_of(tx: Connection, pool: str, partner_id: str) -> Partner | None:
    """The channel registered under this id, closed or not."""
    row = tx.execute(
        select(partner).where(partner.c.pool == pool, partner.c.partner == partner_id)
    ).one_or_none()
    return Partner(row.partner, row.name, row.public_key, row.closed) if row else None


def _is_key(text: str) -> bool:
    """Base64 has many spellings; a key has the one that we write, or it could come in twice."""
    try:
        return public_key_text(read_public_key(text)) == text
    except KeyTextError:
        return False


def _change_partner(tx: Connection, pool: str, partner_id: str, **values: object) -> None:
    tx.execute(
        update(partner)
        .where(partner.c.pool == pool, partner.c.partner == partner_id)
        .values(**values)
    )
