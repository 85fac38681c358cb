"""What the till has to say, in words: what happened, and what to do next.

Every notice and every reason of a decline has its sentence here, short enough for a
cashier with a queue. ``{unit}`` is what the pool calls its points.
"""

from collections.abc import Mapping
from typing import Final

from protocol.business_day import SHANGHAI
from protocol.money import format_yuan
from protocol.reasons import Declined, DeclineReason
from terminal.checkout.view import NoticeView, TillView
from terminal.domain.notice import NoticeCode
from terminal.domain.scan import PaymentBrand
from terminal.domain.second_copy import CopyState
from terminal.web.counter_words import COUNTER_NOTICES
from terminal.web.decline_words import decline_words
from terminal.web.discounts import DISCOUNT_NOTICES
from terminal.web.language import Words, day_text, language_now, later, say, time_text
from terminal.web.parked import PARKED_NOTICES
from terminal.web.practice_words import PRACTICE_NOTICES
from terminal.web.price_words import PRICE_NOTICES

NOTICES: Final[dict[NoticeCode, Words]] = {
    NoticeCode.PAYMENT_CODE: Words(
        later("这是{brand}付款码，不是居民码。（付款码未保存）"),
        later("请居民打开{pool}的居民码。"),
    ),
    NoticeCode.DAMAGED_CODE: Words(
        later("这个码没有读全。"), later("请擦净、放平再扫一次；还不行，请居民换一个码。")
    ),
    NoticeCode.TWO_CODES: Words(later("一次扫进了两个码。"), later("请只对准一个码，再扫一次。")),
    NoticeCode.INPUT_METHOD: Words(
        later("扫码枪打出了全角数字。"), later("请把输入法切换到英文，再扫一次。")
    ),
    NoticeCode.UNKNOWN_SCAN: Words(
        later("这不是商品条码，也不是居民码。"),
        later("请扫商品条码；要用{unit}，请居民打开{pool}的居民码。"),
    ),
    NoticeCode.SCAN_TOO_LONG: Words(
        later("扫到的内容太长，不是商品条码，也不是居民码。"),
        later("请居民打开{pool}的居民码，再扫一次。"),
    ),
    NoticeCode.ITEM_UNKNOWN: Words(
        later("商品目录里没有“{item}”。"), later("请从按键里选商品，或按“金额”输入价钱。")
    ),
    NoticeCode.BARCODE_MISREAD: Words(
        later("条码“{item}”没有读对。"), later("请再扫一次；还不行，请从按键里选或输金额。")
    ),
    NoticeCode.ITEM_ELSEWHERE: Words(
        later("券和上门服务只能用{unit}换，这一件没有{unit}价。"), later("请联系社区定好价再办。")
    ),
    NoticeCode.OUT_OF_STOCK: Words(
        later("“{item}”库存不够，系统里还有 {stock} 件。"),
        later("请换一种商品；数目不对，请街道办盘点。"),
    ),
    NoticeCode.AMOUNT_NOT_A_NUMBER: Words(
        later("金额要填数字。"), later("请重新输入，例如 7.10。")
    ),
    NoticeCode.AMOUNT_ZERO: Words(later("金额不能是 0。"), later("请重新输入价钱。")),
    NoticeCode.AMOUNT_NEGATIVE: Words(
        later("金额不能是负数。"), later("要退货，请按“最近交易”，选那一单。")
    ),
    NoticeCode.AMOUNT_TOO_MANY_DECIMALS: Words(
        later("金额最多两位小数。"), later("请重新输入，例如 7.10。")
    ),
    NoticeCode.AMOUNT_TOO_LARGE: Words(
        later("金额太大，一笔最多 50000 元。"), later("请看看是不是多按了，重新输入。")
    ),
    NoticeCode.QUANTITY_WRONG: Words(
        later("数量不对。"), later("请填大于 0 的数，例如 1 或 1.3。")
    ),
    NoticeCode.BASKET_EMPTY: Words(later("还没有商品。"), later("请先扫商品，再扫居民码。")),
    NoticeCode.BASKET_TOO_LARGE: Words(
        later("数量或金额超过一单的上限。"), later("请改小数量，或分成两单。")
    ),
    NoticeCode.BASKET_LOCKED: Words(
        later("这一单的{unit}已经问好，商品不能再改。"),
        later("请按“确认”；要改商品，先按“返回修改”。"),
    ),
    NoticeCode.CODE_NOT_NEEDED: Words(later("这一单不用居民码。"), later("请直接完成这一单。")),
    NoticeCode.CODE_NEEDED: Words(later("这些商品要用{unit}换。"), later("请居民出示居民码。")),
    NoticeCode.ASKING: Words(later("正在询问…"), later("请稍等几秒。")),
    NoticeCode.APPROVAL_TOO_OLD: Words(
        later("出示居民码以后等得太久，预留的{unit}已经退回。"),
        later("这一单还没有完成：请居民再出示一次居民码。"),
    ),
    NoticeCode.POINTS_OUT_OF_RANGE: Words(
        later("这一单只能用 {lowest} 到 {highest} {unit}。"), later("请重新输入。")
    ),
    NoticeCode.POINTS_TOO_FEW: Words(
        later("这一单用{unit}最少 {lowest}，也可以不用。"), later("请重新输入，不用请输入 0。")
    ),
    NoticeCode.LIMITED_NEEDS_CODE: Words(
        later("有限量商品，每人或每户有数。"), later("请居民出示居民码。")
    ),
    NoticeCode.COMPLETED: Words(later("成交。"), later("请把小票交给居民。")),
    NoticeCode.COMPLETED_UNCOPIED: Words(
        later("成交。备份U盘{copy}，这一单只存在本机。"),
        later("请把小票交给居民；再请看U盘，弄不好请联系技术员。"),
    ),
    NoticeCode.NO_SECOND_COPY: Words(
        later("备份U盘{copy}，先不收款。"), later("请插好U盘，几秒后再试；还不行，请联系技术员。")
    ),
    NoticeCode.CANCELLED: Words(
        later("已取消，没有用{unit}。"), later("可以改商品，再请居民出示居民码。")
    ),
    NoticeCode.INTERRUPTED: Words(
        later("上次停机时有一单没有完成，没有用{unit}，也没有小票。"),
        later("请问清居民，重新录入那一单。"),
    ),
    NoticeCode.LAST_COMPLETED: Words(
        later("上次停机前的最后一单（小票 {receipt_no}）已经成交。"),
        later("请不要重复收款；要小票，按“最近交易”补打。"),
    ),
    NoticeCode.OTHER_SALE: Words(
        later("页面刚刚变了，这一下没有算数。"), later("请看清现在的金额，再按一次。")
    ),
    NoticeCode.RECEIPT_UNKNOWN: Words(
        later("找不到这张小票。"), later("请按“最近交易”，从里面选。")
    ),
    NoticeCode.RECEIPT_TWICE: Words(
        later("这个小票号有两笔销售。"), later("请照纸上的时间和金额选一笔。")
    ),
    NoticeCode.ALREADY_REFUNDED: Words(
        later("这一单已经全部退回，不能再退。"), later("要小票，可以补打。")
    ),
    NoticeCode.REFUNDED: Words(
        later("退货已办好：退回 {points} {unit}，退现金 {cash} 元。"),
        later("请把现金和退货小票交给居民。"),
    ),
    NoticeCode.VOIDED: Words(
        later("这一单已撤销：退回 {points} {unit}，退现金 {cash} 元。"),
        later("请把现金和撤销小票交给居民。"),
    ),
    NoticeCode.REFUND_OF_REFUND: Words(
        later("这是一张退货小票，退货不能再退。"), later("请拿原来的消费小票办理。")
    ),
    NoticeCode.REFUND_OF_NOTHING: Words(
        later("没有选要退的商品，或数量是 0。"), later("请选商品，再填退几件。")
    ),
    NoticeCode.MORE_THAN_SOLD: Words(
        later("退的比卖的多，不能办。"), later("请看还能退的数量，重新填。")
    ),
    NoticeCode.ORDER_NOT_BACK: Words(
        later("券或上门单已经用过、取消或过期，不能退。"),
        later("其他商品可以退，请另选；有疑问，请居民问社区。"),
    ),
    NoticeCode.OTHER_MERCHANTS_SALE: Words(
        later("这张小票是别家商户的，这里不能退。"), later("请居民到原来的商户办理。")
    ),
    NoticeCode.REFUND_NEEDS_NETWORK: Words(
        later("这一单不是本机卖的，现在连不上服务器，不能退。"),
        later("请等网络好了再办，或到原来的收银台办理。"),
    ),
    NoticeCode.OWNER_NEEDED: Words(later("金额较大，要店主同意。"), later("请店主输入 PIN 码。")),
    NoticeCode.OWNER_PIN_UNSET: Words(
        later("这一步要店主同意，还没有设店主的 PIN 码。"),
        later("请店主按“更多”里的“人员”，设好 PIN 码再办。"),
    ),
    NoticeCode.PIN_WRONG: Words(later("PIN 码不对。"), later("请重新输入；错五次要等一会儿。")),
    NoticeCode.PIN_WAITS: Words(
        later("PIN 码错得太多，还要等 {seconds} 秒。"), later("请等一会儿再输入。")
    ),
    NoticeCode.CARD_PIN_WRONG: Words(
        later("密码不对，今天在这里还能输 {left} 次。"), later("请居民慢慢再输一次。")
    ),
    NoticeCode.CARD_PIN_SIX_DIGITS: Words(later("密码是 6 位数字。"), later("请居民再输一次。")),
    NoticeCode.CARD_PIN_TRIED_OUT: Words(
        later("密码今天在这里错了三次。"), later("今天不再输密码；忘了密码，请居民到社区重设。")
    ),
    NoticeCode.CARD_PIN_LOCKED: Words(
        later("这张卡的密码已锁定。"), later("请居民带卡到社区解锁。")
    ),
    NoticeCode.CARD_PIN_UNSET: Words(
        later("这张卡还没有设密码。"), later("请居民带卡到社区设密码。")
    ),
    NoticeCode.CARD_PIN_BUSY: Words(later("终端正忙，这一次不算。"), later("请再输一次密码。")),
    NoticeCode.PIN_TOO_EASY: Words(
        later("这个 PIN 码不能用。"), later("请用 4 到 8 位数字，不要 1234、0000 这样的。")
    ),
    NoticeCode.PERSON_UNKNOWN: Words(later("没有这个人。"), later("请从名单里选。")),
    NoticeCode.PERSON_NAME_WRONG: Words(later("姓名不能用。"), later("请填 1 到 16 个字。")),
    NoticeCode.PERSON_SAVED: Words(later("“{person}”已保存。"), later("可以换人收银了。")),
    NoticeCode.PERSON_REMOVED: Words(later("“{person}”已删去。"), later("他的 PIN 码不能再用。")),
    NoticeCode.LAST_OWNER: Words(later("至少要有一位店主。"), later("请先登记另一位店主。")),
    NoticeCode.TOO_MANY_PEOPLE: Words(later("人员太多，最多 50 位。"), later("请先删去不在的人。")),
    NoticeCode.SIGNED_IN: Words(later("现在由“{person}”收银。"), later("请回收银台收款。")),
    NoticeCode.SIGNED_OUT: Words(later("已退出。"), later("请下一位输入 PIN 码，或直接收款。")),
    NoticeCode.ORDERS_NEED_NETWORK: Words(
        later("现在连不上服务器，不能用券，也不能完成上门单。"), later("请等网络好了，再扫居民码。")
    ),
    NoticeCode.NO_ORDERS: Words(
        later("这位居民没有券，也没有上门单。"), later("可以在收银台用{unit}换。")
    ),
    NoticeCode.ORDER_CODE_AGAIN: Words(
        later("居民码已过两分钟，没有算数。"), later("请再扫一次居民码。")
    ),
    NoticeCode.ORDER_USED: Words(
        later("“{item}”已经用过：{used_on}，在{used_where}。"),
        later("请告诉居民；有疑问，请问社区。"),
    ),
    NoticeCode.ORDER_EXPIRED: Words(
        later("“{item}”已过期，最后一天是{valid_until}，不能再用。"),
        later("不要给货，也不要服务；请居民问社区。"),
    ),
    NoticeCode.ORDER_DONE: Words(
        later("“{item}”已办好。"), later("请做下一件事；补偿会记入对账单。")
    ),
    NoticeCode.SHIFT_OPENED: Words(later("已开班，备用金 {cash} 元。"), later("可以开始收款。")),
    NoticeCode.SHIFT_OPEN_ALREADY: Words(
        later("这一班已经开好，备用金已记。"), later("请直接收款；要换班，先交班。")
    ),
    NoticeCode.SHIFT_EMPTY: Words(
        later("这一班还没有交易，也没有开班。"), later("不用交班，请直接收款或开班。")
    ),
    NoticeCode.SHIFT_CLOSED: Words(
        later("已交班，Z 报表第 {z_no} 号。"), later("报表正在打印，请签字交给店主。")
    ),
    NoticeCode.SHIFT_CLOSED_SHORT: Words(
        later("已交班，Z 报表第 {z_no} 号：现金少 {cash} 元。"),
        later("差额已记在报表上，请签字交给店主。"),
    ),
    NoticeCode.SHIFT_CLOSED_OVER: Words(
        later("已交班，Z 报表第 {z_no} 号：现金多 {cash} 元。"),
        later("差额已记在报表上，请签字交给店主。"),
    ),
    NoticeCode.SHIFT_CLOSED_ALREADY: Words(
        later("这一班已经交过了，没有再交一次。"), later("要报表，请在下面补打。")
    ),
    NoticeCode.SHIFT_FORGOTTEN: Words(
        later("上一班还没有交。"), later("请先按“更多”里的“班次”，数钱交班，再开始今天的收款。")
    ),
    NoticeCode.COUNT_NEEDED: Words(
        later("本店另有收银机时，要填现金。"), later("请数现金，填好再交班。")
    ),
    NoticeCode.X_PRINTED: Words(later("X 报表已交给打印机。"), later("这一班继续，不用重新开班。")),
    NoticeCode.REPRINT_QUEUED: Words(
        later("小票已交给打印机。"), later("没有出来，请看打印机的纸和盖子。")
    ),
    NoticeCode.NOT_READY: Words(
        later("终端还没有收到积分池的规则和商品。"),
        later("请看网络，稍等一分钟；还不行，请联系技术员。"),
    ),
    NoticeCode.STORE_UNSURE: Words(
        later("终端存储出错，不能确定这一步有没有存上。"),
        later(
            "先不要收钱、不要交货，再按一次；还不行，请重新开机，"
            "看“最近交易”里有没有这一单，并联系技术员。"
        ),
    ),
    NoticeCode.STORE_FAULT: Words(
        later("终端存储出错，这一步没有算数。"),
        later("请不要交货，再按一次；还不行，请停止收款并联系技术员。"),
    ),
    NoticeCode.STOPPED: Words(later("这台终端的流水要核对，已停止收款。"), later("请联系技术员。")),
    **{
        code: Words(*said)
        for some in (
            COUNTER_NOTICES,
            DISCOUNT_NOTICES,
            PARKED_NOTICES,
            PRACTICE_NOTICES,
            PRICE_NOTICES,
        )
        for code, said in some.items()
    },
}
"""All but DECLINED, whose words are in :mod:`terminal.web.decline_words`."""

