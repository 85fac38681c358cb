"""A code as a picture for the screen."""

QUIET_MODULES = 4


def qr_svg(digits: str) -> bytes:
    """Digits as QR (L: a screen is not damaged), black on white, one unit a module."""
    # A code on the customer's screen comes minutes after the start, or never; qrcode brings
    # Pillow with it, which is a tenth of the terminal's memory.
    import qrcode.constants  # noqa: PLC0415 - loaded at the first code, not at the start
    import qrcode.util  # noqa: PLC0415 - as above

    code = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_L, border=QUIET_MODULES)
    code.add_data(qrcode.util.QRData(digits, mode=qrcode.util.MODE_NUMBER))
    matrix = code.get_matrix()
    size = len(matrix)
    squares = "".join(
        f"M{x} {y}h1v1h-1z" for y, row in enumerate(matrix) for x, dark in enumerate(row) if dark
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}"'
        f' shape-rendering="crispEdges"><path fill="#fff" d="M0 0h{size}v{size}H0z"/>'
        f'<path d="{squares}"/></svg>'
    ).encode()
