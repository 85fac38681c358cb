"""What ``settlement`` found, for people."""

from collections.abc import Callable

from bench.figures import Held, Spread
from bench.settlement import SettlementReport
from bench.settlement_took import Took

Say = Callable[[str], None]


def print_settlement(report: SettlementReport, say: Say) -> None:
    """The report in lines, the ratios with what was asked for."""
    more = report.months[-1]
    say(
        f"\n—— settlement: {report.database}, {report.merchants} 家 merchants，"
        f"{more.lines} 行 lines，{more.transfers} 笔 transfers（装入 loaded in {more.load_s:.0f} s）"
    )
    say(
        f"  DuckDB 同样的加总 the same sums: {_took(report.duckdb)}"
        f"（单线程 one thread {_took(report.duckdb_single)}）"
    )
    say(
        f"  事先按日汇总（整月合计，平时由定时器做） done ahead, by a timer all month:"
        f" {_took(more.ahead)}，每行 a line CPU {more.ahead.cpu_s / more.lines * 1e6:.1f} µs；"
        f"连同结算 with the run {report.all_held:.1f} × DuckDB，CPU {report.all_cpu_held:.1f} ×"
    )
    say(f"  试算，只加总 preview, sums alone: {_took(more.preview)}，{_held(report.sums_held)}")
    say(
        "  整个结算：加总、归入、记账、冻结、落盘 · the whole run: sums, places, entries,"
        f" frozen statements, syncs: {_took(more.run)}，{_held(report.run_held)}，"
        f"CPU {_held(report.run_cpu_held)}"
    )
    say("  时间去向，毫秒每家 · where the run's time goes, ms a merchant:")
    for line in more.attributed:
        say(f"    {line.mean_ms:8.2f}  {line.share:6.1%}  {line.part}")
    for month in report.months:
        say(
            f"  {month.lines} 行 lines: 汇总 ahead {_took(month.ahead)}，试算 preview"
            f" {_took(month.preview)}，结算 run {_took(month.run)}"
        )
    say(f"    行数四倍 four times the lines: 结算 run {_held(report.linear_held)}")
    say(f"    试算 preview {_held(report.sums_linear_held)}")
    say(f"    汇总 ahead CPU {_held(report.ahead_linear_held)}")
    asked = f"要求 asked p50 ≤ {report.queries_asked_ms:.0f} ms"
    say(f"  一家的月份 one merchant's month（{asked}）:")
    say(f"    读结算单 the statement as frozen {_spread(report.frozen)}")
    say(f"    从每日账加总 summed from his days {_spread(more.sums)}")
    say(f"    读出全部明细 all of its lines read {_spread(report.lines_read)}")
    say(
        f"  {report.equal_statements} 张结算单与 DuckDB 从全部明细重算的一分不差，其中"
        f" {report.folded_statements} 张又逐笔重算 · statements equal DuckDB's sums of all rows to"
        f" the fen, {report.folded_statements} of them the fold of their transfers as well"
    )


def _held(held: Held) -> str:
    return f"比值 ratio {held.ratio:.3f}（{held.verdict}）"


def _spread(found: Spread) -> str:
    return f"p50 {found.p50_ms:.2f} ms p99 {found.p99_ms:.2f} ms"


def _took(found: Took) -> str:
    return f"{found.wall_s:.2f} s（CPU {found.cpu_s:.2f} s）"
