"""I12 at the door: every route of the pages, walked with another merchant's ids.

The routes are read off the application, so one that is added later is walked as well. A route
that takes an id which nobody here knows how to find fails the walk: say in `IDS` what it names.
"""

from collections.abc import Callable, Iterator
from itertools import product

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Column, select
from werkzeug.routing import Map, Rule

from server.db import reading
from server.facts.tables import fact
from server.ledger.tables import entry, transfer
from server.redemption.tables import refund, sale
from server.settlement.day_sums_tables import placed_line
from server.settlement.tables import statement
from tests.unit.portal.portal_world import MERCHANT, OTHER, PortalWorld, csrf_of

OPEN_TO_ALL = {"portal.sign_in", "portal.sign_out", "portal.static"}


def _of_table(column: Column[str], owner: Column[str]) -> Callable[[PortalWorld, str], list[str]]:
    def found(portal: PortalWorld, merchant: str) -> list[str]:
        with reading(portal.pool.engine) as tx:
            rows = select(column).where(owner == merchant).order_by(column)
            return [str(each) for each in tx.execute(rows).scalars()]

    return found


def _line_keys(portal: PortalWorld, merchant: str) -> list[str]:
    rows = (
        select(entry.c.key)
        .join(transfer, transfer.c.entry_no == entry.c.entry_no)
        .join(placed_line, placed_line.c.transfer_no == transfer.c.transfer_no)
        .join(statement, statement.c.statement == placed_line.c.statement)
        .where(statement.c.merchant == merchant)
        .distinct()
    )
    with reading(portal.pool.engine) as tx:
        booked = set(tx.execute(rows).scalars())
        # What moved nothing is a line as well, in no entry.
        sold = select(sale.c.sale_id).where(sale.c.merchant == merchant, sale.c.seq.is_not(None))
        return sorted(booked | {f"sale:{each}" for each in tx.execute(sold).scalars()})


IDS: dict[str, Callable[[PortalWorld, str], list[str]]] = {
    "statement": _of_table(statement.c.statement, statement.c.merchant),
    "key": _line_keys,
}
"""What a route's argument names: the ids of it that are a merchant's."""

NO_IDS: dict[str, tuple[str, ...]] = {"kind": ("pdf", "csv")}
"""Arguments that name nothing of anybody (a format, a language), with values to try."""


def routes(portal: PortalWorld) -> list[Rule]:
    return [
        rule
        for rule in portal.app.url_map.iter_rules()
        if rule.endpoint.startswith("portal.") and rule.endpoint not in OPEN_TO_ALL
    ]


def methods(rule: Rule) -> list[str]:
    return sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})


def addresses(portal: PortalWorld, rule: Rule) -> Iterator[tuple[str, bool]]:
    """Every address of a route that can be made of both merchants' ids, and whether all of them
    are the one's who is signed in.
    """
    choices: list[list[tuple[str, str, bool]]] = []
    for name in sorted(rule.arguments):
        if name in NO_IDS:
            choices.append([(name, value, True) for value in NO_IDS[name]])
            continue
        assert name in IDS, f"{rule.rule} takes {name}: say in IDS which ids those are"
        own, others = IDS[name](portal, MERCHANT), IDS[name](portal, OTHER)
        assert own, name
        assert others, name
        choices.append(
            [(name, value, True) for value in own] + [(name, value, False) for value in others]
        )
    for chosen in product(*choices):
        built = portal.app.url_map.bind("localhost").build(
            rule.endpoint, {name: value for name, value, _ in chosen}
        )
        yield built, all(is_own for _, _, is_own in chosen)


def secrets_of(portal: PortalWorld, merchant: str) -> set[str]:
    """Words that stand on nobody's pages but this merchant's."""
    found = {f"t-{merchant}", f"c-{merchant}"}
    with reading(portal.pool.engine) as tx:
        for table in (sale, refund):
            rows = select(table.c.receipt_no).where(
                table.c.merchant == merchant, table.c.receipt_no.is_not(None)
            )
            found |= set(tx.execute(rows).scalars())
    return found | set(IDS["statement"](portal, merchant)) | {"听篌街兑换站"}


def facts(portal: PortalWorld) -> int:
    with reading(portal.pool.engine) as tx:
        return len(tx.execute(select(fact.c.fact_no)).all())


def ask(client: FlaskClient, method: str, address: str) -> tuple[int, str]:
    data = {"csrf": csrf_of(client)} if method != "GET" else None
    answer = client.open(address, method=method, data=data)
    return answer.status_code, answer.get_data().decode(errors="replace")


def test_no_route_answers_to_another_merchants_ids_or_to_a_mixture(portal: PortalWorld) -> None:
    client = portal.signed_in(MERCHANT)
    before, walked = facts(portal), 0
    for rule in routes(portal):
        for (address, is_own), method in product(addresses(portal, rule), methods(rule)):
            if is_own:
                continue
            status, page = ask(client, method, address)
            assert status == 404, f"{method} {address}"
            assert not [word for word in secrets_of(portal, OTHER) if word in page], address
            walked += 1
    assert walked >= 10
    assert facts(portal) == before


def test_no_page_of_his_own_tells_a_merchant_of_the_other(portal: PortalWorld) -> None:
    client = portal.signed_in(MERCHANT)
    secrets, seen = secrets_of(portal, OTHER), 0
    # What a route reads of the question must not lead it elsewhere either.
    asked = "&".join(f"{name}={found(portal, OTHER)[0]}" for name, found in sorted(IDS.items()))
    for rule in routes(portal):
        if "GET" not in methods(rule):
            continue
        for address, is_own in addresses(portal, rule):
            if not is_own:
                continue
            for question in ("", f"?merchant={OTHER}&shop={OTHER}&{asked}"):
                answer = client.get(address + question)
                assert answer.status_code in {200, 302, 303, 404}, address
                page = (
                    answer.get_data()
                    .decode(errors="replace")
                    .replace(question.replace("&", "&amp;"), "")
                )
                told = [word for word in secrets if word in page and word not in question]
                assert told == [], address + question
                seen += answer.status_code == 200
    assert seen >= 4


def test_the_walk_knows_nobodys_id_for_a_route_that_it_was_not_told_about(
    portal: PortalWorld,
) -> None:
    stranger = Rule("/portal/letters/<letter>", endpoint="portal.letter")
    Map([stranger])
    with pytest.raises(AssertionError, match="takes letter: say in IDS"):
        list(addresses(portal, stranger))
