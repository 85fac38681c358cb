"""The tables to which sales and records are written through a working set."""

from server.db.roles import rights_of
from server.db.working_set import Stored
from server.redemption import tables as t

SALE = Stored(t.sale, changes=rights_of(t.sale).update)
SALE_LINE = Stored(t.sale_line)
JOURNAL_RECORD = Stored(t.journal_record)
STOCK_LEVEL = Stored(t.stock_level, changes=("level_milli",))
STOCK_MOVEMENT = Stored(t.stock_movement)
