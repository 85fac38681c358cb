"""Settings files: TOML in, one typed value out, or an error that a technician can act on."""

import difflib
import json
import re
import tomllib
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeGuard, TypeVar

import msgspec
from msgspec import inspect as shapes

from config.toml_lines import KeyPath, key_lines

Settings = TypeVar("Settings", bound=msgspec.Struct)

# A settings file is written by hand; one beyond this size is a mistake, not a setting.
MAX_FILE_BYTES: Final = 1_000_000
# More of a wrong value helps nobody to find it.
MAX_QUOTED_CHARS: Final = 60

_AT: Final = re.compile(r"^(?P<says>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)
_STEP: Final = re.compile(r"\.(?P<key>[^.\[\]]+)|\[(?P<index>\d+)\]")
_UNKNOWN: Final = re.compile(r"^Object contains unknown field `(?P<key>.*)`$", re.DOTALL)
_MISSING: Final = re.compile(r"^Object missing required field `(?P<key>.*)`$", re.DOTALL)


class ConfigError(Exception):
    """A settings file cannot be used.

    The message names the file, the line (from 1; 0 when no line is meant, as for a file that
    is not there), the key, and what is allowed: Chinese first, then English.
    """

    def __init__(self, *, file: Path, line: int, key: str, zh: str, en: str) -> None:
        self.file = file
        self.line = line
        self.key = key
        self.zh = f"设置文件 {file}" + (f" 第 {line} 行" if line else "") + f"：{zh}"
        self.en = f"{file}" + (f", line {line}" if line else "") + f": {en}"
        super().__init__(f"{self.zh}\n{self.en}")


class SettingRefusedError(ValueError):
    """What a settings type raises in `__post_init__` when values do not fit together.

    `key` is the field of that type whose line is to be shown; `load` turns it into `ConfigError`.
    """

    def __init__(self, key: str, *, zh: str, en: str) -> None:
        self.key = key
        self.zh = zh
        self.en = en
        super().__init__(en)


def load(file: Path, settings_type: type[Settings]) -> Settings:
    """The settings in a TOML file, complete and checked.

    Relative paths in it are taken from the folder that the file is in, so that a service finds
    its data wherever it was started from.

    Raises `ConfigError`: file not found or unreadable, not UTF-8, not TOML, an unknown key,
    a missing key, a value that the type refuses.
    """
    text = _read(file)
    return parse(text, settings_type, file=file)


def parse(text: str, settings_type: type[Settings], *, file: Path) -> Settings:
    """As `load`, for a text that is already there; `file` is named in errors."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise _not_toml(text, fault, file) from fault
    try:
        return msgspec.convert(
            values, settings_type, dec_hook=partial(_special, file.absolute().parent)
        )
    except msgspec.ValidationError as fault:
        raise _explained(text, values, fault, settings_type, file) from fault


def _read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError as fault:
        zh, en = "找不到这个文件，请检查路径", "no such file; check the path"
        raise ConfigError(file=file, line=0, key="", zh=zh, en=en) from fault
    except OSError as fault:
        zh, en = f"读不了这个文件（{fault.strerror}）", f"cannot be read ({fault.strerror})"
        raise ConfigError(file=file, line=0, key="", zh=zh, en=en) from fault
    if len(content) > MAX_FILE_BYTES:
        zh, en = "文件太大，不像是设置文件", "too large to be a settings file"
        raise ConfigError(file=file, line=0, key="", zh=zh, en=en)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        zh, en = "不是 UTF-8 文字，请用 UTF-8 保存", "not UTF-8; save the file as UTF-8"
        raise ConfigError(file=file, line=line, key="", zh=zh, en=en) from fault


def _special(folder: Path, wanted: type[Any], value: object) -> Any:
    if wanted is not Path:
        raise NotImplementedError(f"settings of type {wanted} are not supported")
    if not isinstance(value, str) or not value or "\0" in value:
        raise SettingRefusedError("", zh="应为带引号的路径", en="expected a path in quotes")
    return folder / value


def _not_toml(text: str, fault: tomllib.TOMLDecodeError, file: Path) -> ConfigError:
    said = str(fault)
    place = re.search(r"at line (\d+)", said)
    line = int(place[1]) if place else text.rstrip().count("\n") + 1
    return ConfigError(
        file=file,
        line=line,
        key="",
        zh=f"TOML 格式不对（{said}）。写法：键 = 值，文字要加引号",
        en=f"not valid TOML ({said}). Write key = value, with text in quotes",
    )


def _explained(
    text: str,
    values: dict[str, Any],
    fault: msgspec.ValidationError,
    settings_type: type[msgspec.Struct],
    file: Path,
) -> ConfigError:
    found = _AT.match(str(fault))
    said = found["says"] if found else str(fault)
    path = _key_path((found["path"] if found else None) or "")
    lines = key_lines(text)
    shape = _shape_at(shapes.type_info(settings_type), path)
    if unknown := _UNKNOWN.match(said):
        return _unknown_key(unknown["key"], path, shape, lines, file)
    if missing := _MISSING.match(said):
        path = (*path, missing["key"])
        zh, en = _allowed(_shape_at(shape, path[-1:]))
        zh, en = f"缺少“{_dotted(path)}”，应为{zh}", f'"{_dotted(path)}" is missing; expected {en}'
    elif isinstance(fault.__cause__, SettingRefusedError):
        cause = fault.__cause__
        path = (*path, cause.key) if cause.key else path
        zh_now, en_now = _now(_value_at(values, path))
        zh, en = f"“{_dotted(path)}”{cause.zh}{zh_now}", f'"{_dotted(path)}": {cause.en}{en_now}'
    else:
        zh, en = _allowed(shape)
        zh_now, en_now = _now(_value_at(values, path))
        zh = f"“{_dotted(path)}”的值不对，应为{zh}{zh_now}"
        en = f'"{_dotted(path)}" has a wrong value; expected {en}{en_now}'
    return ConfigError(file=file, line=_line_of(path, lines), key=_dotted(path), zh=zh, en=en)


def _unknown_key(
    key: str, path: KeyPath, shape: shapes.Type | None, lines: dict[KeyPath, int], file: Path
) -> ConfigError:
    known = [field.encode_name for field in shape.fields] if _is_struct(shape) else []
    full = (*path, key)
    zh, en = f"没有“{_dotted(full)}”这个设置项", f'unknown key "{_dotted(full)}"'
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if near:
        zh, en = f"{zh}，是不是“{near[0]}”？", f'{en}; did you mean "{near[0]}"?'
    else:
        zh, en = f"{zh}。", f"{en}."
    zh, en = f"{zh}可用的有：{'、'.join(known)}", f"{en} Allowed: {', '.join(known)}"
    return ConfigError(file=file, line=_line_of(full, lines), key=_dotted(full), zh=zh, en=en)


def _value_at(values: Any, path: KeyPath) -> object:
    """What the file says there; None where it says nothing, and the default is what is wrong."""
    for step in path:
        try:
            values = values[step]
        except (KeyError, IndexError, TypeError):
            return None
    return values


def _now(value: object) -> tuple[str, str]:
    """What stands there, as it would be written; nothing of an address that may hold a password."""
    match value:
        case None:
            return "", ""
        case str() if "@" in value:
            return "", ""
        case list():
            return f"；现在是 {len(value)} 项的列表", f"; it is a list of {len(value)}"
        case dict():
            return "；现在是一个表", "; it is a table"
        case str() | bool():
            written = json.dumps(value, ensure_ascii=False)
        case _:
            written = str(value)
    if len(written) > MAX_QUOTED_CHARS:
        length = f"（{len(value)} 字）" if isinstance(value, str) else ""
        return f"；现在是 {written[:MAX_QUOTED_CHARS]}…{length}", (
            f"; it is {written[:MAX_QUOTED_CHARS]}…"
            + (f" ({len(value)} characters)" if isinstance(value, str) else "")
        )
    return f"；现在是 {written}", f"; it is {written}"


def _is_struct(shape: shapes.Type | None) -> TypeGuard[shapes.StructType]:
    return isinstance(shape, shapes.StructType)


def _key_path(said: str) -> KeyPath:
    return tuple(
        step["key"] if step["key"] is not None else int(step["index"])
        for step in _STEP.finditer(said)
    )


def _line_of(path: KeyPath, lines: dict[KeyPath, int]) -> int:
    """The line of the key, or of the nearest table around it that is written down."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _dotted(path: KeyPath) -> str:
    """`award_rules[2].points`, counting elements from 0 as in the file's order."""
    said = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return said.removeprefix(".")


def _shape_at(shape: shapes.Type | None, path: KeyPath) -> shapes.Type | None:
    for step in path:
        shape = _shape_inside(shape, step)
    return shape


def _shape_inside(shape: shapes.Type | None, step: str | int) -> shapes.Type | None:
    if isinstance(shape, shapes.UnionType):
        inner = (_shape_inside(one, step) for one in shape.types)
        return next((found for found in inner if found is not None), None)
    if isinstance(shape, shapes.StructType):
        return next((field.type for field in shape.fields if field.encode_name == step), None)
    if isinstance(shape, shapes.VarTupleType):
        return shape.item_type
    return None


def _allowed(shape: shapes.Type | None) -> tuple[str, str]:
    """What may stand here, in Chinese and in English."""
    match shape:
        case shapes.VarTupleType(item_type=item, min_length=least, max_length=most):
            zh, en = _allowed(item)
            zh_many, en_many = _count(least, most, "项", "items")
            return (
                f"方括号中的列表{zh_many}，每项为{zh}",
                f"a list in square brackets{en_many}, each {en}",
            )
        case shapes.Metadata(type=inner, extra_json_schema={"examples": [example, *_]}):
            zh, en = _allowed(inner)
            return f"{zh}，例如 {json.dumps(example)}", f"{en} such as {json.dumps(example)}"
        case shapes.StructType(fields=fields):
            keys = ", ".join(field.encode_name for field in fields)
            return f"一个表，含有 {keys}", f"a table with {keys}"
        case shapes.UnionType(types=types):
            some = [_allowed(one) for one in types if not isinstance(one, shapes.NoneType)]
            return " 或 ".join(zh for zh, _ in some), " or ".join(en for _, en in some)
        case _:
            return _allowed_single(shape)


def _allowed_single(shape: shapes.Type | None) -> tuple[str, str]:
    match shape:
        case shapes.LiteralType(values=values):
            words = " | ".join(f'"{value}"' for value in values)
            return f"其中之一：{words}", f"one of {words}"
        case shapes.IntType():
            return f"整数{_bounds(shape)}", f"a whole number{_bounds(shape)}"
        case shapes.FloatType():
            return f"数字{_bounds(shape)}", f"a number{_bounds(shape)}"
        case shapes.StrType():
            form = f" ({shape.pattern})" if shape.pattern else ""
            zh, en = _count(shape.min_length, shape.max_length, "字", "characters")
            return f"带引号的文字{form}{zh}", f"text in quotes{form}{en}"
        case shapes.BoolType():
            return " true 或 false", "true or false"
        case shapes.DateType():
            return "不带引号的日期，如 2024-04-01", "a date without quotes, such as 2024-04-01"
        case _:
            return "带引号的路径", "a path in quotes"


def _bounds(shape: shapes.IntType | shapes.FloatType) -> str:
    if shape.ge is not None and shape.le is not None:
        return f" {shape.ge}…{shape.le}"
    if shape.ge is not None:
        return f" ≥ {shape.ge}"
    if shape.gt is not None:
        return f" > {shape.gt}" + (f", ≤ {shape.le}" if shape.le is not None else "")
    return f" ≤ {shape.le}" if shape.le is not None else ""


def _count(least: int | None, most: int | None, zh: str, en: str) -> tuple[str, str]:
    """How many there may be, in brackets; nothing where that is not limited."""
    if least and most:
        return f"（{least} 到 {most} {zh}）", f" (from {least} to {most} {en})"
    if most:
        return f"（最多 {most} {zh}）", f" (at most {most} {en})"
    return (f"（至少 {least} {zh}）", f" (at least {least} {en})") if least else ("", "")
