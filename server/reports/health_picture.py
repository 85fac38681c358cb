"""The closed loop as a picture (SVG): who gives what to whom, in one period.

Presentation attributes only: the pages' content policy lets no style in a picture through.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from protocol.money import format_yuan
from server.reports.health_values import Health

_WIDE, _TALL = (760, 460), (380, 620)
_INK, _PALE, _ALARM, _PAPER = "#1b2a34", "#e8f1ee", "#b3261e", "#ffffff"
_GREEN, _BLUE = "#1f6f54", "#1d5a8a"


@dataclass(frozen=True, slots=True)
class PictureWords:
    """What the picture says, in the reader's language; ``yuan`` and ``points`` take a number."""

    title: str
    shops: str
    residents: str
    fund: str
    share: str
    rent: str
    sponsors: str
    reimbursed: str
    awarded: str
    redeemed: str
    yuan: str
    points: str


CHINESE = PictureWords(
    title="积分循环",
    shops="商户",
    residents="居民",
    fund="积分池",
    share="经营收入纳入",
    rent="房屋租金",
    sponsors="赞助",
    reimbursed="补偿和费用",
    awarded="登记",
    redeemed="兑换",
    yuan="{} 元",
    points="{} {}",
)
ENGLISH = PictureWords(
    title="The points loop",
    shops="Shops",
    residents="Residents",
    fund="Pool",
    share="Share",
    rent="Rent",
    sponsors="Sponsors",
    reimbursed="Reimbursed, fees",
    awarded="Awarded",
    redeemed="Redeemed",
    yuan="{} yuan",
    points="{} {}",
)


@dataclass(frozen=True, slots=True)
class _Figures:
    """What stands at the boxes and arrows, as text, and the colour of the fund's edge."""

    fund: str
    residents: str
    share: str
    rent: str
    sponsors: str
    reimbursed: str
    awarded: str
    redeemed: str
    edge: str


def loop_picture(health: Health, words: PictureWords = CHINESE, *, unit_name: str = "") -> str:
    """An SVG document, 760 by 460, that stands by itself or in a page (class `wide`).

    ``unit_name``: what points are called in the picture's language; the pool's own if left out.
    """
    told = _figures(health, words, unit_name)
    parts = [
        _box(290, 120, words.fund, told.fund, told.edge),
        _box(20, 350, words.shops, "", _INK),
        _box(560, 350, words.residents, told.residents, _INK),
        _arrow(110, 350, 290, 175, _GREEN),
        _label(110, 130, words.share, told.share, _GREEN),
        _label(110, 190, words.rent, told.rent, _GREEN),
        _arrow(330, 200, 175, 350, _BLUE),
        _label(370, 270, words.reimbursed, told.reimbursed, _BLUE),
        _arrow(470, 175, 650, 350, _GREEN),
        _label(650, 190, words.awarded, told.awarded, _GREEN),
        _arrow(560, 390, 200, 390, _BLUE),
        _label(380, 416, words.redeemed, told.redeemed, _BLUE),
        _arrow(380, 86, 380, 120, _GREEN),
        _label(380, 56, words.sponsors, told.sponsors, _GREEN),
    ]
    return _drawn("wide", _WIDE, (f"{_name(health, words)} {_days(health)}",), parts)


def tall_picture(health: Health, words: PictureWords = CHINESE, *, unit_name: str = "") -> str:
    """As :func:`loop_picture`, 380 by 620 (class `tall`): on a phone all of it is seen at once."""
    told = _figures(health, words, unit_name)
    parts = [
        _label(220, 84, words.sponsors, told.sponsors, _GREEN),
        _arrow(110, 70, 110, 120, _GREEN),
        _box(20, 120, words.fund, told.fund, told.edge),
        _arrow(60, 350, 60, 200, _GREEN),
        _label(275, 222, words.share, told.share, _GREEN),
        _label(275, 266, words.rent, told.rent, _GREEN),
        _arrow(160, 200, 160, 350, _BLUE),
        _label(275, 314, words.reimbursed, told.reimbursed, _BLUE),
        _box(20, 350, words.shops, "", _INK),
        _arrow(110, 520, 110, 430, _BLUE),
        _label(190, 466, words.redeemed, told.redeemed, _BLUE),
        _line(200, 160, 362, 160, _GREEN),
        _line(362, 160, 362, 560, _GREEN),
        _arrow(362, 560, 200, 560, _GREEN),
        _label(285, 522, words.awarded, told.awarded, _GREEN),
        _box(20, 520, words.residents, told.residents, _INK),
    ]
    return _drawn("tall", _TALL, (_name(health, words), _days(health)), parts)


