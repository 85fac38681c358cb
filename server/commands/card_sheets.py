"""``card-sheet``: the cards of many residents on pages to print and cut."""

import os
from pathlib import Path

import click

from protocol.codes import to_digits
from server.commands.codes import card_payload, issue_card
from server.commands.context import CommandContext, CommandRefused, pass_context
from server.db import reading
from server.directory import Card, Resident, cards, pool_terms, residents
from server.directory.values import masked_name
from server.exports.card_sheet import CARDS_A_PAGE, PrintedCard, card_sheet_pdf
from server.exports.fonts import HOW_TO_GET_A_FONT, find_page_font

MOST_CARDS = 1_000
_SHOWN_DIGITS = 4


@click.command("card-sheet")
@click.option("--account", "accounts", multiple=True, help="居民账号，可写多次 / residents")
@click.option("--place", help="这个区域的全部居民 / everybody registered in this place")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="PDF 文件"
)
@pass_context
def card_sheet(
    context: CommandContext, accounts: tuple[str, ...], place: str | None, out: Path
) -> None:
    """整页打印积分卡 / Cards on A4 pages, ten to a page, with marks to cut along.

    Whoever has no card gets one. The file is as good as the cards: print it and delete it.
    """
    font = find_page_font()
    if font is None:
        raise CommandRefused(f"没有中文字体，请安装 / install a Chinese font: {HOW_TO_GET_A_FONT}")
    chosen = _chosen(context, accounts, place)
    with reading(context.engine) as tx:
        terms = pool_terms(tx, context.pool)
        live = {each.account: each for each in cards(tx, context.pool)}
    printed = []
    for resident in chosen:
        card = live.get(resident.account) or issue_card(context, resident.account, terms, None)
        printed.append(_printed(context, resident, card, terms.name, terms.unit_name))
    pages = card_sheet_pdf(printed, font, context.clock())
    # As good as money: nobody else on this machine may read it.
    descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pages)
    sheets = -(-len(printed) // CARDS_A_PAGE)
    click.echo(
        f"{out}：{len(printed)} 张卡，{sheets} 页。打印后请删除这个文件"
        f" / {len(printed)} cards, {sheets} pages; delete the file once it is printed"
    )


def _chosen(
    context: CommandContext, accounts: tuple[str, ...], place: str | None
) -> list[Resident]:
    with reading(context.engine) as tx:
        everybody = {each.account: each for each in residents(tx, context.pool)}
    unknown = next((each for each in accounts if each not in everybody), None)
    if unknown is not None:
        raise CommandRefused(f"没有这位居民：{unknown}，请先登记 / not registered: {unknown}")
    chosen = [everybody[each] for each in dict.fromkeys(accounts)]
    chosen += [
        each
        for each in everybody.values()
        if place is not None and each.place == place and each not in chosen
    ]
    if not chosen:
        raise CommandRefused("没有选到居民，请写 --account 或 --place / nobody was chosen")
    if len(chosen) > MOST_CARDS:
        raise CommandRefused(f"一次最多 {MOST_CARDS} 张，请分开打印 / at most {MOST_CARDS} at once")
    return chosen


def _printed(
    context: CommandContext, resident: Resident, card: Card, pool_name: str, unit_name: str
) -> PrintedCard:
    return PrintedCard(
        pool_name=pool_name,
        name=masked_name(resident.name),
        card_no=f"…{card.card_id[-_SHOWN_DIGITS:].upper()}",
        expires_on=card.expires_on,
        cap_points=card.cap_points,
        unit_name=unit_name,
        digits=to_digits(card_payload(context, card)),
    )
