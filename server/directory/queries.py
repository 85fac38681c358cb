"""Reading the directory. Every function is bounded by the pool that it is given."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, Row, and_, bindparam, or_, select

from protocol.documents import AccountStatus, StandInLimits
from protocol.keys import read_public_key
from protocol.redemption import FenRemainder, Limits
from server.db.working_set import standing
from server.directory import tables as t
from server.directory.contract_terms import decode_terms
from server.directory.values import (
    AwardRule,
    Card,
    CardState,
    Contract,
    CoverTerms,
    Invitation,
    Merchant,
    PoolTerms,
    Resident,
    Shop,
    SignIn,
    SignInRole,
    Terminal,
    TerminalState,
    TermsPeriod,
)


class UnknownPool(LookupError):  # noqa: N818 - named as the sentence it states
    """No pool of this name was adopted in this database."""


# A pool's policy and its few periods in one statement: every question and record needs them.
_POOL_WITH_PERIODS = (
    select(
        t.pool,
        t.redemption_terms.c.valid_from.label("terms_from"),
        t.redemption_terms.c.version.label("terms_version"),
        t.redemption_terms.c.fen_remainder.label("terms_fen_remainder"),
        *(
            t.redemption_terms.c[name]
            for name in (
                "bill_share_bp",
                "excluded_categories",
                "per_day_points",
                "per_household_day_points",
                "minimum_points",
                "card_no_pin_day_points",
                "manual_day_points",
                "reason",
            )
        ),
        t.redemption_terms.c.per_sale_points.label("terms_per_sale_points"),
    )
    .outerjoin(t.redemption_terms, t.redemption_terms.c.pool == t.pool.c.pool)
    .where(t.pool.c.pool == bindparam("of_pool"))
    .order_by(t.redemption_terms.c.valid_from, t.redemption_terms.c.version)
)


def pools(tx: Connection) -> list[str]:
    """The ids of all pools in the database."""
    return list(tx.execute(select(t.pool.c.pool).order_by(t.pool.c.pool)).scalars())


@standing
def pool_terms(tx: Connection, pool: str) -> PoolTerms:
    """The pool's policy.

    Raises:
        UnknownPool: it was never adopted.
    """
    rows = tx.execute(_POOL_WITH_PERIODS, {"of_pool": pool}).all()
    if not rows:
        raise UnknownPool(pool)
    row = rows[0]
    return PoolTerms(
        pool=row.pool,
        name=row.name,
        name_en=row.name_en,
        street=row.street,
        unit_name=row.unit_name,
        unit_name_en=row.unit_name_en,
        merchant_word=row.merchant_word,
        fen_per_point=row.fen_per_point,
        fen_remainder=FenRemainder(row.fen_remainder),
        cut_off_hour=row.cut_off_hour,
        hold_s=row.hold_s,
        card_cap_points=row.card_cap_points,
        card_valid_days=row.card_valid_days,
        slot_cap_points=row.slot_cap_points,
        slot_minutes=row.slot_minutes,
        stand_in=StandInLimits(
            per_sale_points=row.per_sale_points,
            per_resident_points=row.per_resident_points,
            per_terminal_soft_points=row.per_terminal_soft_points,
            per_terminal_hard_points=row.per_terminal_hard_points,
            directory_max_age_h=row.directory_max_age_h,
            directory_fresh_h=row.directory_fresh_h,
            **_more_limits(row.stand_in_more),
        ),
        directory_fresh_h=row.directory_fresh_h,
        allowance_buckets_points=msgspec.json.decode(
            row.allowance_buckets_points, type=tuple[int, ...]
        ),
        root_key=read_public_key(row.root_key),
        periods=tuple(_period(each) for each in rows if each.terms_from is not None),
        cover=(
            None
            if row.cover_warning_bp is None
            else CoverTerms(row.cover_warning_bp, row.cover_hard_bp)
        ),
        points_expire_after_days=row.points_expire_after_days,
    )


def _more_limits(kept: str | None) -> dict[str, Any]:
    """Those stand-in limits that have no column of their own."""
    return msgspec.json.decode(kept, type=dict[str, Any]) if kept is not None else {}


def cut_off_hour(tx: Connection, pool: str) -> int:
    """The hour (Asia/Shanghai) at which the pool's business date changes.

    Raises:
        UnknownPool: it was never adopted.
    """
    hour = tx.execute(
        select(t.pool.c.cut_off_hour).where(t.pool.c.pool == pool)
    ).scalar_one_or_none()
    if hour is None:
        raise UnknownPool(pool)
    return int(hour)


@standing
def adopted_keys(tx: Connection, pool: str) -> dict[int, Ed25519PublicKey]:
    """The keys that the pool was adopted with; its key list, where it has one, says more."""
    rows = tx.execute(
        select(t.issuer_key).where(t.issuer_key.c.pool == pool).order_by(t.issuer_key.c.kid)
    )
    return {row.kid: read_public_key(row.public_key) for row in rows}


def residents(tx: Connection, pool: str) -> list[Resident]:
    """Every resident of the pool, by pseudonym."""
    rows = tx.execute(
        select(t.resident).where(t.resident.c.pool == pool).order_by(t.resident.c.account)
    )
    return [_resident(row) for row in rows]


@standing
def resident_of(tx: Connection, pool: str, account: str) -> Resident | None:
    row = tx.execute(
        select(t.resident).where(t.resident.c.pool == pool, t.resident.c.account == account)
    ).one_or_none()
    return _resident(row) if row else None


@standing
def household_of(tx: Connection, pool: str, account: str) -> list[str]:
    """Everybody who lives where this resident does, by pseudonym; nobody for a bearer card."""
    own = t.resident.alias()
    rows = tx.execute(
        select(t.resident.c.account)
        .join(
            own,
            and_(
                own.c.pool == t.resident.c.pool,
                own.c.place == t.resident.c.place,
                own.c.household == t.resident.c.household,
            ),
        )
        .where(own.c.pool == pool, own.c.account == account)
        .order_by(t.resident.c.account)
    )
    return list(rows.scalars())


def cards(tx: Connection, pool: str) -> list[Card]:
    """Every live card of the pool, by id."""
    rows = tx.execute(
        select(t.card)
        .where(t.card.c.pool == pool, t.card.c.state == CardState.LIVE.value)
        .order_by(t.card.c.card_id)
    )
    return [_card(row) for row in rows]


def cards_of_account(tx: Connection, pool: str, account: str) -> list[Card]:
    """A resident's live cards, by id."""
    rows = tx.execute(
        select(t.card)
        .where(
            t.card.c.pool == pool,
            t.card.c.account == account,
            t.card.c.state == CardState.LIVE.value,
        )
        .order_by(t.card.c.card_id)
    )
    return [_card(row) for row in rows]


