"""A file of an earlier program is brought up to date with everything in it, or left as it was."""

import json
import sqlite3
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection, create_engine, text

from protocol.documents import Catalogue
from terminal.domain.ports import StoreFaultError
from terminal.store import steps
from terminal.store.disk import open_engine
from terminal.store.steps import SCHEMA_VERSION, s0001_first_sale
from terminal.store.tables import metadata
from tests.support.shop import (
    ITEMS,
    NOON,
    RESIDENTS,
    WANG,
    WANGS_CARD,
    ZHANG,
    Shop,
    directory,
    policy,
)


def shape(path: Path) -> dict[str, object]:
    """Every table's columns, keys and uniques, as SQLite has them."""
    found: dict[str, object] = {}
    with sqlite3.connect(path) as db:
        names = db.execute(
            "select type, name, tbl_name from sqlite_master where name not like 'sqlite_%'"
        ).fetchall()
        for kind, name, table in names:
            if kind == "table":
                columns = sorted(row[1:] for row in db.execute(f"pragma table_info({name})"))
                keys = sorted(row[2:] for row in db.execute(f"pragma foreign_key_list({name})"))
                indexes = sorted(
                    (unique, [each[2] for each in db.execute(f"pragma index_info({index})")])
                    for _, index, unique, *_ in db.execute(f"pragma index_list({name})")
                )
                found[name] = columns, keys, indexes
            else:
                found[f"{kind} {name}"] = table
    return found


def as_version_1(path: Path, made: Shop) -> None:
    """Write the shop's rows into a file as the first program made it."""
    with sqlite3.connect(path) as old:
        old.execute("pragma journal_mode=wal")
        for statement in s0001_first_sale.STATEMENTS:
            old.execute(statement)
        old.execute(f"attach '{made.path / 'terminal.db'}' as there")
        tables = [
            row[0] for row in old.execute("select name from main.sqlite_master where type='table'")
        ]
        for table in tables:
            columns = ", ".join(row[1] for row in old.execute(f"pragma main.table_info({table})"))
            old.execute(f"insert into main.{table} ({columns}) select {columns} from there.{table}")
        old.commit()
        old.execute("pragma user_version=1")
    old.close()


def test_the_steps_make_what_the_tables_say(tmp_path: Path) -> None:
    open_engine(tmp_path / "stepped.db").dispose()
    declared = create_engine(f"sqlite:///{tmp_path / 'declared.db'}")
    metadata.create_all(declared)
    declared.dispose()
    assert shape(tmp_path / "stepped.db") == shape(tmp_path / "declared.db")


def test_a_file_of_version_1_is_upgraded_with_its_sales(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    made = Shop(tmp_path / "new")
    made.take(policy(), Catalogue(version=1, made_at=NOON, items=ITEMS), directory())
    made.till.start("test")
    for _ in range(3):
        made.till.add_item("bun")
        made.till.complete(made.till.snapshot()[0].sale_id)
    as_version_1(tmp_path / "terminal.db", made)
    before, untold = made.store.recent_sales(9), made.outbox.next_batch()
    made.store.close()

    upgraded = Shop(tmp_path)
    with upgraded.store.reading() as connection:
        assert connection.execute(text("pragma user_version")).scalar() == SCHEMA_VERSION
    assert upgraded.store.recent_sales(9) == before
    assert upgraded.outbox.next_batch() == untold
    upgraded.till.start("test")
    upgraded.till.add_item("bun")
    upgraded.till.complete(upgraded.till.snapshot()[0].sale_id)
    shown = upgraded.page.view().completed
    assert shown is not None
    assert shown.receipt_no == "T0001-000004"
    assert shape(tmp_path / "terminal.db") == shape(tmp_path / "new" / "terminal.db")
    upgraded.store.close()


def test_a_step_that_fails_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "terminal.db"
    open_engine(path).dispose()
    before = shape(path)

    def half(connection: Connection) -> None:
        connection.exec_driver_sql("create table half (a integer)")
        raise StoreFaultError("the power went")

    monkeypatch.setattr(steps, "STEPS", (*steps.STEPS, half))
    monkeypatch.setattr(steps, "SCHEMA_VERSION", len(steps.STEPS))
    monkeypatch.setattr("terminal.store.disk.SCHEMA_VERSION", len(steps.STEPS))
    with pytest.raises(StoreFaultError, match="power"):
        open_engine(path)
    assert shape(path) == before
    monkeypatch.undo()
    open_engine(path).dispose()


def test_a_file_of_a_newer_program_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "terminal.db"
    open_engine(path).dispose()
    with sqlite3.connect(path) as db:
        db.execute(f"pragma user_version={SCHEMA_VERSION + 1}")
    db.close()
    with pytest.raises(StoreFaultError, match="newer program"):
        open_engine(path)


def holder_of_wangs_card(shop: Shop) -> str | None:
    holder = shop.store.holder_of_card(WANGS_CARD, 1)
    return holder.account if holder is not None else None


def test_a_directory_that_was_one_document_goes_on_as_rows(tmp_path: Path) -> None:
    """The till stands in by it, cards and all, until the server gives the whole anew."""
    path = tmp_path / "terminal.db"
    entries = [msgspec.to_builtins(each) for each in RESIDENTS]
    body = {"version": 7, "made_at": "2026-11-12T03:50:00Z", "entries": entries}
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        for step in steps.STEPS[:7]:
            step(connection)
        connection.execute(
            text("insert into document values ('directory', 7, :body, x'00')"),
            {"body": json.dumps(body).encode()},
        )
        connection.execute(text("pragma user_version=7"))
    engine.dispose()
    shop = Shop(tmp_path)
    head = shop.store.documents().directory
    assert head is not None
    assert head.version == 7
    assert shop.store.resident(ZHANG) == RESIDENTS[0]
    assert holder_of_wangs_card(shop) == WANG
    assert shop.store.directory_asked().digest == "", "no server has such a one: it gives all"
    shop.take(directory(version=8, residents=RESIDENTS[1:]))
    assert shop.store.resident(ZHANG) is None
    assert holder_of_wangs_card(shop) == WANG
    shop.store.close()
