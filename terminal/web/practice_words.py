"""What is said about practice, in words."""

from typing import Final

from terminal.domain.notice import NoticeCode
from terminal.web.language import later

PRACTICE_NOTICES: Final[dict[NoticeCode, tuple[str, str]]] = {
    NoticeCode.PRACTICE_BEGUN: (
        later("现在是练习，什么都不算数。"),
        later("练好了，请按上面的“结束练习”。"),
    ),
    NoticeCode.PRACTICE_ENDED: (later("练习结束，现在是真的收银。"), later("可以收下一位。")),
    NoticeCode.PRACTICE_FORGOTTEN: (
        later("练习里一刻钟没有人按，已经结束，现在是真的收银。"),
        later("要练习，请再按“更多”里的“练习”。"),
    ),
    NoticeCode.PRACTICE_SHOWN: (later("练习码已经扫了。"), later("请看页面。")),
    NoticeCode.PRACTICE_SALE_FIRST: (
        later("收银台上还有一单，先不能练习。"),
        later("请先把这一单做完，或按“清空”、“挂单”。"),
    ),
    NoticeCode.PRACTICE_REAL_CODE: (
        later("这是真的居民码，练习里不能用，没有扣{unit}。"),
        later("练习请按上面的“练习码和小票”；真的要收银，请先按“结束练习”，再扫一次。"),
    ),
}
