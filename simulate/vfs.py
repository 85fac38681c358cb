"""A layer under SQLite: every write, sync and truncation of the files in a mounted folder.

SQLite reaches its files through a table of functions (https://www.sqlite.org/vfs.html). Here a
copy of the default one is registered as the new default; files of mounted folders get three
functions of ours, all others stay as they are. So the programs under test open their databases
as always, and the disk below them can be made to fail.
"""

import _sqlite3
import ctypes
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

OK: Final = sqlite3.SQLITE_OK
NAME: Final = b"huidian-simulation"
_IO_METHODS: Final = 18
"""Pointers behind the version in a table of file functions, version 3."""

_Write = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
)
_Truncate = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int64)
_Sync = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
_Close = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
_Open = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p
)


class OpenFile(Protocol):
    """An open file on a medium. Every answer is a result code of SQLite's.

    ``forward`` does it to the file itself and answers SQLite's code.
    """

    def write(self, offset: int, data: bytes, forward: Callable[[], int]) -> int:
        """Bytes are to be written."""

    def truncate(self, size: int, forward: Callable[[], int]) -> int:
        """The file is to become this long."""

    def sync(self, forward: Callable[[], int]) -> int:
        """What was written is to survive a power cut from now on."""


class Medium(Protocol):
    """What a mounted folder's files lie on."""

    def opened(self, path: Path) -> OpenFile:
        """A file was opened, and made if it was not there."""


class _IoMethods(ctypes.Structure):
    _fields_ = (
        ("version", ctypes.c_int),
        ("close", ctypes.c_void_p),
        ("read", ctypes.c_void_p),
        ("write", ctypes.c_void_p),
        ("truncate", ctypes.c_void_p),
        ("sync", ctypes.c_void_p),
        ("others", ctypes.c_void_p * (_IO_METHODS - 5)),
    )


class _Vfs(ctypes.Structure):
    _fields_ = (
        ("version", ctypes.c_int),
        ("file_size", ctypes.c_int),
        ("longest_path", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("data", ctypes.c_void_p),
        ("open", ctypes.c_void_p),
        ("others", ctypes.c_void_p * 15),
    )


class LayerRefusedError(RuntimeError):
    """This Python's SQLite cannot be reached from outside."""


class Layer:
    """The layer of this process; made once, by :func:`layer`."""

    def __init__(self) -> None:
        """Register it.

        Raises:
            LayerRefusedError: SQLite is built into Python without its names.
        """
        try:
            library = ctypes.CDLL(_sqlite3.__file__)
            find, register = library.sqlite3_vfs_find, library.sqlite3_vfs_register
        except (AttributeError, OSError) as error:
            raise LayerRefusedError(
                "这个 Python 的 SQLite 是内建的，不能模拟磁盘 · "
                f"this Python's SQLite cannot be reached: {error}"
            ) from error
        find.restype = ctypes.POINTER(_Vfs)
        self._below = find(None)
        self._open_below = _Open(self._below.contents.open)
        self._vfs = _Vfs.from_buffer_copy(self._below.contents)
        self._vfs.name = NAME
        self._calls: list[Any] = [_Open(self._open)]
        self._vfs.open = ctypes.cast(self._calls[0], ctypes.c_void_p)
        self._tables: dict[int, _IoMethods] = {}
        self._open_files: dict[int, OpenFile] = {}
        self._mounted: dict[Path, Medium] = {}
        if register(ctypes.byref(self._vfs), 1) != OK:
            raise LayerRefusedError("SQLite takes no further layer")

    def mount(self, folder: Path, medium: Medium) -> None:
        """Put a medium under the files of a folder that are opened from now on."""
        self._mounted[folder] = medium

    def unmount(self, folder: Path) -> None:
        """Files that are open stay as they are."""
        del self._mounted[folder]

    def _open(
        self, _vfs: int, name: int | None, file: int, flags: int, flags_out: int | None
    ) -> int:
        # SQLite keeps the name where it is: handed on as an address, never as a copy.
        code = self._open_below(
            ctypes.addressof(self._below.contents), name, file, flags, flags_out
        )
        if code != OK or name is None:
            return int(code)
        path = Path(ctypes.string_at(name).decode())
        medium = self._mounted.get(path.parent)
        if medium is not None:
            methods = ctypes.c_void_p.from_address(file)
            assert methods.value is not None
            table = self._tables.get(methods.value)
            if table is None:
                table = self._tables[methods.value] = self._wrapped(methods.value)
            methods.value = ctypes.addressof(table)
            self._open_files[file] = medium.opened(path)
        return OK

    def _wrapped(self, address: int) -> _IoMethods:
        below = _IoMethods.from_address(address)
        table = _IoMethods.from_buffer_copy(below)
        write_below, sync_below = _Write(below.write), _Sync(below.sync)
        truncate_below, close_below = _Truncate(below.truncate), _Close(below.close)

        def write(file: int, data: int, size: int, offset: int) -> int:
            return self._open_files[file].write(
                offset,
                ctypes.string_at(data, size),
                lambda: int(write_below(file, data, size, offset)),
            )

        def truncate(file: int, size: int) -> int:
            return self._open_files[file].truncate(size, lambda: int(truncate_below(file, size)))

        def sync(file: int, flags: int) -> int:
            return self._open_files[file].sync(lambda: int(sync_below(file, flags)))

        def close(file: int) -> int:
            del self._open_files[file]
            return int(close_below(file))

        calls = (_Write(write), _Truncate(truncate), _Sync(sync), _Close(close))
        self._calls += calls
        table.write, table.truncate, table.sync, table.close = (
            ctypes.cast(call, ctypes.c_void_p).value for call in calls
        )
        return table


_LAYERS: list[Layer] = []


def layer() -> Layer:
    """The process's layer; registered at the first call, and there until the process ends.

    Raises:
        LayerRefusedError: SQLite is built into Python without its names.
    """
    if not _LAYERS:
        _LAYERS.append(Layer())
    return _LAYERS[0]
