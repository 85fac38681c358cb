"""What the codes of a statement are called on paper. A code that has no word stands as it is."""

from collections.abc import Mapping
from typing import Final

SOURCES: Final = {
    "basket": "终端购物清单",
    "api": "收银系统接口",
    "display_tap": "顾客显示屏",
    "receipt_tap": "收银小票",
    "declared": "Z 报表申报",
}
LINE_KINDS: Final = {
    "sale": "销售",
    "refund": "退货",
    "declared": "申报",
    "adjustment": "调整",
    "fee": "服务费",
    "fulfilment": "券和服务兑现",
    "cancellation": "券和服务取消",
}
PROOFS: Final = {
    "A": "A 手机确认",
    "B": "B 手机出示",
    "C": "C 卡和密码",
    "D": "D 卡",
    "M": "M 人工核对",
}
GOODS_KINDS: Final = {"goods": "商品", "voucher": "兑换券", "service": "服务"}
NO_CATEGORY: Final = {"": "未分类"}
ALL_THE_REST: Final = {"": "其他全部"}
BASES: Final = {"cash": "实收", "all": "实收加积分"}
CYCLES: Final = {"run": "按结算", "day": "每日", "week": "每周", "month": "每月"}
DIRECTIONS: Final = {"pay": "付给商户", "receive": "商户付来"}
PAYMENT_STATES: Final = {
    "proposed": "待批准",
    "approved": "待付款",
    "paid": "已付",
    "bounced": "退回",
    "withdrawn": "已取消",
}


def word(words: Mapping[str, str], code: str) -> str:
    """The word for a code, or the code."""
    return words.get(code, code)
