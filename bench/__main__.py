"""``./run bench [terminal|redemption|ledger|settlement|receipts|codes]``: speed as ratios to a limit measured in the same run.

Figures in milliseconds belong to the machine that is named above them; a ratio can be
compared from one machine to the next. Everything happens on 127.0.0.1 and in a folder of
its own that is removed afterwards.
"""

import argparse
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import msgspec
from msgspec import Struct

from bench import (
    codes,
    ledger,
    ledger_printed,
    receipts,
    redemption,
    settlement,
    settlement_printed,
    terminal_sale,
)
from bench.codes import CodesReport
from bench.figures import BenchError, Held, Machine, Spread, as_json, machine
from bench.ledger_history import LEAST_TRANSFERS
from bench.terminal_footprint import Footprint

MOST_TRANSFERS = 100_000_000
LEAST_LINES, MOST_LINES = 4_000, 10_000_000
MOST_MERCHANTS = 10_000
NAMES = ("terminal", "redemption", "ledger", "settlement", "receipts", "codes")


class Report(Struct, frozen=True, kw_only=True):
    """What ``--json`` writes; a benchmark that was not asked for is None."""

    quick: bool
    machine: Machine
    terminal: terminal_sale.TerminalReport | None
    redemption: list[redemption.RedemptionReport] | None
    ledger: ledger.LedgerReport | None
    settlement: settlement.SettlementReport | None
    receipts: receipts.ReceiptsReport | None
    codes: CodesReport | None = None


