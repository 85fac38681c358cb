"""``huidian-terminal prices``: the shop's price list out of a file, and into one.

The running till does it: it alone writes its journal, and goes on selling meanwhile.
"""

import http.client
from pathlib import Path
from typing import Final

import click
import msgspec

from config.terminal import TerminalSettings
from terminal.prices.files import HEADER, MAX_FILE_BYTES
from terminal.prices.rows import Column, RowProblem
from terminal.web.answers import Problem
from terminal.web.guard import CSRF_HEADER, FILE, JSON
from terminal.web.more import Said
from terminal.web.price_words import ROWS, in_both
from terminal.web.prices_page import HERE, BadRowAnswer, CheckedList, TakeBody

WAIT_S: Final = 600.0
"""A Raspberry Pi takes a minute or two for 50,000 goods."""
_ENDINGS: Final = (".csv", ".xlsx")
_DONE: Final = "good"


@click.group("prices", help="本店价目：导入、导出 · the shop's price list: import, export")
def prices_command() -> None:
    """One door for both."""


@prices_command.command("export", help="把价目存成 .csv 或 .xlsx · write the list into a file")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def export_command(settings: TerminalSettings, file: Path) -> None:
    if file.suffix.lower() not in _ENDINGS:
        raise click.ClickException("文件名要以 .csv 或 .xlsx 结尾 · name it .csv or .xlsx")
    body = _ask(settings, "GET", f"{HERE}{file.suffix.lower()}", b"", FILE)
    try:
        file.write_bytes(body)
    except OSError as error:
        raise click.ClickException(f"{file} 写不进去 · cannot be written: {error}") from error
    click.echo(f"已写入 · written: {file}")


@prices_command.command(
    "import", help="先看一遍，不对的行全列出来；加 --apply 才换上 · look through, then take over"
)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--replace", is_flag=True, help="清单里没有的商品去掉 · remove what is not in it")
@click.option("--apply", is_flag=True, help="没有错就换上 · take it over if nothing is wrong")
@click.option("--without-bad", is_flag=True, help="不要不对的行 · leave out rows that are wrong")
@click.option("--reason", default="", help="原因，记在账上 · reason, kept in the journal")
@click.pass_context
def import_command(
    context: click.Context,
    *,
    file: Path,
    replace: bool,
    apply: bool,
    without_bad: bool,
    reason: str,
) -> None:
    settings: TerminalSettings = context.obj
    if file.stat().st_size > MAX_FILE_BYTES:
        raise click.ClickException(
            f"文件太大，最多 {MAX_FILE_BYTES // 1024 // 1024} MB · the file is too large"
        )
    path = f"{HERE}/check?replace={int(replace)}&whole=1"
    body = _ask(settings, "POST", path, file.read_bytes(), FILE)
    checked = _read(body)
    for row in checked.bad:
        _show(row)
    click.echo(
        f"{checked.rows} 行，不对 {len(checked.bad)} 行；换上后共 {checked.items} 种，"
        f"新 {checked.added}，改 {checked.changed}，去掉 {checked.removed} · "
        f"{checked.rows} rows, {len(checked.bad)} wrong; afterwards {checked.items} goods, "
        f"{checked.added} new, {checked.changed} changed, {checked.removed} removed"
    )
    if checked.bad and not without_bad:
        click.echo("请改好文件再来 · put the file right and come again")
        context.exit(1)
    if apply:
        _take(settings, checked, reason, without_bad=without_bad)
    else:
        click.echo("只看了一遍，没有换上 · looked through only; nothing was changed (--apply)")


def _take(
    settings: TerminalSettings, checked: CheckedList, reason: str, *, without_bad: bool
) -> None:
    reason = reason or click.prompt("原因 · reason")
    pin = click.prompt("店主 PIN 码 · owner's PIN", hide_input=True)
    body = TakeBody(checked.file_sha256, pin, reason, without_bad)
    answer = _ask(settings, "POST", f"{HERE}/take", msgspec.json.encode(body), JSON)
    said = msgspec.json.decode(answer, type=Said)
    if said.level != _DONE:
        raise click.ClickException(f"{said.text}{said.next}")
    click.echo(said.text)


def _read(body: bytes) -> CheckedList:
    try:
        return msgspec.json.decode(body, type=CheckedList)
    except msgspec.ValidationError:  # it is no list, and the till says why
        said = msgspec.json.decode(body, type=Said)
        raise click.ClickException(f"{said.text}{said.next}") from None


def _show(row: BadRowAnswer) -> None:
    for wrong in row.wrong:
        text, todo = ROWS[RowProblem(wrong.problem)]
        figures = {"shown": wrong.shown}
        column = HEADER[Column(wrong.column)]
        click.echo(f"第 {row.row_no} 行 row {row.row_no} · {in_both(column, {})}")
        click.echo(f"    {in_both(text, figures)}  {wrong.shown}".rstrip())
        click.echo(f"    {in_both(todo, figures)}")


def _ask(settings: TerminalSettings, method: str, path: str, body: bytes, kind: str) -> bytes:
    connection = http.client.HTTPConnection(
        settings.listen_host, settings.listen_port, timeout=WAIT_S
    )
    try:
        headers = {"Content-Type": kind, CSRF_HEADER: "1"}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        status, answered = answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise click.ClickException(
            "终端没有运行，请先启动 · the terminal is not running: start it first"
        ) from error
    finally:
        connection.close()
    if status != http.client.OK:
        try:
            says = msgspec.json.decode(answered, type=Problem).says
        except msgspec.DecodeError:
            says = str(status)
        raise click.ClickException(f"终端没有做成 · the till refused: {says}")
    return answered
