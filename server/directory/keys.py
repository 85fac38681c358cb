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
    key_fingerprint,
    pool_tag,
    private_key_text,
    public_key_text,
    read_private_key,
    read_public_key,
)

ROOT_FILE = "root.key"
ROOT_PUBLIC_FILE = "root.pub"
_ISSUER_FILES = ("card-issuer.key", "slot-issuer.key")
_KEY_FILES = (ROOT_FILE, *_ISSUER_FILES)
_SECRET_FILES = ("card-master.secret", "session.secret")
_SECRET_FILE_BYTES = 32
_FOLDER_MODE = 0o700
_FILE_MODE = 0o600
KIDS = 256


@dataclass(frozen=True, slots=True, repr=False)
class DocumentSigner:
    """What signs documents and exports: the root key itself, or a key that it vouches for by
    ``certificate``, under the number ``kid``.
    """

    key: Ed25519PrivateKey
    kid: int | None = None
    certificate: str = ""

    @property
    def voucher(self) -> str:
        """The root key's word as exports carry it; empty where it signs itself."""
        return "" if self.kid is None else f"{self.kid}:{self.certificate}"


class KeysRefused(Exception):  # noqa: N818 - named as the sentence it states
    """The key files are missing, unreadable or open to others; says which."""


@dataclass(frozen=True, slots=True, repr=False)
class PoolKeys:
    """What only the pool's server knows. Never printed.

    ``root`` is None where it was taken away (``away`` is its public half). ``folder`` holds the
    issuer keys that were made later, each under its key's fingerprint.
    """

    root: Ed25519PrivateKey | None
    card_issuer: Ed25519PrivateKey
    slot_issuer: Ed25519PrivateKey
    card_master: bytes
    session_secret: bytes
    folder: Path | None = None
    away: Ed25519PublicKey | None = None

    @property
    def root_public(self) -> Ed25519PublicKey:
        """The root key's public half, wherever the private one lies."""
        public = self.root.public_key() if self.root is not None else self.away
        assert public is not None
        return public

    @property
    def root_key_text(self) -> str:
        return public_key_text(self.root_public)

    @property
    def tag(self) -> bytes:
        return pool_tag(self.root_public)

    def private_half(self, public_key: str) -> Ed25519PrivateKey | None:
        """The private half of a listed key, if it is here.

        Raises:
            KeysRefused: its file is damaged or open to others.
        """
        for key in (self.card_issuer, self.slot_issuer):
            if public_key_text(key.public_key()) == public_key:
                return key
        return _kept_issuer(self.folder, public_key) if self.folder is not None else None

    @property
    def card_kid(self) -> int:
        """The number by which cards name their issuer key."""
        return first_kid(self.card_issuer.public_key())

    @property
    def slot_kid(self) -> int:
        """The number by which slots name theirs; the next one where both would be the same."""
        kid = first_kid(self.slot_issuer.public_key())
        return (kid + 1) % KIDS if kid == self.card_kid else kid

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


def first_kid(key: Ed25519PublicKey) -> int:
    """The number that a key takes where nothing has it yet. It follows from the key, so that two
    pools seldom number alike and a code of the other one is told from a forged one.
    """
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
    card_issuer, slot_issuer = (_read_key(folder / name) for name in _ISSUER_FILES)
    root, away = _read_root(folder)
    card_master, session_secret = (_read_secret(folder / name) for name in _SECRET_FILES)
    return PoolKeys(
        root=root,
        card_issuer=card_issuer,
        slot_issuer=slot_issuer,
        card_master=card_master,
        session_secret=session_secret,
        folder=folder,
        away=away,
    )


def make_issuer(folder: Path, randomness: Callable[[int], bytes]) -> Ed25519PublicKey:
    """Make one more issuer key and keep it; the list says what it is for, and from when."""
    key = Ed25519PrivateKey.from_private_bytes(randomness(32))
    _write(_issuer_file(folder, key.public_key()), private_key_text(key))
    _sync_folder(folder)
    return key.public_key()


def take_root_away(folder: Path, to: Path) -> None:
    """Move the root key into a file of its own, read back before it goes from here.

    Raises:
        KeysRefused: it is not here.
        OSError: the file is there already, or cannot be written; then the key stays.
    """
    root, _ = _read_root(folder)
    if root is None:
        raise KeysRefused("根密钥已经不在这里 / the root key is away already")
    _write(to, private_key_text(root))
    if private_key_text(_read_key(to)) != private_key_text(root):
        raise KeysRefused(f"{to} 读回来不一样，没有移走 / does not read back, nothing was moved")
    _sync_folder(to.parent)
    public = folder / ROOT_PUBLIC_FILE
    public.unlink(missing_ok=True)
    _write(public, public_key_text(root.public_key()))
    _sync_folder(folder)
    (folder / ROOT_FILE).unlink()
    _sync_folder(folder)


def read_root_file(path: Path) -> Ed25519PrivateKey:
    """The root key from the file that it was moved to.

    Raises:
        KeysRefused: the file is missing, is no key, or can be read by others.
    """
    return _read_key(path)


def _read_root(folder: Path) -> tuple[Ed25519PrivateKey | None, Ed25519PublicKey | None]:
    public = folder / ROOT_PUBLIC_FILE
    if (folder / ROOT_FILE).exists() or not public.exists():
        return _read_key(folder / ROOT_FILE), None
    try:
        return None, read_public_key(_read(public))
    except KeyTextError as fault:
        raise KeysRefused(f"密钥文件 {public} 已损坏 / is no key") from fault


def _kept_issuer(folder: Path, public_key: str) -> Ed25519PrivateKey | None:
    try:
        public = read_public_key(public_key)
    except KeyTextError:
        return None
    path = _issuer_file(folder, public)
    if not path.exists():
        return None
    key = _read_key(path)
    return key if public_key_text(key.public_key()) == public_key else None


def _issuer_file(folder: Path, public: Ed25519PublicKey) -> Path:
    return folder / f"issuer-{key_fingerprint(public)}.key"


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
