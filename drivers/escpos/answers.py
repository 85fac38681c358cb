"""What a printer sends back, told apart byte by byte. Pure.

Four kinds of answers share one stream and are known by fixed bits only: a stale automatic status
taken for an answer reads "paper out" from a full printer, or "printed" from a stopped one.
"""

from typing import Final, TypeAlias

from msgspec import Struct

_FIXED_BITS: Final = 0x93
_REALTIME: Final = 0x12
_AUTO_FIRST: Final = 0x10
_IN_ORDER_BITS: Final = 0x90
_PROCESS_HEADER: Final = 0x37
_PROCESS_ID_MARK: Final = 0x22
_PROCESS_FRAME_BYTES: Final = 7
_AUTO_FRAME_BYTES: Final = 4
_XON_XOFF: Final = frozenset({0x11, 0x13})


class RealtimeReply(Struct, frozen=True):
    """The answer to `DLE EOT n`; it overtakes the job and says nothing about it."""

    bits: int


class InOrderReply(Struct, frozen=True):
    """The answer to `GS r n`: everything sent before it was processed."""

    bits: int


class ProcessIdReply(Struct, frozen=True):
    """The answer to `GS ( H`: everything sent before this mark is on paper."""

    mark: bytes


class AutoStatus(Struct, frozen=True):
    """Four bytes that a printer sends by itself when something changes."""

    frame: bytes


class Noise(Struct, frozen=True):
    """A byte that is none of the above."""

    byte: int


Answer: TypeAlias = RealtimeReply | InOrderReply | ProcessIdReply | AutoStatus | Noise


class AnswerParser:
    """Turns bytes, in whatever pieces they come, into answers. Never raises."""

    def __init__(self) -> None:
        """Begin between two answers."""
        self._frame = bytearray()

    def feed(self, data: bytes) -> list[Answer]:
        """Give the answers that `data` completes."""
        answers: list[Answer] = []
        for byte in data:
            self._take(byte, answers)
        return answers

    def _take(self, byte: int, answers: list[Answer]) -> None:
        if self._frame and not self._continues(byte):
            answers.extend(Noise(broken) for broken in self._frame)
            self._frame.clear()
        if self._frame:
            self._frame.append(byte)
            self._complete(answers)
        elif byte & _FIXED_BITS == _AUTO_FIRST or byte == _PROCESS_HEADER:
            self._frame.append(byte)
        elif byte & _FIXED_BITS == _REALTIME:
            answers.append(RealtimeReply(byte))
        elif byte & _IN_ORDER_BITS == 0:
            answers.append(InOrderReply(byte))
        elif byte not in _XON_XOFF:
            answers.append(Noise(byte))

    def _continues(self, byte: int) -> bool:
        at = len(self._frame)
        if self._frame[0] != _PROCESS_HEADER:
            return byte & _IN_ORDER_BITS == 0
        if at == 1:
            return byte == _PROCESS_ID_MARK
        if at == _PROCESS_FRAME_BYTES - 1:
            return byte == 0
        return 0x20 <= byte <= 0x7E  # noqa: PLR2004 - the characters that a mark may have

    def _complete(self, answers: list[Answer]) -> None:
        if self._frame[0] == _PROCESS_HEADER:
            if len(self._frame) == _PROCESS_FRAME_BYTES:
                answers.append(ProcessIdReply(bytes(self._frame[2:6])))
                self._frame.clear()
        elif len(self._frame) == _AUTO_FRAME_BYTES:
            answers.append(AutoStatus(bytes(self._frame)))
            self._frame.clear()
