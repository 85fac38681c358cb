"""What must hold after a run: the books, and what the pages had promised."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, select

from server.bootstrap.desk import make_desk
from server.commands.audit import INVARIANTS, run_audit
from server.db import reading
from server.ledger import Asset, HoldState, balance, hold_of
from server.ledger.live import live_holds_sum
from server.redemption.authorise import hold_key
from server.redemption.queries import Sale, sale_of
from server.redemption.states import SaleState
from server.redemption.tables import refund as refund_table
from server.redemption.tables import sale as sale_table
from simulate.device import Device
from simulate.pool import POOL, RESIDENTS, PoolServer
from simulate.witness import Shown, Witness
from terminal.domain.ports import SaleSummary, StoreFaultError
from terminal.domain.sale import SaleState as TillState

REPLAY = "I10"
"""It takes as long as all others together, so not every run pays for it."""

ALL_SALES = 10_000


@dataclass(frozen=True, slots=True)
class Wrong:
    """Something that must not be, in one sentence."""

    rule: str
    says: str


def judge(
    server: PoolServer, devices: Sequence[Device], witness: Witness, *, with_replay: bool
) -> list[Wrong]:
    """Everything that is wrong when the network is whole again and all has been told."""
    found: list[Wrong] = []
    only = [each for each in INVARIANTS if with_replay or each != REPLAY]
    with reading(server.engine) as tx:
        for finding in run_audit(tx, POOL, make_desk, only=only):
            if finding.stopped is not None:
                found.append(Wrong(finding.invariant, finding.stopped))
            found += [Wrong(finding.invariant, str(each)) for each in finding.violations]
        found += _promises(tx, devices, witness)
        found += _nothing_invented(tx, witness)
        found += _holds(tx, witness, server.clock())
        for device in devices:
            found += _pages(tx, device, witness)
    return found


def _promises(tx: Connection, devices: Sequence[Device], witness: Witness) -> Iterator[Wrong]:
    stopped = {device.name for device in devices if device.is_stopped}
    for shown in witness.completed.values():
        sale = sale_of(tx, POOL, shown.sale_id)
        if sale is None or sale.state is not SaleState.CAPTURED:
            if _is_excused(shown, witness, stopped):
                continue
            state = sale.state.value if sale else "unknown"
            yield Wrong(
                "acknowledged", f"{shown} was shown as completed, the server has it {state}"
            )
        elif not _same_figures(shown, sale):
            yield Wrong("figures", f"the page showed {shown}, the books have {sale}")
    for sale_id, why in witness.called_off.items():
        sale = sale_of(tx, POOL, sale_id)
        if sale is not None and sale.state is SaleState.CAPTURED:
            yield Wrong("called off", f"{sale_id} was called off ({why}), and is in the books")
    refunded = {row.sale_id for row in tx.execute(select(refund_table.c.sale_id))}
    for sale_id in witness.returned:
        shown_sale = witness.completed.get(sale_id)
        excused = shown_sale is not None and (
            sale_id in witness.may_be_lost
            or shown_sale.device in stopped | {each.name for each in devices if each.is_dead}
        )
        if str(sale_id) not in refunded and not excused:
            yield Wrong("returned", f"the goods of {sale_id} came back, the server does not know")


def _is_excused(shown: Shown, witness: Witness, stopped: AbstractSet[str]) -> bool:
    """What is on a stick is nowhere lost: not with a dead card, nor on a terminal that stopped."""
    if shown.sale_id in witness.on_stick:
        return False
    return shown.sale_id in witness.may_be_lost or shown.device in stopped


def _same_figures(shown: Shown, sale: Sale) -> bool:
    paid = sale.payment
    return (shown.receipt_no, shown.points, shown.cash_fen, shown.waived_fen) == (
        sale.receipt_no,
        paid.points_for_goods + paid.points_for_money,
        paid.cash_fen,
        paid.waived_fen,
    )


def _nothing_invented(tx: Connection, witness: Witness) -> Iterator[Wrong]:
    captured = select(sale_table.c.sale_id).where(sale_table.c.state == SaleState.CAPTURED.value)
    for row in tx.execute(captured):
        sale_id = UUID(row.sale_id)
        if sale_id not in witness.completed and sale_id not in witness.in_doubt:
            yield Wrong("invented", f"{sale_id} is in the books, and no page knows of it")


def _holds(tx: Connection, witness: Witness, now: datetime) -> Iterator[Wrong]:
    """A sale that has its outcome holds nothing, and nothing of it is left to expire."""
    decided = select(sale_table.c.sale_id, sale_table.c.state).where(
        sale_table.c.state.in_([SaleState.CAPTURED.value, SaleState.REVERSED.value])
    )
    for row in tx.execute(decided).all():
        own = hold_of(tx, POOL, hold_key(UUID(row.sale_id)))
        if own is not None and own.state is HoldState.HELD:
            yield Wrong("holds", f"{row.sale_id} is {row.state}, and its points are held")
    asked = select(sale_table.c.sale_id, sale_table.c.terminal).where(
        sale_table.c.state == SaleState.AUTHORISED.value
    )
    for row in tx.execute(asked).all():
        if row.terminal not in witness.copied | witness.put_back:
            yield Wrong("undecided", f"{row.sale_id} was asked for and called off, and is open")
    for account in RESIDENTS:
        held = live_holds_sum(tx, POOL, f"resident:{account}", Asset.POINTS, now)
        if held:
            yield Wrong("holds", f"{held} points of {account} are held, and no sale is open")
        if balance(tx, POOL, f"resident:{account}", Asset.POINTS) < 0:
            yield Wrong("balance", f"{account} is below zero")


def _pages(tx: Connection, device: Device, witness: Witness) -> Iterator[Wrong]:
    """What a device's own list of sales says is what it had shown, and what the server has."""
    if device.is_dead:
        return
    try:
        store = device.look_inside()
        listed = {each.row.sale_id: each for each in store.recent_sales(ALL_SALES)}
    except StoreFaultError as fault:
        yield Wrong("storage", f"{device.name} cannot be read: {fault}")
        return
    yield from _listed(device, listed, witness)
    for each in listed.values():
        yield from _told_is_true(tx, device, each)
    if device.is_stopped:
        if device.enrolled.identity.terminal not in witness.copied:
            yield Wrong("stopped", f"{device.name} sells no more, and nobody copied its card")
        return
    if store.untold():
        yield Wrong("untold", f"{device.name} has {store.untold()} records nobody took")
    if store.unfinished():
        yield Wrong("undecided", f"{device.name} has sales that are neither done nor undone")


def _listed(
    device: Device, listed: Mapping[UUID, SaleSummary], witness: Witness
) -> Iterator[Wrong]:
    for shown in witness.of_device(device.name):
        mine = listed.get(shown.sale_id)
        if mine is None:
            if shown.sale_id not in witness.may_be_lost:
                yield Wrong("forgotten", f"{device.name} does not list {shown}")
        elif (mine.row.receipt_no, mine.row.points, mine.row.cash_fen) != (
            shown.receipt_no,
            shown.points,
            shown.cash_fen,
        ):
            yield Wrong("list", f"{device.name} lists {mine}, it had shown {shown}")


def _told_is_true(tx: Connection, device: Device, listed: SaleSummary) -> Iterator[Wrong]:
    row = listed.row
    if row.state is not TillState.CAPTURED or not listed.told or listed.parked:
        return
    sale = sale_of(tx, POOL, row.sale_id)
    if sale is None or sale.state is not SaleState.CAPTURED:
        yield Wrong("told", f"{device.name} says {row.receipt_no} was told, the server has no such")
