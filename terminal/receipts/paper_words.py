"""The words of papers other than a sale's receipt, Chinese and English."""

from msgspec import Struct


class PaperWords(Struct, frozen=True):
    """One language. ``{}`` takes a figure, ``{unit}`` the pool's unit."""

    x_report: str
    z_report: str
    shift_open: str
    cashier: str
    sales: str
    refunds: str
    voids: str
    sold: str
    refunded: str
    used: str
    returned: str
    discounts: str
    waived: str
    rounded_up: str
    till_float: str
    expected: str
    counted: str
    difference: str
    not_counted: str
    drawer: str
    untold: str
    parked: str
    cash: str
    wechat: str
    alipay: str
    other_tender: str
    first_receipt: str
    last_receipt: str
    record: str
    voided: str
    void_of: str
    points_back: str
    money_back: str
    reason: str
    statement: str
    statement_no: str
    period: str
    redeemed_money: str
    share: str
    rent: str
    other: str
    shop_gets: str
    shop_owes: str
    statement_where: str
    award: str
    award_for: str
    award_points: str
    worker: str
    before: str
    after: str
    after_sync: str
    offline: str
    card: str
    card_no: str
    card_worth: str
    replaces: str
    card_lost: str
    card_finder: str
    order: str
    order_no: str
    receipt: str
    service: str
    quantity: str
    place: str
    when: str
    provider: str
    note: str
    paid_points: str
    done_sign: str
    delivery: str
    presented: str
    resident: str
    collect: str
    nothing_to_collect: str
    received_sign: str
    signed: str
    yuan: str
    times: str
    openings: str
    records: str

    def tender(self, code: str) -> str:
        """What a tender is called; one that is not known stands as it is."""
        names = {
            "cash": self.cash,
            "wechat": self.wechat,
            "alipay": self.alipay,
            "other": self.other_tender,
        }
        return names.get(code, code)


CHINESE = PaperWords(
    x_report="X 报表（本班未结）",
    z_report="Z 报表 第{}号",
    shift_open="开班",
    cashier="收银员",
    sales="销售",
    refunds="退货",
    voids="撤销",
    sold="销售额",
    refunded="退货额",
    used="收{unit}",
    returned="退{unit}",
    discounts="折扣",
    waived="抹零",
    rounded_up="进位",
    till_float="备用金",
    expected="应有现金",
    counted="实点现金",
    difference="差额",
    not_counted="没有点",
    drawer="开钱箱",
    untold="待上传",
    parked="待处理的销售",
    cash="现金",
    wechat="微信",
    alipay="支付宝",
    other_tender="其他",
    first_receipt="首单号",
    last_receipt="末单号",
    record="记录",
    voided="撤销单",
    void_of="撤销的单",
    points_back="退回{unit}",
    money_back="退现金 {} 元",
    reason="原因",
    statement="结算单摘要",
    statement_no="结算单号",
    period="账期",
    redeemed_money="{unit}折合",
    share="分成",
    rent="租金",
    other="其他",
    shop_gets="应付商户 {} 元",
    shop_owes="商户应交 {} 元",
    statement_where="明细见商户网页；有疑问请在网页上提出",
    award="登记{unit}",
    award_for="事项",
    award_points="{}{unit}",
    worker="经办人",
    before="登记前",
    after="登记后",
    after_sync="联网后更新",
    offline="离线办理，余额以联网后为准",
    card="领卡单",
    card_no="卡号",
    card_worth="面值",
    replaces="换下的卡",
    card_lost="卡丢了请马上来挂失；挂失前被用的不退",
    card_finder="这张卡认卡不认人，请像现金一样保管",
    order="服务单",
    order_no="服务单号",
    receipt="小票单号",
    service="服务",
    quantity="数量",
    place="地点",
    when="约定时间",
    provider="服务方",
    note="备注",
    paid_points="已付{unit}",
    done_sign="服务完成，居民签字",
    delivery="送货单",
    presented="代办人",
    resident="居民码尾号",
    collect="到门口收 {} 元",
    nothing_to_collect="不用再付钱",
    received_sign="收货人签字",
    signed="签字",
    yuan="{} 元",
    times="{} 笔",
    openings="{} 次",
    records="{} 条",
)

