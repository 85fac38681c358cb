"""The technician's page: find out what the printer can do, look at its paper, keep the choice.

GET  /devices            the page
POST /devices/level      {pin?, reason?}    how the printer confirms
POST /devices/papers     {pin?, reason?}    print the test paper
POST /devices/choice     {encoding, columns, native_qr, cutter, pin?, reason?}
POST /devices/drawer     {pin, reason?}  open the cash drawer once; a PIN every time
POST /devices/listen     {on, pin?, reason?}  scans come here and not to the till, for a minute
GET  /devices/scans      what came since
POST /devices/scanner    {prefix, baud, layout, pin?, reason?}

Where people have PINs here, a technician's or an owner's is needed; each step is a record.
"""

from typing import Final, Literal
from urllib.parse import parse_qsl

from flask import Blueprint, Response, make_response, render_template
from msgspec import Struct

from drivers.ports import PrintResult, StatusLevel
from protocol.acts import Act
from terminal.domain.devices import (
    DeviceDesk,
    DeviceProblemError,
    PrinterChoice,
    ScannerChoice,
)
from terminal.domain.notice import Notice
from terminal.domain.staff import Leave
from terminal.web.addresses import add_addresses
from terminal.web.answers import json_answer, problem
from terminal.web.bodies import BadBodyError, ShortText, read_body
from terminal.web.device_words import printer_words
from terminal.web.guard import foreign_post
from terminal.web.language import say
from terminal.web.scan_words import ScanWords, scan_words
from terminal.web.words import NOTICES

DEVICES_BLUEPRINT: Final = "devices"
LAYOUTS: Final = ("us", "de", "fr")
SCANNER_BAUD: Final = (9600, 19200, 38400, 57600, 115200)
"""The rates that scanners are sold with."""

LEVELS: Final[dict[StatusLevel, str]] = {
    StatusLevel.PROCESS_ID: "打完会回报（最好）· confirms each job (best)",
    StatusLevel.IN_ORDER: "打完会回报 · confirms each job",
    StatusLevel.REALTIME: "只回报有没有纸，不回报打完没有 · says its state, not whether it printed",
    StatusLevel.MUTE: "什么也不回报，小票要靠眼看 · says nothing: look at the paper",
}
RESULTS: Final[dict[PrintResult, str]] = {
    PrintResult.CONFIRMED: "已打印，请看纸 · printed: look at the paper",
    PrintResult.SENT: "已送出，请看纸 · sent: look at the paper",
    PrintResult.FAILED: "没有打 · not printed",
    PrintResult.UNKNOWN: "不知道打出没有，请看纸 · unknown: look at the paper",
}
USUAL_REASON: Final = "例行自检"


class StepBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who allows it, and why."""

    pin: ShortText = ""
    reason: ShortText = ""

    def why(self) -> str:
        return self.reason.strip() or USUAL_REASON


class ChoiceBody(StepBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was seen on the paper."""

    encoding: Literal["gbk", "utf8", "raster"]
    columns: Literal[32, 42, 48]
    native_qr: bool
    cutter: bool


