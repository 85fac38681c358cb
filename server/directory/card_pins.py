"""Residents' card PINs: set, locked after too many wrong ones, unlocked by the office.

The server knows what Argon2id made of a PIN, salted with the card's secret (derived from a key
file, in no table). A wrong PIN comes as a terminal's record; what all terminals tell is added up
here. A right one takes nothing back: whoever has a picture of a card could wait for its holder.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, func, insert, select

from protocol.card_pins import MAX_ROUND, MOST_TRIES, TRIES_DAYS, pin_proof, verifier_text
from protocol.card_tries import CardPinWrong
from protocol.evidence import CardEvidence
from server.directory.card_pin_tables import card_pin, card_pin_lock, card_pin_try
from server.directory.commands import SetCardPin, UnlockCardPin
from server.directory.queries import card_of
from server.directory.refusals import conflict
from server.directory.values import Answer, Card, CardState, DirectoryProblem, Done, Refused

_SET = "set"
_UNLOCKED = "unlocked"
_MOST_SEQ = 2**31 - 1
_MOST_POINTS = 2**32 - 1


@dataclass(frozen=True, slots=True, repr=False)
class CardPin:
    """A card's PIN as the server knows it. ``wrong``: wrong ones that count at the time asked."""

    card_id: str
    seq: int
    pin_round: int
    verifier_hex: str
    proof_key_hex: str
    began_at: datetime
    reason: str
    is_locked: bool
    wrong: int = 0


def set_card_pin(tx: Connection, pool: str, command: SetCardPin, at: datetime) -> Answer:
    """Refused: no such card, it is blocked or replaced, or the id set another PIN."""
    card = _live(tx, pool, command.card_id)
    if isinstance(card, Refused):
        return card
    before = _by_id(tx, pool, command.pin_id)
    if before is not None:
        same = (before.card_id, before.seq, before.verifier_hex) == (
            command.card_id,
            command.seq,
            command.verifier_hex,
        )
        if same:
            return Done(command.card_id, again=True)
        return _conflict(command, before, command.seq, _SET)
    if card.seq != command.seq:
        return Refused(
            DirectoryProblem.WRONG_SEQ,
            f"积分卡 {command.card_id} 已换新卡，请用新卡设密码"
            " / the card was replaced; set the PIN of the new one",
        )
    halves = (command.verifier_hex, command.proof_key_hex)
    _begin(tx, pool, command, halves, seq=card.seq, at=at)
    return Done(command.card_id)


def unlock_card_pin(tx: Connection, pool: str, command: UnlockCardPin, at: datetime) -> Answer:
    """The same PIN in a new round. Refused: no such card, it is dead, or it has no PIN."""
    card = _live(tx, pool, command.card_id)
    if isinstance(card, Refused):
        return card
    before = _by_id(tx, pool, command.pin_id)
    if before is not None:
        same = (before.card_id, before.began_by) == (command.card_id, _UNLOCKED)
        if same:
            return Done(command.card_id, again=True)
        return _conflict(command, before, card.seq, _UNLOCKED)
    pin = pin_of(tx, pool, card.card_id, card.seq, at)
    if pin is None:
        return Refused(
            DirectoryProblem.UNKNOWN_CARD,
            f"积分卡 {command.card_id} 没有设过密码 / the card has no PIN",
        )
    halves = (pin.verifier_hex, pin.proof_key_hex)
    _begin(tx, pool, command, halves, seq=card.seq, at=at)
    return Done(command.card_id)


def pin_of(tx: Connection, pool: str, card_id: str, seq: int, at: datetime) -> CardPin | None:
    """The PIN of a card in its present round; None where it has none."""
    row = tx.execute(_pins(pool, card_id, seq).order_by(card_pin.c.pin_round.desc()).limit(1))
    found = row.one_or_none()
    if found is None:
        return None
    return _pin(found, _wrong(tx, pool, (card_id, seq, found.pin_round), at))


