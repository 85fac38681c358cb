"""What reading and verifying a code costs, beside its signature verifications alone.

The bare verifications are those that any reader must do: the same keys, the same messages, the
same signatures, put together beforehand. A phone's key comes with its code, so loading it is
counted on both sides; issuer keys are loaded once on both sides.
"""

import gc
import time
from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from msgspec import Struct

from bench.code_samples import Sample, samples
from bench.figures import Held

AT_MOST = 1.3


class Size(Struct, frozen=True, kw_only=True):
    """``rounds`` of ``times`` each; of the rounds the cheapest counts, which noise leaves alone."""

    rounds: int
    times: int


QUICK = Size(rounds=5, times=20)
FULL = Size(rounds=60, times=100)


class CodeCost(Struct, frozen=True, kw_only=True):
    """One kind of code: CPU time in microseconds, and their ratio."""

    name: str
    signatures: int
    whole_us: float
    bare_us: float
    held: Held


class CodesReport(Struct, frozen=True, kw_only=True):
    """All kinds."""

    kinds: tuple[CodeCost, ...]


def measure(size: Size) -> CodesReport:
    """Measure each kind, its two sides in turn, so that both meet the same machine."""
    return CodesReport(kinds=tuple(_measured(each, size) for each in samples()))


def run_codes(
    names: Sequence[str], say: Callable[[str], None], *, quick: bool
) -> CodesReport | None:
    """Measure and print, if it was asked for."""
    if "codes" not in names:
        return None
    report = measure(QUICK if quick else FULL)
    print_codes(report, say)
    return report


def print_codes(report: CodesReport, say: Callable[[str], None]) -> None:
    """For people."""
    say(
        "\n—— codes: 读码并验真 / 只验签名 · read and verified / signature verifications alone, CPU"
    )
    for each in report.kinds:
        say(
            f"    {each.name:26} {each.whole_us:7.0f} / {each.bare_us:7.0f} µs"
            f"  {each.signatures} 签名 signatures"
            f"  比值 ratio {each.held.ratio:.3f}（{each.held.verdict}）"
        )


def _measured(sample: Sample, size: Size) -> CodeCost:
    bare = [
        _bare(raw, message, signature, is_loaded=is_loaded)
        for raw, message, signature, is_loaded in sample.checks
    ]

    def bare_side() -> None:
        for check in bare:
            check()

    sample.verify()
    bare_side()
    whole_us = bare_us = float("inf")
    gc.collect()
    gc.disable()
    try:
        for _ in range(size.rounds):
            whole_us = min(whole_us, _cpu_us(sample.verify, size.times))
            bare_us = min(bare_us, _cpu_us(bare_side, size.times))
    finally:
        gc.enable()
    return CodeCost(
        name=sample.name,
        signatures=len(bare),
        whole_us=whole_us,
        bare_us=bare_us,
        held=Held(ratio=whole_us / bare_us, at_most=AT_MOST),
    )


def _cpu_us(work: Callable[[], None], times: int) -> float:
    begun = time.process_time_ns()
    for _ in range(times):
        work()
    return (time.process_time_ns() - begun) / times / 1_000


def _bare(raw: bytes, message: bytes, signature: bytes, *, is_loaded: bool) -> Callable[[], None]:
    """One verification and nothing else; raises if it does not hold."""
    if len(raw) == 33:
        der = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))

        def es256() -> None:
            key = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), raw)
            key.verify(der, message, ECDSA(SHA256()))

        return es256
    loaded = Ed25519PublicKey.from_public_bytes(raw)
    if is_loaded:
        return lambda: loaded.verify(signature, message)
    return lambda: Ed25519PublicKey.from_public_bytes(raw).verify(signature, message)
