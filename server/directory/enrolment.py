"""One-time codes of enrolment: eight letters that a person can read out, good for ten minutes.

The alphabet has 20 letters and no vowels, so that no code spells a word (34.5 bits). The first
half finds the invitation; a wrong second half counts against it.

A phone's code has twelve letters, six to find it by: anybody may knock at that door, and there may
be an invitation for every resident, which nobody is to find and use up by guessing.
"""

import hashlib
from collections.abc import Callable

from protocol.narrow import narrow

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
CODE_LETTERS = 8
PHONE_CODE_LETTERS = 12
_MAX_TYPED = 32
_UNBIASED_BELOW = 256 - 256 % len(ALPHABET)


def make_code(randomness: Callable[[int], bytes], length: int = CODE_LETTERS) -> str:
    """A fresh code of ``length`` letters, an even number; ``randomness(n)`` gives n random bytes."""
    letters = ""
    while len(letters) < length:
        byte = randomness(1)[0]
        if byte < _UNBIASED_BELOW:
            letters += ALPHABET[byte % len(ALPHABET)]
    return letters


def shown_code(code: str) -> str:
    """The code as people see it: ``BCDF-GHJK``."""
    name = code_name(code)
    return f"{name}-{code[len(name) :]}"


def read_code(typed: str, length: int = CODE_LETTERS) -> str | None:
    """The code of ``length`` letters that somebody typed, whatever its case, width, dashes and spaces;
    None if it is none.
    """
    if len(typed) > _MAX_TYPED:
        return None
    letters = narrow(typed).upper().replace("-", "").replace(" ", "")
    if len(letters) != length or any(letter not in ALPHABET for letter in letters):
        return None
    return letters


def code_name(code: str) -> str:
    """The half by which the invitation is found."""
    return code[: len(code) // 2]


def code_hash(pool: str, terminal: str, code: str) -> str:
    """What is kept of a code: hex SHA-256, different for every pool and terminal."""
    message = b"\0".join((b"HUIDIAN1/enrolment-code", pool.encode(), terminal.encode()))
    return hashlib.sha256(message + b"\0" + code.encode()).hexdigest()