ENGLISH = PaperWords(
    x_report="X report (shift goes on)",
    z_report="Z report No. {}",
    shift_open="Shift opened",
    cashier="Cashier",
    sales="Sales",
    refunds="Refunds",
    voids="Voids",
    sold="Sold",
    refunded="Refunded",
    used="Taken",
    returned="Given back",
    discounts="Discounts",
    waived="Rounding waived",
    rounded_up="Rounded up",
    till_float="Float",
    expected="Cash expected",
    counted="Cash counted",
    difference="Difference",
    not_counted="not counted",
    drawer="Drawer opened",
    untold="Not sent yet",
    parked="Sales to be looked at",
    cash="Cash",
    wechat="WeChat",
    alipay="Alipay",
    other_tender="Other",
    first_receipt="First No.",
    last_receipt="Last No.",
    record="Record",
    voided="Void",
    void_of="Voided receipt",
    points_back="Given back",
    money_back="Cash back {} yuan",
    reason="Reason",
    statement="Statement, summary",
    statement_no="Statement No.",
    period="Period",
    redeemed_money="In money",
    share="Share",
    rent="Rent",
    other="Other",
    shop_gets="Shop gets {} yuan",
    shop_owes="Shop owes {} yuan",
    statement_where="Every line is on the merchant's page; dispute it there",
    award="Registered: {unit}",
    award_for="For",
    award_points="{} {unit}",
    worker="By",
    before="Before",
    after="After",
    after_sync="after sync",
    offline="Offline: balance after sync",
    card="Card handed over",
    card_no="Card No.",
    card_worth="Worth",
    replaces="Replaces",
    card_lost="Lost? Report at once; what was used before is gone",
    card_finder="Whoever has this card can use it: keep it like cash",
    order="Work order",
    order_no="Order No.",
    receipt="Receipt No.",
    service="Service",
    quantity="Quantity",
    place="Place",
    when="When",
    provider="Provider",
    note="Note",
    paid_points="Paid",
    done_sign="Done; resident signs",
    delivery="Delivery",
    presented="Asked for by",
    resident="Resident, last digits",
    collect="Collect {} yuan",
    nothing_to_collect="Nothing to collect",
    received_sign="Received by",
    signed="Signature",
    yuan="{} yuan",
    times="{}",
    openings="{}",
    records="{}",
)

_FIGURES_ONLY = frozenset(
    {"yuan", "times", "openings", "records", "award_points", "after_sync", "not_counted"}
)
"""What stands beside a figure is said once; Chinese, as on everything else in the shop."""

_SENTENCES = frozenset(
    {"award", "statement_where", "offline", "card_lost", "card_finder", "done_sign"}
)
"""Each language on a line of its own; one behind the other they would break anywhere."""

_SHORTER_BESIDE_CHINESE = {
    "shift_open": "Opened",
    "parked": "To check",
    "statement_no": "No.",
    "void_of": "Void of",
    "resident": "Resident",
    "order_no": "Order",
    "receipt": "Receipt",
}
"""So that name and figure stand on one line of 32 cells."""


def both() -> PaperWords:
    """Chinese first, English behind it; a sentence with a figure takes a second line."""
    joined: dict[str, str] = {}
    for name in PaperWords.__struct_fields__:
        chinese: str = getattr(CHINESE, name)
        english: str = getattr(ENGLISH, name).replace("{unit}", "{unit_en}")
        english = _SHORTER_BESIDE_CHINESE.get(name, english)
        if name in _FIGURES_ONLY:
            joined[name] = chinese
        elif "{}" in chinese or name in _SENTENCES:
            joined[name] = f"{chinese}\n{english}".replace("{}", "{0}")
        else:
            joined[name] = f"{chinese} {english}"
    return PaperWords(**joined)
