"""Who this terminal is: a key file and an identity file, readable by its user alone."""

import os
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.keys import private_key_text, read_private_key
from terminal.domain.ports import TerminalIdentity

KEY_FILE = "terminal.key"
IDENTITY_FILE = "terminal.json"


def write_durably(path: Path, content: bytes) -> None:
    """Write a private file whole or not at all, and have it on the disk on return."""
    draft = path.with_name(path.name + ".part")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def save_identity(data_dir: Path, identity: TerminalIdentity, key: Ed25519PrivateKey) -> None:
    """Keep what enrolment gave; the key first, so that an identity is never without one."""
    write_durably(data_dir / KEY_FILE, private_key_text(key).encode())
    write_durably(data_dir / IDENTITY_FILE, msgspec.json.encode(identity))


def load_identity(data_dir: Path) -> tuple[TerminalIdentity, Ed25519PrivateKey] | None:
    """The identity and its key; None for a terminal that was never enrolled.

    Raises:
        ValueError: a file is there and cannot be read.
    """
    path = data_dir / IDENTITY_FILE
    if not path.exists():
        return None
    identity = msgspec.json.decode(path.read_bytes(), type=TerminalIdentity)
    return identity, read_private_key((data_dir / KEY_FILE).read_text().strip())
