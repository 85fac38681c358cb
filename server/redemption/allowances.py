"""What residents may spend right now, all at once: for the directory that terminals get."""

from datetime import datetime

from sqlalchemy import Connection

from server.directory.accounts import card_account, resident_account
from server.ledger.spendables import spendables

_PREFIXES = {"resident": resident_account(""), "card": card_account("")}


def spendable_points(tx: Connection, pool: str, at: datetime) -> dict[str, int]:
    """Points less live holds, by pseudonym or by the id of a denominated card."""
    return {
        account.removeprefix(prefix): points
        for kind, prefix in _PREFIXES.items()
        for account, points in spendables(tx, pool, kind, at).items()
    }
