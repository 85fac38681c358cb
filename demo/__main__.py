"""``./run demo``: the whole loop with one command.

Without options it stays up for a person until Ctrl-C. With ``--once`` it plays the
programme's scenarios through the real processes and devices and compares every figure.
"""

import argparse
import dataclasses
import json
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from demo.page import PAGE_PORT, DemoPage
from demo.play import Outcome, Play
from demo.running import DemoFailedError, free_port
from demo.scripts import SCRIPTS
from demo.stage import Stage, free_ports, this_morning, usual_ports
from demo.world import WORLDS
from protocol.money import format_yuan

FOLDER = Path("var/demo")
CJK_FONTS = Path("/usr/share/fonts")


def say(text: str) -> None:
    print(text, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0 only if everything came out as it must."""
    parser = argparse.ArgumentParser(prog="./run demo", description=__doc__)
    parser.add_argument("--pool", choices=sorted(WORLDS), default="guanghui")
    parser.add_argument("--once", action="store_true", help="自动演示并核对 · play and check")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="数据目录 · data folder")
    parser.add_argument("--free-ports", action="store_true", help="用空闲端口 · on free ports")
    parser.add_argument("--json", type=Path, metavar="FILE", help="结果写成数据 · result as data")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if options.once:
            return play_once(options.pool, options.folder, options.json)
        if options.json is not None:
            parser.error("--json 要和 --once 一起用 · --json goes with --once")
        return stay_up(options.pool, options.folder, free=options.free_ports)
    except DemoFailedError as error:
        say(f"演示失败 · the demonstration failed: {error}")
        return 1
    except KeyboardInterrupt:
        say("\n已停止，没有留下进程 · stopped, no process left behind")
        return 0 if not options.once else 130


def play_once(pool: str, folder: Path | None, json_file: Path | None) -> int:
    """Play a programme's script; prints receipts, statements and audit."""
    begin_at = this_morning()
    world = WORLDS[pool](begin_at.year)
    folder = (folder or FOLDER / f"once-{pool}").resolve()
    with Stage(world, folder, free_ports(), begin_at=begin_at) as stage:
        stage.set_up(say)
        outcome = Play(stage, SCRIPTS[pool], say).run()
    if json_file is not None:
        data = dataclasses.asdict(outcome)
        json_file.write_text(json.dumps(data, ensure_ascii=False, indent=2) + "\n")
    report(outcome)
    return 1 if outcome.wrong else 0


def report(outcome: Outcome) -> None:
    """Print what a person wants to see of a play."""
    for receipt in outcome.receipts:
        say(f"\n—— {receipt['name']}  {receipt['receipt_no']}  {receipt['png']}")
        say(receipt["text"].rstrip())
    say("\n—— 场景 · scenarios")
    for row in outcome.scenarios:
        if row.get("refused"):
            say(f"  {row['name']:<11} {row['title']}: {row['says']}")
            continue
        before = "?" if row["before"] is None else row["before"]
        after = "?" if row["after"] is None else row["after"]
        offline = "  离线 offline" if row["offline"] else ""
        say(
            f"  {row['name']:<11} {row['title']}: 使用前 {before} 用 {row['used']} 后 {after}"
            f" 还需付 {format_yuan(row['to_pay_fen'])} 元{offline}"
        )
    say("\n—— 商户对账单 · statements")
    for row in outcome.statements:
        say(
            f"  {row['period_through']} {row['merchant_name']}: 销售 {row['sales_count']}"
            f" 退货 {row['refunds_count']} 迟到 {row['late_count']}"
            f" 现金 {format_yuan(row['cash_fen'])} 收积分 {row['redeemed_points']}"
            f" 退积分 {row['returned_points']} 补偿 {format_yuan(row['reimbursement_fen'])}"
            f" 收回 {format_yuan(row['reimbursement_returned_fen'])}"
            f" 纳入积分池 {format_yuan(row['share_fen'])}"
            f" 净额 {format_yuan(row['net_fen'])}"
        )
    say("\n—— 审计 · audit")
    for finding in outcome.audit.get("findings", []):
        mark = "✓" if finding["broken"] == 0 else "✗"
        say(f"  {mark} {finding['invariant']:<4}{finding['checked']:>7}  {finding['says']}")
    if outcome.wrong:
        say("\n✗ 不符 · wrong:")
        for sentence in outcome.wrong:
            say(f"  {sentence}")
        return
    say(
        f"\n✓ {outcome.pool}: {len(outcome.scenarios)} 个场景、{len(outcome.statements)} 份对账单、"
        f"{len(outcome.told)} 笔销售各上传一次、审计无误 · every figure came out"
    )


def stay_up(pool: str, folder: Path | None, *, free: bool) -> int:
    """Run everything for a person until Ctrl-C."""
    begin_at = this_morning()
    world = WORLDS[pool](begin_at.year)
    folder = (folder or FOLDER / pool).resolve()
    ports = free_ports() if free else usual_ports()
    page_port = free_port() if free else PAGE_PORT
    if not any(CJK_FONTS.rglob("*wqy*")) and not any(CJK_FONTS.rglob("*CJK*")):
        say("没有中文字体，小票图片里汉字会缺：apt install fonts-wqy-zenhei · no Chinese font")
    with Stage(world, folder, ports, begin_at=None) as stage, DemoPage(stage, page_port) as page:
        stage.set_up(say)
        page.ready()
        say(f"\n{world.pool} 演示已就绪 · ready. Ctrl-C 结束 · ends it.\n")
        for shop in stage.shops:
            say(f"  收银台 till        {shop.url}   {shop.merchant.shop_name}")
        say(f"  居民码和小票 demo  http://127.0.0.1:{page_port}/")
        say(f"  商户对账单 portal  {stage.server_url}/portal/")
        say(f"  街道办公室 office  {stage.server_url}/console/")
        for user, password in stage.passwords.items():
            say(f"      用户 user {user}  密码 password {password}")
        for resident in world.residents:
            if resident.pin:
                say(f"      积分卡 card {resident.name}  密码 PIN {resident.pin}")
        say(
            f"\n  服务器命令 · server commands: huidian-server --config {stage.server_config} --help"
        )
        threading.Event().wait()
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
