"""Lays out the papers beside a sale's receipt: shifts, voids, statements, awards, cards, orders."""

from collections.abc import Callable
from typing import assert_never

from drivers.document import Align, Columns, Document, Element, Rule, Size, Text
from protocol.money import format_yuan
from terminal.domain.papers import (
    AwardGiven,
    CardHandedOver,
    Delivery,
    Paper,
    ServiceOrder,
    ShiftReport,
    StatementFigures,
    VoidedSale,
)
from terminal.domain.ports import ReceiptFacts
from terminal.receipts import blocks
from terminal.receipts.blocks import NO_SHOP_LINES, WORDS, PaperLanguage, ShopLines
from terminal.receipts.paper_words import CHINESE, ENGLISH, PaperWords, both

SHOWN_HASH_CHARS = 16


class PaperComposer:
    """Composes every :data:`terminal.domain.papers.Paper` in one language, or in both."""

    def __init__(self, language: PaperLanguage, shop: ShopLines = NO_SHOP_LINES) -> None:
        self._language = language
        self._shop = shop
        self._receipt_words = WORDS[language]
        self._words: PaperWords = {
            PaperLanguage.CHINESE: lambda: CHINESE,
            PaperLanguage.ENGLISH: lambda: ENGLISH,
            PaperLanguage.BOTH: both,
        }[language]()

    def paper(self, paper: Paper, facts: ReceiptFacts) -> Document:
        """The document of any of them; ``facts.occurred_at`` is when it happened."""
        body: list[Element]
        match paper:
            case ShiftReport():
                body = self._shift(paper, facts)
            case VoidedSale():
                body = self._void(paper, facts)
            case StatementFigures():
                body = self._statement(paper, facts)
            case AwardGiven():
                body = self._award(paper, facts)
            case CardHandedOver():
                body = self._card(paper, facts)
            case ServiceOrder():
                body = self._order(paper, facts)
            case Delivery():
                body = self._delivery(paper, facts)
            case _:
                assert_never(paper)
        foot = blocks.foot(self._receipt_words, self._shop, facts, thanks=False)
        return Document((*body, *foot))

    def _head(self, title: str, number: str, facts: ReceiptFacts) -> list[Element]:
        return [
            *blocks.head(self._receipt_words, self._shop, title, number, facts),
            Rule(),
        ]

    def _shift(self, report: ShiftReport, facts: ReceiptFacts) -> list[Element]:
        words, yuan = self._words, self._yuan
        say, points = self._sayer(facts), self._pointer(facts)
        title = words.x_report if report.z_no is None else words.z_report.format(report.z_no)
        body = self._head(title, "", facts)
        body += blocks.rows(
            [
                (words.shift_open, blocks.time_text(report.opened_at)),
                (words.cashier, report.cashier),
                (words.first_receipt, report.first_receipt),
                (words.last_receipt, report.last_receipt),
            ]
        )
        body.append(Rule())
        body += [
            Columns(words.sold, yuan(report.sold_fen), size=Size.TALL, bold=True),
            Columns(words.sales, words.times.format(report.sales)),
            Columns(words.refunded, yuan(-report.refunded_fen)),
            Columns(words.refunds, words.times.format(report.refunds)),
            Columns(words.voids, words.times.format(report.voids)),
            Rule(),
        ]
        for tender in report.tenders:
            counted = "" if tender.count is None else f" {words.times.format(tender.count)}"
            name = words.tender(tender.tender)
            body.append(Columns(f"{name}{counted}", yuan(tender.amount_fen)))
        body += [
            Columns(say(words.used), points(report.points_used), size=Size.TALL, bold=True),
            Columns(say(words.returned), points(-report.points_returned)),
            *self._discounts(report),
            Columns(words.waived, yuan(-report.waived_fen)),
            Columns(words.rounded_up, yuan(report.rounded_up_fen)),
            Rule(),
            Columns(words.till_float, yuan(report.float_fen)),
            Columns(words.expected, yuan(report.expected_cash_fen), size=Size.TALL, bold=True),
            *self._counted(report),
            Columns(words.drawer, words.openings.format(report.drawer_openings)),
            Columns(words.untold, words.records.format(report.untold)),
        ]
        if report.parked:
            body += [
                Columns(words.parked, words.times.format(report.parked)),
                Columns("", f"{points(report.parked_points)} {yuan(report.parked_fen)}"),
            ]
        if report.record_hash:
            body.append(Columns(words.record, report.record_hash[:SHOWN_HASH_CHARS]))
        if report.z_no is not None:
            body += blocks.signature(words.signed)
        return body

    def _discounts(self, report: ShiftReport) -> list[Element]:
        if not report.discount_fen:
            return []
        return [Columns(self._words.discounts, self._yuan(-report.discount_fen))]

    def _counted(self, report: ShiftReport) -> list[Element]:
        words = self._words
        difference_fen = report.difference_fen
        if report.counted_fen is None or difference_fen is None:
            return [Columns(words.counted, words.not_counted)]
        sign = "+" if difference_fen > 0 else ""
        difference = words.yuan.format(sign + format_yuan(difference_fen))
        return [
            Columns(words.counted, self._yuan(report.counted_fen), size=Size.TALL),
            Columns(words.difference, difference, size=Size.TALL, bold=difference_fen != 0),
        ]

    def _void(self, void: VoidedSale, facts: ReceiptFacts) -> list[Element]:
        words, say, points = self._words, self._sayer(facts), self._pointer(facts)
        body = self._head(words.voided, void.receipt_no, facts)
        body += blocks.rows(
            [
                (words.void_of, void.voided_receipt_no),
                (words.reason, void.reason),
                (words.cashier, void.cashier),
            ]
        )
        if void.points > 0:
            name = say(words.points_back)
            body.append(Columns(name, points(void.points), size=Size.TALL, bold=True))
            body.append(Columns(words.resident, blocks.masked(void.account)))
        return [*body, *blocks.important(words.money_back.format(format_yuan(void.cash_fen)))]

    def _statement(self, statement: StatementFigures, facts: ReceiptFacts) -> list[Element]:
        words, yuan = self._words, self._yuan
        say, points = self._sayer(facts), self._pointer(facts)
        body = self._head(words.statement, "", facts)
        body += [
            Columns(words.statement_no, statement.statement_no),
            Columns(words.period, statement.period),
            Rule(),
            Columns(words.sales, words.times.format(statement.sales)),
            Columns(say(words.used), points(statement.redeemed_points)),
            Columns(say(words.returned), points(-statement.returned_points)),
            Columns(say(words.redeemed_money), yuan(statement.redeemed_fen), size=Size.TALL),
            Columns(words.share, yuan(-statement.share_fen)),
            Columns(words.rent, yuan(-statement.rent_fen)),
            Columns(words.other, yuan(statement.other_fen)),
        ]
        net = words.shop_owes if statement.net_fen < 0 else words.shop_gets
        body += blocks.important(net.format(format_yuan(abs(statement.net_fen))))
        return [*body, Text(words.statement_where)]

    def _award(self, award: AwardGiven, facts: ReceiptFacts) -> list[Element]:
        words, say, points = self._words, self._sayer(facts), self._pointer(facts)
        before = award.balance_before_points
        body = self._head(say(words.award), award.slip_no, facts)
        body += blocks.rows([(words.award_for, award.rule), (words.worker, award.worker)])
        body += blocks.important(f"+{points(award.points)}")
        body += [
            Columns(words.before, words.after_sync if before is None else points(before)),
            Columns(
                words.after,
                words.after_sync if before is None else points(before + award.points),
                size=Size.TALL,
            ),
            Columns(words.resident, blocks.masked(award.account)),
        ]
        return [*body, Text(words.offline)] if award.offline else body

    def _card(self, card: CardHandedOver, facts: ReceiptFacts) -> list[Element]:
        words, points = self._words, self._pointer(facts)
        body = self._head(words.card, "", facts)
        body += blocks.rows(
            [
                (words.card_no, card.card_no),
                (words.replaces, card.replaces),
                (words.resident, blocks.masked(card.account)),
                (words.worker, card.worker),
            ]
        )
        if card.points is not None:
            worth = points(card.points)
            body.append(Columns(words.card_worth, worth, size=Size.TALL, bold=True))
        warning = words.card_lost if card.points is None else words.card_finder
        return [*body, Rule(), Text(warning, size=Size.TALL), *blocks.signature(words.signed)]

    def _order(self, order: ServiceOrder, facts: ReceiptFacts) -> list[Element]:
        words, say, points = self._words, self._sayer(facts), self._pointer(facts)
        body = self._head(words.order, "", facts)
        body.append(Text(order.service, align=Align.CENTER, size=Size.BIG, bold=True))
        body += blocks.rows(
            [
                (words.order_no, order.order_no),
                (words.receipt, order.receipt_no),
                (words.quantity, order.quantity),
                (say(words.paid_points), points(order.points) if order.points else ""),
                (words.provider, order.provider),
            ]
        )
        body += self._where([(words.place, order.place), (words.when, order.when)])
        body += blocks.rows([(words.note, order.note)])
        return [*body, *blocks.signature(words.done_sign)]

    def _delivery(self, delivery: Delivery, facts: ReceiptFacts) -> list[Element]:
        words = self._words
        body = self._head(words.delivery, "", facts)
        body += blocks.rows(
            [(words.order_no, delivery.order_no), (words.receipt, delivery.receipt_no)]
        )
        body += self._where([(words.place, delivery.place)])
        body.append(Rule())
        body += [Columns(name, quantity, size=Size.TALL) for name, quantity in delivery.goods]
        body.append(Rule())
        body += blocks.rows(
            [
                (words.resident, blocks.masked(delivery.account)),
                (words.presented, delivery.presented_by),
            ]
        )
        collect = words.collect.format(format_yuan(delivery.to_pay_fen))
        body += blocks.important(collect if delivery.to_pay_fen else words.nothing_to_collect)
        return [*body, *blocks.signature(words.received_sign)]

    def _where(self, figures: list[tuple[str, str]]) -> list[Element]:
        return [
            Columns(name, figure, size=Size.TALL, bold=True) for name, figure in figures if figure
        ]

    def _yuan(self, fen: int) -> str:
        return self._words.yuan.format(format_yuan(fen))

    def _unit(self, facts: ReceiptFacts) -> str:
        english = self._language is PaperLanguage.ENGLISH
        return facts.unit_name_en if english else facts.unit_name

    def _sayer(self, facts: ReceiptFacts) -> Callable[[str], str]:
        unit, unit_en = self._unit(facts), facts.unit_name_en
        return lambda text: text.format(unit=unit, unit_en=unit_en)

    def _pointer(self, facts: ReceiptFacts) -> Callable[[int], str]:
        unit = self._unit(facts)
        return lambda points: self._words.award_points.format(points, unit=unit)
