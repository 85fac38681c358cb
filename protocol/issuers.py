"""The keys that a pool has its codes and documents signed with, listed and signed by its root key.

The root key can lie in a drawer: it signs nothing but this list. A list is numbered, and a higher
number takes the place of a lower one whole, so that a key which it revokes stays dead even where
somebody holds that key and can show an older list. A key once listed stays listed, with its number
(``kid``) and its role; it may be given an end, or be revoked. Before a pool has a list, its root
key signs its documents, and the policy names its keys.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Meta, Struct

from protocol.codes import CardCode, Code
from protocol.keys import KeyTextError, pool_tag, read_public_key, sign, signature_holds
from protocol.reasons import Declined, DeclineReason

ISSUER_PURPOSE = "issuer-key"
MAX_LISTED = 64


class IssuerRole(StrEnum):
    """What a key may sign, and nothing else."""

    CARD = "card"
    """Printed cards (0x41)."""
    PHONE = "phone"
    """Certificates of phones and of terminals, and slots (0x11, 0x15, 0x21, 0x31)."""
    DOCUMENT = "document"
    """Policy, catalogue, directory and the other documents of terminals; exported statements."""


class ListedKey(Struct, frozen=True, kw_only=True):
    """A key of the list.

    Attributes:
        certificate: hex of the root key's signature of role, number and key (:func:`certify`).
        signs_from: when the server begins to sign with it; it is believed from the moment that the
            list is known, so that everybody knows it before it is used.
        ends_at: from then on nothing that it signed is good; None: no end is set.
        revoked_at: when it was taken back: nothing that it signed is good, whatever the time.
    """

    kid: Annotated[int, Meta(ge=0, le=255)]
    role: IssuerRole
    public_key: Annotated[str, Meta(max_length=80)]
    certificate: Annotated[str, Meta(pattern=r"^([0-9a-f]{128})?$")]
    signs_from: datetime
    ends_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_live(self, at: datetime | None) -> bool:
        """Whether what it signed is good at a time; None: nobody knows the time, and ends do not
        count.
        """
        return self.revoked_at is None and not (
            at is not None and self.ends_at is not None and at >= self.ends_at
        )


class KeyList(Struct, frozen=True, kw_only=True):
    """All keys that a pool ever had. ``made_at`` is the server's time, when it was asked for."""

    version: int
    made_at: datetime
    pool: str
    keys: Annotated[tuple[ListedKey, ...], Meta(max_length=MAX_LISTED)]

    def of(self, role: IssuerRole, kid: int) -> ListedKey | None:
        """The key with this role and number."""
        return next((each for each in self.keys if (each.role, each.kid) == (role, kid)), None)

    def live(self, role: IssuerRole, at: datetime | None) -> dict[int, Ed25519PublicKey]:
        """The keys of a role whose signatures are good at a time, by number."""
        return {
            each.kid: read_public_key(each.public_key)
            for each in self.keys
            if each.role is role and each.is_live(at)
        }


def role_of(code: Code) -> IssuerRole:
    """Which kind of key signed a code, directly or by its certificate."""
    return IssuerRole.CARD if isinstance(code, CardCode) else IssuerRole.PHONE


def certify(root: Ed25519PrivateKey, role: IssuerRole, kid: int, key: Ed25519PublicKey) -> str:
    """The root key's word for one key, in hex."""
    return sign(root, ISSUER_PURPOSE, _certified(root.public_key(), role, kid, key)).hex()


def certificate_holds(
    root: Ed25519PublicKey, role: IssuerRole, kid: int, key: Ed25519PublicKey, certificate: str
) -> bool:
    """Whether the root key vouched for a key."""
    message = _certified(root, role, kid, key)
    return signature_holds(root, ISSUER_PURPOSE, message, bytes.fromhex(certificate))


def _certified(root: Ed25519PublicKey, role: IssuerRole, kid: int, key: Ed25519PublicKey) -> bytes:
    return pool_tag(root) + role.value.encode() + b"\0" + bytes([kid]) + key.public_bytes_raw()


def list_problem(
    new: KeyList, root: Ed25519PublicKey, pool: str, known: KeyList | None
) -> str | None:
    """Why a list, whose signature holds, does not follow the one that is known; None where it does."""
    if new.pool != pool:
        return "是另一个积分池的 / it is another pool's"
    if len({each.kid for each in new.keys}) != len(new.keys):
        return "两把密钥用了同一个编号 / two keys have one number"
    for each in new.keys:
        if not _is_vouched_for(each, root):
            return f"密钥 {each.kid} 没有根密钥的证明 / the root key does not vouch for {each.kid}"
    for role in (IssuerRole.CARD, IssuerRole.PHONE):
        if not any(each.role is role and each.revoked_at is None for each in new.keys):
            return f"没有可用的 {role} 密钥 / there is no key left for {role}"
    return _does_not_follow(new, known) if known is not None else None


def _does_not_follow(new: KeyList, known: KeyList) -> str | None:
    if new.version <= known.version:
        return f"不比第 {known.version} 版新 / it is not newer than version {known.version}"
    for before in known.keys:
        after = new.of(before.role, before.kid)
        if after is None or after.public_key != before.public_key:
            return f"密钥 {before.kid} 不见了或被换掉 / key {before.kid} is gone or another"
        if before.revoked_at is not None and after.revoked_at is None:
            return f"密钥 {before.kid} 已吊销，不能恢复 / key {before.kid} was revoked for good"
    return None


def _is_vouched_for(listed: ListedKey, root: Ed25519PublicKey) -> bool:
    try:
        key = read_public_key(listed.public_key)
    except KeyTextError:
        return False
    return certificate_holds(root, listed.role, listed.kid, key, listed.certificate)


def dead_key(keys: KeyList, role: IssuerRole, kid: int, at: datetime | None) -> Declined | None:
    """Why a code is not taken though the pool once signed with its key; None where the key is
    live, or none of the pool's.
    """
    listed = keys.of(role, kid)
    if listed is None or listed.is_live(at):
        return None
    if role is IssuerRole.CARD and listed.revoked_at is not None:
        return Declined(DeclineReason.CODE_REVOKED)
    # A phone has a good certificate again as soon as it was online.
    ended = listed.revoked_at if listed.revoked_at is not None else listed.ends_at
    return Declined(DeclineReason.CODE_EXPIRED, expired_at=ended)
