"""Where a process's memory is: proportional set size, by what the pages are for."""

import re
from pathlib import Path

from msgspec import Struct

from bench.figures import BenchError

_MAPPING = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+\s*(?P<name>.*)$")
_PSS = re.compile(r"^Pss:\s+(?P<kib>\d+) kB$")


class Memory(Struct, frozen=True, kw_only=True):
    """MiB, pages that are shared counted in part.

    ``heap_mib``: what Python and the libraries allocated, threads' stacks among it; ``code_mib``:
    programs and libraries, mapped from their files; ``other_mib``: other files, and the kernel's.
    """

    heap_mib: float
    code_mib: float
    other_mib: float

    @property
    def all_mib(self) -> float:
        return self.heap_mib + self.code_mib + self.other_mib


def memory_of(pid: int) -> Memory:
    """A process's memory now.

    Raises:
        BenchError: the system does not tell.
    """
    try:
        text = Path(f"/proc/{pid}/smaps").read_text()
    except OSError as error:
        raise BenchError("the system does not tell a process's memory") from error
    return read_smaps(text)


def read_smaps(text: str) -> Memory:
    """The text of ``/proc/PID/smaps``, summed up."""
    name = ""
    kib = {"heap": 0, "code": 0, "other": 0}
    for line in text.splitlines():
        if (mapping := _MAPPING.match(line)) is not None:
            name = mapping["name"]
        elif (pss := _PSS.match(line)) is not None:
            kib[_kind(name)] += int(pss["kib"])
    return Memory(
        heap_mib=round(kib["heap"] / 1024, 2),
        code_mib=round(kib["code"] / 1024, 2),
        other_mib=round(kib["other"] / 1024, 2),
    )


def _kind(name: str) -> str:
    if not name or name in {"[heap]", "[stack]"} or name.startswith("[anon"):
        return "heap"
    if ".so" in name or "/bin/" in name:
        return "code"
    return "other"
