"""Awards at a counter (登记积分): which shops may, which workers, and what their terminals know."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated

from msgspec import Meta, Struct, structs
from sqlalchemy import Connection, insert, select, update

from protocol.counter import CounterAwards, CounterRule, CounterWorker
from protocol.proxy import ProxyRules
from server.awards.commands import Awarder, AwarderRole
from server.awards.counter_tables import awarder_pin, counter_shop, proxy_rules
from server.awards.people import awarder_of
from server.awards.rules import linked_rules, rule_on, rules_on
from server.awards.tables import award_rule_terms, awarder
from server.awards.values import AwardProblem, Noted, RuleTerms
from server.directory import shop_of
from server.directory.commands import Id
from server.directory.tables import award_rule
from server.facts import FactDesk, FactStamp
from server.facts.refused import Refused

AHEAD_MAX = 20
"""Days ahead on which a rule changes that terminals are told of."""
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


class AllowCounterAwards(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """At this shop's terminals workers may register points, or no longer."""

    shop: Id
    allowed: bool


class SetAwarderPin(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody who awards signs in at terminals with the PIN of this Argon2id hash."""

    awarder: Awarder
    pin_hash: Annotated[str, Meta(pattern=r"^\$argon2id\$", max_length=255)]


class SetProxyRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far workers redeem for others from now on; for 0 residents a day: not at all."""

    residents_a_day: Annotated[int, Meta(ge=0, le=1_000)]
    points_a_day: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    deliver_within_days: Annotated[int, Meta(ge=0, le=60)] = 2


@dataclass(frozen=True, slots=True)
class _Segment:
    first_day: date
    last_day: date | None
    terms: RuleTerms


def register(desk: FactDesk) -> None:
    """Makes the desk apply what the office says of counters."""
    desk.register("allow_counter_awards", AllowCounterAwards, allow_counter_awards)
    desk.register("set_awarder_pin", SetAwarderPin, set_awarder_pin)
    desk.register("set_proxy_rules", SetProxyRules, set_proxy_rules)


def allow_counter_awards(
    tx: Connection, stamp: FactStamp, command: AllowCounterAwards
) -> Noted | Refused:
    """Let a shop's terminals register points, or no longer. Refused: no such shop."""
    if shop_of(tx, stamp.pool, command.shop) is None:
        return Refused(
            "unknown_shop",
            f"没有这个门店：{command.shop}，请核对编号 / not registered: {command.shop}",
        )
    before = _allowed(tx, stamp.pool, command.shop)
    own = (counter_shop.c.pool == stamp.pool, counter_shop.c.shop == command.shop)
    if before is None:
        row = {"pool": stamp.pool, "shop": command.shop, "allowed": command.allowed}
        tx.execute(insert(counter_shop).values(**row))
    elif before is not command.allowed:
        tx.execute(update(counter_shop).where(*own).values(allowed=command.allowed))
    return Noted(command.shop, again=before is command.allowed)


def set_awarder_pin(tx: Connection, stamp: FactStamp, command: SetAwarderPin) -> Noted | Refused:
    """Give somebody who awards a PIN, or another one. Refused: not registered, or retired."""
    known = awarder_of(tx, stamp.pool, command.awarder)
    if known is None or known.role is AwarderRole.PARTNER:
        return Refused(
            AwardProblem.UNKNOWN_AWARDER,
            f"没有这位登记人：{command.awarder}，请先登记 / not registered: {command.awarder}",
        )
    if known.retired:
        return Refused(
            AwardProblem.NOT_ALLOWED, f"{known.name} 已停用 / {command.awarder} has retired"
        )
    own = (awarder_pin.c.pool == stamp.pool, awarder_pin.c.awarder == command.awarder)
    if tx.execute(select(awarder_pin.c.awarder).where(*own)).first() is None:
        row = {
            "pool": stamp.pool,
            "awarder": command.awarder,
            "pin_hash": command.pin_hash,
        }
        tx.execute(insert(awarder_pin).values(**row))
    else:
        tx.execute(update(awarder_pin).where(*own).values(pin_hash=command.pin_hash))
    return Noted(command.awarder)


def set_proxy_rules(tx: Connection, stamp: FactStamp, command: SetProxyRules) -> Noted:
    """Let workers redeem for others so far, or no longer."""
    values = structs.asdict(command)
    before = proxy_rules_of(tx, stamp.pool)
    if tx.execute(select(proxy_rules.c.pool).where(proxy_rules.c.pool == stamp.pool)).first():
        tx.execute(update(proxy_rules).where(proxy_rules.c.pool == stamp.pool).values(**values))
    else:
        tx.execute(insert(proxy_rules).values(pool=stamp.pool, **values))
    return Noted("proxy", again=before == proxy_rules_of(tx, stamp.pool))


def proxy_rules_of(tx: Connection, pool: str) -> ProxyRules | None:
    """How far workers redeem for others; None where they may not."""
    row = tx.execute(select(proxy_rules).where(proxy_rules.c.pool == pool)).one_or_none()
    if row is None or row.residents_a_day == 0:
        return None
    return ProxyRules(
        residents_a_day=row.residents_a_day,
        points_a_day=row.points_a_day,
        deliver_within_days=row.deliver_within_days,
    )


def may_register_at(tx: Connection, pool: str, shop: str) -> bool:
    """Whether this shop's terminals may register points now."""
    return _allowed(tx, pool, shop) is True


def has_pin(tx: Connection, pool: str, awarder_id: str) -> bool:
    """Whether the office gave somebody a PIN for terminals."""
    found = select(awarder_pin.c.awarder).where(
        awarder_pin.c.pool == pool, awarder_pin.c.awarder == awarder_id
    )
    return tx.execute(found).first() is not None


def build_counter_awards(tx: Connection, pool: str, day: date) -> CounterAwards:
    """What terminals know of counter awards on a business date, without a version yet.

    Rules that want a review are left out: at a counter points are given at once.
    """
    shops = tuple(
        tx.execute(
            select(counter_shop.c.shop)
            .where(counter_shop.c.pool == pool, counter_shop.c.allowed)
            .order_by(counter_shop.c.shop)
        ).scalars()
    )
    if not shops:
        return CounterAwards(version=0, made_at=_NO_TIME)
    workers = tx.execute(
        select(awarder, awarder_pin.c.pin_hash)
        .join(
            awarder_pin,
            (awarder_pin.c.pool == awarder.c.pool) & (awarder_pin.c.awarder == awarder.c.awarder),
        )
        .where(awarder.c.pool == pool, ~awarder.c.retired)
        .order_by(awarder.c.awarder)
    )
    return CounterAwards(
        version=0,
        made_at=_NO_TIME,
        shops=shops,
        rules=tuple(_rule(tx, pool, each) for each in _segments(tx, pool, day)),
        workers=tuple(
            CounterWorker(
                worker=each.awarder,
                name=each.name,
                role=each.role,
                pin_hash=each.pin_hash,
                account=each.account,
            )
            for each in workers
        ),
        proxy=proxy_rules_of(tx, pool),
    )


def _allowed(tx: Connection, pool: str, shop: str) -> bool | None:
    row = tx.execute(
        select(counter_shop.c.allowed).where(
            counter_shop.c.pool == pool, counter_shop.c.shop == shop
        )
    ).scalar_one_or_none()
    return None if row is None else bool(row)


def _segments(tx: Connection, pool: str, day: date) -> Iterator[_Segment]:
    """Every rule as it reads on the day, and as it will from the days on which it changes."""
    for rule in rules_on(tx, pool, day):
        changes = _changes(tx, pool, rule.rule_id, day)
        days = [day, *changes]
        for first, following in zip(days, [*changes, None], strict=True):
            terms = rule_on(tx, pool, rule.rule_id, first)
            if terms is None or terms.review:
                continue
            until = terms.last_day
            if following is not None:
                eve = date.fromordinal(following.toordinal() - 1)
                until = eve if until is None else min(until, eve)
            # From its own first day on: so the document does not change with every day.
            yield _Segment(min(first, terms.first_day), until, terms)


def _changes(tx: Connection, pool: str, rule_id: str, day: date) -> list[date]:
    """The days after this one on which a rule is amended, or an adopted one begins."""
    found: set[date] = set()
    for table, column in (
        (award_rule, award_rule.c.first_day),
        (award_rule_terms, award_rule_terms.c.valid_from),
    ):
        which = (table.c.pool == pool, table.c.rule_id == rule_id, column > day)
        found |= set(tx.execute(select(column).where(*which).limit(AHEAD_MAX)).scalars())
    return sorted(found)[:AHEAD_MAX]


def _rule(tx: Connection, pool: str, segment: _Segment) -> CounterRule:
    terms = segment.terms
    return CounterRule(
        rule_id=terms.rule_id,
        name=terms.category,
        points=terms.points,
        first_day=segment.first_day,
        last_day=segment.last_day,
        roles=tuple(role.value for role in terms.may_award),
        needs_fact=len(linked_rules(tx, pool, terms.rule_id)) > 1,
    )
