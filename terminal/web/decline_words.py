"""Why points are not taken, in words: each reason has its sentence, and what to do next."""

from typing import Final

from protocol.reasons import Declined, DeclineReason
from terminal.web.language import Words, later

DECLINES: Final[dict[DeclineReason, Words]] = {
    DeclineReason.CODE_UNREADABLE: Words(
        later("没有读出居民码。"), later("请擦净、放平再扫一次。")
    ),
    DeclineReason.CODE_FOREIGN: Words(
        later("终端不认识这个码，多半是别的积分池的。"),
        later("请居民打开{pool}的居民码，或换{pool}的积分卡；刚领的新卡，请等联网后再扫。"),
    ),
    # Two pools' keys may have the same number, so this may be an honest code of another pool.
    DeclineReason.CODE_FORGED: Words(
        later("这个码验不过：不是{pool}发的，或者改过、印坏了。"),
        later(
            "请看上面的名字：是别的积分池，请换{pool}的码；"
            "是{pool}，请换手机居民码，或到社区换卡。{instead}"
        ),
    ),
    DeclineReason.CODE_EXPIRED: Words(
        later("这个码已经过期。"), later("请居民刷新手机上的码再扫；卡过期了，请到社区换卡。")
    ),
    DeclineReason.CODE_NOT_YET_VALID: Words(
        later("这个码还没到使用的时间。"), later("请居民刷新手机上的码，再扫一次。")
    ),
    DeclineReason.CODE_REVOKED: Words(
        later("这张卡已挂失，或已换了新卡。"), later("请居民出示新卡，或打开手机居民码。{instead}")
    ),
    DeclineReason.CODE_CAP_EXCEEDED: Words(
        later("这种码一次最多用{limit}{unit}，这些商品要更多。"),
        later("请减少商品，或请居民打开手机居民码。"),
    ),
    DeclineReason.CLOCK_UNKNOWN: Words(
        later("终端的时间不准，不能用手机居民码。"),
        later("请居民换积分卡。{instead}请联系技术员。"),
    ),
    DeclineReason.RESIDENT_UNKNOWN: Words(
        later("{pool}里没有这位居民。"), later("{instead}请居民到社区登记。")
    ),
    DeclineReason.RESIDENT_BLOCKED: Words(
        later("这位居民的{unit}已停用。"), later("{instead}有疑问，请居民问社区。")
    ),
    DeclineReason.REDEMPTION_BANNED: Words(
        later("这位居民暂停兑换至{until}，{unit}照常累计。"),
        later("{instead}有疑问，请居民问社区。"),
    ),
    DeclineReason.INSUFFICIENT_POINTS: Words(
        later("{unit}不够，还差{missing}{unit}。"), later("可减少商品，或请居民换一张卡。")
    ),
    DeclineReason.NOTHING_TO_REDEEM: Words(
        later("这些商品不能用{unit}。"), later("请直接收现金 {due} 元。")
    ),
    DeclineReason.OVER_FLOOR_LIMIT: Words(
        later("现在离线，这位居民这一单最多用{limit}{unit}。"),
        later("请减少商品，或等网络好了再扫。"),
    ),
    DeclineReason.OFFLINE_STOPPED: Words(
        later("离线太久，现在不能用{unit}。"), later("{instead}请看网络，好了再扫居民码。")
    ),
    DeclineReason.CARD_EMPTY: Words(
        later("此卡已用完，最后一次是{used_on}，在{used_where}。"),
        later("请居民换一张卡，或打开手机居民码。{instead}"),
    ),
    DeclineReason.OVER_SALE_LIMIT: Words(
        later("一单最多用{limit}{unit}，这些商品要更多。"), later("请减少商品，或分成两单。")
    ),
    DeclineReason.OVER_DAY_LIMIT: Words(
        later("这位居民今天最多还能用{limit}{unit}。"), later("{instead}请减少商品，或明天再来。")
    ),
    DeclineReason.OVER_HOUSEHOLD_LIMIT: Words(
        later("这一户今天最多还能用{limit}{unit}。"), later("{instead}请减少商品，或明天再来。")
    ),
    DeclineReason.BELOW_MINIMUM: Words(
        later("用{unit}一单最少 {limit}，这一单不够。"), later("{instead}也可以多买一些再扫。")
    ),
    DeclineReason.OVER_ITEM_LIMIT: Words(
        later("“{item}”限量，这位居民还可以要 {left}。"), later("请改数量，再扫一次居民码。")
    ),
    DeclineReason.CODE_USED: Words(
        later("这个码已经用过了。"), later("请居民在手机上换一个新码，再扫一次。")
    ),
    DeclineReason.CODE_COPIED: Words(
        later("这部手机的码可能被人复制，已停用。"),
        later("请居民联系社区重新登记手机，先用积分卡。{instead}"),
    ),
    DeclineReason.PHONE_REVOKED: Words(
        later("这部手机的码已停用，或已换了手机。"),
        later("请居民出示积分卡，或到社区登记。{instead}"),
    ),
    DeclineReason.CONFIRM_NEEDED: Words(
        later("只出示手机码，一次最多用{limit}{unit}。"),
        later("请居民用手机扫屏幕上的确认码，或减少商品。"),
    ),
    DeclineReason.CONFIRM_OTHER: Words(
        later("手机确认的不是这一单。"), later("请居民再扫一次屏幕上的确认码。")
    ),
    DeclineReason.PIN_NEEDED: Words(
        later("积分卡不输密码，今天最多再用{limit}{unit}。"),
        later("请再扫一次卡，由居民输密码；或减少商品。{instead}"),
    ),
    DeclineReason.PIN_WRONG: Words(
        later("卡的密码不对，或已经改过。"), later("请再扫一次卡，由居民输新密码。{instead}")
    ),
    DeclineReason.PIN_LOCKED: Words(
        later("这张卡的密码输错太多，已锁定。"), later("请居民带卡到社区解锁。{instead}")
    ),
    DeclineReason.MANUAL_OFF: Words(
        later("{pool}不办没有手机和卡的{unit}。"),
        later("请居民出示手机居民码或积分卡。{instead}"),
    ),
    DeclineReason.MANUAL_OFFLINE: Words(
        later("现在离线，不能人工核对。"),
        later("请居民出示手机居民码或积分卡，或等网络好了再办。{instead}"),
    ),
    DeclineReason.MANUAL_LIMIT: Words(
        later("没有手机和卡，这位居民今天最多再用{limit}{unit}。"),
        later("请减少商品，或请居民出示手机居民码、积分卡。{instead}"),
    ),
    DeclineReason.SALE_REVERSED: Words(later("这一单刚才取消了。"), later("请再扫一次居民码。")),
}