def pin_proof_holds(
    tx: Connection,
    pool: str,
    evidence: CardEvidence,
    *,
    used_for: UUID,
    points: int,
    terminal: str,
) -> bool:
    """Whether the PIN of that round was at hand for this sale. Any round of the card will do: a
    terminal out of reach knows the one that it was told of last.
    """
    claimed = evidence.pin
    if not claimed or not 0 <= points <= _MOST_POINTS:
        return False
    if not _can_be(evidence.seq, claimed.pin_round):
        return False
    which = _pins(pool, evidence.card_id, evidence.seq)
    row = tx.execute(which.where(card_pin.c.pin_round == claimed.pin_round)).one_or_none()
    if row is None:
        return False
    expected = pin_proof(bytes.fromhex(row.proof_key_hex), used_for, points, terminal)
    return hmac.compare_digest(expected.hex().encode(), claimed.proof_hex.encode())


def note_wrong_pin(
    tx: Connection,
    pool: str,
    tried: CardPinWrong,
    *,
    terminal: str,
    place: tuple[int, int],
    at: datetime,
) -> bool:
    """Count a wrong PIN that a record at ``place`` (epoch, number) tells; lock at the tenth.

    False where there is no such PIN: nothing to count it against.
    """
    if not _can_be(tried.seq, tried.pin_round):
        return False
    key = (tried.card_id, tried.seq, tried.pin_round)
    which = _pins(pool, tried.card_id, tried.seq)
    row = tx.execute(which.where(card_pin.c.pin_round == tried.pin_round)).one_or_none()
    if row is None:
        return False
    own: dict[str, Any] = {
        "pool": pool,
        "card_id": tried.card_id,
        "seq": tried.seq,
        "pin_round": tried.pin_round,
    }
    epoch, record_seq = place
    told = {"terminal": terminal, "epoch": epoch, "record_seq": record_seq, "told_at": at}
    tx.execute(insert(card_pin_try).values(**own, **told))
    if row.locked_at is None and _wrong(tx, pool, key, at) >= MOST_TRIES:
        tx.execute(insert(card_pin_lock).values(**own, locked_at=at))
    return True


def wrong_pin_places(
    tx: Connection, pool: str, tried: CardPinWrong, terminal: str
) -> list[tuple[int, int]]:
    """Epoch and number of each record by which a terminal told of a wrong one for this PIN."""
    if not _can_be(tried.seq, tried.pin_round):
        return []
    told = card_pin_try.c
    rows = tx.execute(
        select(told.epoch, told.record_seq).where(
            told.pool == pool,
            told.card_id == tried.card_id,
            told.seq == tried.seq,
            told.pin_round == tried.pin_round,
            told.terminal == terminal,
        )
    )
    return [(row.epoch, row.record_seq) for row in rows]


def _can_be(seq: int, pin_round: int) -> bool:
    """Whether a record's numbers can be a card's at all: the database has no room for others."""
    return 0 <= seq <= _MOST_SEQ and 1 <= pin_round <= MAX_ROUND


def pin_texts(tx: Connection, pool: str) -> Mapping[tuple[str, int], str]:
    """What terminals are told of every card's PIN, by card and number in its line."""
    texts = {}
    rows = tx.execute(_pins(pool).order_by(card_pin.c.pin_round))
    for row in rows:  # the newest round of a card is read last
        verifier = None if row.locked_at is not None else bytes.fromhex(row.verifier_hex)
        texts[row.card_id, row.seq] = verifier_text(row.pin_round, verifier)
    return texts


def locked_pins(tx: Connection, pool: str, at: datetime) -> list[CardPin]:
    """Cards whose present PIN is locked, the newest lock first; at most 200."""
    newest = (
        select(
            card_pin.c.card_id, card_pin.c.seq, func.max(card_pin.c.pin_round).label("pin_round")
        )
        .where(card_pin.c.pool == pool)
        .group_by(card_pin.c.card_id, card_pin.c.seq)
        .subquery()
    )
    rows = tx.execute(
        _pins(pool)
        .join(
            newest,
            (newest.c.card_id == card_pin.c.card_id)
            & (newest.c.seq == card_pin.c.seq)
            & (newest.c.pin_round == card_pin.c.pin_round),
        )
        .where(card_pin_lock.c.locked_at.is_not(None))
        .order_by(card_pin_lock.c.locked_at.desc())
        .limit(200)
    ).all()
    return [_pin(row, _wrong(tx, pool, (row.card_id, row.seq, row.pin_round), at)) for row in rows]


