"""The papers of a printer's self-test: what a person must look at, because no printer can say."""

from typing import Final

from drivers.document import (
    Align,
    Beep,
    Columns,
    Cut,
    Document,
    Drawer,
    Element,
    Feed,
    Qr,
    Rule,
    Size,
    Text,
)

RULERS: Final = (32, 42, 48)
ENCODING_LINE: Final = "惠点积分 合计 ￥12.50 ①℃“”"
QR_TEXT: Final = "HUIDIAN TEST"


def head_paper(now: str, level: str) -> Document:
    """Name, time, and how this printer can confirm."""
    return Document(
        (
            Text("打印机自检", align=Align.CENTER, size=Size.BIG, bold=True),
            Text("Printer self-test", align=Align.CENTER),
            Columns("时间 Time", now),
            Columns("回报 Level", level),
            Rule(),
            Text("1 哪一把尺最长而没有折行？\n  Longest ruler on one line?"),
        )
    )


def ruler_paper() -> Document:
    """The rulers, and the question about the lines behind them; laid out for the widest paper."""
    elements: list[Element] = [Text(ruler(columns)) for columns in RULERS]
    elements.append(Text("2 哪一行中文读得出来？\n  Which line can be read?"))
    return Document(tuple(elements))


def ruler(columns: int) -> str:
    """A line of exactly ``columns`` cells that says how many there are at its end."""
    tens = "".join(f"{at // 10 % 10:d}" if at % 10 == 0 else "." for at in range(1, columns + 1))
    end = f"{columns}|"
    return tens[: columns - len(end)] + end


def encoding_paper(number: int) -> Document:
    """One line in the encoding that the printer was opened with; 32 cells, its number included."""
    return Document((Text(f"{number} {ENCODING_LINE}"),))


def tail_paper() -> Document:
    """Sizes, a row of figures, a QR code, the buzzer and the knife."""
    return Document(
        (
            Rule(),
            Text("大字 Large", size=Size.BIG),
            Text("高字 Tall", size=Size.TALL, bold=True),
            Columns("馒头 × 5", "2.50 元"),
            Columns("积分抵扣", "-7.10 元"),
            Qr(QR_TEXT),
            Text("上面的二维码扫得出来吗？", align=Align.CENTER),
            Beep(2),
            Feed(2),
            Cut(),
        )
    )


def drawer_paper() -> Document:
    """The drawer's pulse and nothing else."""
    return Document((Drawer(),))


def choice_paper(url: str) -> Document:
    """What was chosen, printed with it."""
    return Document(
        (
            Text("已选定 Chosen", size=Size.TALL, bold=True),
            Text(url),
            Text(ENCODING_LINE),
            Feed(2),
            Cut(),
        )
    )
