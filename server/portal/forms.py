"""Reading what somebody typed into a form: a value, or what is wrong with it in words."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

import msgspec
from flask import request

from protocol.money import FEN_PER_YUAN
from protocol.narrow import narrow
from server.portal.wording import gettext
from server.settlement.payments_values import MAX_PAYMENT_FEN
from server.settlement.states_values import REASON_MAX

C = TypeVar("C", bound=msgspec.Struct)

_YUAN = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,2}))?")


@dataclass(frozen=True, slots=True)
class Mistyped:
    """What somebody typed cannot be taken; ``says`` tells him what to type, in his language."""

    says: str


def typed(name: str) -> str:
    """What stands in a field, without space around it."""
    return request.form.get(name, "").strip()


def reason_typed(name: str = "reason", *, needed: bool = True) -> str | Mistyped:
    """A reason of 1 to 200 characters; where none is needed, an empty one as well."""
    reason = typed(name)
    if needed and not reason:
        return Mistyped(gettext("请写明原因。"))
    if len(reason) > REASON_MAX:
        return Mistyped(
            gettext(
                "写了 %(count)s 个字，最多 %(most)s 个，请写短一些。",
                count=len(reason),
                most=REASON_MAX,
            )
        )
    if "\0" in reason:
        return Mistyped(gettext("文字里有不能保存的字符，请重新输入。"))
    return reason


def yuan_typed(name: str = "amount") -> int | Mistyped:
    """An amount above zero, in fen: ``7``, ``7.10``, ``７．１０``."""
    found = _YUAN.fullmatch(narrow(typed(name)[:32]))
    amount_fen = 0
    if found is not None:
        amount_fen = int(found[1]) * FEN_PER_YUAN + int((found[2] or "").ljust(2, "0"))
    if not 0 < amount_fen <= MAX_PAYMENT_FEN:
        return Mistyped(gettext("金额要大于 0，最多两位小数，例如 120.50，请重新输入。"))
    return amount_fen


def day_typed(text: str) -> date | Mistyped:
    """A day as ``2026-03-31``."""
    try:
        return date.fromisoformat(narrow(text[:32]))
    except ValueError:
        return Mistyped(gettext("日期要写成 2026-03-31 这样，请重新输入。"))


def command_of(kind: type[C], **values: Any) -> C | Mistyped:
    """A command of typed values, checked as one that is read from the log."""
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError:
        return Mistyped(gettext("填写的内容不能保存（太长，或有不能用的字符），请检查后再提交。"))
