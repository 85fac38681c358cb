"""Bookkeeping tables: each row an entry, what the ledger answers, and the balances after it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from sqlalchemy import Connection, Engine, event, func, select

from server.db import writing
from server.ledger import (
    AlreadyPosted,
    Asset,
    EntryDraft,
    InsufficientBalance,
    KeyConflict,
    LedgerFault,
    Leg,
    Normal,
    Posted,
    UnknownAccount,
    balance,
    check_ledger,
    entry_of,
    open_account,
    post,
    post_many,
    transfers_of_entry,
)
from server.ledger.tables import entry, ledger_head, transfer

POOL = "guanghui"
NOON = datetime(2025, 3, 1, 4, 0, tzinfo=UTC)
TODAY = date(2025, 3, 1)


def points(debit: str, credit: str, amount: int) -> Leg:
    return Leg(Asset.POINTS, "move", debit, credit, amount)


def draft(key: str, *legs: Leg) -> EntryDraft:
    return EntryDraft(key, key.partition(":")[0], NOON, TODAY, legs)


def book(tx: Connection, an_entry: EntryDraft, fact_no: int = 1) -> object:
    return post(tx, POOL, an_entry, recorded_at=NOON, fact_no=fact_no)


ONE_LEG = points("issued", "resident:a", 10)
AN_AWARD = draft("award:1", ONE_LEG)

AN_AWARD_AND_TWO_SALES = """
entry      debit       credit      asset   amount  answer    | resident:a resident:b redeemed merchant:m fund
award:1    issued      resident:a  points     100  posted    |        100          0        0          0    0
award:2    issued      resident:b  points      30  posted    |        100         30        0          0    0
sale:1     resident:a  redeemed    points      72  posted    |         28         30       72          0    0
pay:1      fund        merchant:m  fen        720  posted    |         28         30       72        720 -720
sale:2     resident:a  redeemed    points      29  missing:1 |         28         30       72        720 -720
sale:3     resident:a  redeemed    points      28  posted    |          0         30      100        720 -720
sale:3     resident:a  redeemed    points      28  already   |          0         30      100        720 -720
sale:3     resident:b  redeemed    points      28  conflict  |          0         30      100        720 -720
sale:4     resident:a  redeemed    points       1  missing:1 |          0         30      100        720 -720
"""

A_REFUND_GOES_BACK_AS_A_NEW_ENTRY = """
entry      debit       credit      asset   amount  answer    | resident:a overdraft:a redeemed
award:1    issued      resident:a  points      50  posted    |         50           0        0
sale:1     resident:a  redeemed    points      50  posted    |          0           0       50
over:1     overdraft:a redeemed    points      20  posted    |          0          20       70
refund:1   redeemed    resident:a  points      50  posted    |         50          20       20
clear:1    resident:a  overdraft:a points      20  posted    |         30           0       20
sale:1     resident:a  redeemed    points      50  already   |         30           0       20
clear:2    resident:a  overdraft:a points      31  missing:1 |         30           0       20
"""


@pytest.mark.parametrize("table", [AN_AWARD_AND_TWO_SALES, A_REFUND_GOES_BACK_AS_A_NEW_ENTRY])
def test_entries_leave_the_balances_of_the_table(books: Engine, table: str) -> None:
    header, *rows = table.strip().splitlines()
    accounts = header.split("|")[1].split()
    for row in rows:
        told, expected = row.split("|")
        key, debit, credit, asset, amount, answer = told.split()
        with writing(books) as tx:
            leg = Leg(Asset(asset), "move", debit, credit, int(amount))
            outcome = book(tx, draft(key, leg))
            assert _word(outcome) == answer, row
        with writing(books) as tx:
            found = [balance(tx, POOL, each, _asset(each)) for each in accounts]
            assert found == [int(each) for each in expected.split()], row
            assert list(check_ledger(tx, POOL)) == []


def _word(outcome: object) -> str:
    match outcome:
        case Posted():
            return "posted"
        case AlreadyPosted():
            return "already"
        case KeyConflict():
            return "conflict"
        case InsufficientBalance(missing=missing):
            return f"missing:{missing}"
        case _:
            raise AssertionError(outcome)


def _asset(account: str) -> Asset:
    return Asset.FEN if account.startswith(("merchant", "fund")) else Asset.POINTS


def test_an_entry_of_two_assets_is_booked_whole(books: Engine) -> None:
    sale = draft(
        "capture:1",
        points("resident:a", "redeemed", 72),
        Leg(Asset.FEN, "reimburse", "fund", "merchant:m", 720),
    )
    with writing(books) as tx:
        book(tx, draft("award:1", points("issued", "resident:a", 100)))
        posted = book(tx, replace(sale, memo="鸡蛋"), fact_no=9)
        assert posted == Posted(2)
        legs = transfers_of_entry(tx, POOL, 2)
    assert [(leg.transfer_no, leg.asset, leg.debit, leg.credit, leg.amount) for leg in legs] == [
        (2, Asset.POINTS, "resident:a", "redeemed", 72),
        (3, Asset.FEN, "fund", "merchant:m", 720),
    ]
    assert {(leg.key, leg.fact_no, leg.memo, leg.business_date) for leg in legs} == {
        ("capture:1", 9, "鸡蛋", TODAY)
    }


def test_a_refused_entry_writes_nothing_and_uses_no_number(books: Engine) -> None:
    with writing(books) as tx:
        book(tx, draft("award:1", points("issued", "resident:a", 10)))
        before = _everything(tx)
        refused = book(
            tx,
            draft(
                "sale:1",
                points("resident:a", "redeemed", 10),
                Leg(Asset.FEN, "reimburse", "fund", "merchant:m", 100),
                points("resident:b", "redeemed", 4),
            ),
        )
        assert refused == InsufficientBalance("resident:b", Asset.POINTS, 4)
        assert _everything(tx) == before
        assert entry_of(tx, POOL, "sale:1") is None
        assert book(tx, draft("sale:2", points("resident:a", "redeemed", 10))) == Posted(2)


def test_a_later_leg_does_not_excuse_an_earlier_one_below_zero(books: Engine) -> None:
    out_then_in = draft(
        "swap:1", points("resident:a", "redeemed", 5), points("issued", "resident:a", 5)
    )
    in_then_out = draft(
        "swap:2", points("issued", "resident:a", 5), points("resident:a", "redeemed", 5)
    )
    with writing(books) as tx:
        assert book(tx, out_then_in) == InsufficientBalance("resident:a", Asset.POINTS, 5)
        assert book(tx, in_then_out) == Posted(1)


def test_a_conflict_names_both_inputs(books: Engine) -> None:
    first = draft("award:1", points("issued", "resident:a", 10))
    with writing(books) as tx:
        book(tx, first)
        conflict = book(tx, replace(first, memo="other"))
        booked = entry_of(tx, POOL, "award:1")
    assert booked is not None
    assert isinstance(conflict, KeyConflict)
    assert (conflict.key, conflict.entry_no) == ("award:1", 1)
    assert conflict.booked_hash == booked.input_hash
    assert conflict.given_hash != conflict.booked_hash


@pytest.mark.parametrize(
    "asked",
    [
        replace(AN_AWARD, kind="gift"),
        replace(AN_AWARD, occurred_at=NOON + timedelta(microseconds=1)),
        replace(AN_AWARD, business_date=TODAY - timedelta(days=1)),
        replace(AN_AWARD, memo="other"),
        replace(AN_AWARD, legs=(replace(ONE_LEG, asset=Asset.FEN),)),
        replace(AN_AWARD, legs=(replace(ONE_LEG, code="gift"),)),
        replace(AN_AWARD, legs=(replace(ONE_LEG, debit="overdraft:a"),)),
        replace(AN_AWARD, legs=(replace(ONE_LEG, credit="resident:b"),)),
        replace(AN_AWARD, legs=(replace(ONE_LEG, amount=11),)),
        replace(AN_AWARD, legs=(ONE_LEG, points("issued", "resident:b", 1))),
    ],
)
def test_whatever_differs_of_an_entry_under_its_key_is_a_conflict(
    books: Engine, asked: EntryDraft
) -> None:
    with writing(books) as tx:
        book(tx, AN_AWARD)
        before = _everything(tx)
        assert isinstance(book(tx, asked), KeyConflict)
        assert _everything(tx) == before


def test_the_same_moment_in_another_time_zone_is_the_same_input(books: Engine) -> None:
    first = draft("award:1", points("issued", "resident:a", 10))
    in_zhengzhou = NOON.astimezone(timezone(timedelta(hours=8)))
    with writing(books) as tx:
        book(tx, first)
        assert book(tx, replace(first, occurred_at=in_zhengzhou)) == AlreadyPosted(1)


def test_the_callers_hash_decides_where_the_legs_follow_from_the_books(books: Engine) -> None:
    asked = bytes(range(32))
    whole = replace(draft("capture:1", points("issued", "resident:a", 10)), input_hash=asked)
    split = replace(
        draft("capture:1", points("issued", "resident:a", 7), points("issued", "resident:b", 3)),
        input_hash=asked,
    )
    with writing(books) as tx:
        assert book(tx, whole) == Posted(1)
        assert book(tx, split) == AlreadyPosted(1)
        assert isinstance(book(tx, replace(split, input_hash=bytes(32))), KeyConflict)


def test_a_later_hour_of_recording_and_another_fact_are_no_other_input(books: Engine) -> None:
    first = draft("award:1", points("issued", "resident:a", 10))
    with writing(books) as tx:
        book(tx, first)
        later = post(tx, POOL, first, recorded_at=NOON + timedelta(days=400), fact_no=99)
    assert later == AlreadyPosted(1)


def test_an_account_that_was_never_opened_is_a_fault_that_names_it(books: Engine) -> None:
    stranger = draft("award:1", points("issued", "resident:z", 10))
    with pytest.raises(UnknownAccount, match=r"resident:z \(points\)"), writing(books) as tx:
        book(tx, stranger)
    other_asset = draft("award:1", Leg(Asset.FEN, "move", "fund", "resident:a", 1))
    with pytest.raises(UnknownAccount, match=r"resident:a \(fen\)"), writing(books) as tx:
        book(tx, other_asset)
    with pytest.raises(UnknownAccount, match="yamen"), writing(books) as tx:
        post(tx, "yamen", stranger, recorded_at=NOON, fact_no=1)


@pytest.mark.parametrize(
    ("legs", "says"),
    [
        ((), "0 legs"),
        ((points("issued", "resident:a", 1),) * 1_001, "1001 legs"),
        ((points("issued", "resident:a", 0),), "cannot move 0"),
        ((points("issued", "resident:a", -5),), "cannot move -5"),
        ((points("issued", "resident:a", 10**15 + 1),), "cannot move 1000000000000001"),
        ((points("issued", "resident:a", True),), "cannot move True"),
        ((points("resident:a", "resident:a", 1),), "both sides"),
    ],
)
def test_nonsense_is_a_fault(books: Engine, legs: tuple[Leg, ...], says: str) -> None:
    with pytest.raises(LedgerFault, match=says), writing(books) as tx:
        book(tx, draft("award:1", *legs))


def test_pools_are_counted_and_keyed_apart(books: Engine) -> None:
    with writing(books) as tx:
        open_account(tx, "yamen", "issued", Asset.POINTS, "issued", normal=Normal.DEBIT, hot=True)
        open_account(tx, "yamen", "resident:a", Asset.POINTS, "resident", normal=Normal.CREDIT)
        award = draft("award:1", points("issued", "resident:a", 10))
        assert book(tx, award) == Posted(1)
        assert post(tx, "yamen", award, recorded_at=NOON, fact_no=1) == Posted(1)
        assert balance(tx, "yamen", "resident:a", Asset.POINTS) == 10


def test_opening_an_account_again_changes_nothing_and_otherwise_is_a_fault(books: Engine) -> None:
    with writing(books) as tx:
        book(tx, draft("award:1", points("issued", "resident:a", 10)))
        open_account(
            tx,
            POOL,
            "resident:a",
            Asset.POINTS,
            "resident",
            normal=Normal.CREDIT,
            floor_at_zero=True,
        )
        assert balance(tx, POOL, "resident:a", Asset.POINTS) == 10
        with pytest.raises(LedgerFault, match="other floor_at_zero"):
            open_account(tx, POOL, "resident:a", Asset.POINTS, "resident", normal=Normal.CREDIT)
        with pytest.raises(LedgerFault, match="no floor"):
            open_account(
                tx,
                POOL,
                "x",
                Asset.FEN,
                "x",
                normal=Normal.DEBIT,
                hot=True,
                floor_at_zero=True,
            )


def test_many_entries_cost_no_more_statements_than_two(books: Engine) -> None:
    seen: list[str] = []
    event.listen(books, "before_cursor_execute", lambda *given: seen.append(given[2]))

    def statements_for(first: int, size: int) -> int:
        drafts = [
            draft(f"award:{first + n}", points("issued", ("resident:a", "resident:b")[n % 2], 1))
            for n in range(size)
        ]
        with writing(books) as tx:
            seen.clear()
            outcomes = post_many(tx, POOL, drafts, recorded_at=NOON, fact_no=1)
            cost = len(seen)
        assert [type(each) for each in outcomes] == [Posted] * size
        return cost

    assert statements_for(1, 2) == statements_for(101, 80) <= 9


def test_one_of_many_that_is_refused_stands_in_nobodys_way(books: Engine) -> None:
    with writing(books) as tx:
        outcomes = post_many(
            tx,
            POOL,
            [
                draft("award:1", points("issued", "resident:a", 10)),
                draft("sale:1", points("resident:a", "redeemed", 11)),
                draft("sale:2", points("resident:a", "redeemed", 10)),
                draft("sale:2", points("resident:a", "redeemed", 9)),
            ],
            recorded_at=NOON,
            fact_no=1,
        )
        assert outcomes[:3] == [
            Posted(1),
            InsufficientBalance("resident:a", Asset.POINTS, 1),
            Posted(2),
        ]
        assert isinstance(outcomes[3], KeyConflict)
        assert balance(tx, POOL, "resident:a", Asset.POINTS) == 0
        assert list(check_ledger(tx, POOL)) == []


def test_a_fault_in_one_of_many_books_none_of_them(books: Engine) -> None:
    drafts = [
        draft("award:1", points("issued", "resident:a", 10)),
        draft("award:2", points("issued", "resident:nobody", 10)),
    ]
    with writing(books) as tx:
        with pytest.raises(UnknownAccount, match="resident:nobody"):
            post_many(tx, POOL, drafts, recorded_at=NOON, fact_no=1)
        assert entry_of(tx, POOL, "award:1") is None


def _everything(tx: Connection) -> list[object]:
    counts = [
        tx.execute(select(func.count()).select_from(table)).scalar_one()
        for table in (entry, transfer)
    ]
    heads = [tuple(row) for row in tx.execute(select(ledger_head))]
    return [*counts, *heads, balance(tx, POOL, "resident:a", Asset.POINTS)]
