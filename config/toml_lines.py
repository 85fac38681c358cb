"""On which line of a TOML text each key stands.

`tomllib` gives values without places, but a technician who typed a key wrongly needs the line.
The scanner below walks a text that `tomllib` has already accepted, so it only has to find
structure and never has to judge syntax.
"""

from dataclasses import dataclass, field
from typing import Final

KeyPath = tuple[str | int, ...]

_BARE_END: Final = frozenset(" \t\r\n=.,]}#\"'")


def key_lines(text: str) -> dict[KeyPath, int]:
    """Lines (from 1) of every key, table and array element of a valid TOML text.

    A path is made of keys and, for elements of arrays and of arrays of tables, of indexes
    from 0: `("award_rules", 2, "points")`. A table that is opened twice keeps its first line.
    The text must have been accepted by `tomllib`; for another text the result means nothing.
    """
    scanner = _Scanner(text)
    scanner.document()
    return scanner.lines


@dataclass(slots=True)
class _Scanner:
    text: str
    at: int = 0
    line: int = 1
    lines: dict[KeyPath, int] = field(default_factory=dict)
    table_counts: dict[KeyPath, int] = field(default_factory=dict)

    def document(self) -> None:
        table: KeyPath = ()
        self.skip(newlines=True)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self.header()
            else:
                self.pair(table)
            self.skip(newlines=True)

    def header(self) -> KeyPath:
        """`[a.b]` or `[[a.b]]`: the path that the following keys belong to."""
        line = self.line
        many = self.text.startswith("[[", self.at)
        self.step(2 if many else 1)
        keys = self.dotted_key()
        self.step(2 if many else 1)
        path = self.inside_last_elements(keys[:-1])
        path = (*path, keys[-1])
        if many:
            self.lines.setdefault(path, line)
            number = self.table_counts.get(path, 0)
            self.table_counts[path] = number + 1
            path = (*path, number)
        elif path in self.table_counts:
            path = (*path, self.table_counts[path] - 1)
        self.lines.setdefault(path, line)
        return path

    def inside_last_elements(self, keys: tuple[str, ...]) -> KeyPath:
        """A header below an array of tables means the array's last element."""
        path: KeyPath = ()
        for key in keys:
            path = (*path, key)
            if path in self.table_counts:
                path = (*path, self.table_counts[path] - 1)
        return path

    def pair(self, table: KeyPath) -> None:
        line = self.line
        path = table
        for key in self.dotted_key():
            path = (*path, key)
            self.lines.setdefault(path, line)
        self.step(1)  # the equals sign
        self.skip(newlines=False)
        self.value(path)

    def value(self, path: KeyPath) -> None:
        first = self.text[self.at]
        if first in "\"'":
            self.string()
        elif first == "[":
            self.array(path)
        elif first == "{":
            self.inline_table(path)
        else:
            while self.at < len(self.text) and self.text[self.at] not in ",]}#\r\n":
                self.step(1)

    def array(self, path: KeyPath) -> None:
        self.step(1)
        number = 0
        self.skip(newlines=True)
        while self.text[self.at] != "]":
            self.lines.setdefault((*path, number), self.line)
            self.value((*path, number))
            number += 1
            self.skip(newlines=True)
            if self.text[self.at] == ",":
                self.step(1)
                self.skip(newlines=True)
        self.step(1)

    def inline_table(self, path: KeyPath) -> None:
        self.step(1)
        self.skip(newlines=True)
        while self.text[self.at] != "}":
            self.pair(path)
            self.skip(newlines=True)
            if self.text[self.at] == ",":
                self.step(1)
                self.skip(newlines=True)
        self.step(1)

    def dotted_key(self) -> tuple[str, ...]:
        keys: list[str] = []
        while True:
            self.skip(newlines=False)
            keys.append(self.string() if self.text[self.at] in "\"'" else self.bare_key())
            self.skip(newlines=False)
            if self.text[self.at] != ".":
                return tuple(keys)
            self.step(1)

    def bare_key(self) -> str:
        start = self.at
        while self.text[self.at] not in _BARE_END:
            self.step(1)
        return self.text[start : self.at]

    def string(self) -> str:
        """Steps over a string of any of TOML's four kinds; gives its raw text."""
        quote = self.text[self.at]
        mark = quote * 3 if self.text.startswith(quote * 3, self.at) else quote
        self.step(len(mark))
        start = self.at
        while not self.text.startswith(mark, self.at):
            self.step(2 if quote == '"' and self.text[self.at] == "\\" else 1)
        end = self.at
        self.step(len(mark))
        # Up to two quotes may stand directly before a closing mark of three.
        while len(mark) > 1 and self.text.startswith(quote, self.at):
            end += 1
            self.step(1)
        return self.text[start:end]

    def skip(self, *, newlines: bool) -> None:
        """Steps over blanks and comments, and over line ends if asked."""
        blanks = " \t\r\n" if newlines else " \t"
        while self.at < len(self.text):
            if self.text[self.at] in blanks:
                self.step(1)
            elif self.text[self.at] == "#" and newlines:
                end = self.text.find("\n", self.at)
                self.step((end if end >= 0 else len(self.text)) - self.at)
            else:
                return

    def step(self, count: int) -> None:
        self.line += self.text.count("\n", self.at, self.at + count)
        self.at += count
