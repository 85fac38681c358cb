"""Who this terminal is: a key file and an identity file, readable by its user alone."""

import os
import secrets
from datetime import datetime
from pathlib import Path
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.ids import uuid7
from protocol.keys import private_key_text, read_private_key
from terminal.domain.ports import TerminalIdentity

KEY_FILE = "terminal.key"
IDENTITY_FILE = "terminal.json"


class SystemIds:
    """UUIDs version 7 from the system's randomness."""

    def new(self, at: datetime) -> UUID:
        return uuid7(at, secrets.token_bytes(10))


def write_durably(path: Path, content: bytes) -> None:
    """Write a private file whole or not at all, and have it on the disk on return.

    Written by root, it belongs to whom the folder belongs: a technician's `sudo` must not leave a
    key that the service cannot read.
    """
    draft = path.with_name(path.name + ".part")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        if os.geteuid() == 0:
            folder = path.parent.stat()
            os.fchown(descriptor, folder.st_uid, folder.st_gid)
        while content:  # a disk that is nearly full takes a part of it
            content = content[os.write(descriptor, content) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def save_key(data_dir: Path, key: Ed25519PrivateKey) -> None:
    """Keep a new key; before the identity, so that there never is one without a key."""
    write_durably(data_dir / KEY_FILE, private_key_text(key).encode())


def save_identity(data_dir: Path, identity: TerminalIdentity) -> None:
    """Keep what enrolment gave; from now on the terminal is somebody."""
    write_durably(data_dir / IDENTITY_FILE, msgspec.json.encode(identity))


def load_identity(data_dir: Path) -> tuple[TerminalIdentity, Ed25519PrivateKey] | None:
    """The identity and its key; None for a terminal that was never enrolled.

    Raises:
        ValueError: a file of the two cannot be read; the message names it.
    """
    path, key_path = data_dir / IDENTITY_FILE, data_dir / KEY_FILE
    if not path.exists():
        return None
    try:
        identity = msgspec.json.decode(path.read_bytes(), type=TerminalIdentity)
    except (OSError, ValueError) as error:
        raise ValueError(_unreadable(path, error)) from error
    try:
        return identity, read_private_key(key_path.read_text().strip())
    except (OSError, ValueError) as error:
        raise ValueError(_unreadable(key_path, error)) from error


def _unreadable(path: Path, error: Exception) -> str:
    if isinstance(error, PermissionError):
        return (
            f"{path} 这个用户读不了，请用终端服务的用户运行（sudo -u huidian-terminal …） · "
            f"{path} may not be read by this user: run it as the service's user"
        )
    return f"{path} 读不出来，请联系技术员 · {path} cannot be read: {type(error).__name__}"
