"""Made-up people, merchants and deeds for each programme, as commands for the pool server."""

from dataclasses import dataclass
from datetime import date
from typing import Any


@dataclass(frozen=True, slots=True)
class Resident:
    """``deeds`` are award rules, each as often as it was earned. ``card``: holds a printed card;
    ``pin`` is its PIN, where one was set.
    """

    key: str
    account: str
    name: str
    place: str
    deeds: tuple[str, ...] = ()
    card: bool = False
    pin: str = ""
    blocked: bool = False
    banned_until: date | None = None


@dataclass(frozen=True, slots=True)
class Merchant:
    """One contract party with one shop and one terminal."""

    merchant: str
    name: str
    shop: str
    shop_kind: str
    shop_name: str
    place: str
    share_bp: int = 0

    @property
    def sign_in(self) -> str:
        return self.merchant


@dataclass(frozen=True, slots=True)
class World:
    """One programme's demonstration."""

    pool: str
    residents: tuple[Resident, ...]
    merchants: tuple[Merchant, Merchant]

    def resident(self, key: str) -> Resident:
        return next(x for x in self.residents if x.key == key)

    def commands(self, today: date) -> list[dict[str, Any]]:
        """What an operator would enter, in order."""
        rows: list[dict[str, Any]] = []
        for merchant in self.merchants:
            rows += _merchant_commands(merchant, today)
        for resident in self.residents:
            rows += _resident_commands(resident, today)
        return rows


def _merchant_commands(merchant: Merchant, today: date) -> list[dict[str, Any]]:
    return [
        {"kind": "register_merchant", "merchant": merchant.merchant, "name": merchant.name},
        {
            "kind": "open_shop",
            "shop": merchant.shop,
            "merchant": merchant.merchant,
            "shop_kind": merchant.shop_kind,
            "name": merchant.shop_name,
            "place": merchant.place,
        },
        {
            "kind": "agree_contract",
            "contract": f"{merchant.merchant}-1",
            "merchant": merchant.merchant,
            "share_bp": merchant.share_bp,
            "reimbursement_bp": 10_000,
            "valid_from": today.replace(month=1, day=1).isoformat(),
        },
    ]


def _resident_commands(resident: Resident, today: date) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {
            "kind": "register_resident",
            "account": resident.account,
            "name": resident.name,
            "household": f"{resident.place}-{resident.account[-2:]}",
            "place": resident.place,
        }
    ]
    rows += [
        {
            "kind": "award_points",
            "award_id": f"demo-{resident.key}-{number}",
            "account": resident.account,
            "rule_id": rule,
            "performed_on": today.isoformat(),
            "awarded_by": "operator",
            "fact_ref": f"demo-{resident.key}-{number}",
            "memo": "",
        }
        for number, rule in enumerate(resident.deeds, 1)
    ]
    if resident.blocked:
        rows.append(
            {"kind": "block_resident", "account": resident.account, "reason": "卡片遗失，核实中"}
        )
    if resident.banned_until is not None:
        rows.append(
            {
                "kind": "ban_redemption",
                "account": resident.account,
                "until": resident.banned_until.isoformat(),
                "reason": "虚报三次跑腿，实做一次",
            }
        )
    return rows


def _account(number: int) -> str:
    """Made-up pseudonyms; real ones are random."""
    return f"{0xD3A0_0000_0000_0000 + number:016x}"


def _refused(place: str, today_year: int) -> tuple[Resident, ...]:
    """Two residents whom the till must refuse, for people to try."""
    return (
        Resident("banned", _account(8), "暂停兑换的居民", place,
                 banned_until=date(today_year, 12, 31), card=True),
        Resident("blocked", _account(9), "停用的居民", place, blocked=True, card=True),
    )  # fmt: skip


def guanghui(year: int) -> World:
    return World(
        pool="guanghui",
        merchants=(
            Merchant("store-1", "社区合伙人一号", "store-1", "store", "广惠小店听篌街店",
                     "tinghoujie", share_bp=1000),
            Merchant("station-1", "滨河便民服务部", "station-1", "station", "惠积分兑换站滨河站",
                     "binhe"),
        ),
        residents=(
            Resident("zhang", _account(1), "张阿姨", "tinghoujie-1",
                     deeds=("tidying", "community-patrol")),
            Resident("zhao", _account(2), "赵阿姨", "tinghoujie-1", deeds=("keeping-order",)),
            Resident("xiaozhang", _account(3), "小张", "binhe-1", deeds=("river-patrol",)),
            Resident("liu", _account(4), "刘大爷", "binhe-1", card=True,
                     deeds=("noise-mediation", "river-patrol", "river-patrol", "keeping-order",
                            "community-patrol")),
            Resident("li", _account(5), "李奶奶", "tinghoujie-1", card=True,
                     deeds=("noise-mediation",)),
            Resident("poor", _account(6), "新搬来的居民", "tinghoujie-1", card=True),
            *_refused("binhe-1", year),
        ),
    )  # fmt: skip


