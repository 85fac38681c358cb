"""Printer, scanner, network and paper in words: what is wrong, and what to do about it."""

from typing import Final

from msgspec import Struct

from drivers.ports import PrinterTrouble, ScannerState
from protocol.journal import ClockState
from terminal.checkout.view import TillView
from terminal.domain.notice import NoticeLevel
from terminal.domain.print_job import JobState
from terminal.domain.second_copy import CopyState
from terminal.web.language import Words, later, say
from terminal.web.words import copy_words, unit_of

NO_DEVICE: Final = "none"
SERVER_OFFLINE: Final = "offline"
MINUTES_AN_HOUR: Final = 60


class StatusView(Struct, frozen=True, kw_only=True):
    """One mark in the page's top line. ``level`` is a :class:`NoticeLevel`."""

    about: str
    level: str
    text: str


PRINTER_TROUBLES: Final[dict[PrinterTrouble, Words]] = {
    PrinterTrouble.OFFLINE: Words(later("打印机没有连上"), later("请看打印机的电源和连线")),
    PrinterTrouble.PAPER_OUT: Words(later("打印机缺纸"), later("请装纸")),
    PrinterTrouble.COVER_OPEN: Words(later("打印机盖子开着"), later("请把盖子关好")),
    PrinterTrouble.BUSY: Words(later("打印机正忙"), later("请稍等")),
    PrinterTrouble.ERROR: Words(later("打印机出错"), later("请把打印机关了再开")),
    PrinterTrouble.NO_ANSWER: Words(later("打印机没有回应"), later("请把打印机关了再开")),
    PrinterTrouble.LINK_LOST: Words(later("打印时连接断了"), later("请看打印机的连线")),
}
WAITED_FOR: Final = frozenset({PrinterTrouble.PAPER_OUT, PrinterTrouble.COVER_OPEN})
"""A printer keeps what it was sent until these are over, and then goes on."""

OTHER_PRINTER_TROUBLE: Final = Words(later("打印机有问题"), later("请看打印机"))
NO_PRINTER: Final = Words(later("没有打印机"), later("接上打印机以后可以补打"))

SCANNER_TROUBLES: Final[dict[ScannerState, str]] = {
    ScannerState.ABSENT: later("扫码枪没接上，请看连线"),
    ScannerState.BUSY: later("扫码枪被占用，请联系技术员"),
    ScannerState.CLOSED: later("扫码枪已停用，请联系技术员"),
}

PRINT_STATES: Final[dict[JobState, str]] = {
    JobState.QUEUED: later("小票等着打印…"),
    JobState.SENDING: later("正在打印小票…"),
    JobState.SENT: later("小票已送出。这台打印机不会回报，请看一眼纸。"),
    JobState.CONFIRMED: later("小票已打印。"),
    JobState.UNKNOWN: later(
        "{trouble}，不知道小票打出没有。请看纸：没有或不全，{next}，再按“补打”。"
    ),
    JobState.FAILED: later("{trouble}，小票没有打出，这一单照样成交。{next}，再按“补打”。"),
}

PRINTER_WAITS: Final = later("{trouble}，{next}；弄好会接着打印小票。")

PRINT_LEVELS: Final[dict[JobState, NoticeLevel]] = {
    JobState.QUEUED: NoticeLevel.ASK,
    JobState.SENDING: NoticeLevel.ASK,
    JobState.SENT: NoticeLevel.GOOD,
    JobState.CONFIRMED: NoticeLevel.GOOD,
    JobState.UNKNOWN: NoticeLevel.REFUSED,
    JobState.FAILED: NoticeLevel.REFUSED,
}

DIRECTORY_AGES: Final = (
    (1, later("名单刚刚更新")),
    (MINUTES_AN_HOUR, later("名单是 {minutes} 分钟前的")),
    (48 * MINUTES_AN_HOUR, later("名单是 {hours} 小时前的")),
)
DIRECTORY_OLD: Final = later("名单是 {days} 天前的")
NO_DIRECTORY: Final = later("还没有名单")