@standing
def card_of(tx: Connection, pool: str, card_id: str) -> Card | None:
    row = tx.execute(
        select(t.card).where(t.card.c.pool == pool, t.card.c.card_id == card_id)
    ).one_or_none()
    return _card(row) if row else None


def merchants(tx: Connection, pool: str) -> list[Merchant]:
    """Every merchant of the pool, by id."""
    rows = tx.execute(
        select(t.merchant).where(t.merchant.c.pool == pool).order_by(t.merchant.c.merchant)
    )
    return [Merchant(row.merchant, row.name, row.registered_at) for row in rows]


@standing
def merchant_of(tx: Connection, pool: str, merchant: str) -> Merchant | None:
    row = tx.execute(
        select(t.merchant).where(t.merchant.c.pool == pool, t.merchant.c.merchant == merchant)
    ).one_or_none()
    return Merchant(row.merchant, row.name, row.registered_at) if row else None


@standing
def shop_of(tx: Connection, pool: str, shop: str) -> Shop | None:
    row = tx.execute(
        select(t.shop).where(t.shop.c.pool == pool, t.shop.c.shop == shop)
    ).one_or_none()
    return Shop(row.shop, row.merchant, row.kind, row.name, row.place) if row else None


def shops_of(tx: Connection, pool: str, merchant: str) -> list[Shop]:
    """A merchant's shops, by id."""
    rows = tx.execute(
        select(t.shop)
        .where(t.shop.c.pool == pool, t.shop.c.merchant == merchant)
        .order_by(t.shop.c.shop)
    )
    return [Shop(row.shop, row.merchant, row.kind, row.name, row.place) for row in rows]


@standing
def contracts_of(tx: Connection, pool: str, merchant: str) -> list[Contract]:
    """A merchant's contracts, oldest first; those of the same shop, or of none, never overlap."""
    rows = tx.execute(
        select(t.contract)
        .where(t.contract.c.pool == pool, t.contract.c.merchant == merchant)
        .order_by(t.contract.c.valid_from)
    )
    return [_contract(row) for row in rows]


def contracts_by_merchant(
    tx: Connection, pool: str, whose: Sequence[str] | None = None
) -> dict[str, list[Contract]]:
    """These merchants' contracts (None: everybody's), as :func:`contracts_of`; merchants without
    one are left out.
    """
    wanted = select(t.contract).where(t.contract.c.pool == pool).order_by(t.contract.c.valid_from)
    if whose is not None:
        wanted = wanted.where(t.contract.c.merchant.in_(whose))
    found: dict[str, list[Contract]] = {}
    for row in tx.execute(wanted):
        found.setdefault(row.merchant, []).append(_contract(row))
    return found


