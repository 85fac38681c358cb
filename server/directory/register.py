"""Applying commands about places, residents, cards, merchants, contracts and sign-ins.

Every function is a function of the database and the command. What stands there already, just
so, is a success; what stands there otherwise is a conflict and changes nothing.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Table, and_, insert, select, update

from protocol.documents import AccountStatus
from server.directory import commands as c
from server.directory import tables as t
from server.directory.bearer import BearerCard, bearer_of
from server.directory.queries import (
    card_of,
    contracts_of,
    merchant_of,
    resident_of,
    shop_of,
    sign_in_of,
)
from server.directory.refusals import conflict, unknown
from server.directory.temporary import moved_out, was_handed_on
from server.directory.values import (
    Answer,
    Card,
    CardState,
    DirectoryProblem,
    Done,
    Refused,
    SignInRole,
)

_CARD_DAYS = (date(1970, 1, 1), date(2149, 6, 6))
"""What the two bytes of a card's code can say: days since 1970, up to 65,535."""


def register_place(tx: Connection, pool: str, command: c.RegisterPlace, _at: datetime) -> Answer:
    if not _exists(tx, t.place, pool, place=command.parent):
        return unknown(DirectoryProblem.UNKNOWN_PLACE, "上级区域", command.parent)
    values = {"kind": command.place_kind, "name": command.name, "parent": command.parent}
    return _put(tx, t.place, pool, "区域", key={"place": command.place}, values=values)


def register_resident(
    tx: Connection, pool: str, command: c.RegisterResident, at: datetime
) -> Answer:
    if not _exists(tx, t.place, pool, place=command.place):
        return unknown(DirectoryProblem.UNKNOWN_PLACE, "区域", command.place)
    found = resident_of(tx, pool, command.account)
    asked = (command.name, command.household, command.place)
    if found is None:
        bearer = bearer_of(tx, pool, command.account)
        if bearer is not None:
            # Or a sale by that card would be taken from this resident.
            return conflict("居民账号", command.account, stands=_is_bearer(bearer), asked=asked)
        tx.execute(
            insert(t.resident).values(
                pool=pool,
                account=command.account,
                name=command.name,
                household=command.household,
                place=command.place,
                status=AccountStatus.ACTIVE.value,
                banned_until=None,
                registered_at=at,
            )
        )
        return Done(command.account)
    stands = (found.name, found.household, found.place)
    if stands == asked:
        return Done(command.account, again=True)
    return conflict("居民账号", command.account, stands=stands, asked=asked)


def issue_card(tx: Connection, pool: str, command: c.IssueCard, _at: datetime) -> Answer:
    refused = _no_holder(tx, pool, command.account)
    if refused is not None:
        return refused
    if not _CARD_DAYS[0] <= command.expires_on <= _CARD_DAYS[1]:
        return Refused(
            DirectoryProblem.BAD_PERIOD,
            f"积分卡 {command.card_id} 的有效期不可用，请改日期 / no card can expire on this day",
        )
    values = {
        "account": command.account,
        "seq": command.seq,
        "expires_on": command.expires_on,
        "cap_points": command.cap_points,
        "state": CardState.LIVE.value,
    }
    found = card_of(tx, pool, command.card_id)
    if found is None:
        if command.seq != 1:
            return _wrong_seq(command.card_id, 1)
        bearer = bearer_of(tx, pool, command.card_id)
        if bearer is not None:
            return _card_conflict(_is_bearer(bearer), command)
        tx.execute(insert(t.card).values(pool=pool, card_id=command.card_id, **values))
        return Done(command.card_id)
    if found == _asked_card(command):
        return Done(command.card_id, again=True)
    if found.account != command.account or found.seq == command.seq:
        return _card_conflict(_is_card(found), command)
    if command.seq != found.seq + 1:
        return _wrong_seq(command.card_id, found.seq + 1)
    anew = {name: value for name, value in values.items() if name != "account"}
    _update(tx, t.card, pool, {"card_id": command.card_id}, anew)
    return Done(command.card_id)


def _asked_card(command: c.IssueCard) -> Card:
    return Card(
        command.card_id,
        command.account,
        command.seq,
        command.expires_on,
        command.cap_points,
        CardState.LIVE,
    )


def _is_card(card: Card) -> tuple[object, ...]:
    return card.account, card.seq, card.expires_on, card.cap_points, card.state.value


def _is_bearer(card: BearerCard) -> tuple[object, ...]:
    return "面值积分卡 denominated card", card.batch


def _card_conflict(stands: tuple[object, ...], command: c.IssueCard) -> Refused:
    asked = _is_card(_asked_card(command))
    return conflict("卡号", command.card_id, stands=stands, asked=asked)


def _no_holder(tx: Connection, pool: str, account: str) -> Refused | None:
    """Why this account gets no card."""
    if resident_of(tx, pool, account) is None:
        return unknown(DirectoryProblem.UNKNOWN_RESIDENT, "居民", account)
    return moved_out(account) if was_handed_on(tx, pool, account) else None


def revoke_card(tx: Connection, pool: str, command: c.RevokeCard, _at: datetime) -> Answer:
    found = card_of(tx, pool, command.card_id)
    if found is None:
        return unknown(DirectoryProblem.UNKNOWN_CARD, "积分卡", command.card_id)
    _update(tx, t.card, pool, {"card_id": command.card_id}, {"state": CardState.REVOKED.value})
    return Done(command.card_id, again=found.state is CardState.REVOKED)


