"""``huidian-terminal prints``: receipts that may be on paper more than once, or not at all."""

import json
from collections import Counter
from collections.abc import Iterable

import click

from config.terminal import TerminalSettings
from terminal.domain.print_job import PaperCount, PaperDoubt
from terminal.store.disk import open_engine
from terminal.store.prints import paper_counts
from terminal.store.sqlite import DATABASE_FILE

MAX_LISTED = 10_000

DOUBT_WORDS: dict[PaperDoubt, str] = {
    PaperDoubt.NONE: "已打一张 · printed once",
    PaperDoubt.WAITING: "等着打印 · waiting",
    PaperDoubt.MISSING: "没有打出，请补打 · not printed: reprint it",
    PaperDoubt.PERHAPS_MISSING: "不知道打出没有，请看纸 · perhaps not printed: look",
    PaperDoubt.PERHAPS_SEVERAL: "可能不止一张 · perhaps more than one paper",
    PaperDoubt.SEVERAL: "不止一张，后面的写着补打 · more than one paper, marked as reprints",
}


@click.command("prints", help="列出可能没打出或打了几张的小票 · receipts in doubt; status 1 if any")
@click.option("--all", "show_all", is_flag=True, help="也列出没有疑问的 · those without doubt too")
@click.option("--json", "as_json", is_flag=True, help="给程序看 · for programs")
@click.pass_context
def prints_command(context: click.Context, *, show_all: bool, as_json: bool) -> None:
    settings: TerminalSettings = context.obj
    path = settings.data_dir / DATABASE_FILE
    if not path.exists():
        raise click.ClickException(f"{path} 不存在：终端还没有用过 · no such file: never used")
    engine = open_engine(path)
    try:
        with engine.connect() as connection:
            counts = list(paper_counts(connection))
    finally:
        engine.dispose()
    doubtful = [count for count in counts if count.doubt is not PaperDoubt.NONE]
    _show(counts if show_all else doubtful, as_json=as_json)
    if not as_json:
        _sum_up(counts)
    context.exit(int(bool(doubtful)))


def _show(counts: Iterable[PaperCount], *, as_json: bool) -> None:
    for _, count in zip(range(MAX_LISTED), counts, strict=False):
        if as_json:
            click.echo(json.dumps(_row(count)))
        else:
            papers = (
                str(count.surely)
                if count.surely == count.at_most
                else f"{count.surely}-{count.at_most}"
            )
            click.echo(f"{count.receipt_no}\t{papers}\t{DOUBT_WORDS[count.doubt]}")


def _row(count: PaperCount) -> dict[str, str | int]:
    return {
        "receipt_no": count.receipt_no,
        "kind": count.kind,
        "surely": count.surely,
        "at_most": count.at_most,
        "waiting": count.waiting,
        "copies": count.copies,
        "doubt": count.doubt.value,
    }


def _sum_up(counts: Iterable[PaperCount]) -> None:
    found = Counter(count.doubt for count in counts)
    click.echo(f"共 {sum(found.values())} 张小票 · receipts")
    for doubt, words in DOUBT_WORDS.items():
        if found[doubt]:
            click.echo(f"  {found[doubt]}\t{words}")
