"""``exposure``: the worst that offline sales can cost now, in points and in yuan."""

import json
from datetime import datetime

import click

from protocol.business_day import SHANGHAI
from protocol.money import format_yuan
from server.commands.context import CommandContext, pass_context
from server.db import reading
from server.directory import pool_terms
from server.reports.exposure import exposure


@click.command("exposure")
@click.option("--json", "as_json", is_flag=True, help="输出 JSON / print JSON")
@pass_context
def exposure_command(context: CommandContext, *, as_json: bool) -> None:
    """离线最坏损失：所有终端同时断网、人人用满 / The worst case if every terminal is cut off."""
    with reading(context.engine) as tx:
        found = exposure(tx, context.pool)
        unit = pool_terms(tx, context.pool).unit_name
    if as_json:
        row = {
            "directory_made_at": found.made_at.isoformat() if found.made_at else None,
            "residents": found.residents,
            "per_terminal_points": found.per_terminal_points,
            "worst_points": found.worst_points,
            "worst_fen": found.worst_fen,
            "terminals": [
                {
                    "terminal": each.terminal,
                    "heard_at": each.heard_at.isoformat() if each.heard_at else None,
                    "worst_points": each.worst_points,
                }
                for each in found.terminals
            ],
        }
        click.echo(json.dumps(row, ensure_ascii=False))
        return
    for each in found.terminals:
        click.echo(
            f"{each.terminal}\t{each.shop_name}\t最多 {each.worst_points}{unit}\t"
            f"最近联系 {_when(each.heard_at)}"
        )
    yuan = "" if found.worst_fen is None else f" = {format_yuan(found.worst_fen)} 元"
    click.echo(
        f"全部 {len(found.terminals)} 台终端同时断网，最多多付 {found.worst_points}{unit}{yuan}"
        f"（名单 {_when(found.made_at)}，{found.residents} 人） / the worst case now"
    )


def _when(at: datetime | None) -> str:
    return at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M") if at else "—"
