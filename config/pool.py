"""The preset of one programme: what a pool is when it is opened."""

from collections.abc import Iterable
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from config.load import SettingRefusedError, load

Name = Annotated[str, Meta(min_length=1, max_length=40)]
# Ids are written into facts and journals, so they are short, plain and never change.
Id = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
Whole = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Positive = Annotated[int, Meta(ge=1, le=1_000_000_000)]
BasisPoints = Annotated[int, Meta(ge=0, le=10_000)]
# Codes carry points, minutes and days in 2, 1 and 2 bytes.
CodePoints = Annotated[int, Meta(ge=1, le=65_535)]


class Place(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One node of 街道 › 社区 › 网格 › 微网格. `parent` is an id; only the root has none.

    The root is a street, or the community where one community runs the programme by itself.
    """

    id: Id
    kind: Literal["street", "community", "grid", "microgrid"]
    name: Name
    parent: Id | None = None


class ShopKind(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """小店, 兑换站, 服务场馆, 积分超市, 摊位: whether such shops pay into the pool.

    `usual_share_bp` (basis points of cash takings) and `usual_rent_fen` (per month) are what a
    new contract proposes; the contract decides.
    """

    id: Id
    name: Name
    name_en: Name
    pays_share: bool
    pays_rent: bool
    usual_share_bp: BasisPoints = 0
    usual_rent_fen: Whole = 0

    def __post_init__(self) -> None:
        if self.usual_share_bp and not self.pays_share:
            raise SettingRefusedError(
                "usual_share_bp",
                zh="与 pays_share = false 矛盾",
                en="contradicts pays_share = false",
            )
        if self.usual_rent_fen and not self.pays_rent:
            raise SettingRefusedError(
                "usual_rent_fen", zh="与 pays_rent = false 矛盾", en="contradicts pays_rent = false"
            )


class AwardRule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one civic deed is worth, from `first_day` to `last_day` (both included).

    A rule that changed stands here twice under the same id, with days that do not overlap:
    what was awarded stays as it was. `same_fact_as` names the rule that pays for the same fact
    through another channel; one fact is paid once.
    """

    id: Id
    category: Name
    points: Positive
    first_day: date
    last_day: date | None = None
    same_fact_as: Id | None = None

    def __post_init__(self) -> None:
        if self.last_day is not None and self.last_day < self.first_day:
            raise SettingRefusedError(
                "last_day", zh="早于 first_day", en="is earlier than first_day"
            )

    def in_force(self, day: date) -> bool:
        return self.first_day <= day and (self.last_day is None or day <= self.last_day)


class CatalogueItem(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Goods or a service: priced in fen, in points, or in both; 0 is free.

    With both prices an item is sold for its money, which points may pay as well; with `both_due`
    its money and its points are due together (5 yuan and 20 points).
    A price of a weighed item is per `unit`. `reimbursement_fen` is what one unit costs the pool
    when it is redeemed at its points price (0 when donated). `stock` left out is not counted.
    `limit_per_resident` and `limit_per_household` are whole units in a `limit_period`; such goods
    are given to people whom a code names, also where they are free.
    """

    id: Id
    name: Name
    name_en: Name
    category: Name
    unit: Annotated[str, Meta(min_length=1, max_length=6)]
    barcode: Annotated[str, Meta(pattern=r"^69[0-9]{11}$")] | None = None
    price_fen: Whole | None = None
    price_points: Whole | None = None
    reimbursement_fen: Whole | None = None
    weighed: bool = False
    stock: Whole | None = None
    fulfilment: Literal["at_once", "voucher", "work_order"] = "at_once"
    quick_key: bool = False
    limit_per_resident: Positive | None = None
    limit_per_household: Positive | None = None
    limit_period: Literal["day", "month"] = "day"
    both_due: bool = False

    def __post_init__(self) -> None:
        limited = "limit_per_resident" if self.limit_per_resident else "limit_per_household"
        if self.weighed and getattr(self, limited) is not None:
            raise SettingRefusedError(
                limited, zh="按件限量，散称商品不能用", en="counts pieces; weighed goods have none"
            )
        if self.price_fen is None and self.price_points is None:
            raise SettingRefusedError(
                "price_fen",
                zh="和 price_points 至少要有一个（免费写 0）",
                en="or price_points is needed (0 if free)",
            )
        if (self.price_points is None) != (self.reimbursement_fen is None):
            raise SettingRefusedError(
                "reimbursement_fen",
                zh="与 price_points 必须同时有或同时没有（捐赠的写 0）",
                en="and price_points go together: both or neither (0 if donated)",
            )
        if self.both_due and not (self.price_fen and self.price_points):
            raise SettingRefusedError(
                "both_due",
                zh="要 price_fen 和 price_points 都大于 0",
                en="needs a price_fen and a price_points above 0",
            )
        if self.both_due and self.fulfilment != "at_once":
            raise SettingRefusedError(
                "both_due",
                zh="只能用于当场给的商品：兑换券和上门服务只用积分标价",
                en="is for goods handed over at once; vouchers and work orders take points alone",
            )
        if self.barcode is not None and self.weighed:
            raise SettingRefusedError(
                "barcode", zh="：散称商品没有条码", en="weighed goods have no barcode"
            )
        if self.barcode is not None and ean13_check_digit(self.barcode) != self.barcode[-1]:
            right = ean13_check_digit(self.barcode)
            raise SettingRefusedError(
                "barcode",
                zh=f"的校验位不对，末位应为 {right}",
                en=f"has a wrong check digit; the last digit should be {right}",
            )


class StandIn(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How far a terminal may answer by itself while the pool server cannot be reached.

    Per resident and per terminal count from the terminal's last contact. At the soft limit the
    cashier is warned, at the hard limit the terminal refuses. `directory_fresh_h`: older than
    this the limits are halved; `directory_max_age_h`: older than this nothing is redeemed.
    """

    per_sale_points: Whole
    per_resident_points: Whole
    per_terminal_soft_points: Whole
    per_terminal_hard_points: Whole
    directory_fresh_h: Positive = 24
    directory_max_age_h: Positive = 72
    # By card at most this much of one resident; older than this, cards are not taken.
    card_per_resident_points: Whole | None = None
    card_max_age_h: Positive | None = None
    # Sales of one resident at one terminal: what one may take is halved, then nothing is redeemed.
    velocity_soft_sales: Positive = 3
    velocity_hard_sales: Positive = 5
    mode: Literal["snapshot", "cap", "escrow"] = "snapshot"
    # A directory entry says the largest of these that the balance covers, so it is no balance.
    allowance_buckets_points: tuple[Whole, ...]

    def __post_init__(self) -> None:
        _ascending(
            self,
            ("per_sale_points", "per_resident_points"),
            ("per_terminal_soft_points", "per_terminal_hard_points"),
            ("directory_fresh_h", "directory_max_age_h"),
            ("velocity_soft_sales", "velocity_hard_sales"),
        )
        if self.mode != "snapshot":
            raise SettingRefusedError(
                "mode",
                zh=f"“{self.mode}”还不提供，请用 snapshot",
                en=f"{self.mode} is not offered yet; use snapshot",
            )
        buckets = self.allowance_buckets_points
        if not buckets or buckets[0] != 0 or list(buckets) != sorted(set(buckets)):
            raise SettingRefusedError(
                "allowance_buckets_points",
                zh="应从 0 开始，由小到大，不重复",
                en="must start with 0 and rise without repeating",
            )


class CodeLimits(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What issued codes allow: printed cards without a PIN, and phone codes of one time slot."""

    card_cap_points: CodePoints
    card_valid_days: Annotated[int, Meta(ge=1, le=3650)] = 730
    slot_cap_points: CodePoints
    slot_minutes: Annotated[int, Meta(ge=1, le=240)] = 30


class Redemption(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How far points may pay; what is left out has no limit.

    `bill_share_bp`: most of a bill in money, in basis points. `excluded_categories`: goods that
    only money pays. Points are counted a sale, a business date of one resident, and a business
    date of everybody in one household. A sale takes `minimum_points` at least, or none.
    `card_no_pin_day_points`: most of a business date by a resident's card without its PIN; left
    out, no PIN is ever asked for. `manual_day_points`: most of a business date by a resident who
    has neither phone nor card at hand (人工核对); 0, nobody is served so.
    """

    bill_share_bp: BasisPoints = 10_000
    excluded_categories: tuple[Name, ...] = ()
    per_sale_points: Positive | None = None
    per_day_points: Positive | None = None
    per_household_day_points: Positive | None = None
    minimum_points: Positive | None = None
    card_no_pin_day_points: Positive | None = None
    manual_day_points: Annotated[int, Meta(ge=0, le=100_000)] = 0

    def __post_init__(self) -> None:
        _unique("excluded_categories", self.excluded_categories)
        caps = ("per_sale_points", "per_day_points", "per_household_day_points")
        given = [name for name in caps if getattr(self, name) is not None]
        _ascending(self, *((given[i], given[i + 1]) for i in range(len(given) - 1)))
        if self.minimum_points is not None and given:
            _ascending(self, ("minimum_points", given[0]))


class Cover(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much of what all points are worth the fund must hold, in basis points of it.

    Below `warning_bp` the office is warned. Below `hard_bp`, where it is set, nothing is
    awarded. Only for pools in which a point has a value in money.
    """

    warning_bp: Annotated[int, Meta(ge=1, le=100_000)]
    hard_bp: Annotated[int, Meta(ge=1, le=100_000)] | None = None

    def __post_init__(self) -> None:
        if self.hard_bp is not None:
            _ascending(self, ("hard_bp", "warning_bp"))


class PoolPreset(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One programme: its words, prices, limits, places, shop kinds, award rules and catalogue.

    `fen_per_point` left out: points have no price in money, and every item of the catalogue
    carries its points price and its own cost. `fen_remainder` says what becomes of fen that
    whole points cannot pay. A business day ends at `cut_off_hour` o'clock of the next day in
    Asia/Shanghai. `hold_s`: how long an authorisation keeps points reserved. Points that are
    older than `points_expire_after_days` days go; left out, they never do.
    """

    id: Id
    name: Name
    name_en: Name
    street: Name
    unit_name: Name
    unit_name_en: Name
    merchant_name: Name = "商户"
    fen_per_point: Positive | None = None
    fen_remainder: Literal["cash", "waive", "round_up"] = "cash"
    cut_off_hour: Annotated[int, Meta(ge=0, le=6)] = 0
    hold_s: Annotated[int, Meta(ge=10, le=3600)] = 300
    points_expire_after_days: Annotated[int, Meta(ge=1, le=36_500)] | None = None
    redemption: Redemption = field(default_factory=Redemption)
    cover: Cover | None = None
    standin: StandIn
    codes: CodeLimits
    places: tuple[Place, ...]
    shop_kinds: tuple[ShopKind, ...]
    award_rules: tuple[AwardRule, ...]
    catalogue: tuple[CatalogueItem, ...]

    def __post_init__(self) -> None:
        _unique("places", (place.id for place in self.places))
        _unique("shop_kinds", (kind.id for kind in self.shop_kinds))
        _unique("catalogue", (item.id for item in self.catalogue))
        _unique("catalogue", (item.barcode for item in self.catalogue if item.barcode))
        _check_tree(self.places)
        _check_rules(self.award_rules)
        self._check_redemption()
        if self.fen_per_point is None:
            for item in self.catalogue:
                if item.price_points is None:
                    raise SettingRefusedError(
                        "catalogue",
                        zh=f"中“{item.name}”没有 price_points，而本积分池没有 fen_per_point",
                        en=f'"{item.id}" needs price_points, as the pool has no fen_per_point',
                    )

    def _check_redemption(self) -> None:
        if self.fen_per_point is None and self.cover is not None:
            raise SettingRefusedError(
                "cover",
                zh="只能用于有 fen_per_point 的积分池",
                en="needs a pool with fen_per_point",
            )
        for item in self.catalogue:
            excluded = item.category in self.redemption.excluded_categories
            if excluded and item.price_points is not None:
                raise SettingRefusedError(
                    "catalogue",
                    zh=f"中“{item.name}”属于不能用积分的类别“{item.category}”，不能有 price_points",
                    en=f'"{item.id}" is of an excluded category and cannot have price_points',
                )

    def rule_in_force(self, rule_id: str, day: date) -> AwardRule | None:
        """The version of an award rule that counts on a business day; None outside its days."""
        fitting = (rule for rule in self.award_rules if rule.id == rule_id and rule.in_force(day))
        return next(fitting, None)


def pool_names() -> tuple[str, ...]:
    """The presets that come with the project, by file name."""
    folder = files("config") / "pools"
    return tuple(
        sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.is_file())
    )


def load_pool(name: str) -> PoolPreset:
    """A preset that comes with the project. Raises `ConfigError` as `load` does."""
    return load(Path(str(files("config") / "pools" / f"{name}.toml")), PoolPreset)


def ean13_check_digit(code: str) -> str:
    """The last digit that the first 12 of an EAN-13 call for (GS1: weights 1 and 3)."""
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(code[:12]))
    return str(-total % 10)


def _unique(key: str, ids: Iterable[str]) -> None:
    seen: set[str] = set()
    for one in ids:
        if one in seen:
            raise SettingRefusedError(
                key, zh=f"中“{one}”出现了两次", en=f'"{one}" stands there twice'
            )
        seen.add(one)


def _check_tree(places: tuple[Place, ...]) -> None:
    """One root, and every other place directly below one that stands before it."""
    ranks = ("street", "community", "grid", "microgrid")
    kinds: dict[str, str] = {}
    for number, place in enumerate(places):
        parent_kind = kinds.get(place.parent) if place.parent is not None else None
        rank = ranks.index(place.kind)
        fits = place.parent is None if number == 0 else rank and parent_kind == ranks[rank - 1]
        if not fits:
            raise SettingRefusedError(
                "places",
                zh=f"中“{place.name}”的 parent 不对：第一项没有 parent，其余各项写前面已有的上一级的 id",
                en=f'"{place.id}": the first has no parent, each other the id of the next higher '
                "place, named before it",
            )
        kinds[place.id] = place.kind
    if not places:
        raise SettingRefusedError("places", zh="不能为空", en="must not be empty")


def _check_rules(rules: tuple[AwardRule, ...]) -> None:
    ids = {rule.id for rule in rules}
    for number, rule in enumerate(rules):
        if rule.same_fact_as is not None and rule.same_fact_as not in ids - {rule.id}:
            raise SettingRefusedError(
                "award_rules",
                zh=f"中“{rule.category}”的 same_fact_as 不是另一条标准的 id",
                en=f'"{rule.id}": same_fact_as must be the id of another rule',
            )
        for other in rules[:number]:
            if other.id == rule.id and (
                other.in_force(rule.first_day) or rule.in_force(other.first_day)
            ):
                raise SettingRefusedError(
                    "award_rules",
                    zh=f"中“{rule.category}”有两条标准日期重叠",
                    en=f'"{rule.id}" has two versions whose days overlap',
                )


def _ascending(settings: Struct, *pairs: tuple[str, str]) -> None:
    for smaller, larger in pairs:
        if getattr(settings, smaller) > getattr(settings, larger):
            raise SettingRefusedError(
                smaller, zh=f"不能大于 {larger}", en=f"must not be more than {larger}"
            )