def say(text: str) -> None:
    print(text, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0 if everything could be measured, whatever came out."""
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument("name", nargs="?", choices=NAMES, help="不写则全部 · all, if left out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="结果写成数据 · figures as data")
    parser.add_argument("--quick", action="store_true", help="小规模试跑 · a small run")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(tempfile.gettempdir()),
        help="在哪块盘上测 · on which disk (a folder on it)",
    )
    parser.add_argument(
        "--transfers",
        type=_transfers,
        metavar="N",
        help="ledger：账本里先有多少笔 · ledger: how many transfers there are to begin with",
    )
    parser.add_argument(
        "--lines",
        type=_lines,
        metavar="N",
        help="settlement：一个月多少笔销售和退货 · settlement: sales and refunds in the month",
    )
    parser.add_argument(
        "--merchants",
        type=_merchants,
        metavar="N",
        help="settlement：多少家商户 · settlement: for how many merchants",
    )
    options = parser.parse_args(arguments)
    names = (options.name,) if options.name else NAMES
    try:
        folder = Path(tempfile.mkdtemp(prefix="huidian-bench-", dir=options.folder)).resolve()
        try:
            report = run(
                folder,
                names,
                quick=options.quick,
                transfers=options.transfers,
                lines=options.lines,
                merchants=options.merchants,
            )
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if options.json is not None:
            options.json.write_bytes(as_json(report))
    except (BenchError, OSError) as error:
        say(f"测不了 · could not be measured: {error}")
        return 1
    except KeyboardInterrupt:
        say("\n已停止，没有留下进程 · stopped, no process left behind")
        return 130
    return 0


def _transfers(text: str) -> int:
    count = int(text)
    if not LEAST_TRANSFERS <= count <= MOST_TRANSFERS:
        raise argparse.ArgumentTypeError(f"{LEAST_TRANSFERS} … {MOST_TRANSFERS}")
    return count


def _lines(text: str) -> int:
    count = int(text)
    if not LEAST_LINES <= count <= MOST_LINES:
        raise argparse.ArgumentTypeError(f"{LEAST_LINES} … {MOST_LINES}")
    return count


def _merchants(text: str) -> int:
    count = int(text)
    if not 1 <= count <= MOST_MERCHANTS:
        raise argparse.ArgumentTypeError(f"1 … {MOST_MERCHANTS}")
    return count


def run(
    folder: Path,
    names: Sequence[str],
    *,
    quick: bool,
    transfers: int | None = None,
    lines: int | None = None,
    merchants: int | None = None,
) -> Report:
    """Measure in ``folder`` and print what came out. ``transfers``, ``lines`` and ``merchants``:
    instead of the size's own.

    Raises:
        BenchError: something could not be measured.
    """
    facts = machine(folder)
    _print_machine(facts)
    terminal_report = redemption_reports = ledger_report = settlement_report = None
    if "terminal" in names:
        size = terminal_sale.QUICK if quick else terminal_sale.FULL
        terminal_report = terminal_sale.measure(folder / "terminal", size, say)
        _print_terminal(terminal_report)
    if "redemption" in names:
        amount = redemption.QUICK if quick else redemption.FULL
        redemption_reports = redemption.measure(folder / "redemption", amount, say)
        for report in redemption_reports:
            _print_redemption(report)
    if "ledger" in names:
        asked = ledger.QUICK if quick else ledger.FULL
        if transfers is not None:
            asked = msgspec.structs.replace(asked, transfers=transfers)
        ledger_report = ledger.measure(folder / "ledger", asked, say)
        if ledger_report is not None:
            ledger_printed.print_ledger(ledger_report, say)
    if "settlement" in names:
        month = _month(settlement.QUICK if quick else settlement.FULL, lines, merchants)
        settlement_report = settlement.measure(folder / "settlement", month, say)
        if settlement_report is not None:
            settlement_printed.print_settlement(settlement_report, say)
    receipts_report = None
    if "receipts" in names:
        receipts_report = receipts.run_receipts(quick=quick)
        receipts.print_receipts(receipts_report, say)
    codes_report = codes.run_codes(names, say, quick=quick)
    return Report(
        quick=quick,
        machine=facts,
        terminal=terminal_report,
        redemption=redemption_reports,
        ledger=ledger_report,
        settlement=settlement_report,
        receipts=receipts_report,
        codes=codes_report,
    )


def _month(size: settlement.Size, lines: int | None, merchants: int | None) -> settlement.Size:
    return msgspec.structs.replace(
        size,
        lines=size.lines if lines is None else lines,
        merchants=size.merchants if merchants is None else merchants,
    )


def _print_machine(facts: Machine) -> None:
    say(
        f"机器 · machine: {facts.cpu}, {facts.cores} 核 cores, {facts.system}\n"
        f"  Python {facts.python}, SQLite {facts.sqlite}, {facts.file_system},"
        f" 一次落盘 one sync {facts.sync_p50_ms:.2f} ms, 负载 load {facts.load_1_min:.1f}"
    )
    if facts.load_1_min > facts.cores:
        say("  机器正忙，数字偏慢 · the machine is busy: figures are slower than they could be")


def _print_terminal(report: terminal_sale.TerminalReport) -> None:
    say("\n—— terminal: 一笔销售 / 纯 sqlite3 写同样的行 · a sale / plain sqlite3, same rows")
    _print_comparison(report.plain)
    say(
        f"  每次提交模拟慢盘 {report.slow_sync_ms:.0f} ms（两边都等） · simulated slow disk, both wait:"
    )
    _print_comparison(report.slow)
    counted = report.syncs
    if counted is None:
        say(f"  落盘次数 · syncs a sale: {report.syncs_say}")
    else:
        say(
            f"  落盘次数 · syncs a sale: {counted.all:.2f}（日志 log {counted.log:.2f}，"
            f"检查点写库 checkpoints {counted.database:.2f}；{counted.sales} 笔 sales）"
        )
    _print_footprint(report.footprint)
    approval, past = report.approval, report.past
    say("  扫码到批准 · scan to approval, over HTTP at the till:")
    say(f"    在线 online  {_spread(approval.online)}")
    say(
        f"    断网 offline {_spread(approval.offline)}；"
        f"断网后第一笔 first after the cut {approval.first_offline_ms:.0f} ms"
    )
    say(f"  {past.past_sales} 笔过往销售 past sales: {_spread(past.with_past)}")
    say(f"    没有过往 · none: {_spread(past.empty)}；{_held(past.held)}")
    say("  时间去向，毫秒每笔 · where the time goes, ms a sale:")
    for line in report.attributed:
        say(f"    {line.mean_ms:8.3f}  {line.share:6.1%}  {line.part}")


def _print_footprint(found: Footprint) -> None:
    terminal, stack = found.terminal, found.stack
    say(
        f"  内存 · memory after {found.sales} sales: {terminal.all_mib:.1f} MiB，"
        f"只导入依赖 only imports {stack.all_mib:.1f} MiB，{_held(found.memory)}"
    )
    for name, ours, theirs in (
        ("Python 对象和线程栈 · objects and stacks", terminal.heap_mib, stack.heap_mib),
        ("程序和库文件 · programs and libraries", terminal.code_mib, stack.code_mib),
        ("其他 · other", terminal.other_mib, stack.other_mib),
    ):
        say(f"    {ours:6.1f} / {theirs:6.1f} MiB  {name}")
    say(
        f"  启动 · start, {found.starts} 次中位 median: CPU {found.terminal_start_cpu_ms:.0f} ms，"
        f"只导入依赖 only imports {found.stack_start_cpu_ms:.0f} ms，{_held(found.start)}"
    )


def _print_comparison(found: terminal_sale.Comparison) -> None:
    say(f"    销售 sale {_spread(found.till)}  CPU {found.till_cpu_ms:.2f}")
    say(f"    极限 raw  {_spread(found.raw)}  CPU {found.raw_cpu_ms:.2f}")
    say(
        f"    {_held(found.held)}；每笔提交 commits a sale {found.commits_a_sale:.2f}，"
        f"{found.same_rows} 行相同 rows alike"
    )


def _print_redemption(report: redemption.RedemptionReport) -> None:
    say(f"\n—— redemption: {report.database}, {report.clients} 台终端 terminals")
    say(
        f"    {report.redemptions_a_s:.1f} 笔/秒 redemptions/s（{report.redemptions} 笔，审计无误"
        f" audit clean），服务器 CPU 每笔 a redemption {report.server_cpu_ms:.1f} ms"
    )
    say(f"    询问 authorise {_spread(report.authorise)}")
    say(f"    上报 tell      {_spread(report.tell)}")
    say(f"    单台询问 authorise, one terminal {_spread(report.authorise_alone)}")
    say(
        f"    极限 limit {report.limit_a_s:.1f} 笔/秒：每笔两次往返、两次提交，取慢的"
        f" · two round trips and two commits each, the slower of:"
        f" {report.health_trips_a_s:.0f} 往返 trips/s，{report.commits_a_s:.0f} 提交 commits/s"
        f"（{report.commit_bytes} B）"
    )
    say(f"    {_held(report.held)}")


def _spread(found: Spread) -> str:
    return f"p50 {found.p50_ms:8.2f} ms  p99 {found.p99_ms:8.2f} ms"


def _held(held: Held) -> str:
    return f"比值 ratio {held.ratio:.3f}（{held.verdict}）"


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())
