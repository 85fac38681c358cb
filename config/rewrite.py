"""Changes one setting in a person's own file: their comments, order and spaces stay."""

import os
import re
import tempfile
import tomllib
from pathlib import Path

from config.toml_lines import key_lines

_ESCAPED = {ord("\\"): "\\\\", ord('"'): '\\"'} | {
    code: f"\\u{code:04x}" for code in (*range(0x20), 0x7F)
}


class SettingsFileError(Exception):
    """The file was not changed, and why."""


def set_text(file: Path, key: str, value: str) -> None:
    """Set a top-level text setting, durably: the file is the old one or the new one, never half.

    Args:
        file: a TOML file that exists and can be read.
        key: the bare name of a setting that stands on one line, or not at all.
        value: any text.

    Raises:
        SettingsFileError: not readable, not TOML, not writable, or the key has another shape.
    """
    try:
        text = file.read_text(encoding="utf-8")
        before = tomllib.loads(text)
        changed = _with_line(text, key, f'{key} = "{value.translate(_ESCAPED)}"')
        if tomllib.loads(changed) != before | {key: value}:
            raise SettingsFileError(f"{file}: {key} 写法特别，请手工修改 · change it by hand")
        _replace(file, changed)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsFileError(f"{file}: {error}") from error


def _with_line(text: str, key: str, line: str) -> str:
    lines = text.splitlines(keepends=True)
    at = key_lines(text).get((key,))
    if at is not None:
        comment = re.search(r'^[^"#]*"[^"\\]*"[ \t]*(#.*)$', lines[at - 1].rstrip("\r\n"))
        lines[at - 1] = f"{line}  {comment.group(1)}\n" if comment else f"{line}\n"
        return "".join(lines)
    first_table = next((i for i, x in enumerate(lines) if x.lstrip().startswith("[")), len(lines))
    if first_table and not lines[first_table - 1].endswith("\n"):
        lines[first_table - 1] += "\n"
    return "".join([*lines[:first_table], f"{line}\n", *lines[first_table:]])


def _replace(file: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as new:
            new.write(text)
            new.flush()
            os.fchmod(new.fileno(), file.stat().st_mode & 0o777)
            os.fsync(new.fileno())
        Path(name).replace(file)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