def _figures(health: Health, words: PictureWords, unit_name: str) -> _Figures:
    unit, flow = unit_name or health.unit_name, health.total

    def yuan(fen: int) -> str:
        return words.yuan.format(format_yuan(fen).replace("-", "−"))

    def points(number: int) -> str:
        return words.points.format(number, unit).replace("-", "−")

    return _Figures(
        fund=yuan(health.fund_fen),
        residents=points(health.outstanding_points),
        share=yuan(flow.share_fen),
        rent=yuan(flow.rent_fen),
        sponsors=yuan(flow.sponsors_fen),
        reimbursed=yuan(flow.outflow_fen),
        awarded=points(flow.awarded_points),
        redeemed=points(flow.redeemed_points),
        edge=_ALARM if health.warnings else _GREEN,
    )


def _name(health: Health, words: PictureWords) -> str:
    return f"{health.pool_name} · {words.title}"


def _days(health: Health) -> str:
    return f"{health.first} – {health.last}"


def _drawn(shape: str, size: tuple[int, int], heading: Sequence[str], parts: Sequence[str]) -> str:
    width, height = size
    rows = "".join(
        _text((20, 28 + 24 * number), row, "start", _INK, 20) for number, row in enumerate(heading)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{shape}" viewBox="0 0 {width} {height}"'
        f' role="img" aria-label="{escape(" ".join(heading))}" font-family="sans-serif">'
        f'<rect width="{width}" height="{height}" fill="{_PAPER}"/>{rows}{"".join(parts)}</svg>'
    )


def _box(x: int, y: int, name: str, figure: str, edge: str) -> str:
    middle = x + 90
    told = _text((middle, y + 64), figure, "middle", _INK, 18) if figure else ""
    return (
        f'<rect x="{x}" y="{y}" width="180" height="80" rx="10" fill="{_PALE}"'
        f' stroke="{edge}" stroke-width="3"/>'
        f"{_text((middle, y + (34 if figure else 48)), name, 'middle', _INK, 22)}{told}"
    )


def _arrow(from_x: int, from_y: int, to_x: int, to_y: int, colour: str) -> str:
    """A line with its head drawn by hand, so that two pictures in one page share no names."""
    length = ((to_x - from_x) ** 2 + (to_y - from_y) ** 2) ** 0.5
    along_x, along_y = (to_x - from_x) / length, (to_y - from_y) / length
    back_x, back_y = to_x - 14 * along_x, to_y - 14 * along_y
    head = " ".join(
        f"{x:.1f},{y:.1f}"
        for x, y in (
            (to_x, to_y),
            (back_x - 6 * along_y, back_y + 6 * along_x),
            (back_x + 6 * along_y, back_y - 6 * along_x),
        )
    )
    shaft = _line(from_x, from_y, round(back_x, 1), round(back_y, 1), colour)
    return f'{shaft}<polygon points="{head}" fill="{colour}"/>'


def _line(from_x: float, from_y: float, to_x: float, to_y: float, colour: str) -> str:
    return (
        f'<line x1="{from_x}" y1="{from_y}" x2="{to_x}" y2="{to_y}"'
        f' stroke="{colour}" stroke-width="3"/>'
    )


def _label(x: int, y: int, name: str, figure: str, colour: str) -> str:
    """Two lines, one over the other: long amounts then stay inside the picture."""
    said = _text((x, y), name, "middle", colour)
    return said + _text((x, y + 22), figure, "middle", colour)


def _text(at: tuple[int, int], says: str, anchor: str, colour: str, size: int = 16) -> str:
    x, y = at
    return (
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{colour}"'
        f' font-size="{size}">{escape(says)}</text>'
    )
