"""Random and mutated byte streams: 20,000 a parser, or as many as HUIDIAN_FUZZ says."""

import os
import random
from collections.abc import Iterator, Sequence
from typing import Final

ROUNDS: Final = int(os.environ.get("HUIDIAN_FUZZ", "20000"))
LIMIT_S: Final = 120 + ROUNDS // 500
"""Seconds a test may take that is fed so many streams, on a small and busy machine."""
_SEED: Final = 20260314


def streams(seeds: Sequence[bytes], rounds: int = ROUNDS) -> Iterator[bytes]:
    """Pieces of the seeds with bytes changed, cut out, doubled and made up; the same each time."""
    chance = random.Random(_SEED)
    for _ in range(rounds):
        data = bytearray(chance.choice(seeds) if chance.randrange(4) else b"")
        for _ in range(chance.randrange(6)):
            at = chance.randrange(len(data) + 1)
            match chance.randrange(4):
                case 0 if at < len(data):
                    data[at] = chance.randrange(256)
                case 1:
                    del data[at : at + chance.randrange(8)]
                case 2:
                    data[at:at] = data[at : at + 8]
                case _:
                    data[at:at] = chance.randbytes(chance.randrange(8))
        data += chance.randbytes(chance.randrange(24))
        yield bytes(data)


def cut_up(data: bytes, seed: int) -> list[bytes]:
    """The same bytes in pieces, as a line delivers them."""
    chance = random.Random(seed)
    pieces = []
    while data:
        size = chance.randrange(1, 9)
        pieces.append(data[:size])
        data = data[size:]
    return pieces
