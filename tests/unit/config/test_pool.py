"""The five programmes as mission and scenarios tell them."""

from datetime import date

import pytest

from config.pool import CatalogueItem, PoolPreset, ean13_check_digit, load_pool, pool_names

TODAY = date(2026, 3, 2)
MARCH = date(2024, 3, 15)


def item(pool: PoolPreset, name: str) -> CatalogueItem:
    return next(one for one in pool.catalogue if one.name == name)


def points_prices(pool: PoolPreset) -> dict[str, int | None]:
    return {one.name: one.price_points for one in pool.catalogue}


def rules(pool: PoolPreset, day: date) -> dict[str, int]:
    return {rule.category: rule.points for rule in pool.award_rules if rule.in_force(day)}


def test_there_are_five_presets() -> None:
    assert pool_names() == ("guanghui", "market", "wenhuajie", "yamen", "yuandian")


def test_in_a_ten_points_are_one_yuan_and_only_small_shops_pay_into_the_pool() -> None:
    pool = load_pool("guanghui")
    assert (pool.fen_per_point, pool.fen_remainder, pool.unit_name) == (10, "waive", "积分")
    paying = {kind.name: (kind.pays_share, kind.pays_rent) for kind in pool.shop_kinds}
    assert paying == {"小店": (True, True), "兑换站": (False, False), "服务场馆": (False, False)}
    assert rules(pool, TODAY) == {
        "噪音调解": 80,
        "秩序维护": 100,
        "河道巡查": 100,
        "人居环境整治": 60,
        "社区环境巡查": 40,
    }


def test_in_a_the_baskets_of_a1_a1b_a2_and_a3_come_to_their_sums() -> None:
    pool = load_pool("guanghui")
    bun, greens, seasonal = (item(pool, name) for name in ("馒头", "普通青菜", "时令青菜"))
    assert (bun.price_fen, greens.price_fen, seasonal.price_fen) == (50, 460, 360)
    assert greens.weighed
    assert seasonal.weighed
    assert 5 * 50 + 460 == 710
    assert 5 * 50 + 1300 * 360 // 1000 == 718
    assert item(pool, "推拿按摩").price_fen == 3800
    assert item(pool, "血压测量").price_fen == 0
    goods = [one.price_fen for one in pool.catalogue if one.barcode]
    assert 1260 in {a + b for a in goods for b in goods if a is not None and b is not None}


def test_in_b_the_unit_is_called_vitality_and_merchants_are_shangjia() -> None:
    pool = load_pool("yuandian")
    assert (pool.unit_name, pool.merchant_name, pool.fen_per_point) == ("活力值", "商家", 10)
    assert [one.name for one in pool.catalogue if one.price_fen is not None] == ["早餐套餐"]
    assert len([one for one in pool.catalogue if one.price_points is not None]) == 4


def test_in_c_the_shelf_and_the_rules_are_those_of_the_poster() -> None:
    pool = load_pool("yamen")
    assert pool.fen_per_point is None
    assert points_prices(pool) == {"酱油": 3, "洗涤剂": 6, "大米": 15, "菜籽油": 40}
    assert [one.reimbursement_fen for one in pool.catalogue] == [700, 900, 2800, 9500]
    assert all(one.stock for one in pool.catalogue)
    assert rules(pool, TODAY) == {
        "发现初期火情": 10,
        "举报住宅改民宿": 2,
        "理发服务": 5,
        "维修服务": 5,
        "参与大扫除": 2,
        "推荐居民": 5,
    }
    assert not any(kind.pays_share or kind.pays_rent for kind in pool.shop_kinds)


def test_in_d_there_are_24_compounds_and_a_stall_sells_for_12_yuan() -> None:
    pool = load_pool("market")
    assert len([place for place in pool.places if place.kind == "grid"]) == 24
    assert 1200 in [one.price_fen for one in pool.catalogue]
    stall = pool.shop_kinds[0]
    assert (stall.pays_share, stall.usual_share_bp, stall.pays_rent) == (True, 300, False)
    assert pool.fen_per_point == 10


def test_in_e_the_catalogue_decides_what_the_report_leaves_open() -> None:
    pool = load_pool("wenhuajie")
    assert pool.fen_per_point is None
    assert points_prices(pool) == {
        "食盐": 5,
        "肥皂": 5,
        "洗衣液": 5,
        "洗洁精": 10,
        "便民测血压": 10,
        "面粉": 20,
        "大米": 20,
        "理发券": 20,
        "便民理发券": 30,
        "上门修水管": 20,
        "家政保洁": 50,
        "家电简单维修": 50,
    }
    fulfilled = {one.name: one.fulfilment for one in pool.catalogue if one.fulfilment != "at_once"}
    assert fulfilled == {
        "理发券": "voucher",
        "便民理发券": "voucher",
        "上门修水管": "work_order",
        "家政保洁": "work_order",
        "家电简单维修": "work_order",
    }
    assert item(pool, "家政保洁").reimbursement_fen == 8000
    assert {one.reimbursement_fen for one in pool.catalogue if one.barcode} == {0}


def test_in_e_the_rules_of_march_differ_from_those_of_april() -> None:
    pool = load_pool("wenhuajie")
    march, april = rules(pool, date(2024, 3, 31)), rules(pool, date(2024, 4, 1))
    assert (march["矛盾调解"], march["隐患上报"]) == (10, 5)
    assert (april["矛盾调解"], april["隐患上报"]) == (15, 10)
    assert 2 * march["矛盾调解"] + 3 * march["隐患上报"] + 33 == 68
    assert rules(pool, TODAY) == april
    assert april["入户登记"] + 2 * april["日常清扫一天"] + 10 == 25
    assert {april[name] for name in ("治安巡逻", "为老人代买", "速事速办上报")} == {5}
    assert (april["健康讲座"], april["大扫除两小时"]) == (3, 10)


def test_in_e_one_fact_through_two_channels_is_marked_as_one() -> None:
    pool = load_pool("wenhuajie")
    marked = {rule.id: rule.same_fact_as for rule in pool.award_rules if rule.same_fact_as}
    assert marked == {"quick-report": "hazard"}


def test_the_rule_in_force_is_found_by_id_and_day() -> None:
    pool = load_pool("wenhuajie")
    before, now = pool.rule_in_force("hazard", MARCH), pool.rule_in_force("hazard", TODAY)
    assert before is not None
    assert now is not None
    assert (before.points, now.points) == (5, 10)
    assert pool.rule_in_force("hazard", date(2022, 12, 31)) is None
    assert pool.rule_in_force("unheard-of", TODAY) is None


@pytest.mark.parametrize("name", pool_names())
def test_offline_limits_stay_below_what_a_code_may_carry(name: str) -> None:
    pool = load_pool(name)
    assert pool.standin.allowance_buckets_points[-1] <= pool.standin.per_resident_points
    assert pool.standin.per_sale_points <= pool.codes.slot_cap_points
    assert pool.hold_s == 300


@pytest.mark.parametrize("name", pool_names())
def test_a_cashier_can_sell_something_by_quick_key(name: str) -> None:
    assert any(one.quick_key for one in load_pool(name).catalogue)


@pytest.mark.parametrize("code", ["6901234567892", "4006381333931", "9780201379624"])
def test_the_check_digit_is_that_of_gs1(code: str) -> None:
    assert ean13_check_digit(code) == code[-1]
