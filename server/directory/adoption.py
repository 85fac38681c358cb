"""Opening a pool: from its preset to one command, and from that to the directory's rows."""

from collections.abc import Iterable
from datetime import datetime

import msgspec
from sqlalchemy import Connection, insert, select

from config.pool import PoolPreset, StandIn
from protocol.documents import IssuerKey, Item, StandInLimits, StandInMode
from protocol.redemption import FenRemainder, LimitPeriod, Limits
from protocol.sales import Fulfilment
from server.directory import tables as t
from server.directory.commands import AdoptPool, AwardRulePeriod, PlaceNode, ShopKind
from server.directory.terms import ALWAYS, put_period
from server.directory.values import Answer, DirectoryProblem, Done, Refused

FIRST_ITEM_VERSION = 1


MORE_LIMITS = (
    "card_per_resident_points",
    "velocity_soft_sales",
    "velocity_hard_sales",
    "card_max_age_h",
    "mode",
)
NO_MORE = (None, None, None, None, StandInMode.SNAPSHOT)
"""Limits of a pool from before there were these."""


def adoption_of(
    preset: PoolPreset, *, root_key: str, issuer_keys: Iterable[IssuerKey]
) -> AdoptPool:
    """The command that opens a pool as its preset says; keys are public keys' texts."""
    return AdoptPool(
        name=preset.name,
        name_en=preset.name_en,
        street=preset.street,
        unit_name=preset.unit_name,
        unit_name_en=preset.unit_name_en,
        merchant_word=preset.merchant_name,
        fen_per_point=preset.fen_per_point,
        fen_remainder=FenRemainder(preset.fen_remainder),
        cut_off_hour=preset.cut_off_hour,
        hold_s=preset.hold_s,
        card_cap_points=preset.codes.card_cap_points,
        card_valid_days=preset.codes.card_valid_days,
        slot_cap_points=preset.codes.slot_cap_points,
        slot_minutes=preset.codes.slot_minutes,
        stand_in=_stand_in_of(preset.standin),
        directory_fresh_h=preset.standin.directory_fresh_h,
        allowance_buckets_points=preset.standin.allowance_buckets_points,
        root_key=root_key,
        issuer_keys=tuple(issuer_keys),
        places=tuple(
            PlaceNode(place=each.id, place_kind=each.kind, name=each.name, parent=each.parent)
            for each in preset.places
        ),
        shop_kinds=tuple(
            ShopKind(
                shop_kind=each.id,
                name=each.name,
                name_en=each.name_en,
                pays_share=each.pays_share,
                pays_rent=each.pays_rent,
            )
            for each in preset.shop_kinds
        ),
        award_rules=tuple(
            AwardRulePeriod(
                rule_id=each.id,
                category=each.category,
                points=each.points,
                first_day=each.first_day,
                last_day=each.last_day,
                same_fact_as=each.same_fact_as,
            )
            for each in preset.award_rules
        ),
        items=_items(preset),
        limits=Limits(
            bill_share_bp=preset.redemption.bill_share_bp,
            excluded_categories=preset.redemption.excluded_categories,
            per_sale_points=preset.redemption.per_sale_points,
            per_day_points=preset.redemption.per_day_points,
            per_household_day_points=preset.redemption.per_household_day_points,
            minimum_points=preset.redemption.minimum_points,
            card_no_pin_day_points=preset.redemption.card_no_pin_day_points,
            manual_day_points=preset.redemption.manual_day_points,
        ),
        cover_warning_bp=preset.cover.warning_bp if preset.cover else None,
        cover_hard_bp=preset.cover.hard_bp if preset.cover else None,
        points_expire_after_days=preset.points_expire_after_days,
    )


def _items(preset: PoolPreset) -> tuple[Item, ...]:
    return tuple(
        Item(
            item_id=each.id,
            name=each.name,
            name_en=each.name_en,
            category=each.category,
            unit=each.unit,
            barcode=each.barcode,
            price_fen=each.price_fen,
            price_points=each.price_points,
            reimbursement_fen=each.reimbursement_fen or 0,
            weighed=each.weighed,
            quick_key=each.quick_key,
            stock=each.stock,
            fulfilment=Fulfilment(each.fulfilment),
            limit_per_resident=each.limit_per_resident,
            limit_per_household=each.limit_per_household,
            limit_period=LimitPeriod(each.limit_period),
            both_due=each.both_due,
        )
        for each in preset.catalogue
    )


