"""What is played for each programme, and the figures that must come out.

The scenarios' letters are those of the programmes; figures in fen and points. Two shops:
0 and 1. A day of trade, one refund, a sale at each shop while the server is off, of which
the second shop's is told a day late, and a settlement after each day.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sale:
    """One sale. ``points`` lets the cashier take fewer than possible.

    ``before`` and ``after`` are None where the terminal answered by itself and cannot know.
    ``grade``: the proof grade that receipt and statement must name; for C the card's holder types
    its PIN.
    """

    name: str
    title: str
    shop: int
    used: int
    to_pay_fen: int
    resident: str | None = None
    items: tuple[tuple[str, str], ...] = ()
    amounts: tuple[str, ...] = ()
    points: int | None = None
    before: int | None = None
    after: int | None = None
    waived_fen: int = 0
    grade: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A code that must be refused, and what the screen must say."""

    name: str
    title: str
    shop: int
    resident: str
    items: tuple[tuple[str, str], ...]
    says: str


@dataclass(frozen=True, slots=True)
class StatementFigures:
    """What one merchant's statement must add up to."""

    sales_count: int = 0
    refunds_count: int = 0
    cash_fen: int = 0
    redeemed_points: int = 0
    returned_points: int = 0
    reimbursement_fen: int = 0
    reimbursement_returned_fen: int = 0
    share_fen: int = 0
    net_fen: int = 0
    late_count: int = 0


NOTHING = StatementFigures()


@dataclass(frozen=True, slots=True)
class Script:
    """One programme's play. ``refunded`` is sold and comes back within the day."""

    online: tuple[Sale | Refusal, ...]
    refunded: Sale
    offline: Sale
    late: Sale
    first_day: tuple[StatementFigures, StatementFigures]
    second_day: tuple[StatementFigures, StatementFigures]


