"""The closed loop as a picture (SVG): who gives what to whom, in one period.

Presentation attributes only: the pages' content policy lets no style in a picture through.
"""

from dataclasses import dataclass
from html import escape

from protocol.money import format_yuan
from server.reports.health_values import Health

_WIDTH, _HEIGHT = 760, 460
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


def loop_picture(health: Health, words: PictureWords = CHINESE, *, unit_name: str = "") -> str:
    """An SVG document, 760 by 460, that stands by itself or in a page.

    ``unit_name``: what points are called in the picture's language; the pool's own if left out.
    """
    unit = unit_name or health.unit_name
    flow = health.total

    def yuan(fen: int) -> str:
        return words.yuan.format(format_yuan(fen).replace("-", "−"))

    def points(number: int) -> str:
        return words.points.format(number, unit).replace("-", "−")

    edge = _ALARM if health.warnings else _GREEN
    parts = [
        _box(290, 120, words.fund, yuan(health.fund_fen), edge),
        _box(20, 350, words.shops, "", _INK),
        _box(560, 350, words.residents, points(health.outstanding_points), _INK),
        _arrow(110, 350, 290, 175, _GREEN),
        _label(110, 130, words.share, yuan(flow.share_fen), _GREEN),
        _label(110, 190, words.rent, yuan(flow.rent_fen), _GREEN),
        _arrow(330, 200, 175, 350, _BLUE),
        _label(370, 270, words.reimbursed, yuan(flow.outflow_fen), _BLUE),
        _arrow(470, 175, 650, 350, _GREEN),
        _label(650, 190, words.awarded, points(flow.awarded_points), _GREEN),
        _arrow(560, 390, 200, 390, _BLUE),
        _label(380, 416, words.redeemed, points(flow.redeemed_points), _BLUE),
        _arrow(380, 86, 380, 120, _GREEN),
        _label(380, 56, words.sponsors, yuan(flow.sponsors_fen), _GREEN),
    ]
    heading = f"{health.pool_name} · {words.title} {health.first} – {health.last}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"'
        f' aria-label="{escape(heading)}" font-family="sans-serif">'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="{_PAPER}"/>'
        f"{_text((20, 28), heading, 'start', _INK, 20)}{''.join(parts)}</svg>"
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
    return (
        f'<line x1="{from_x}" y1="{from_y}" x2="{back_x:.1f}" y2="{back_y:.1f}"'
        f' stroke="{colour}" stroke-width="3"/><polygon points="{head}" fill="{colour}"/>'
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
