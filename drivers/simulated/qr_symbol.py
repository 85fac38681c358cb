"""The simulated printer's firmware for QR codes."""

from typing import Final

import qrcode
from qrcode.constants import ERROR_CORRECT_H, ERROR_CORRECT_L, ERROR_CORRECT_M, ERROR_CORRECT_Q
from qrcode.exceptions import DataOverflowError

_MAX_BYTES: Final = 2_953
_LEVELS: Final = {
    0x30: ERROR_CORRECT_L,
    0x31: ERROR_CORRECT_M,
    0x32: ERROR_CORRECT_Q,
    0x33: ERROR_CORRECT_H,
}


class QrTooLongError(Exception):
    """No QR code holds that many bytes."""


def qr_symbol(data: bytes, level: int) -> tuple[int, bytes]:
    """Draw a QR code without its quiet zone: modules per side, and its rows packed in bytes.

    Raises:
        QrTooLongError: too much data, or none.
    """
    if not 1 <= len(data) <= _MAX_BYTES:
        raise QrTooLongError
    code = qrcode.QRCode(error_correction=_LEVELS.get(level, ERROR_CORRECT_L), border=0)
    code.add_data(data)
    try:
        code.make(fit=True)
    except (DataOverflowError, ValueError) as error:
        raise QrTooLongError from error
    matrix = code.get_matrix()
    packed = bytearray()
    for row in matrix:
        bits = "".join("1" if dark else "0" for dark in row)
        width = -(-len(bits) // 8)
        packed += int(bits.ljust(width * 8, "0"), 2).to_bytes(width, "big")
    return len(matrix), bytes(packed)
