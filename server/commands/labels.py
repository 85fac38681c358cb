"""``price-labels``: shelf labels and a price poster of what is on sale, as PDF."""

from datetime import date, datetime
from pathlib import Path

import click

from protocol.business_day import business_date
from server.commands.context import CommandContext, CommandRefused, pass_context
from server.db import reading
from server.directory import items_on_sale, pool_terms
from server.exports.fonts import HOW_TO_GET_A_FONT, find_page_font
from server.exports.labels import MAX_ITEMS, PriceList, price_poster, shelf_labels


@click.command("price-labels")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True)
@click.option("--poster", is_flag=True, help="贴墙的价目表 / a poster for the wall")
@click.option("--category", help="只要这一类 / this category only")
@click.option(
    "--on",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    help="哪天的价格，缺省为今天 / prices of this business date, today if left out",
)
@pass_context
def price_labels(
    context: CommandContext, out: Path, *, poster: bool, category: str | None, day: datetime | None
) -> None:
    """货架标签与价目表（PDF）/ Shelf labels and a price poster of the catalogue."""
    font = find_page_font()
    if font is None:
        raise CommandRefused(f"没有中文字体，请先 / no Chinese font: {HOW_TO_GET_A_FONT}")
    prices = _price_list(context, day.date() if day else None, category)
    made = (price_poster if poster else shelf_labels)(prices, font)
    try:
        out.write_bytes(made)
    except OSError as error:
        raise CommandRefused(f"{out} 写不进去 / cannot be written: {error}") from error
    click.echo(f"{len(prices.items)} 样商品 / items: {out}")


def _price_list(context: CommandContext, day: date | None, category: str | None) -> PriceList:
    now = context.clock()
    with reading(context.engine) as tx:
        terms = pool_terms(tx, context.pool)
        on = day or business_date(now, terms.cut_off_hour)
        items = [
            item
            for item in items_on_sale(tx, context.pool, on)
            if category is None or item.category == category
        ]
    if not items:
        raise CommandRefused("没有这样的商品 / nothing of the kind is on sale")
    if len(items) > MAX_ITEMS:
        raise CommandRefused(f"一次最多 {MAX_ITEMS} 样，请分类打印 / too many: take one category")
    return PriceList(
        pool_name=terms.name, unit_name=terms.unit_name, day=on, made_at=now, items=items
    )
