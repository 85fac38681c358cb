"""A pool's private keys: made once, kept in files that only the server's user can read.

A folder per pool holds the root key (signs documents), two issuer keys (sign cards and slots),
the master secret from which every card's secret is derived, and the secret of web sessions.
Nothing here is in the database, in a fact, or in a log.
"""

import hashlib
import hmac
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from protocol.codes import SECRET_BYTES
from protocol.documents import IssuerKey
from protocol.keys import (
    KeyTextError,
    pool_tag,
    private_key_text,
    public_key_text,
    read_private_key,
)

_KEY_FILES = ("root.key", "card-issuer.key", "slot-issuer.key")
_SECRET_FILES = ("card-master.secret", "session.secret")
_SECRET_FILE_BYTES = 32
_FOLDER_MODE = 0o700
_FILE_MODE = 0o600
_KIDS = 256


class KeysRefused(Exception):  # noqa: N818 - named as the sentence it states
    """The key files are missing, unreadable or open to others; says which."""


@dataclass(frozen=True, slots=True, repr=False)
class PoolKeys:
    """What only the pool's server knows. Never printed."""

    root: Ed25519PrivateKey
    card_issuer: Ed25519PrivateKey
    slot_issuer: Ed25519PrivateKey
    card_master: bytes
    session_secret: bytes

    @property
    def root_key_text(self) -> str:
        return public_key_text(self.root.public_key())

    @property
    def tag(self) -> bytes:
        return pool_tag(self.root.public_key())

    @property
    def card_kid(self) -> int:
        """The number by which cards name their issuer key."""
        return _kid(self.card_issuer.public_key())

    @property
    def slot_kid(self) -> int:
        """The number by which slots name theirs; the next one where both would be the same."""
        kid = _kid(self.slot_issuer.public_key())
        return (kid + 1) % _KIDS if kid == self.card_kid else kid

    def issuer_keys(self) -> tuple[IssuerKey, ...]:
        """The public halves, as the pool is adopted with."""
        return (
            IssuerKey(kid=self.card_kid, public_key=public_key_text(self.card_issuer.public_key())),
            IssuerKey(kid=self.slot_kid, public_key=public_key_text(self.slot_issuer.public_key())),
        )

    def card_secret(self, card_id: str, seq: int) -> bytes:
        """A card's secret; derived each time, stored nowhere. ``card_id`` is 16 hex digits."""
        message = bytes.fromhex(card_id) + seq.to_bytes(1, "big")
        return hmac.digest(self.card_master, message, "sha256")[:SECRET_BYTES]


def _kid(key: Ed25519PublicKey) -> int:
    return hashlib.sha256(key.public_bytes_raw()).digest()[0]


def make_keys(folder: Path, randomness: Callable[[int], bytes]) -> PoolKeys:
    """Make and keep a pool's keys; the folder appears with all of them or not at all.

    Raises:
        FileExistsError: the folder is there already.
    """
    if folder.exists():
        raise FileExistsError(folder)
    folder.parent.mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=_FOLDER_MODE)
    for name in _KEY_FILES:
        key = Ed25519PrivateKey.from_private_bytes(randomness(32))
        _write(unfinished / name, private_key_text(key))
    for name in _SECRET_FILES:
        _write(unfinished / name, randomness(_SECRET_FILE_BYTES).hex())
    _sync_folder(unfinished)
    unfinished.rename(folder)
    # The pool is adopted with these keys next: they must not be gone after a power cut.
    _sync_folder(folder.parent)
    _sync_folder(folder.parent.parent)
    return load_keys(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def load_keys(folder: Path) -> PoolKeys:
    """Read a pool's keys.

    Raises:
        KeysRefused: a file is missing, is no key, or can be read by others.
    """
    root, card_issuer, slot_issuer = (_read_key(folder / name) for name in _KEY_FILES)
    card_master, session_secret = (_read_secret(folder / name) for name in _SECRET_FILES)
    return PoolKeys(
        root=root,
        card_issuer=card_issuer,
        slot_issuer=slot_issuer,
        card_master=card_master,
        session_secret=session_secret,
    )


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as fault:
        raise KeysRefused(f"密钥文件读不出 / cannot read the key file {path}") from fault
    if mode & 0o077:
        raise KeysRefused(
            f"密钥文件 {path} 可被他人读取，请改为 0600 / can be read by others, set it to 0600"
        )
    return text


def _read_key(path: Path) -> Ed25519PrivateKey:
    try:
        return read_private_key(_read(path))
    except KeyTextError as fault:
        raise KeysRefused(f"密钥文件 {path} 已损坏 / is no key") from fault


def _read_secret(path: Path) -> bytes:
    try:
        secret = bytes.fromhex(_read(path))
    except ValueError as fault:
        raise KeysRefused(f"密钥文件 {path} 已损坏 / is no secret") from fault
    if len(secret) != _SECRET_FILE_BYTES:
        raise KeysRefused(f"密钥文件 {path} 已损坏 / is no secret")
    return secret
