"""Argon2id as cards' PINs use it; apart from the rest, because few programs need it."""

import hashlib
import threading

from protocol.card_pins import PROOF_KEY_BYTES, VERIFIER_BYTES, PinBusyError, PinMade, is_pin

MEMORY_KIB = 19 * 1024
PASSES = 2
"""OWASP's smallest advice for Argon2id: 33 ms on a PC, some 150 ms on a Raspberry Pi. Whoever
changes it makes every PIN anew: the directory's texts have a form for that."""
AT_ONCE = 1
WAIT_S = 2.0
_SALT_DOMAIN = b"HUIDIAN1/card-pin-salt\0"


class ArgonPinMaker:
    """See :class:`protocol.card_pins.PinMaker`. One PIN at a time, 19 MiB each; thread-safe."""

    def __init__(
        self, memory_kib: int = MEMORY_KIB, passes: int = PASSES, wait_s: float = WAIT_S
    ) -> None:
        self._memory_kib = memory_kib
        self._passes = passes
        self._wait_s = wait_s
        self._places = threading.BoundedSemaphore(AT_ONCE)

    def make(self, pin: str, secret: bytes, card_id: bytes) -> PinMade:
        # A terminal's start should be quick; most cards have no PIN.
        from argon2.low_level import Type, hash_secret_raw  # noqa: PLC0415 - with the first PIN

        assert is_pin(pin), "a PIN is checked before it is worked on"
        salt = hashlib.sha256(_SALT_DOMAIN + card_id + secret).digest()
        if not self._places.acquire(timeout=self._wait_s):
            raise PinBusyError
        try:
            made = hash_secret_raw(
                pin.encode(),
                salt,
                time_cost=self._passes,
                memory_cost=self._memory_kib,
                parallelism=1,
                hash_len=VERIFIER_BYTES + PROOF_KEY_BYTES,
                type=Type.ID,
            )
        finally:
            self._places.release()
        return PinMade(made[:VERIFIER_BYTES], made[VERIFIER_BYTES:])