def _pins(pool: str, card_id: str | None = None, seq: int | None = None) -> Any:
    lock = card_pin_lock
    found = (
        select(card_pin, lock.c.locked_at)
        .outerjoin(
            lock,
            (lock.c.pool == card_pin.c.pool)
            & (lock.c.card_id == card_pin.c.card_id)
            & (lock.c.seq == card_pin.c.seq)
            & (lock.c.pin_round == card_pin.c.pin_round),
        )
        .where(card_pin.c.pool == pool)
    )
    if card_id is not None:
        found = found.where(card_pin.c.card_id == card_id, card_pin.c.seq == seq)
    return found


def _wrong(tx: Connection, pool: str, key: tuple[str, int, int], at: datetime) -> int:
    card_id, seq, pin_round = key
    counted = select(func.count()).where(
        card_pin_try.c.pool == pool,
        card_pin_try.c.card_id == card_id,
        card_pin_try.c.seq == seq,
        card_pin_try.c.pin_round == pin_round,
        card_pin_try.c.told_at > at - timedelta(days=TRIES_DAYS),
    )
    return int(tx.execute(counted).scalar_one())


def _live(tx: Connection, pool: str, card_id: str) -> Card | Refused:
    card = card_of(tx, pool, card_id)
    if card is None or card.state is not CardState.LIVE:
        return Refused(
            DirectoryProblem.UNKNOWN_CARD,
            f"没有这张可用的积分卡：{card_id}，请核对或换新卡 / no live card of this number: {card_id}",
        )
    return card


def _by_id(tx: Connection, pool: str, pin_id: str) -> Row[Any] | None:
    return tx.execute(
        select(card_pin).where(card_pin.c.pool == pool, card_pin.c.pin_id == pin_id)
    ).one_or_none()


def _begin(
    tx: Connection,
    pool: str,
    command: SetCardPin | UnlockCardPin,
    halves: tuple[str, str],
    *,
    seq: int,
    at: datetime,
) -> None:
    newest = select(func.coalesce(func.max(card_pin.c.pin_round), 0)).where(
        card_pin.c.pool == pool, card_pin.c.card_id == command.card_id, card_pin.c.seq == seq
    )
    tx.execute(
        insert(card_pin).values(
            pool=pool,
            card_id=command.card_id,
            seq=seq,
            pin_round=tx.execute(newest).scalar_one() + 1,
            pin_id=command.pin_id,
            began_by=_SET if isinstance(command, SetCardPin) else _UNLOCKED,
            verifier_hex=halves[0],
            proof_key_hex=halves[1],
            began_at=at,
            reason=command.reason,
        )
    )


def _pin(row: Row[Any], wrong: int) -> CardPin:
    return CardPin(
        card_id=row.card_id,
        seq=row.seq,
        pin_round=row.pin_round,
        verifier_hex=row.verifier_hex,
        proof_key_hex=row.proof_key_hex,
        began_at=row.began_at,
        reason=row.reason,
        is_locked=row.locked_at is not None,
        wrong=wrong,
    )


def _conflict(
    command: SetCardPin | UnlockCardPin, before: Row[Any], seq: int, began_by: str
) -> Refused:
    """Both are named but for the PINs, of which is said only that they differ."""
    stands = (before.card_id, before.seq, before.began_by)
    asked = (command.card_id, seq, began_by)
    return conflict(
        "密码设置编号",
        command.pin_id,
        stands=stands,
        asked=(*asked, "另一个密码 another PIN") if asked == stands else asked,
        do=("请重试", "try again"),
    )