def yuandian(year: int) -> World:
    return World(
        pool="yuandian",
        merchants=(
            Merchant("mall-1", "活力值商城运营组", "mall-1", "mall", "活力值商城一号柜", "huaiyin"),
            Merchant("ally-1", "商家联盟早餐铺", "ally-1", "ally", "联盟早餐铺", "huaiyin"),
        ),
        residents=(
            Resident("volunteer", _account(1), "志愿者甲", "huaiyin",
                     deeds=("volunteer-patrol", "helping-elderly", "courtyard-cleaning")),
            Resident("party", _account(2), "志愿者乙", "huaiyin", card=True, pin="280461",
                     deeds=("helping-elderly",) * 4 + ("volunteer-patrol",)),
            Resident("poor", _account(6), "新报名的志愿者", "huaiyin", card=True),
            *_refused("huaiyin", year),
        ),
    )  # fmt: skip


def yamen(year: int) -> World:
    return World(
        pool="yamen",
        merchants=(
            Merchant("market-1", "网格积分超市", "market-1", "supermarket", "网格积分超市", "yamen"),
            Merchant("market-2", "第二网格服务站", "market-2", "supermarket", "积分超市二号点", "yamen"),
        ),
        residents=(
            Resident("old", _account(1), "76岁居民", "yamen", card=True,
                     deeds=("haircut", "repair", "recommending")),
            Resident("record", _account(2), "记录卡居民", "yamen", card=True,
                     deeds=("early-fire", "guest-house", "haircut", "clean-up", "recommending")),
            Resident("worker", _account(3), "网格员小陈", "yamen", card=True,
                     deeds=("early-fire", "early-fire", "early-fire", "haircut")),
            Resident("poor", _account(6), "新登记的居民", "yamen", card=True),
            *_refused("yamen", year),
        ),
    )  # fmt: skip


def market(year: int) -> World:
    return World(
        pool="market",
        merchants=(
            Merchant("stall-17", "十七号摊主", "stall-17", "stall", "晚风青春市集17号摊", "shiji",
                     share_bp=300),
            Merchant("stall-92", "九十二号摊主", "stall-92", "stall", "晚风青春市集92号摊", "shiji",
                     share_bp=300),
        ),
        residents=(
            Resident("guest", _account(1), "小区居民甲", "compound-01",
                     deeds=("market-order",) * 5),
            Resident("friend", _account(2), "小区居民乙", "compound-02", card=True,
                     deeds=("market-order",) * 7),
            Resident("poor", _account(6), "小区居民丙", "compound-03", card=True),
            *_refused("compound-04", year),
        ),
    )  # fmt: skip


def wenhuajie(year: int) -> World:
    return World(
        pool="wenhuajie",
        merchants=(
            Merchant("counter-1", "文化街社区", "counter-1", "counter", "为爱积分兑换点", "wenhuajie"),
            Merchant("counter-2", "文化街社区二号点", "counter-2", "counter", "为爱积分二号点",
                     "wenhuajie"),
        ),
        residents=(
            Resident("jia", _account(1), "居民甲", "wenhuajie",
                     deeds=("hazard", "registration", "sweeping", "sweeping")),
            Resident("yi", _account(2), "居民乙", "wenhuajie", card=True,
                     deeds=("mediation", "mediation", "clean-up")),
            Resident("liu", _account(3), "刘大爷", "wenhuajie", card=True,
                     deeds=("mediation", "mediation", "clean-up")),
            Resident("poor", _account(6), "新登记的居民", "wenhuajie", card=True),
            *_refused("wenhuajie", year),
        ),
    )  # fmt: skip


WORLDS = {
    "guanghui": guanghui,
    "yuandian": yuandian,
    "yamen": yamen,
    "market": market,
    "wenhuajie": wenhuajie,
}
