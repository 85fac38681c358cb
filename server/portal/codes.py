"""What the codes of statements, payments and disputes are called on the pages, in both languages."""

from collections.abc import Callable, Mapping

from flask_babel import gettext

from protocol.proxy import Consent

Words = Callable[[], Mapping[str, str]]


def _states() -> Mapping[str, str]:
    return {
        "draft": gettext("草稿"),
        "issued": gettext("待确认"),
        "disputed": gettext("有异议，待答复"),
        "confirmed": gettext("已确认，待收付"),
        "settled": gettext("已结清"),
    }


def _moves() -> Mapping[str, str]:
    return {
        "confirm": gettext("商户确认"),
        "lapse": gettext("到期未答复，按确认处理"),
        "dispute": gettext("商户提出异议"),
        "answer": gettext("异议全部答复，重新出具"),
        "pay_off": gettext("结清"),
        "carry_forward": gettext("结转到下一期"),
        "reopen": gettext("付款退回，重新待收付"),
    }


def _payment_states() -> Mapping[str, str]:
    return {
        "proposed": gettext("待批准"),
        "approved": gettext("已批准，待银行办理"),
        "paid": gettext("已付"),
        "bounced": gettext("银行退回"),
        "withdrawn": gettext("已撤回"),
    }


def _payment_moves() -> Mapping[str, str]:
    return {
        "approve": gettext("批准"),
        "record": gettext("银行已办，记账"),
        "bounce": gettext("银行退回"),
        "withdraw": gettext("撤回"),
    }


def _ways() -> Mapping[str, str]:
    return {"pay": gettext("付给商户"), "receive": gettext("商户付来")}


def _sources() -> Mapping[str, str]:
    return {
        "basket": gettext("终端购物清单"),
        "api": gettext("收银系统接口"),
        "display_tap": gettext("顾客显示屏"),
        "receipt_tap": gettext("收银小票"),
        "declared": gettext("Z 报表申报"),
    }


def _line_kinds() -> Mapping[str, str]:
    return {
        "sale": gettext("销售"),
        "refund": gettext("退货"),
        "declared": gettext("申报"),
        "adjustment": gettext("调整"),
        "fee": gettext("服务费"),
        "fulfilment": gettext("券和服务兑现"),
        "cancellation": gettext("券和服务取消"),
    }


def _order_moves() -> Mapping[str, str]:
    return {
        "fulfil": gettext("已兑现"),
        "undo": gettext("兑现后退回"),
        "cancel": gettext("取消，积分退回居民"),
        "refund": gettext("退货，积分退回居民"),
        "expire": gettext("过期"),
    }


def _consents() -> Mapping[str, str]:
    return {
        Consent.IN_PERSON.value: gettext("当面说的"),
        Consent.PHONE.value: gettext("打过电话"),
        Consent.NOTE.value: gettext("写了字条"),
        Consent.FAMILY.value: gettext("家属说的"),
    }


def _proofs() -> Mapping[str, str]:
    return {
        "A": gettext("A 手机确认"),
        "B": gettext("B 手机出示"),
        "C": gettext("C 卡和密码"),
        "D": gettext("D 卡"),
        "M": gettext("M 人工核对"),
    }


def _goods_kinds() -> Mapping[str, str]:
    return {
        "goods": gettext("商品"),
        "voucher": gettext("兑换券"),
        "service": gettext("服务"),
    }


def _bases() -> Mapping[str, str]:
    return {"cash": gettext("实收现金"), "all": gettext("实收现金和积分抵付")}


def _cycles() -> Mapping[str, str]:
    return {
        "run": gettext("按结算"),
        "day": gettext("每日"),
        "week": gettext("每周"),
        "month": gettext("每月"),
    }


WORDS: Mapping[str, Words] = {
    "state": _states,
    "move": _moves,
    "payment_state": _payment_states,
    "payment_move": _payment_moves,
    "way": _ways,
    "source": _sources,
    "line": _line_kinds,
    "proof": _proofs,
    "order": _order_moves,
    "consent": _consents,
    "goods": _goods_kinds,
    "basis": _bases,
    "cycle": _cycles,
}
"""By group: the words of its codes, in the language of the page."""