def merchants_named(tx: Connection, pool: str, names: Sequence[str]) -> dict[str, Merchant]:
    """Those of these merchants that there are, by id."""
    rows = tx.execute(
        select(t.merchant).where(t.merchant.c.pool == pool, t.merchant.c.merchant.in_(names))
    )
    return {row.merchant: Merchant(row.merchant, row.name, row.registered_at) for row in rows}


def contract_named(tx: Connection, pool: str, contract: str) -> Contract | None:
    row = tx.execute(
        select(t.contract).where(t.contract.c.pool == pool, t.contract.c.contract == contract)
    ).one_or_none()
    return _contract(row) if row else None


def contract_on(
    tx: Connection, pool: str, merchant: str, day: date, shop: str | None = None
) -> Contract | None:
    """The contract in force on a business date, the shop's own before the merchant's; or None."""
    fitting = [
        each
        for each in contracts_of(tx, pool, merchant)
        if each.in_force(day) and each.shop in {None, shop}
    ]
    return max(fitting, key=lambda each: each.shop is not None, default=None)


@standing
def terminal_of(tx: Connection, pool: str, terminal: str) -> Terminal | None:
    """A terminal with the merchant whose shop it stands in."""
    row = tx.execute(
        select(t.terminal, t.shop.c.merchant)
        .join(t.shop, and_(t.shop.c.pool == t.terminal.c.pool, t.shop.c.shop == t.terminal.c.shop))
        .where(t.terminal.c.pool == pool, t.terminal.c.terminal == terminal)
    ).one_or_none()
    if row is None:
        return None
    return Terminal(
        terminal=row.terminal,
        shop=row.shop,
        merchant=row.merchant,
        state=TerminalState(row.state),
        public_key=row.public_key,
        epoch=row.epoch,
        enrolled_at=row.enrolled_at,
    )


def invitations_named(tx: Connection, pool: str, code_name: str) -> list[Invitation]:
    """Every terminal that was last invited with a code that starts so, the newest first."""
    rows = tx.execute(
        select(t.terminal)
        .where(t.terminal.c.pool == pool, t.terminal.c.code_name == code_name)
        .order_by(t.terminal.c.code_expires_at.desc(), t.terminal.c.terminal)
    )
    return [
        Invitation(
            terminal=row.terminal,
            state=TerminalState(row.state),
            code_hash=row.code_hash,
            expires_at=row.code_expires_at,
            public_key=row.public_key,
        )
        for row in rows
    ]


def award_rule_on(tx: Connection, pool: str, rule_id: str, day: date) -> AwardRule | None:
    """The version of a rule that counts on a day, or None outside its days."""
    row = tx.execute(
        select(t.award_rule).where(
            t.award_rule.c.pool == pool,
            t.award_rule.c.rule_id == rule_id,
            t.award_rule.c.first_day <= day,
            or_(t.award_rule.c.last_day.is_(None), t.award_rule.c.last_day >= day),
        )
    ).one_or_none()
    return AwardRule(row.rule_id, row.category, row.points) if row else None


def sign_in_of(tx: Connection, pool: str, user: str) -> SignIn | None:
    row = tx.execute(
        select(t.sign_in).where(t.sign_in.c.pool == pool, t.sign_in.c.user_name == user)
    ).one_or_none()
    return (
        SignIn(row.user_name, SignInRole(row.role), row.merchant, row.password_hash)
        if row
        else None
    )


def _resident(row: Row[tuple[object, ...]]) -> Resident:
    return Resident(
        account=row.account,
        name=row.name,
        household=row.household,
        place=row.place,
        status=AccountStatus(row.status),
        banned_until=row.banned_until,
        credit_score=row.credit_score,
    )


def _period(row: Row[tuple[object, ...]]) -> TermsPeriod:
    return TermsPeriod(
        valid_from=row.terms_from,
        version=row.terms_version,
        fen_remainder=FenRemainder(row.terms_fen_remainder),
        limits=Limits(
            bill_share_bp=row.bill_share_bp,
            excluded_categories=msgspec.json.decode(row.excluded_categories, type=tuple[str, ...]),
            per_sale_points=row.terms_per_sale_points,
            per_day_points=row.per_day_points,
            per_household_day_points=row.per_household_day_points,
            minimum_points=row.minimum_points,
            card_no_pin_day_points=row.card_no_pin_day_points,
            manual_day_points=row.manual_day_points,
        ),
        reason=row.reason,
    )


def _contract(row: Row[tuple[object, ...]]) -> Contract:
    return Contract(
        contract=row.contract,
        merchant=row.merchant,
        share_bp=row.share_bp,
        reimbursement_bp=row.reimbursement_bp,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        shop=row.shop,
        own_terms=decode_terms(row.terms) if row.terms is not None else None,
    )


def _card(row: Row[tuple[object, ...]]) -> Card:
    return Card(
        card_id=row.card_id,
        account=row.account,
        seq=row.seq,
        expires_on=row.expires_on,
        cap_points=row.cap_points,
        state=CardState(row.state),
    )
