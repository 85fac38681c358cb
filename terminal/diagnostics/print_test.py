"""``huidian-terminal print-test``: what the printer can do, seen on paper, kept in the settings."""

from datetime import datetime

import click

from config.rewrite import SettingsFileError, set_text
from config.terminal import TerminalSettings
from drivers.ports import PrinterStatus, PrintOutcome, PrintResult, StatusLevel
from drivers.registry import DeviceUrlError, open_scanner, with_scanner_options
from protocol.business_day import SHANGHAI
from terminal.diagnostics.printer_trial import ENCODINGS, Choice, PrinterTest, Step
from terminal.diagnostics.sample_papers import RULERS
from terminal.domain.scan_echo import echoed
from terminal.web.scan_words import ScanWords, scan_words

SCAN_WAIT_S = 10.0
MOST_SCANS = 20
RULER_QUESTION = "最长而没有折行的尺：1 是 32，2 是 42，3 是 48 · longest ruler on one line"

LEVEL_WORDS = {
    StatusLevel.PROCESS_ID: "打完会回报（最好） · confirms each job (best)",
    StatusLevel.IN_ORDER: "打完会回报 · confirms each job",
    StatusLevel.REALTIME: "只回报有没有纸，不回报打完没有 · says its state, not whether it printed",
    StatusLevel.MUTE: "什么也不回报，小票要靠眼看 · says nothing: look at the paper",
}
RESULT_WORDS = {
    PrintResult.CONFIRMED: "已打印 · printed",
    PrintResult.SENT: "已送出，请看纸 · sent: look at the paper",
    PrintResult.FAILED: "没有打 · not printed",
    PrintResult.UNKNOWN: "不知道打出没有，请看纸 · unknown: look at the paper",
}


@click.command(
    "print-test", help="打印机自检，并把选择写进设置 · test the printer, keep the choice"
)
@click.option("--printer", "url", help="打印机地址（不写就用设置里的） · device URL")
@click.option("--encoding", type=click.Choice(ENCODINGS), help="不问，直接选 · do not ask")
@click.option("--columns", type=click.Choice([str(x) for x in RULERS]), help="不问，直接选")
@click.option("--qr", type=click.Choice(["native", "image"]), help="不问，直接选")
@click.option("--cutter", type=click.Choice(["yes", "no"]), help="不问，直接选")
@click.option("--drawer/--no-drawer", default=False, help="也试开钱箱 · open the drawer too")
@click.option("--scan/--no-scan", default=False, help="也试扫码枪 · try the scanner too")
@click.option("--scan-prefix", help="扫码枪的前缀，写进设置 · prefix that the scanner sends")
@click.option("--write/--no-write", default=None, help="写进设置文件 · write the settings file")
@click.pass_context
def print_test_command(
    context: click.Context,
    *,
    url: str | None,
    encoding: str | None,
    columns: str | None,
    qr: str | None,
    cutter: str | None,
    drawer: bool,
    scan: bool,
    scan_prefix: str | None,
    write: bool | None,
) -> None:
    settings: TerminalSettings = context.obj
    try:
        test = PrinterTest(url or settings.printer)
        status = _find(test)
        _print(test, status)
        if drawer:
            _say("钱箱 drawer", test.open_drawer())
        choice = Choice(
            encoding=encoding or ENCODINGS[_ask("读得出来的行 · line that can be read", 3) - 1],
            columns=int(columns or RULERS[_ask(RULER_QUESTION, 3) - 1]),
            qr=qr or ("native" if click.confirm("二维码扫得出来吗 · QR readable?") else "image"),
            cutter=cutter
            or ("yes" if click.confirm("自动切纸了吗 · was the paper cut?") else "no"),
        )
        chosen = test.chosen_url(choice, status)
        click.echo(f'printer = "{chosen}"')
        _say("核对 check", test.confirm(chosen))
        scanner_url = _scan(settings, scan_prefix) if scan else None
        _keep(context, {"printer": chosen} | _scanner_choice(scanner_url), write=write)
    except DeviceUrlError as error:
        raise click.ClickException(f"设备地址不对 · {error}") from error


def _scanner_choice(url: str | None) -> dict[str, str]:
    return {} if url is None else {"scanner": url}


def _find(test: PrinterTest) -> PrinterStatus:
    status = test.find_level()
    if status.trouble is not None:
        raise click.ClickException(
            f"打印机现在不能用：{status.trouble}。请检查后再试 · the printer cannot be used now"
        )
    words = LEVEL_WORDS[status.level] if status.level else "?"
    click.echo(f"回报能力 level: {words}")
    return status


def _print(test: PrinterTest, status: PrinterStatus) -> None:
    now = datetime.now(SHANGHAI).strftime("%Y-%m-%d %H:%M")
    steps: list[Step] = test.print_papers(now, status.level.value if status.level else "?")
    for step in steps:
        _say(step.name, step.outcome)
    if steps[-1].outcome.trouble is not None:
        raise click.ClickException("自检没有打完 · the test paper is not complete")


def _say(name: str, outcome: PrintOutcome) -> None:
    trouble = f" ({outcome.trouble})" if outcome.trouble else ""
    click.echo(f"  {name}: {RESULT_WORDS[outcome.result]}{trouble}")


def _ask(question: str, last: int) -> int:
    answer: int = click.prompt(f"{question} (1-{last})", type=click.IntRange(1, last))
    return answer


def _scan(settings: TerminalSettings, prefix: str | None) -> str | None:
    """Show what the scanner sends, scan by scan; its URL if a prefix was given for it."""
    url = settings.scanner
    if prefix is not None:
        url = with_scanner_options(url, prefix=prefix)
    scanner = open_scanner(url, utc_now=lambda: datetime.now(SHANGHAI))
    if scanner is None:
        click.echo("没有设置扫码枪 · no scanner is set")
        return None
    click.echo(f"请扫几个码，停 {SCAN_WAIT_S:.0f} 秒就结束 · scan some codes, then wait")
    heard = 0
    try:
        while heard < MOST_SCANS and (event := scanner.read_scan(SCAN_WAIT_S)) is not None:
            heard += 1
            _show(scan_words(echoed(event)))
        state = scanner.state()
    finally:
        scanner.close()
    if not heard:
        click.echo(f"没有扫到（{state}）：请看连线，并设为串口模式 · nothing came: serial mode?")
    return url if heard and prefix is not None else None


def _show(scan: ScanWords) -> None:
    click.echo(f"  {scan.text}  {scan.kind}")
    for line in (scan.form, scan.advice):
        if line:
            click.echo(f"    {line}")


def _keep(context: click.Context, chosen: dict[str, str], *, write: bool | None) -> None:
    if write is None:
        write = click.confirm("写进设置文件吗 · write it into the settings?")
    if not write:
        return
    file = context.find_root().params["config"]
    try:
        for key, url in chosen.items():
            set_text(file, key, url)
    except SettingsFileError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"已写入 {file}；重启终端后生效 · written; restart the terminal")
