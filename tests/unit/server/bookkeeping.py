"""What tests look at in the books after a sale."""

from dataclasses import dataclass

from server.ledger import entry_of, transfers_of_entry
from tests.unit.server.world import ZHANG, World


@dataclass(frozen=True)
class Books:
    """Balances that a sale moves: points of the resident, fen of the merchant."""

    resident: int
    overdraft: int
    redeemed: int
    owed_fen: int
    takings_fen: int


def books(world: World, account: str = ZHANG, merchant: str = "shop-a") -> Books:
    return Books(
        resident=world.points(f"resident:{account}"),
        overdraft=world.points(f"offline_overdraft:{account}"),
        redeemed=world.points(f"redeemed:{merchant}"),
        owed_fen=world.fen(f"merchant:{merchant}"),
        takings_fen=world.fen(f"takings:{merchant}"),
    )


def codes(world: World, key: str) -> list[tuple[str, int]]:
    """Code and amount of each leg of an entry."""
    entry = world.read(lambda tx: entry_of(tx, world.pool, key))
    assert entry is not None, key
    legs = world.read(lambda tx: transfers_of_entry(tx, world.pool, entry.entry_no))
    return [(leg.code, leg.amount) for leg in legs]
