"""A statement with everything on it, kept as a file that was worked out by hand."""

import json
from pathlib import Path

import msgspec

from server.bootstrap.desk import make_desk
from server.commands.audit import run_audit
from server.db import create_all, metadata, open_engine, reading
from server.settlement.disputes_store import disputes_of_statement
from server.settlement.disputes_values import RaiseDispute
from server.settlement.document_values import StatementDocument
from tests.support.golden import check
from tests.unit.settlement.golden_world import LI, at, first_period, second_period, told
from tests.unit.settlement.real_world import RealWorld


def dispute_every_line(world: RealWorld, made: StatementDocument) -> None:
    """Each alone and with its own reason: whatever its kind, and whether it moved anything."""
    for line in made.lines:
        dispute = RaiseDispute(
            dispute=f"line-{line.line_no}",
            statement=made.statement,
            line=line.key,
            reason=f"第 {line.line_no} 笔不对",
            on_behalf="电话",
        )
        told(world, LI, dispute)
    with reading(world.engine) as tx:
        found = disputes_of_statement(tx, world.pool, made.statement)
    assert [(each.line, each.reason) for each in found] == [
        (line.key, f"第 {line.line_no} 笔不对") for line in made.lines
    ]
    assert {line.kind for line in made.lines} >= {"sale", "refund", "adjustment", "declared"}
    assert [line.entry_no for line in made.lines].count(0) == 1


def test_a_statement_with_everything_on_it(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/pool.db")
    create_all(engine, metadata)
    world = RealWorld(engine, "guanghui", now=at(2))
    first_period(world)
    second_period(world)
    made = world.document("dian-20260331")
    found = [
        (row.contract, row.category, row.from_fen, row.takings_fen, row.share_fen)
        for row in made.shares
    ]
    # 900.00 were in the month before: 100.00 more fill the first tier, 250.00 lie above it.
    # c-2: 25.00 of medicine, of which 12.50 came back; 100.00 of vegetables, and what the shop
    # declared beyond its records: 1,500.00 less 900.00, 300.00, 50.00, 15.00 - 2.50 and 100.00.
    counted_fen = 90_000 + 30_000 + 5_000 + 1_500 + 10_000 - 250
    assert found == [
        ("c-1", "", 0, 10_000, 300),
        ("c-1", "", 100_000, 25_000, 1_250),
        ("c-2", "", 0, 10_000 + 150_000 - counted_fen, 1_425),
        ("c-2", "药品", 0, 1_250, 100),
    ]
    assert [(row.days, row.rent_fen) for row in made.rents] == [(7, 27_097), (16, 77_420)]
    (minimum,) = made.minimum
    assert (minimum.days, minimum.minimum_fen, minimum.share_fen, minimum.added_fen) == (
        16,
        20_000 - 20_000 * 15 // 31,
        1_525,
        20_000 - 20_000 * 15 // 31 - 1_525,
    )
    assert [(row.amount_fen, row.of_statement) for row in made.adjustments] == [
        (500, "dian-20260308")
    ]
    assert [(row.direction, row.amount_fen, row.state) for row in made.payments] == [
        ("receive", 20_000, "paid")
    ]
    # Both vouchers' points; one was used, and paid for.
    (voucher,) = made.goods
    assert (voucher.kind, voucher.points, voucher.units_milli, voucher.fee_fen) == (
        "voucher",
        40,
        1_000,
        1_500,
    )
    assert made.net_fen < 0
    assert made.closing_fen == made.opening_fen + made.net_fen + made.received_fen
    assert sum(line.share_fen for line in made.lines) == made.share_fen == 3_075
    assert sum(line.takings_fen for line in made.lines) == made.takings_fen
    assert [line.late for line in made.lines if line.memo and line.business_date.day == 5] == [True]
    text = json.dumps(msgspec.to_builtins(made), ensure_ascii=False, indent=1)
    check("statement_with_everything.json", text + "\n")
    dispute_every_line(world, made)
    with reading(engine) as tx:
        assert made == world.read(tx, "dian-20260331")
        audited = run_audit(tx, world.pool, make_desk)
    assert {each.invariant: each.violations for each in audited if each.broken} == {}