CANCELLED_EMPTY: Final = Words(later("已取消，没有用{unit}。"), later("可以接待下一位。"))
PAY_CASH: Final = later("可直接收现金 {due} 元。")
ONLY_POINTS: Final = later("这些商品只能用{unit}换，可以换别的商品。")
THIS_POOL: Final = later("本积分池")
THIS_SHOP: Final = later("本店")

COPIES: Final[dict[CopyState, str]] = {
    CopyState.OFF: later("没有设置"),
    CopyState.GOOD: later("正常"),
    CopyState.BEHIND: later("正在补写"),
    CopyState.MISSING: later("没有插好"),
    CopyState.FULL: later("满了"),
    CopyState.READ_ONLY: later("写不进去"),
    CopyState.STUCK: later("没有反应"),
    CopyState.FOREIGN: later("是别的终端的"),
    CopyState.DAMAGED: later("坏了"),
    CopyState.DIFFERS: later("和本机对不上"),
}
"""How the second medium is, behind the word 备份U盘."""

BRANDS: Final[dict[PaymentBrand, str]] = {
    PaymentBrand.WECHAT: later("微信"),
    PaymentBrand.ALIPAY: later("支付宝"),
    PaymentBrand.UNIONPAY: later("银联"),
}


def copy_words(state: CopyState) -> str:
    """How the second medium is, in the language of this request."""
    return say(COPIES[state])