SLOT_USED: Final = Words(
    later("这个码 {used_time} 在{used_where}用过了，一个码只能确认一件事。"),
    later("现在不要办。请居民出示积分卡；没有卡，{next_time} 手机会换新码，到时再扫。"),
)
NO_MORE_TODAY: Final = Words(
    later("这位居民今天的{unit}已用到上限。"), later("{instead}明天可以再用。")
)
NO_MORE_AT_HOME: Final = Words(
    later("这一户今天的{unit}已用到上限。"), later("{instead}明天可以再用。")
)
NO_MORE_OF_ITEM: Final = Words(
    later("“{item}”限量，这位居民或这一户已经领完。"), later("请去掉这件商品，再扫一次居民码。")
)
NO_MORE_BY_HAND: Final = Words(
    later("没有手机和卡，这位居民今天的{unit}已用到上限。"),
    later("请居民出示手机居民码或积分卡。{instead}"),
)
NO_POINTS: Final = Words(later("没有可用{unit}。"), later("请直接收现金 {due} 元。"))
NO_POINTS_OFFLINE: Final = Words(
    later("现在离线，这位居民暂时不能用{unit}。"), later("{instead}网络好了可以再扫居民码。")
)

_NO_MORE: Final = {
    DeclineReason.OVER_DAY_LIMIT: NO_MORE_TODAY,
    DeclineReason.OVER_HOUSEHOLD_LIMIT: NO_MORE_AT_HOME,
    DeclineReason.OVER_ITEM_LIMIT: NO_MORE_OF_ITEM,
    DeclineReason.MANUAL_LIMIT: NO_MORE_BY_HAND,
}
"""Where nothing at all is left."""


def decline_words(decline: Declined, needs_points: bool) -> Words:
    """The sentences of a refusal, their figures not yet filled in.

    ``needs_points``: whether the goods cost points alone, so that cash is no way out.
    """
    if decline.reason is DeclineReason.INSUFFICIENT_POINTS and not needs_points:
        return NO_POINTS
    if decline.reason is DeclineReason.OVER_FLOOR_LIMIT and decline.limit_points == 0:
        return NO_POINTS_OFFLINE
    if decline.reason in _NO_MORE and decline.limit_points == 0 and not decline.left_units:
        return _NO_MORE[decline.reason]
    if decline.reason is DeclineReason.CODE_USED and decline.used_at and decline.expired_at:
        return SLOT_USED
    return DECLINES[decline.reason]