def _stand_in_of(limits: StandIn) -> StandInLimits:
    return StandInLimits(
        per_sale_points=limits.per_sale_points,
        per_resident_points=limits.per_resident_points,
        per_terminal_soft_points=limits.per_terminal_soft_points,
        per_terminal_hard_points=limits.per_terminal_hard_points,
        directory_max_age_h=limits.directory_max_age_h,
        card_per_resident_points=limits.card_per_resident_points,
        velocity_soft_sales=limits.velocity_soft_sales,
        velocity_hard_sales=limits.velocity_hard_sales,
        card_max_age_h=limits.card_max_age_h,
        mode=StandInMode(limits.mode),
    )


def adopt_pool(tx: Connection, pool: str, command: AdoptPool, at: datetime) -> Answer:
    """Write the whole pool; one that is there already is not touched."""
    if tx.execute(select(t.pool.c.pool).where(t.pool.c.pool == pool)).first() is not None:
        return Refused(
            DirectoryProblem.CONFLICT,
            f"积分池 {pool} 已经建立，没有改动 / pool {pool} is there already; nothing was changed",
        )
    limits = msgspec.structs.asdict(command.stand_in)
    more = {name: limits.pop(name) for name in MORE_LIMITS}
    limits.pop("directory_fresh_h")  # the pool's own, below
    kept = (
        msgspec.json.encode(more, order="deterministic").decode()
        if any(value != default for value, default in zip(more.values(), NO_MORE, strict=True))
        else None
    )
    tx.execute(
        insert(t.pool).values(
            pool=pool,
            name=command.name,
            name_en=command.name_en,
            street=command.street,
            unit_name=command.unit_name,
            unit_name_en=command.unit_name_en,
            merchant_word=command.merchant_word,
            fen_per_point=command.fen_per_point,
            fen_remainder=command.fen_remainder.value,
            cut_off_hour=command.cut_off_hour,
            hold_s=command.hold_s,
            card_cap_points=command.card_cap_points,
            card_valid_days=command.card_valid_days,
            slot_cap_points=command.slot_cap_points,
            slot_minutes=command.slot_minutes,
            **limits,
            stand_in_more=kept,
            directory_fresh_h=command.directory_fresh_h,
            allowance_buckets_points=msgspec.json.encode(command.allowance_buckets_points).decode(),
            points_expire_after_days=command.points_expire_after_days,
            cover_warning_bp=command.cover_warning_bp,
            cover_hard_bp=command.cover_hard_bp,
            root_key=command.root_key,
            adopted_at=at,
        )
    )
    if command.limits is not None:  # a pool from before there were limits has no period
        put_period(
            tx,
            pool,
            command.limits,
            valid_from=ALWAYS,
            fen_remainder=command.fen_remainder.value,
            reason="",
        )
    _write_lists(tx, pool, command)
    return Done(pool)


def _write_lists(tx: Connection, pool: str, command: AdoptPool) -> None:
    own = {"pool": pool}
    if command.issuer_keys:
        rows = [own | msgspec.structs.asdict(each) for each in command.issuer_keys]
        tx.execute(insert(t.issuer_key), rows)
    # One by one: a place names the place that it lies in, and stands after it.
    for node in command.places:
        tx.execute(
            insert(t.place).values(
                pool=pool,
                place=node.place,
                kind=node.place_kind,
                name=node.name,
                parent=node.parent,
            )
        )
    if command.shop_kinds:
        rows = [own | msgspec.structs.asdict(each) for each in command.shop_kinds]
        tx.execute(insert(t.shop_kind), rows)
    if command.award_rules:
        rows = [own | msgspec.structs.asdict(each) for each in command.award_rules]
        tx.execute(insert(t.award_rule), rows)
    if command.items:
        numbers = {"item_version": FIRST_ITEM_VERSION}
        tx.execute(
            insert(t.item),
            [
                own
                | numbers
                | msgspec.structs.asdict(each)
                | {
                    "position": position,
                    "fulfilment": each.fulfilment.value,
                    "limit_period": each.limit_period.value,
                }
                for position, each in enumerate(command.items, start=1)
            ],
        )
