"""One-time codes of enrolment: eight letters that a person can read out, good for ten minutes.

The alphabet has 20 letters and no vowels, so that no code spells a word (34.5 bits). The first
four letters find the invitation; a wrong second half counts against it.
"""

import hashlib
from collections.abc import Callable

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
CODE_LETTERS = 8
NAME_LETTERS = 4
_MAX_TYPED = 32
_UNBIASED_BELOW = 256 - 256 % len(ALPHABET)


def make_code(randomness: Callable[[int], bytes]) -> str:
    """A fresh code; ``randomness(n)`` gives n random bytes."""
    letters = ""
    while len(letters) < CODE_LETTERS:
        byte = randomness(1)[0]
        if byte < _UNBIASED_BELOW:
            letters += ALPHABET[byte % len(ALPHABET)]
    return letters


def shown_code(code: str) -> str:
    """The code as people see it: ``BCDF-GHJK``."""
    return f"{code[:NAME_LETTERS]}-{code[NAME_LETTERS:]}"


def read_code(typed: str) -> str | None:
    """The code that somebody typed, whatever its case, dashes and spaces; None if it is none."""
    if len(typed) > _MAX_TYPED:
        return None
    letters = typed.upper().replace("-", "").replace(" ", "")
    if len(letters) != CODE_LETTERS or any(letter not in ALPHABET for letter in letters):
        return None
    return letters


def code_name(code: str) -> str:
    """The half by which the invitation is found."""
    return code[:NAME_LETTERS]


def code_hash(pool: str, terminal: str, code: str) -> str:
    """What is kept of a code: hex SHA-256, different for every pool and terminal."""
    message = b"\0".join((b"HUIDIAN1/enrolment-code", pool.encode(), terminal.encode()))
    return hashlib.sha256(message + b"\0" + code.encode()).hexdigest()
