"""What the counter has to say about awards and roles, in words; see :mod:`terminal.web.words`."""

from typing import Final

from terminal.domain.notice import NoticeCode
from terminal.web.language import later

COUNTER_NOTICES: Final[dict[NoticeCode, tuple[str, str]]] = {
    NoticeCode.TECHNICIAN_NEEDED: (
        later("动设备要技术员或店主同意。"),
        later("请输入技术员或店主的 PIN 码。"),
    ),
    NoticeCode.CARD_NUMBER_WRONG: (
        later("卡号不对。"),
        later("请填卡上印的号码，至少后 4 位（数字和 A 到 F）。"),
    ),
    NoticeCode.CARD_NOT_LISTED: (
        later("名单上没有这张卡。"),
        later("卡可能已停用或换过；请看新卡，或联系社区。"),
    ),
    NoticeCode.CARDS_ALIKE: (
        later("有几张卡的号码后几位一样。"),
        later("请多填几位。"),
    ),
    NoticeCode.PROXY_NOT_OFFERED: (
        later("本店没有开通代兑换。"),
        later("需要时请联系{pool}的工作人员开通。"),
    ),
    NoticeCode.PROXY_WORKER_NEEDED: (
        later("代兑换要由社区工作人员来做。"),
        later("请工作人员选自己的名字，输入 PIN 码。"),
    ),
    NoticeCode.PROXY_PLACE_NEEDED: (
        later("没有写清送到哪里。"),
        later("请填楼号门牌或房号，如“3号楼2单元501”，不要写姓名。"),
    ),
    NoticeCode.PROXY_CONSENT_NEEDED: (
        later("没有选居民怎么同意的。"),
        later("居民没有同意不能代兑换；同意了请选一项。"),
    ),
    NoticeCode.PROXY_OWN: (
        later("不能给自己代兑换。"),
        later("请换一位工作人员，或退出代兑换再收银。"),
    ),
    NoticeCode.PROXY_BEGUN: (
        later("代兑换，送到 {place}。"),
        later("请加商品，再扫居民的码。"),
    ),
    NoticeCode.PROXY_STOPPED: (later("不代兑换了。"), later("这一单是普通收银。")),
    NoticeCode.PROXY_HELD: (
        later("{unit}正在占用，现在不能改。"),
        later("请先在收银台按“返回修改”。"),
    ),
    NoticeCode.PROXY_REVOKED: (
        later("{pool}已收回这位工作人员的代兑换。"),
        later("请按“返回修改”或清空；不要给商品。"),
    ),
    NoticeCode.PROXY_NEEDS_RESIDENT: (
        later("代兑换要扫居民本人的码。"),
        later("请扫委托的居民的码，不记名的卡不行。"),
    ),
    NoticeCode.PROXY_RESIDENTS_FULL: (
        later("这位工作人员今天已代 {most} 位居民。"),
        later("请换一位工作人员，或明天再办。"),
    ),
    NoticeCode.PROXY_POINTS_FULL: (
        later("今天代兑换最多 {most} {unit}，还剩 {left} {unit}。"),
        later("请减少商品，或换一位工作人员。"),
    ),
    NoticeCode.PROXY_NOT_PARKED: (
        later("代兑换的单不能挂。"),
        later("请收完这一单，或先退出代兑换。"),
    ),
    NoticeCode.PROXY_HOW_NEEDED: (later("没有选谁收到的。"), later("请选一项再按。")),
    NoticeCode.PROXY_KNOWN: (later("早已登记送达。"), later("不用再登记。")),
    NoticeCode.PROXY_DELIVERED: (later("已登记送达：{place}。"), later("可以做下一单。")),
    NoticeCode.AWARD_NOT_OFFERED: (
        later("本店没有开通登记{unit}。"),
        later("需要时请联系{pool}的工作人员开通。"),
    ),
    NoticeCode.WORKER_NEEDED: (
        later("登记{unit}要由社区工作人员来做。"),
        later("请工作人员选自己的名字，输入 PIN 码。"),
    ),
    NoticeCode.WORKER_SIGNED_IN: (
        later("“{person}”已登录。"),
        later("请选要办的事；离开时请退出。"),
    ),
    NoticeCode.WORKER_FROM_POOL: (
        later("社区工作人员的 PIN 码由{pool}发，本店不能设。"),
        later("请让他联系社区；本店的人请选店主、收银员或技术员。"),
    ),
    NoticeCode.AWARD_RULE_NEEDED: (later("还没有选事项。"), later("请先点一个事项，再扫居民码。")),
    NoticeCode.AWARD_FACT_NEEDED: (
        later("这一项要填事实编号，如上报单号。"),
        later("请填编号（数字、字母、汉字），再点一次。"),
    ),
    NoticeCode.AWARD_CODE_NEXT: (later("{rule}：{points} {unit}。"), later("请扫居民码。")),
    NoticeCode.AWARD_FORGOTTEN: (later("不登记了。"), later("要登记，请重新选事项。")),
    NoticeCode.AWARD_OWN: (later("不能给自己登记{unit}。"), later("请换一位工作人员登记。")),
    NoticeCode.AWARD_BEARER: (
        later("这是面值{unit}卡，不记名，不能登记{unit}。"),
        later("请居民出示本人的居民码。"),
    ),
    NoticeCode.AWARDED: (
        later("已登记：{rule} {points} {unit}。"),
        later("小票正在打印，请交给居民。"),
    ),
    NoticeCode.EVENT_OPENED: (later("“{event}”开始登记。"), later("请逐个扫居民码。")),
    NoticeCode.EVENT_OPEN_ALREADY: (
        later("还有一场活动没有结束。"),
        later("请先结束它，再开始新的。"),
    ),
    NoticeCode.EVENT_NAME_WRONG: (
        later("活动名称不对。"),
        later("请用汉字、数字或字母，1 到 40 个，如“大扫除”。"),
    ),
    NoticeCode.EVENT_NAME_TAKEN: (later("今天这个名称已用于另一个事项。"), later("请换一个名称。")),
    NoticeCode.EVENT_NONE: (later("没有正在登记的活动。"), later("请先开始一场活动。")),
    NoticeCode.EVENT_CLOSED: (
        later("“{event}”已结束：到场 {people} 人，登记 {awarded} 人。"),
        later("结果以服务器为准，可在下面查看。"),
    ),
    NoticeCode.EVENT_ENTERED: (
        later("签到成功，第 {people} 位。"),
        later("请下一位；结束后还要扫码签退。"),
    ),
    NoticeCode.EVENT_ENTERED_BEFORE: (
        later("这位居民 {at} 已经签到。"),
        later("不用再扫；签退请先点“签退”。"),
    ),
    NoticeCode.EVENT_NOT_ENTERED: (
        later("这位居民没有签到，不能签退。"),
        later("请核实；确实参加了，先点“签到”补签。"),
    ),
    NoticeCode.EVENT_AWARDED: (
        later("已登记 {points} {unit}，第 {awarded} 位。"),
        later("请下一位。"),
    ),
    NoticeCode.EVENT_AWARDED_BEFORE: (
        later("这位居民 {at} 已经登记过，不再登记。"),
        later("请下一位。"),
    ),
}