class ListenBody(StepBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether scans are wanted here."""

    on: bool


class ScannerBody(StepBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the scanner was seen to be set up; null for what does not apply to it."""

    prefix: str
    baud: int | None
    layout: Literal["us", "de", "fr"] | None


class EchoAnswer(Struct, frozen=True, kw_only=True):
    """What was scanned, oldest first, and for how many seconds more scans come here."""

    left_s: int
    scans: tuple[ScanWords, ...]


class StepAnswer(Struct, frozen=True, kw_only=True):
    """What became of a step, in words; ``good`` if the next one makes sense."""

    good: bool
    says: str
    url: str


def create_devices_blueprint(desk: DeviceDesk, leave: Leave) -> Blueprint:
    """The page and its steps. ``leave`` says who may take one, and journals it."""
    blueprint = Blueprint(DEVICES_BLUEPRINT, __name__, template_folder="templates")
    routes = _Routes(desk, leave)
    reading = {"/devices": routes.page, "/devices/scans": routes.scans}
    changing = {
        "/devices/level": routes.level,
        "/devices/papers": routes.papers,
        "/devices/choice": routes.choice,
        "/devices/drawer": routes.drawer,
        "/devices/listen": routes.listen,
        "/devices/scanner": routes.scanner,
    }
    add_addresses(blueprint, reading, changing)
    blueprint.before_request(_refuse_foreign_post)
    blueprint.register_error_handler(BadBodyError, _bad_body)
    blueprint.register_error_handler(DeviceProblemError, _device_problem)
    return blueprint


class _Routes:
    def __init__(self, desk: DeviceDesk, leave: Leave) -> None:
        self._desk = desk
        self._leave = leave

    def page(self) -> Response:
        scanner = self._desk.scanner_url()
        return make_response(
            render_template(
                "devices.html",
                url=self._desk.printer_url(),
                scanner=scanner,
                rates=SCANNER_BAUD if scanner.startswith("scanner+serial:") else (),
                layouts=LAYOUTS if scanner.startswith("scanner+hid:") else (),
                chosen=dict(parse_qsl(scanner.partition("?")[2])),
                asks=self._leave.needs_technician(),
                usual_reason=USUAL_REASON,
            )
        )

    def _refusal(self, step: StepBody, act: Act, about: str) -> Response | None:
        """None where it is allowed; then it stands in the journal."""
        who = self._leave.technician_by(step.pin or None)
        if isinstance(who, Notice):
            return self._refused(who)
        self._leave.note(act, about, who, step.why())
        return None

    def _refused(self, notice: Notice) -> Response:
        words = NOTICES[notice.code]
        says = say(words.text, notice.figures) + say(words.next, notice.figures)
        return self._answer(says, good=False)

    def listen(self) -> Response:
        body = read_body(ListenBody)
        refusal = self._refusal(body, Act.DEVICE_TESTED, "scanner") if body.on else None
        if refusal is not None:
            return refusal
        self._desk.echo().listen(on=body.on)
        return self.scans()

    def scans(self) -> Response:
        echo = self._desk.echo()
        scans = tuple(scan_words(scan) for scan in echo.scans())
        return json_answer(EchoAnswer(left_s=echo.seconds_left(), scans=scans))

    def scanner(self) -> Response:
        body = read_body(ScannerBody)
        refusal = self._refusal(body, Act.SCANNER_CHANGED, self._desk.scanner_url()[:60])
        if refusal is not None:
            return refusal
        url = self._desk.choose_scanner(ScannerChoice(body.prefix, body.baud, body.layout))
        says = "已写进设置，重启终端后生效 · written; restart the terminal"
        return json_answer(StepAnswer(good=True, says=says, url=url))

    def level(self) -> Response:
        refusal = self._refusal(read_body(StepBody), Act.DEVICE_TESTED, "level")
        if refusal is not None:
            return refusal
        status = self._desk.find_level()
        if status.trouble is not None:
            words = printer_words(status.trouble.value)
            return self._answer(f"{words.text}，{words.next}", good=False)
        return self._answer(LEVELS[status.level] if status.level else "?", good=True)

    def papers(self) -> Response:
        refusal = self._refusal(read_body(StepBody), Act.DEVICE_TESTED, "papers")
        if refusal is not None:
            return refusal
        _, outcome = self._desk.print_papers()[-1]
        says = RESULTS[outcome.result]
        if outcome.trouble is not None:
            words = printer_words(outcome.trouble.value)
            says = f"{words.text}，{words.next}。{says}"
        return self._answer(says, good=outcome.trouble is None)

    def drawer(self) -> Response:
        body = read_body(StepBody)
        self._desk.check_drawer()  # an opening that cannot be is none to journal
        refused = self._leave.drawer_test(body.pin, body.why())
        if refused is not None:
            return self._refused(refused)
        outcome = self._desk.open_drawer()
        if outcome.trouble is None:
            says = "已叫钱箱打开，请看钱箱；这一次记进了流水 · told to open, and journalled"
            return self._answer(says, good=True)
        trouble = printer_words(outcome.trouble.value)
        return self._answer(f"{trouble.text}，{trouble.next}", good=False)

    def choice(self) -> Response:
        body = read_body(ChoiceBody)
        refusal = self._refusal(body, Act.PRINTER_CHANGED, f"{body.encoding} {body.columns}")
        if refusal is not None:
            return refusal
        self._desk.choose(PrinterChoice(body.encoding, body.columns, body.native_qr, body.cutter))
        return self._answer("已写进设置，重启终端后生效 · written; restart the terminal", good=True)

    def _answer(self, says: str, *, good: bool) -> Response:
        return json_answer(StepAnswer(good=good, says=says, url=self._desk.printer_url()))


def _refuse_foreign_post() -> Response | None:
    if foreign_post():
        says = "a POST needs Content-Type: application/json and X-Huidian: 1"
        return problem("foreign_request", says, 403)
    return None


def _bad_body(error: BadBodyError) -> Response:
    return problem("bad_request", str(error), 400)


def _device_problem(error: DeviceProblemError) -> Response:
    return problem("device", str(error), 409)
