"""What stands on the PIN pad, for the holder of the card to read."""

from typing import Final

from terminal.checkout.view import TillView
from terminal.domain.card_pin import PinState
from terminal.web.language import later, say

_STATES: Final[dict[str, str]] = {
    PinState.READY: later("请居民自己输入 6 位密码，最多用 {points} {unit}"),
    PinState.UNSET: later("这张卡还没有设密码，请到社区设密码"),
    PinState.LOCKED: later("这张卡的密码已锁定，请到社区解锁"),
    PinState.TRIED_OUT: later("密码今天在这里错了三次，今天不再输"),
}


def pin_text(view: TillView, unit: str) -> str:
    """What is asked of the holder, or why there is nothing to type."""
    if view.pin is None:
        return ""
    return say(_STATES[view.pin.state], {"points": view.pin.most_points, "unit": unit})


def pin_skip_text(view: TillView, unit: str) -> str:
    """The button for whoever does not type the PIN; empty where nothing goes without."""
    if view.pin is None or not view.pin.skip_points:
        return ""
    figures: dict[str, str | int] = {"points": view.pin.skip_points, "unit": unit}
    return say(later("不输密码，只用 {points} {unit}"), figures)
