"""What is decided about a resident: blocked, banned from redeeming, credit taken; and lifted.

Every decision that changes something is kept with its reason, its evidence and who decided.
Points are never touched: a ban stops redeeming alone, and credit score (信用分) is no points.
"""

from datetime import date, datetime

from sqlalchemy import Connection, func, insert, select, update

from protocol.documents import AccountStatus
from server.directory import commands as c
from server.directory import tables as t
from server.directory.queries import resident_of
from server.directory.refusals import conflict, unknown
from server.directory.values import (
    Answer,
    DirectoryProblem,
    Done,
    Refused,
    Resident,
    Sanction,
)

_Decision = c.BlockResident | c.UnblockResident | c.BanRedemption | c.ChangeCredit


def block_resident(tx: Connection, pool: str, command: c.BlockResident, at: datetime) -> Answer:
    """Nothing is redeemed any more; earning goes on."""
    return _set_status(tx, pool, command, AccountStatus.BLOCKED, at)


def unblock_resident(tx: Connection, pool: str, command: c.UnblockResident, at: datetime) -> Answer:
    return _set_status(tx, pool, command, AccountStatus.ACTIVE, at)


def ban_redemption(tx: Connection, pool: str, command: c.BanRedemption, at: datetime) -> Answer:
    """No redemption until a day; another day, or None to lift it early, replaces what was."""
    found = resident_of(tx, pool, command.account)
    if found is None:
        return unknown(DirectoryProblem.UNKNOWN_RESIDENT, "居民", command.account)
    if found.banned_until == command.until:
        return Done(command.account, again=True)
    _change(tx, pool, command.account, banned_until=command.until)
    what = "ban" if command.until is not None else "lift_ban"
    _keep(tx, pool, found, command, what, at=at, until=command.until)
    return Done(command.account)


def change_credit(tx: Connection, pool: str, command: c.ChangeCredit, at: datetime) -> Answer:
    """Change the credit score, once for a decision. Refused: it would be below 0."""
    found = resident_of(tx, pool, command.account)
    if found is None:
        return unknown(DirectoryProblem.UNKNOWN_RESIDENT, "居民", command.account)
    before = tx.execute(
        select(t.sanction.c.account, t.sanction.c.credit_change, t.sanction.c.reason).where(
            t.sanction.c.pool == pool, t.sanction.c.decision == command.decision
        )
    ).one_or_none()
    if before is not None:
        asked = (command.account, command.change, command.reason)
        if tuple(before) == asked:
            return Done(command.decision, again=True)
        return conflict(
            "决定编号",
            command.decision,
            stands=(before.account, f"{before.credit_change:+}", before.reason),
            asked=(command.account, f"{command.change:+}", command.reason),
        )
    score = found.credit_score + command.change
    if command.change == 0 or score < 0:
        return Refused(
            DirectoryProblem.BAD_LIMIT,
            f"信用分现在是 {found.credit_score}，不能改 {command.change}，请改数目"
            f" / the credit score is {found.credit_score}; it cannot change by {command.change}",
        )
    _change(tx, pool, command.account, credit_score=score)
    _keep(
        tx, pool, found, command, "credit", at=at, change=command.change, decision=command.decision
    )
    return Done(command.decision)


def sanctions_of(tx: Connection, pool: str, account: str | None = None) -> list[Sanction]:
    """Every decision about a resident, or about everybody, in the order they were taken."""
    which = [t.sanction.c.pool == pool]
    if account is not None:
        which.append(t.sanction.c.account == account)
    rows = tx.execute(
        select(t.sanction)
        .where(*which)
        .order_by(t.sanction.c.recorded_at, t.sanction.c.account, t.sanction.c.sanction_no)
    )
    return [
        Sanction(
            account=row.account,
            sanction_no=row.sanction_no,
            what=row.what,
            until=row.until,
            credit_change=row.credit_change,
            credit_score=row.credit_score,
            reason=row.reason,
            evidence=row.evidence,
            decided_by=row.decided_by,
            recorded_at=row.recorded_at,
        )
        for row in rows
    ]


def _set_status(
    tx: Connection,
    pool: str,
    command: c.BlockResident | c.UnblockResident,
    status: AccountStatus,
    at: datetime,
) -> Answer:
    found = resident_of(tx, pool, command.account)
    if found is None:
        return unknown(DirectoryProblem.UNKNOWN_RESIDENT, "居民", command.account)
    if found.status is status:
        return Done(command.account, again=True)
    _change(tx, pool, command.account, status=status.value)
    what = "block" if status is AccountStatus.BLOCKED else "unblock"
    _keep(tx, pool, found, command, what, at=at)
    return Done(command.account)


def _change(tx: Connection, pool: str, account: str, **values: object) -> None:
    own = (t.resident.c.pool == pool, t.resident.c.account == account)
    tx.execute(update(t.resident).where(*own).values(**values))


def _keep(
    tx: Connection,
    pool: str,
    before: Resident,
    command: _Decision,
    what: str,
    *,
    at: datetime,
    until: date | None = None,
    change: int = 0,
    decision: str | None = None,
) -> None:
    own = (t.sanction.c.pool == pool, t.sanction.c.account == command.account)
    last = tx.execute(select(func.coalesce(func.max(t.sanction.c.sanction_no), 0)).where(*own))
    tx.execute(
        insert(t.sanction).values(
            pool=pool,
            account=command.account,
            sanction_no=last.scalar_one() + 1,
            what=what,
            until=until,
            credit_change=change,
            credit_score=before.credit_score + change,
            reason=command.reason,
            evidence=command.evidence,
            decided_by=command.decided_by,
            decision=decision,
            recorded_at=at,
        )
    )
