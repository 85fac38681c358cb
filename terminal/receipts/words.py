"""The words of receipts: Chinese, English, both. Points carry the pool's own unit name."""

from collections.abc import Mapping

from msgspec import Struct


class Words(Struct, frozen=True):
    """One language, or both. ``{}`` takes a figure; a line break begins the second language."""

    sale: str
    refund: str
    void: str
    copy: str
    number: str
    original: str
    reason: str
    time: str
    merchant: str
    total: str
    goods_points: str
    by_points: str
    goods_total: str
    discount: str
    basket_discount: str
    after_discount: str
    waived: str
    rounded_up: str
    to_pay: str
    money_back: str
    points_back: str
    resident: str
    before: str
    used: str
    after: str
    after_sync: str
    offline: str
    proof: str
    by_hand: str
    proxy: str
    consent: str
    door: str
    deliver_by: str
    beneficiary: str
    consents: Mapping[str, str]
    free: str
    money_only: str
    farewell: str
    yuan: str
    code: str
    check: str


CHINESE = Words(
    sale="消费小票",
    refund="退货单",
    void="撤销单",
    copy="补打 第{}次",
    number="单号",
    original="原单号",
    reason="原因",
    time="时间",
    merchant="商户",
    total="合计",
    goods_points="{unit}兑换",
    by_points="{unit}抵扣 {points}{unit}",
    goods_total="商品金额",
    discount="折扣",
    basket_discount="整单折扣",
    after_discount="折后价",
    waived="抹零",
    rounded_up="进位",
    to_pay="还需付 {} 元",
    money_back="退现金 {} 元",
    points_back="退回{unit}",
    resident="居民码尾号",
    before="使用前",
    used="本次用",
    after="使用后",
    after_sync="联网后更新",
    offline="离线办理，余额以联网后为准",
    proof="凭证等级",
    by_hand="人工核对：未出示手机和卡",
    proxy="代办人",
    consent="居民同意",
    door="送到",
    deliver_by="送达期限",
    beneficiary="受益人尾号",
    consents={"in_person": "当面", "phone": "电话", "note": "字条", "family": "家属"},
    free="免费",
    money_only="*只收现金",
    farewell="谢谢惠顾  请保留小票备查",
    yuan="{} 元",
    code="扫码核对这张小票",
    check="核对码",
)

ENGLISH = Words(
    sale="Receipt",
    refund="Refund",
    void="Void",
    copy="REPRINT No. {}",
    number="No.",
    original="Refund of",
    reason="Reason",
    time="Time",
    merchant="Merchant",
    total="Total",
    goods_points="Paid in {unit}",
    by_points="By {points} {unit}",
    goods_total="Goods",
    discount="Discount",
    basket_discount="Discount on all",
    after_discount="discounted",
    waived="Rounding waived",
    rounded_up="Rounded up",
    to_pay="To pay {} yuan",
    money_back="Cash back {} yuan",
    points_back="Given back",
    resident="Resident, last digits",
    before="Before",
    used="Used",
    after="After",
    after_sync="after sync",
    offline="Offline: balance after sync",
    proof="Proof grade",
    by_hand="By hand: no phone, no card",
    proxy="Redeemed by",
    consent="Resident agreed",
    door="To the door",
    deliver_by="Deliver by",
    beneficiary="Goods for, last digits",
    consents={
        "in_person": "in person",
        "phone": "by phone",
        "note": "in writing",
        "family": "by family",
    },
    free="free",
    money_only="*Money only",
    farewell="Thank you  Keep this receipt",
    yuan="{} yuan",
    code="Scan to check this receipt",
    check="Check number",
)

BOTH = Words(
    sale="消费小票 Receipt",
    refund="退货单 Refund",
    void="撤销单 Void",
    copy="补打 REPRINT 第{}次",
    number="单号 No.",
    original="原单号 Refund of",
    reason="原因 Reason",
    time="时间 Time",
    merchant="商户 Merchant",
    total="合计 Total",
    goods_points="{unit}兑换 Redeemed",
    by_points="抵扣 Paid {points}{unit}",
    goods_total="商品金额 Goods",
    discount="折扣 Discount",
    basket_discount="整单折扣 Discount on all",
    after_discount="折后价 discounted",
    waived="抹零 Waived",
    rounded_up="进位 Rounded up",
    to_pay="还需付 {0} 元\nTo pay {0} yuan",
    money_back="退现金 {0} 元\nCash back {0} yuan",
    points_back="退回{unit} Back",
    resident="居民码尾号 Resident",
    before="使用前 Before",
    used="本次用 Used",
    after="使用后 After",
    after_sync="联网后更新",
    offline="离线办理，余额以联网后为准\nOffline: balance after sync",
    proof="凭证等级 Proof grade",
    by_hand="人工核对：未出示手机和卡\nBy hand: no phone, no card",
    proxy="代办人 Redeemed by",
    consent="居民同意 Agreed",
    door="送到 To the door",
    deliver_by="送达期限 Deliver by",
    beneficiary="受益人尾号 Goods for",
    consents={
        "in_person": "当面 in person",
        "phone": "电话 by phone",
        "note": "字条 in writing",
        "family": "家属 by family",
    },
    free="免费 free",
    money_only="*只收现金 Money only",
    farewell="谢谢惠顾  请保留小票备查\nThank you  Keep this receipt",
    yuan="{} 元",
    code="扫码核对这张小票\nScan to check this receipt",
    check="核对码 Check no.",
)
