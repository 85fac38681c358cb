"""What became of a shop's own prices at a terminal: one record for each act, however many goods.

A list of 50,000 goods does not fit into a record. Its record holds hashes: of the file as it was
handed in, and of the whole list as it stood afterwards, in the form in which it is exported.
"""

from msgspec import Struct


class PricesImported(Struct, frozen=True, kw_only=True, tag="prices_imported"):
    """A price list was taken over. ``person`` stood at the till, ``approved_by`` is the owner.

    Attributes:
        file_sha256: hex, of the file's bytes.
        list_sha256: hex, of the list afterwards as the terminal exports it in CSV.
        items: goods that the list has afterwards.
        added, changed, removed: against the list before; ``changed`` in any of its columns.
        repriced: those of ``changed`` whose price is another one.
        refused_rows: rows that were left out because something was wrong with them.
    """

    file_sha256: str
    list_sha256: str
    items: int
    added: int
    changed: int
    repriced: int
    removed: int
    refused_rows: int
    reason: str
    person: str | None = None
    approved_by: str | None = None


class PriceChanged(Struct, frozen=True, kw_only=True, tag="price_changed"):
    """One price was changed at the till. Fen, for one of its unit."""

    code: str
    name: str
    before_fen: int
    after_fen: int
    reason: str
    person: str | None = None
    approved_by: str | None = None