def unit_of(view: TillView) -> str:
    """What the pool calls its points, in the language of this request."""
    return view.unit_name_en if language_now() == "en" else view.unit_name


def notice_words(
    notice: NoticeView, view: TillView, names: Mapping[str, str] | None = None
) -> Words:
    """The sentences of a notice, filled with its figures and those of the basket on the page.

    ``names``: what items are called in the language of this request, by their ids.
    """
    figures: dict[str, str | int] = {
        "unit": unit_of(view),
        "pool": view.pool_name or say(THIS_POOL),
        "due": format_yuan(view.due_fen),
        **notice.figures,
    }
    if "cash_fen" in notice.figures:
        figures["cash"] = format_yuan(int(notice.figures["cash_fen"]))
    if "brand" in notice.figures:
        figures["brand"] = say(BRANDS[PaymentBrand(str(notice.figures["brand"]))])
    if "copy" in notice.figures:
        figures["copy"] = copy_words(CopyState(str(notice.figures["copy"])))
    code = NoticeCode(notice.code)
    if notice.decline is not None:
        needs_points = bool(notice.figures.get("needs_points"))
        figures |= _decline_figures(notice.decline, figures, needs_points)
        figures["item"] = _item_name(notice.decline, view, names or {})
        words = decline_words(notice.decline, needs_points)
    elif code is NoticeCode.CANCELLED and not view.lines:
        words = CANCELLED_EMPTY
    else:
        words = NOTICES[code]
    return Words(say(words.text, figures), say(words.next, figures))


def _item_name(decline: Declined, view: TillView, names: Mapping[str, str]) -> str:
    """What the goods of a decline are called on this page."""
    on_page = (line.name for line in view.lines if line.item_id == decline.item)
    return names.get(decline.item or "") or next(on_page, "—")


def _no_place(decline: Declined) -> str:
    """A code that this till remembers by itself was used here."""
    return say(THIS_SHOP) if decline.reason is DeclineReason.CODE_USED else "—"


def _decline_figures(
    decline: Declined, figures: dict[str, str | int], needs_points: bool
) -> dict[str, str | int]:
    return {
        "missing": decline.missing_points,
        "limit": decline.limit_points,
        "left": decline.left_units or 0,
        "until": day_text(decline.until) if decline.until else "",
        "used_on": day_text(decline.used_at.astimezone(SHANGHAI)) if decline.used_at else "—",
        "used_time": time_text(decline.used_at) if decline.used_at else "—",
        "next_time": time_text(decline.expired_at) if decline.expired_at else "—",
        "used_where": decline.used_where or _no_place(decline),
        "instead": say(ONLY_POINTS if needs_points else PAY_CASH, figures),
    }
