"""The owner's page: a day by hour, category and tender; what is unsent and parked; as a file."""

import csv
import io
from collections.abc import Callable
from datetime import date, timedelta
from typing import Final

from flask import Response, request

from protocol.business_day import business_date, closes_at
from protocol.money import format_yuan
from terminal.checkout.page import Page
from terminal.domain.ports import Clock, Store
from terminal.prices.rows import FORMULA_SIGNS
from terminal.shifts.report import DayReport, Part, report_of
from terminal.shifts.shifts import CASH
from terminal.web.amounts import yuan
from terminal.web.language import later, say
from terminal.web.more import MorePages
from terminal.web.screen import FigureView
from terminal.web.words import unit_of

HERE: Final = "/more/report"
DAYS_BACK: Final = 366
TENDER_WORDS: Final = {
    CASH: later("现金"),
    "wechat": later("微信"),
    "alipay": later("支付宝"),
    "other": later("其他"),
}


class ReportPage:
    """Its addresses; it changes nothing."""

    def __init__(self, store: Store, clock: Clock, page: Page, pages: MorePages) -> None:
        self._store = store
        self._clock = clock
        self._page = page
        self._pages = pages

    def rules(
        self,
    ) -> tuple[dict[str, Callable[[], str | Response]], dict[str, Callable[[], Response]]]:
        """Addresses that are looked at; none that changes something."""
        return {HERE: self.report, f"{HERE}.csv": self.report_file}, {}

    def report(self) -> str:
        today, report = self._asked()
        unit = unit_of(self._page.view())
        return self._pages.show(
            "report",
            unit=unit,
            day=report.day.isoformat(),
            today=today.isoformat(),
            first=(today - timedelta(days=DAYS_BACK)).isoformat(),
            figures=self._figures(report, unit),
            waiting=self._waiting(unit),
            tenders=self._tenders(report, unit),
            hours=[(f"{hour:02d}:00", _row(part)) for hour, part in report.by_hour.items()],
            categories=[(name or "—", _row(part)) for name, part in report.by_category.items()],
        )

    def report_file(self) -> Response:
        _, report = self._asked()
        out = io.StringIO()
        sheet = csv.writer(out)
        unit = unit_of(self._page.view())
        for figure in (*self._figures(report, unit), *self._waiting(unit)):
            sheet.writerow([figure.label, figure.text])
        sheet.writerow([])
        sheet.writerow([say(later("按支付方式")), say(later("金额"))])
        for name, fen in _tender_rows(report):
            sheet.writerow([name, format_yuan(fen)])
        sheet.writerow([unit, str(_points(report))])
        sheet.writerow([])
        names = [say(later("笔数")), say(later("商品金额")), say(later("收款")), unit]
        sheet.writerow([report.day.isoformat(), *names])
        for hour, part in report.by_hour.items():
            sheet.writerow([f"{hour:02d}:00", *_row(part)])
        for name, part in report.by_category.items():
            # A category is a shop's own text: no spreadsheet may take it for a formula.
            safe = f"'{name}" if name.startswith(FORMULA_SIGNS) else name
            sheet.writerow([safe or "—", *_row(part)])
        body = "\ufeff" + out.getvalue()  # so that Excel reads Chinese
        headers = {"Content-Disposition": f'attachment; filename="huidian-{report.day}.csv"'}
        return Response(body, mimetype="text/csv; charset=utf-8", headers=headers)

    def _asked(self) -> tuple[date, DayReport]:
        policy = self._store.documents().policy
        hour = policy.cut_off_hour if policy is not None else 0
        today = business_date(self._clock.moment().at, hour)
        try:
            day = date.fromisoformat(request.args.get("day", ""))
        except ValueError:
            day = today
        day = min(max(day, today - timedelta(days=DAYS_BACK)), today)
        before = closes_at(day - timedelta(days=1), hour)
        records = self._store.sold_between(before - timedelta(days=1), before + timedelta(days=2))
        return today, report_of(
            day,
            records,
            closed=self._store.closed_since(before),
            since_last_z=self._store.since_last_z(),
        )

    def _figures(self, report: DayReport, unit: str) -> tuple[FigureView, ...]:
        figures = report.figures
        return tuple(
            FigureView(label=say(label, {"unit": unit}), text=text)
            for label, text in (
                (later("销售"), say(later("{count} 笔"), {"count": figures.sales})),
                (
                    later("退货和撤销"),
                    say(later("{count} 笔"), {"count": figures.refunds + figures.voids}),
                ),
                (later("商品金额"), yuan(figures.sold_fen)),
                (later("退货金额"), yuan(figures.refunded_fen)),
                (later("收款（减退款）"), yuan(figures.money_fen)),
                (later("折扣"), yuan(figures.discount_fen)),
                (later("抹零"), yuan(figures.waived_fen)),
                (later("用了{unit}"), str(figures.points_used)),
                (later("退回{unit}"), str(figures.points_returned)),
            )
        )

    def _tenders(self, report: DayReport, unit: str) -> tuple[FigureView, ...]:
        rows = [(name, yuan(fen)) for name, fen in _tender_rows(report)]
        rows.append((unit, f"{_points(report)} {unit}"))
        return tuple(FigureView(label=label, text=text) for label, text in rows)

    def _waiting(self, unit: str) -> tuple[FigureView, ...]:
        text = later("{count} 笔 · {points} {unit} · {cash} 元")
        return tuple(
            FigureView(
                label=say(label),
                text=say(
                    text,
                    {"count": x[0], "points": x[1], "unit": unit, "cash": format_yuan(x[2])},
                ),
            )
            for label, x in (
                (later("待上传的销售"), self._store.untold_value()),
                (later("待处理的销售"), self._store.parked_value()),
            )
        )


def _row(part: Part) -> tuple[str, str, str, str]:
    return (
        str(part.count),
        format_yuan(part.goods_fen),
        format_yuan(part.cash_fen),
        str(part.points),
    )


def _tender_rows(report: DayReport) -> list[tuple[str, int]]:
    """The day's money by how it was paid, as declared at the close; what is not closed, last."""
    rows = [
        (say(words), report.by_tender[name])
        for name, words in TENDER_WORDS.items()
        if name in report.by_tender
    ]
    open_words = later("还没有交班")
    return [*rows, (say(open_words), report.open_fen)] if report.open_fen or not rows else rows


def _points(report: DayReport) -> int:
    return report.figures.points_used - report.figures.points_returned
