"""A scan in words for the technician: how it came, what the till takes it for, what to do."""

from typing import Final

from msgspec import Struct

from terminal.domain.scan_echo import EchoedScan, ScanKind

KINDS: Final[dict[ScanKind, str]] = {
    ScanKind.BARCODE: "商品条码 · item barcode",
    ScanKind.CODE: "居民码 · resident code",
    ScanKind.PAYMENT: "付款码（这里不收）· payment code, not taken here",
    ScanKind.DAMAGED: "像居民码，没有读全 · like a resident code, not whole",
    ScanKind.TWO_CODES: "两个码连在一起 · two codes in one",
    ScanKind.INPUT_METHOD: "全角数字：输入法开着 · full-width digits: an input method is on",
    ScanKind.TOO_LONG: "太长，已丢掉 · too long, thrown away",
    ScanKind.LOST_KEYS: "丢了几个键，已丢掉 · keys were lost, thrown away",
    ScanKind.UNKNOWN: "别的文字 · other text",
}
NO_SUFFIX: Final = "没有后缀：请把扫码枪设成加回车 · no suffix: set the scanner to send CR"
LOST_KEYS: Final = "请把扫码枪设慢一点，或改用串口方式 · set the scanner slower, or to serial mode"
TOO_LONG: Final = "请设后缀为回车，每扫一次分开 · set the suffix to CR"
INPUT_METHOD: Final = (
    "请改用串口方式，或关掉输入法 · set it to serial mode, or switch the input method off"
)


class ScanWords(Struct, frozen=True, kw_only=True):
    """One scan. ``advice`` is empty where nothing needs to be done."""

    text: str
    form: str
    kind: str
    advice: str


def scan_words(scan: EchoedScan) -> ScanWords:
    """Say it in Chinese and English."""
    form = f"{scan.chars} 个字符 characters"
    if scan.kind is ScanKind.LOST_KEYS:
        form = ""
    elif scan.kind is not ScanKind.TOO_LONG:
        around = (
            ("前缀 prefix", scan.prefix),
            ("标识 AIM", scan.aim),
            ("后缀 suffix", scan.suffix),
        )
        parts = [f"{name} {what or '无 none'}" for name, what in around]
        form = " · ".join([form, *parts, f"{scan.took_ms} ms"])
    return ScanWords(text=scan.text, form=form, kind=KINDS[scan.kind], advice=_advice(scan))


def _advice(scan: EchoedScan) -> str:
    match scan.kind:
        case ScanKind.LOST_KEYS:
            return LOST_KEYS
        case ScanKind.TOO_LONG:
            return TOO_LONG
        case ScanKind.INPUT_METHOD:
            return INPUT_METHOD
        case _:
            return "" if scan.suffix else NO_SUFFIX
