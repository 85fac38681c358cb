"""The page of 代兑换: for whom the next sale is, and what still has to come to the door."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Annotated, Final

from flask import Response
from msgspec import Meta, Struct

from drivers.ports import MAX_SCAN_CHARS
from protocol.proxy import Consent
from terminal.checkout.page import Page
from terminal.checkout.proxies import Proxies
from terminal.domain.proxy import Delivery
from terminal.shifts.staff import WORKER_PREFIX, Staff
from terminal.web.bodies import NoBody, ShortText, read_body
from terminal.web.language import day_text, later, say
from terminal.web.more import MorePages
from terminal.web.words import unit_of

HERE: Final = "/more/proxies"
CONSENTS: Final = {
    Consent.PHONE.value: later("打过电话"),
    Consent.IN_PERSON.value: later("当面说的"),
    Consent.NOTE.value: later("写了字条"),
    Consent.FAMILY.value: later("家属说的"),
}
HOWS: Final = (later("本人收到"), later("家属收到"), later("放门口，已电话"))


class BeginBody(Struct, frozen=True, forbid_unknown_fields=True):
    """``consent`` is empty where nothing was chosen, ``beneficiary`` where it is the payer."""

    place: ShortText
    consent: ShortText = ""
    beneficiary: Annotated[str, Meta(max_length=8 * MAX_SCAN_CHARS)] = ""


class DeliverBody(Struct, frozen=True, forbid_unknown_fields=True):
    receipt_no: ShortText
    how: ShortText


class ProxiesPage:
    """Its addresses."""

    def __init__(self, proxies: Proxies, staff: Staff, page: Page, pages: MorePages) -> None:
        self._proxies = proxies
        self._staff = staff
        self._page = page
        self._pages = pages

    def rules(self) -> tuple[dict[str, Callable[[], str]], dict[str, Callable[[], Response]]]:
        """Addresses that are looked at, and those that change something."""
        return {HERE: self.proxies_page}, {
            f"{HERE}/begin": self.proxies_begin,
            f"{HERE}/stop": self.proxies_stop,
            f"{HERE}/deliver": self.proxies_deliver,
        }

    def proxies_page(self) -> str:
        worker, today = self._proxies.worker(), self._proxies.today()
        unit = unit_of(self._page.view())
        shown = self._proxies.deliveries() if worker is not None and today is not None else ()
        return self._pages.show(
            "proxies",
            offered=self._proxies.rules() is not None,
            worker=worker,
            workers=[(f"{WORKER_PREFIX}{x.worker}", x.name) for x in self._staff.workers()],
            acting=self._proxies.acting(),
            consents=[(value, say(name)) for value, name in CONSENTS.items()],
            hows=[(each, say(each)) for each in HOWS],
            figures=self._figures(worker.worker, unit) if worker is not None else [],
            deliveries=[_delivery(each, today, unit) for each in shown if today is not None],
        )

    def proxies_begin(self) -> Response:
        body = read_body(BeginBody)
        consent = Consent(body.consent) if body.consent in CONSENTS else None
        said = self._proxies.begin(body.place, consent, body.beneficiary)
        return self._pages.said(said, HERE)

    def proxies_stop(self) -> Response:
        read_body(NoBody)
        return self._pages.said(self._proxies.stop(), HERE)

    def proxies_deliver(self) -> Response:
        body = read_body(DeliverBody)
        return self._pages.said(self._proxies.deliver(body.receipt_no, body.how), HERE)

    def _figures(self, worker: str, unit: str) -> list[tuple[str, str]]:
        day, rules = self._proxies.day_of(worker), self._proxies.rules()
        if rules is None:
            return []
        points = f"{day.points}"
        if rules.points_a_day is not None:
            points += f" / {rules.points_a_day}"
        return [
            (say(later("已代居民")), f"{len(day.accounts)} / {rules.residents_a_day}"),
            (say(later("已代兑换")), f"{points} {unit}"),
        ]


def _delivery(each: Delivery, today: date, unit: str) -> Mapping[str, object]:
    if each.delivered is not None:
        when = day_text(each.delivered.business_date)
        state = say(later("{when} 已送达，{how}"), {"when": when, "how": each.delivered.how})
    elif each.came_back:
        state = say(later("已退货"))
    else:
        late = each.is_late(today)
        text = later("超期！应在 {when} 送到") if late else later("请在 {when} 前送到")
        state = say(text, {"when": day_text(each.proxy.deliver_by)})
    points = each.sale.payment.points
    return {
        "place": each.proxy.place,
        "receipt_no": each.sale.receipt_no,
        "what": f"…{(each.sale.account or '')[-4:]} · {points} {unit}",
        "state": state,
        "waits": each.waits,
        "late": each.is_late(today),
    }