SCRIPTS = {
    "guanghui": Script(
        online=(
            Sale("A1", "张阿姨买馒头和青菜", 0, resident="zhang",
                 items=(("bun", "5"), ("greens", "1.00")),
                 before=100, used=71, after=29, to_pay_fen=0),
            Sale("A1b", "称重青菜，抹零0.08元", 0, resident="zhao",
                 items=(("bun", "5"), ("seasonal-greens", "1.30")),
                 before=100, used=71, after=29, to_pay_fen=0, waived_fen=8),
            Sale("A2", "小张在兑换站", 1, resident="xiaozhang", amounts=("12.60",),
                 before=100, used=100, after=0, to_pay_fen=260),
            Sale("A-cash", "不出示居民码的现金买卖", 0, amounts=("2.60",), used=0, to_pay_fen=260),
        ),
        refunded=Sale("A-refund", "推拿按摩，后退货", 0, resident="liu", items=(("massage", "1"),),
                      before=420, used=100, after=320, to_pay_fen=2800),
        offline=Sale("A-offline", "服务器停机时的买卖", 0, resident="li", items=(("bun", "10"),),
                     used=50, to_pay_fen=0),
        late=Sale("A-late", "断网到第二天的兑换站", 1, resident="liu", amounts=("12.60",),
                  used=100, to_pay_fen=260),
        first_day=(
            StatementFigures(sales_count=5, refunds_count=1, cash_fen=260, redeemed_points=292,
                             returned_points=100, reimbursement_fen=2920,
                             reimbursement_returned_fen=1000, share_fen=26, net_fen=1894),
            StatementFigures(sales_count=1, cash_fen=260, redeemed_points=100,
                             reimbursement_fen=1000, net_fen=1000),
        ),
        second_day=(
            NOTHING,
            StatementFigures(sales_count=1, cash_fen=260, redeemed_points=100,
                             reimbursement_fen=1000, net_fen=1000, late_count=1),
        ),
    ),
    "yuandian": Script(
        online=(
            Sale("B1", "活力值商城：抽纸和垃圾袋", 0, resident="volunteer",
                 items=(("tissues", "1"), ("bin-bags", "1")),
                 before=60, used=50, after=10, to_pay_fen=0, grade="B"),
            Sale("B2", "联盟早餐铺：刷卡超过免密额，本人输密码", 1, resident="party",
                 items=(("breakfast", "1"),),
                 before=140, used=68, after=72, to_pay_fen=0, grade="C"),
        ),
        refunded=Sale("B-refund", "抽纸，刷卡免密，后退货", 0, resident="party",
                      items=(("tissues", "1"),),
                      before=72, used=30, after=42, to_pay_fen=0, grade="D"),
        offline=Sale("B-offline", "服务器停机时的兑换", 0, resident="party",
                     items=(("bin-bags", "1"),), used=20, to_pay_fen=0, grade="D"),
        late=Sale("B-late", "断网到第二天的早餐铺", 1, resident="party", amounts=("1.00",),
                  used=10, to_pay_fen=0),
        first_day=(
            StatementFigures(sales_count=3, refunds_count=1, redeemed_points=100,
                             returned_points=30, reimbursement_fen=800,
                             reimbursement_returned_fen=250, net_fen=550),
            StatementFigures(sales_count=1, redeemed_points=68, reimbursement_fen=680,
                             net_fen=680),
        ),
        second_day=(
            NOTHING,
            StatementFigures(sales_count=1, redeemed_points=10, reimbursement_fen=100,
                             net_fen=100, late_count=1),
        ),
    ),
    "yamen": Script(
        online=(
            Sale("C1", "76岁居民用卡换一袋大米", 0, resident="old", items=(("rice", "1"),),
                 before=15, used=15, after=0, to_pay_fen=0),
            Refusal("C2-refused", "24积分换不了菜籽油", 0, "record", (("rapeseed-oil", "1"),),
                    says="还差16积分"),
            Sale("C2", "大米、洗涤剂、酱油刚好24积分", 0, resident="record",
                 items=(("rice", "1"), ("detergent", "1"), ("soy-sauce", "1")),
                 before=24, used=24, after=0, to_pay_fen=0),
            Sale("C3", "二号点换洗涤剂", 1, resident="worker", items=(("detergent", "1"),),
                 before=35, used=6, after=29, to_pay_fen=0),
        ),
        refunded=Sale("C-refund", "酱油，后退货", 0, resident="worker", items=(("soy-sauce", "1"),),
                      before=29, used=3, after=26, to_pay_fen=0),
        offline=Sale("C-offline", "服务器停机时换酱油", 0, resident="worker",
                     items=(("soy-sauce", "1"),), used=3, to_pay_fen=0),
        late=Sale("C-late", "断网到第二天的二号点", 1, resident="worker",
                  items=(("soy-sauce", "1"),), used=3, to_pay_fen=0),
        first_day=(
            StatementFigures(sales_count=4, refunds_count=1, redeemed_points=45,
                             returned_points=3, reimbursement_fen=8600,
                             reimbursement_returned_fen=700, net_fen=7900),
            StatementFigures(sales_count=1, redeemed_points=6, reimbursement_fen=900, net_fen=900),
        ),
        second_day=(
            NOTHING,
            StatementFigures(sales_count=1, redeemed_points=3, reimbursement_fen=700, net_fen=700,
                             late_count=1),
        ),
    ),
    "market": Script(
        online=(
            Sale("D1", "12元，用60积分，付6元", 0, resident="guest", items=(("squid", "1"),),
                 points=60, before=100, used=60, after=40, to_pay_fen=600),
            Sale("D2", "92号摊：12元，用60积分", 1, resident="friend", items=(("squid", "1"),),
                 points=60, before=140, used=60, after=80, to_pay_fen=600),
        ),
        refunded=Sale("D-refund", "烤串，后退货", 0, resident="friend", items=(("skewer", "1"),),
                      before=80, used=30, after=50, to_pay_fen=0),
        offline=Sale("D-offline", "服务器停机时的买卖", 0, resident="guest", amounts=("1.00",),
                     used=10, to_pay_fen=0),
        late=Sale("D-late", "断网到第二天的92号摊", 1, resident="friend", amounts=("1.00",),
                  used=10, to_pay_fen=0),
        first_day=(
            StatementFigures(sales_count=3, refunds_count=1, cash_fen=600, redeemed_points=100,
                             returned_points=30, reimbursement_fen=1000,
                             reimbursement_returned_fen=300, share_fen=18, net_fen=682),
            StatementFigures(sales_count=1, cash_fen=600, redeemed_points=60,
                             reimbursement_fen=600, share_fen=18, net_fen=582),
        ),
        second_day=(
            NOTHING,
            StatementFigures(sales_count=1, redeemed_points=10, reimbursement_fen=100,
                             net_fen=100, late_count=1),
        ),
    ),
    "wenhuajie": Script(
        online=(
            Sale("E1", "居民甲：面粉和洗衣液", 0, resident="jia",
                 items=(("flour", "1"), ("laundry-liquid", "1")),
                 before=25, used=25, after=0, to_pay_fen=0),
            Sale("E-soap", "二号点换洗洁精", 1, resident="yi", items=(("dish-soap", "1"),),
                 before=40, used=10, after=30, to_pay_fen=0),
        ),
        refunded=Sale("E-refund", "食盐，后退货", 0, resident="yi", items=(("salt", "1"),),
                      before=30, used=5, after=25, to_pay_fen=0),
        offline=Sale("E-offline", "服务器停机时换肥皂", 0, resident="yi", items=(("soap", "1"),),
                     used=5, to_pay_fen=0),
        late=Sale("E-late", "断网到第二天的二号点", 1, resident="yi", items=(("salt", "1"),),
                  used=5, to_pay_fen=0),
        first_day=(
            StatementFigures(sales_count=3, refunds_count=1, redeemed_points=35,
                             returned_points=5),
            StatementFigures(sales_count=1, redeemed_points=10),
        ),
        second_day=(
            NOTHING,
            StatementFigures(sales_count=1, redeemed_points=5, late_count=1),
        ),
    ),
}  # fmt: skip
