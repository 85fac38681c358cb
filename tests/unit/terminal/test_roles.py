"""What needs the owner or the technician: asked for, and written down with its reason."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from flask.testing import FlaskClient

from drivers.simulated.printer import SimulatedPrinter
from protocol.acts import Act, PersonActed
from protocol.documents import AccountStatus, DirectoryCard, DirectoryEntry
from protocol.journal import Envelope, decode_happening
from terminal.app import create_app
from terminal.checkout.card_look_up import CardLookedUp, CardLookUp
from terminal.diagnostics.desk import PrinterDesk
from terminal.domain.notice import Notice, NoticeCode
from terminal.domain.staff import Role
from tests.support.shop import NOON, RESIDENTS, WANG, WANGS_CARD, Shop, directory
from tests.support.till_web import desk_of

OWNER, CASHIER, TECHNICIAN = "4719", "2580", "936614"
OURS = {"X-Huidian": "1"}


@pytest.fixture
def staffed(shop: Shop) -> Shop:
    shop.staff.add("店主", Role.OWNER, OWNER, None)
    shop.staff.add("小王", Role.CASHIER, CASHIER, OWNER)
    shop.staff.add("老陈", Role.TECHNICIAN, TECHNICIAN, OWNER)
    return shop


def acts(shop: Shop, *which: Act) -> list[PersonActed]:
    with shop.store.reading() as connection:
        rows = connection.exec_driver_sql("select body from journal order by epoch, seq")
        found = [msgspec.json.decode(row[0], type=Envelope) for row in rows]
    happenings = (decode_happening(each.happening) for each in found)
    return [x for x in happenings if isinstance(x, PersonActed) and x.act in which]


@pytest.fixture
def printer(tmp_path: Path) -> Iterator[SimulatedPrinter]:
    with SimulatedPrinter(tmp_path / "paper") as made:
        yield made


@pytest.fixture
def file(tmp_path: Path, printer: SimulatedPrinter) -> Path:
    settings = tmp_path / "terminal.toml"
    settings.write_text(f'printer = "escpos+tcp://127.0.0.1:{printer.port}"\n')
    return settings


def devices(shop: Shop, printer: SimulatedPrinter, file: Path) -> FlaskClient:
    url = f"escpos+tcp://127.0.0.1:{printer.port}"
    desk = PrinterDesk(url, "scanner+hid:/dev/input/event3", file, lambda: NOON)
    return create_app(desk_of(shop), desk).test_client()


CHOICE = {"encoding": "gbk", "columns": 32, "native_qr": True, "cutter": True}
STEPS: dict[str, dict[str, object]] = {
    "level": {},
    "papers": {},
    "choice": CHOICE,
    "drawer": {},
    "listen": {"on": True},
    "scanner": {"prefix": "", "baud": None, "layout": "us"},
}


def step(client: FlaskClient, name: str, **body: object) -> dict[str, object]:
    answer = client.post(f"/devices/{name}", json=body, headers=OURS)
    assert answer.status_code == 200, answer.text
    found = json.loads(answer.data)
    assert isinstance(found, dict)
    return found


def test_a_new_terminal_is_set_up_before_its_people(
    shop: Shop, printer: SimulatedPrinter, file: Path
) -> None:
    client = devices(shop, printer, file)
    assert 'id="reason"' not in client.get("/devices").text
    assert step(client, "level")["good"]
    (act,) = acts(shop, Act.DEVICE_TESTED)
    assert (act.about, act.person, act.approved_by) == ("level", None, None)


def test_the_devices_are_the_technicians_or_the_owners(
    staffed: Shop, printer: SimulatedPrinter, file: Path
) -> None:
    client, before = devices(staffed, printer, file), file.read_text()
    assert 'id="reason"' in client.get("/devices").text
    for pin in ("", CASHIER, "0000"):
        for name, body in STEPS.items():
            answer = step(client, name, pin=pin, **body)
            assert (answer["good"], "PIN" in str(answer["says"])) == (False, True), (name, pin)
    changes = (Act.PRINTER_CHANGED, Act.SCANNER_CHANGED, Act.DRAWER_TESTED)
    assert acts(staffed, Act.DEVICE_TESTED, *changes) == []
    assert file.read_text() == before
    assert printer.drawer_pulses() == 0


def test_each_step_is_a_record_with_who_allowed_it_and_why(
    staffed: Shop, printer: SimulatedPrinter, file: Path
) -> None:
    client = devices(staffed, printer, file)
    staffed.staff.sign_in("小王", CASHIER)
    assert step(client, "level", pin=TECHNICIAN, reason="换了打印机")["good"]
    assert step(client, "choice", pin=OWNER, **CHOICE)["good"]
    tested, changed = acts(staffed, Act.DEVICE_TESTED, Act.PRINTER_CHANGED)
    assert (tested.person, tested.approved_by, tested.reason) == ("小王", "老陈", "换了打印机")
    assert (changed.act, changed.approved_by, changed.reason) == (
        Act.PRINTER_CHANGED,
        "店主",
        "例行自检",
    )
    staffed.staff.sign_in("老陈", TECHNICIAN)
    assert 'id="reason"' not in client.get("/devices").text, "he is signed in"
    assert step(client, "level")["good"]


def test_wrong_pins_at_the_devices_are_throttled_as_everywhere(
    staffed: Shop, printer: SimulatedPrinter, file: Path
) -> None:
    client = devices(staffed, printer, file)
    for _ in range(5):
        step(client, "level", pin="0001")
    assert "错得太多" in str(step(client, "level", pin=TECHNICIAN)["says"])


def test_a_card_is_looked_up_with_the_owners_leave_alone(staffed: Shop) -> None:
    cards = CardLookUp(staffed.store, staffed.clock, staffed.staff)

    def code(found: CardLookedUp | Notice) -> NoticeCode:
        assert isinstance(found, Notice), found
        return found.code

    assert code(cards.look("00c2", "扫不出", None)) is NoticeCode.OWNER_NEEDED
    assert code(cards.look("00c2", "扫不出", CASHIER)) is NoticeCode.PIN_WRONG
    assert code(cards.look("00c2", "扫不出", TECHNICIAN)) is NoticeCode.PIN_WRONG
    assert code(cards.look("00c2", "  ", OWNER)) is NoticeCode.REASON_NEEDED
    for wrong in ("", "c2", "xyz1", "0" * 17):
        assert code(cards.look(wrong, "扫不出", OWNER)) is NoticeCode.CARD_NUMBER_WRONG
    assert acts(staffed, Act.CARD_LOOKED_UP) == []
    found = cards.look(" …00C2 ", "扫不出", OWNER)
    assert found == CardLookedUp("00C2", 1, 50, blocked=False, banned_until=None)
    assert code(cards.look("ffff", "扫不出", OWNER)) is NoticeCode.CARD_NOT_LISTED
    looked = acts(staffed, Act.CARD_LOOKED_UP)
    assert [(x.about, x.approved_by, x.reason) for x in looked] == [
        ("00C2", "店主", "扫不出"),
        ("FFFF", "店主", "扫不出"),
    ]


def test_a_blocked_residents_card_and_cards_that_end_alike_are_told(staffed: Shop) -> None:
    alike = DirectoryEntry(
        account="00000000000000ab",
        allowance_points=0,
        status=AccountStatus.BLOCKED,
        cards=(DirectoryCard(card_id="11110000000000c2", seq=2),),
    )
    residents = (*RESIDENTS, alike)
    staffed.take(directory(version=2, residents=residents))
    cards = CardLookUp(staffed.store, staffed.clock, staffed.staff)
    found = cards.look("00c2", "扫不出", OWNER)
    assert isinstance(found, Notice)
    assert found.code is NoticeCode.CARDS_ALIKE
    blocked = cards.look("11110000000000c2", "扫不出", OWNER)
    assert isinstance(blocked, CardLookedUp)
    assert (blocked.blocked, blocked.seq) == (True, 2)
    assert WANG not in str(cards.look(WANGS_CARD, "扫不出", OWNER)), "nobody's account is told"


def test_nobody_looks_a_card_up_where_there_is_no_owner(shop: Shop) -> None:
    found = CardLookUp(shop.store, shop.clock, shop.staff).look("00c2", "扫不出", "4719")
    assert isinstance(found, Notice)
    assert found.code is NoticeCode.OWNER_PIN_UNSET
