"""What ``ledger`` found, for people."""

from collections.abc import Callable

from bench.figures import Held, Spread
from bench.ledger import LedgerReport, OnlineReport

Say = Callable[[str], None]


def print_ledger(report: LedgerReport, say: Say) -> None:
    """The report in lines, the ratios with what was asked for."""
    say(
        f"\n—— ledger: {report.database}；参照 reference: 一次服务端调用完成的四分录兑换 an ideal"
        f" four-posting redemption as one server-side call, pgbench -M prepared,"
        f" {report.pgbench_threads} 线程 threads"
    )
    _print_online("服务层 service layer（无 HTTP no HTTP）", report.service, say)
    _print_online("HTTP（全部检查，事先签名 every check, pre-signed）", report.http, say)
    _print_online("HTTP，多个进程 several processes", report.http_workers, say)
    _print_online("HTTP，人多 a crowd", report.crowd, say)
    say(
        f"    人多与人少 {report.crowd.callers} / {report.http.callers} 台 clients:"
        f" {_held(report.crowded)}"
    )
    found = report.batches
    say(
        f"  成批入账 checked batches (post_many), {found.batches} × {found.entries_a_batch} 笔"
        f" entries: {found.posted_a_s:.0f} 笔/秒 entries/s，"
        f"COPY 同样的行 of the same rows {found.copied_a_s:.0f}"
    )
    say(f"    {_held(found.held)}")
    history = report.history
    say(
        f"  一笔兑换的时间 one redemption: 空账本 empty {_spread(history.empty)}，"
        f"{history.transfers} 笔 transfers {_spread(history.full)}"
        f"（装入 loaded in {history.load_s:.0f} s）"
    )
    say(f"    {_held(history.held)}")


def _print_online(what: str, found: OnlineReport, say: Say) -> None:
    workers = (
        f"{found.server_processes} 个服务进程 server process(es) × {found.server_threads} 线程 threads"
        if found.server_processes
        else f"1 个进程 process × {found.server_threads} 线程 threads"
    )
    say(
        f"  {what}: {found.callers} 路 callers, {workers}\n"
        f"    {found.redemptions_a_s:.1f} 笔/秒 redemptions/s（{found.redemptions} 笔，审计无误"
        f" audit clean），参照 reference {found.reference_a_s:.1f}"
    )
    if found.held.at_least is not None:
        say(f"    {_held(found.held)}")
    spent = found.spent
    server = f"服务器 server CPU {spent.server_cpu_ms:.2f}，" if found.server_processes else ""
    caller = "调用方 caller" if found.server_processes else "服务层 service"
    say(
        f"    每笔 a redemption, ms: 用时 wall {spent.wall_ms:.2f}；{server}"
        f"{caller} CPU {spent.caller_cpu_ms:.2f}，PostgreSQL CPU {spent.database_cpu_ms:.2f}，"
        f"等落盘 syncing {spent.syncing_ms:.2f}；提交 commits {spent.commits:.2f}，"
        f"落盘 syncs {spent.syncs:.2f}"
    )


def _held(held: Held) -> str:
    return f"比值 ratio {held.ratio:.3f}（{held.verdict}）"


def _spread(found: Spread) -> str:
    return f"p50 {found.p50_ms:.2f} ms p99 {found.p99_ms:.2f} ms"
