"""How long something took, by the clock and by processors, the database's included."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct

from bench.postgres import Cluster
from bench.processes import cpu_s, family_cpu_s


class Took(Struct, kw_only=True):
    """Seconds; ``cpu_s`` of this process and all of PostgreSQL together. What others do on the
    machine is in ``wall_s`` and not in ``cpu_s``; what is waited for the disk likewise.
    """

    wall_s: float = 0.0
    cpu_s: float = 0.0


@contextmanager
def taking(cluster: Cluster | None = None) -> Iterator[Took]:
    """What the block takes, known when it is left; without a cluster, of this process alone."""
    took = Took()
    began_s, began_cpu_s = time.perf_counter(), _cpu_s(cluster)
    yield took
    took.wall_s = round(time.perf_counter() - began_s, 4)
    took.cpu_s = round(_cpu_s(cluster) - began_cpu_s, 4)


def _cpu_s(cluster: Cluster | None) -> float:
    return cpu_s(os.getpid()) + (family_cpu_s(cluster.pid) if cluster is not None else 0.0)