def register_merchant(
    tx: Connection, pool: str, command: c.RegisterMerchant, at: datetime
) -> Answer:
    found = merchant_of(tx, pool, command.merchant)
    if found is None:
        tx.execute(
            insert(t.merchant).values(
                pool=pool, merchant=command.merchant, name=command.name, registered_at=at
            )
        )
        return Done(command.merchant)
    if found.name == command.name:
        return Done(command.merchant, again=True)
    return conflict("商户编号", command.merchant, stands=(found.name,), asked=(command.name,))


def open_shop(tx: Connection, pool: str, command: c.OpenShop, _at: datetime) -> Answer:
    if not _exists(tx, t.merchant, pool, merchant=command.merchant):
        return unknown(DirectoryProblem.UNKNOWN_MERCHANT, "商户", command.merchant)
    if not _exists(tx, t.shop_kind, pool, shop_kind=command.shop_kind):
        return unknown(DirectoryProblem.UNKNOWN_SHOP_KIND, "门店类型", command.shop_kind)
    if not _exists(tx, t.place, pool, place=command.place):
        return unknown(DirectoryProblem.UNKNOWN_PLACE, "区域", command.place)
    values = {
        "merchant": command.merchant,
        "kind": command.shop_kind,
        "name": command.name,
        "place": command.place,
    }
    return _put(tx, t.shop, pool, "门店编号", key={"shop": command.shop}, values=values)


def agree_contract(tx: Connection, pool: str, command: c.AgreeContract, _at: datetime) -> Answer:
    """Take a contract whose days touch no other contract of the merchant."""
    if not _exists(tx, t.merchant, pool, merchant=command.merchant):
        return unknown(DirectoryProblem.UNKNOWN_MERCHANT, "商户", command.merchant)
    if command.valid_until is not None and command.valid_until < command.valid_from:
        return Refused(
            DirectoryProblem.BAD_PERIOD,
            f"合约 {command.contract} 的结束日早于开始日，请改日期 / the contract ends before it starts",
        )
    for other in contracts_of(tx, pool, command.merchant):
        if other.contract == command.contract or other.shop is not None:
            continue
        before = other.valid_until is not None and other.valid_until < command.valid_from
        after = command.valid_until is not None and command.valid_until < other.valid_from
        if not (before or after):
            return Refused(
                DirectoryProblem.OVERLAP,
                f"合约 {command.contract} 与 {other.contract} 的日期重叠，请改日期"
                f" / overlaps with contract {other.contract}",
            )
    values = {
        "merchant": command.merchant,
        "share_bp": command.share_bp,
        "reimbursement_bp": command.reimbursement_bp,
        "valid_from": command.valid_from,
        "valid_until": command.valid_until,
    }
    return _put(tx, t.contract, pool, "合约编号", key={"contract": command.contract}, values=values)


def register_sign_in(tx: Connection, pool: str, command: c.RegisterSignIn, _at: datetime) -> Answer:
    if (command.role is SignInRole.MERCHANT) != (command.merchant is not None):
        return Refused(
            DirectoryProblem.WRONG_ROLE,
            "商户的登录名要写商户编号，其他角色不写 / a merchant's sign-in names its merchant,"
            " no other does",
        )
    if command.merchant is not None and merchant_of(tx, pool, command.merchant) is None:
        return unknown(DirectoryProblem.UNKNOWN_MERCHANT, "商户", command.merchant)
    found = sign_in_of(tx, pool, command.user)
    if found is None:
        tx.execute(
            insert(t.sign_in).values(
                pool=pool,
                user_name=command.user,
                role=command.role.value,
                merchant=command.merchant,
                password_hash=command.password_hash,
            )
        )
        return Done(command.user)
    stands, asked = (found.role, found.merchant), (command.role, command.merchant)
    if stands != asked:
        return conflict("登录名", command.user, stands=stands, asked=asked)
    _update(
        tx,
        t.sign_in,
        pool,
        {"user_name": command.user},
        {"password_hash": command.password_hash},
    )
    return Done(command.user, again=True)


def shop_exists(tx: Connection, pool: str, shop: str) -> bool:
    return shop_of(tx, pool, shop) is not None


def _wrong_seq(card_id: str, expected: int) -> Refused:
    return Refused(
        DirectoryProblem.WRONG_SEQ,
        f"积分卡 {card_id} 的下一个序号是 {expected} / the next card of this line is {expected}",
    )


def _where(table: Table, pool: str, key: Mapping[str, object]) -> Any:
    return and_(table.c.pool == pool, *(table.c[name] == value for name, value in key.items()))


def _exists(tx: Connection, table: Table, pool: str, **key: object) -> bool:
    return tx.execute(select(table.c.pool).where(_where(table, pool, key))).first() is not None


def _update(
    tx: Connection, table: Table, pool: str, key: Mapping[str, object], values: Mapping[str, object]
) -> None:
    tx.execute(update(table).where(_where(table, pool, key)).values(**values))


def _put(
    tx: Connection,
    table: Table,
    pool: str,
    what: str,
    *,
    key: Mapping[str, str],
    values: Mapping[str, object],
) -> Answer:
    """Insert a row that never changes; the same again is fine, another one is a conflict."""
    (which,) = key.values()
    found = tx.execute(select(table).where(_where(table, pool, key))).mappings().one_or_none()
    if found is None:
        tx.execute(insert(table).values(pool=pool, **key, **values))
        return Done(which)
    stands = {name: found[name] for name in values}
    if stands == values:
        return Done(which, again=True)
    return conflict(what, which, stands=stands.values(), asked=values.values())