def printer_words(trouble: str) -> Words:
    """What is wrong with the printer, from the word that the printer port or the spool gives."""
    if trouble == NO_DEVICE:
        words = NO_PRINTER
    elif trouble in set(PrinterTrouble):
        words = PRINTER_TROUBLES[PrinterTrouble(trouble)]
    else:
        words = OTHER_PRINTER_TROUBLE
    return Words(say(words.text), say(words.next))


def print_words(state: str, trouble: str, printer_now: str) -> tuple[str, str]:
    """What is known of a receipt's paper, and the level to show it at; empty without a job.

    Args:
        state: the job's :class:`JobState`, or empty.
        trouble: why that job did not print.
        printer_now: what is wrong with the printer now; a job under way may be waiting for it.
    """
    if not state:
        return "", ""
    job_state = JobState(state)
    waits = job_state is JobState.SENDING and printer_now in WAITED_FOR
    words = printer_words(printer_now if waits else trouble)
    text = say(
        PRINTER_WAITS if waits else PRINT_STATES[job_state],
        {"trouble": words.text, "next": words.next},
    )
    return text, (NoticeLevel.REFUSED if waits else PRINT_LEVELS[job_state]).value


def directory_age_text(age_min: int | None) -> str:
    """How old the list of residents is that the terminal answers from while offline."""
    if age_min is None:
        return say(NO_DIRECTORY)
    hours = age_min // MINUTES_AN_HOUR
    figures: dict[str, str | int] = {"minutes": age_min, "hours": hours, "days": hours // 24}
    fitting = (text for below_min, text in DIRECTORY_AGES if age_min < below_min)
    return say(next(fitting, DIRECTORY_OLD), figures)


def _network_marks(view: TillView) -> list[tuple[str, NoticeLevel, str]]:
    marks: list[tuple[str, NoticeLevel, str]] = []
    if view.server == SERVER_OFFLINE:
        text = say(later("离线：{age}"), {"age": directory_age_text(view.directory_age_min)})
        marks.append(("server", NoticeLevel.REFUSED, text))
    if view.offline_left_points is not None:
        text = say(
            later("离线还能用 {points} {unit}，请尽快联网"),
            {"points": view.offline_left_points, "unit": unit_of(view)},
        )
        marks.append(("offline_left", NoticeLevel.REFUSED, text))
    if view.untold:
        text = say(later("待上传 {count}"), {"count": view.untold})
        marks.append(("untold", NoticeLevel.ASK, text))
    return marks


def status_views(view: TillView) -> tuple[StatusView, ...]:
    """The marks of the top line; none where all is well."""
    marks = _network_marks(view)
    if view.printer == NO_DEVICE:
        marks.append(("printer", NoticeLevel.ASK, say(NO_PRINTER.text)))
    elif view.printer:
        words = printer_words(view.printer)
        text = say(later("{trouble}，{next}"), {"trouble": words.text, "next": words.next})
        marks.append(("printer", NoticeLevel.REFUSED, text))
    if view.scanner in set(ScannerState) - {ScannerState.READY}:
        text = say(SCANNER_TROUBLES[ScannerState(view.scanner)])
        marks.append(("scanner", NoticeLevel.REFUSED, text))
    copy = CopyState(view.second_copy)
    if copy.is_failing:
        text = say(later("备份U盘{copy}，请看U盘"), {"copy": copy_words(copy)})
        level = NoticeLevel.ASK if copy is CopyState.BEHIND else NoticeLevel.REFUSED
        marks.append(("second_copy", level, text))
    if view.disk_days is not None:
        text = say(later("存储只够用 {days} 天，请联系技术员"), {"days": view.disk_days})
        marks.append(("disk", NoticeLevel.REFUSED, text))
    if view.shift_forgotten:
        text = say(later("上一班没有交，请按“更多”里的“班次”"))
        marks.append(("shift", NoticeLevel.REFUSED, text))
    if view.clock_state == ClockState.UNKNOWN:
        text = say(later("时间不准，请联系技术员"))
        marks.append(("clock", NoticeLevel.REFUSED, text))
    return tuple(
        StatusView(about=about, level=level.value, text=text) for about, level, text in marks
    )
