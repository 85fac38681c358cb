"""Lays receipts out for people of seventy: what was bought, what points paid, what is to pay."""

from msgspec import UNSET

from drivers.document import Align, Columns, Document, Element, Rule, Size, Text
from protocol.discounts import Discount, DiscountKind
from protocol.evidence import ProofGrade
from protocol.messages import SaleFound
from protocol.money import QUANTITY_ONE_MILLI, format_quantity, format_yuan, price_of
from protocol.proxy import Proxy
from protocol.sales import AnsweredBy, Payment, RefundLine, SaleCaptured, SaleLine, SaleRefunded
from terminal.domain.papers import Paper
from terminal.domain.ports import ReceiptFacts
from terminal.receipts import blocks
from terminal.receipts.blocks import NO_SHOP_LINES, WORDS, PaperLanguage, ShopLines
from terminal.receipts.papers import PaperComposer


class ReceiptComposer:
    """Composes receipts in one language or both; see :class:`terminal.domain.ports.Receipts`."""

    def __init__(
        self,
        language: PaperLanguage = PaperLanguage.CHINESE,
        shop: ShopLines = NO_SHOP_LINES,
    ) -> None:
        self._words = WORDS[language]
        self._english_units = language is PaperLanguage.ENGLISH
        self._shop = shop
        self._papers = PaperComposer(language, shop)

    def paper(self, paper: Paper, facts: ReceiptFacts) -> Document:
        """Any paper that is not a sale's or a refund's receipt."""
        return self._papers.paper(paper, facts)

    def sale(self, sale: SaleCaptured, facts: ReceiptFacts) -> Document:
        """The receipt of a completed sale."""
        words, unit = self._words, self._unit(facts)
        body: list[Element] = [*self._head(words.sale, sale.receipt_no, facts), Rule()]
        for line in sale.lines:
            body.extend(self._line(line, unit, line.amount_fen + (line.discount_fen or 0)))
            body.extend(
                self._discount(f"  {words.discount}", each)
                for each in _discounts(sale, DiscountKind.LINE)
                if each.line_no == line.line_no
            )
        body.append(Rule())
        body.extend(self._all_discounts(sale))
        body.extend(self._totals(sale, facts))
        body.extend(blocks.important(words.to_pay.format(format_yuan(sale.payment.cash_fen))))
        if sale.payment.points > 0:
            body.extend(self._points(sale, facts))
        if sale.proxy is not UNSET:
            body.extend(self._proxy(sale, sale.proxy, facts))
        return Document((*body, *self._foot(facts)))

    def refund(
        self, refund: SaleRefunded, sale: SaleCaptured | SaleFound, facts: ReceiptFacts
    ) -> Document:
        """The receipt of goods that came back, or of a sale that was voided."""
        words, unit = self._words, self._unit(facts)
        title = words.void if refund.void is True else words.refund
        body: list[Element] = [
            *self._head(title, refund.receipt_no, facts),
            Columns(words.original, sale.receipt_no),
            *blocks.said(words.reason, refund.reason),
            Rule(),
        ]
        sold = {line.line_no: line for line in sale.lines}
        for line in refund.lines:
            body.extend(self._returned(sold[line.line_no], line, unit))
        if refund.payment.waived_fen > 0 or refund.payment.rounded_up_fen > 0:
            body.append(Rule())
            body.extend(self._fen_remainder(refund.payment))
        body.append(Rule(heavy=True))
        if refund.payment.points > 0:
            body.append(
                Columns(
                    words.points_back.format(unit=unit, unit_en=facts.unit_name_en),
                    f"{refund.payment.points}{self._spaced(unit)}",
                    size=Size.TALL,
                    bold=True,
                )
            )
        cash = words.money_back.format(format_yuan(refund.payment.cash_fen))
        body.append(Text(cash, align=Align.CENTER, size=Size.BIG, bold=True))
        body.append(Rule(heavy=True))
        if refund.payment.points > 0:
            body.append(self._resident(refund.account))
        return Document((*body, *self._foot(facts)))

    def _head(self, title: str, receipt_no: str, facts: ReceiptFacts) -> list[Element]:
        return blocks.head(self._words, self._shop, title, receipt_no, facts)

    def _returned(self, sold: SaleLine, back: RefundLine, unit: str) -> list[Element]:
        """A line that comes back at what it was sold for, which is below its price if it had a
        discount: the paper says so, or it would not multiply.
        """
        line = _returned(sold, back)
        elements = self._line(line, unit, line.amount_fen)
        if line.amount_fen != price_of(sold.unit_price_fen or 0, back.quantity_milli):
            elements.append(Text(f"  ({self._words.after_discount})"))
        return elements

    def _discount(self, name: str, discount: Discount) -> Element:
        said = f"{name} {discount.reason}".rstrip()
        return Columns(said, format_yuan(-discount.amount_fen))

    def _all_discounts(self, sale: SaleCaptured) -> list[Element]:
        """What is off all goods together, between what they cost and what is to be paid."""
        words = self._words
        every = [
            *((words.basket_discount, x) for x in _discounts(sale, DiscountKind.BASKET)),
            *((words.waived, x) for x in _discounts(sale, DiscountKind.ROUNDING)),
        ]
        if not every:
            return []
        by_line = sum(x.amount_fen for x in _discounts(sale, DiscountKind.LINE))
        gross_fen = sum(x.amount_fen + (x.discount_fen or 0) for x in sale.lines) - by_line
        return [
            Columns(words.goods_total, format_yuan(gross_fen)),
            *(self._discount(name, each) for name, each in every),
        ]

    def _line(self, line: SaleLine, unit: str, price_fen: int) -> list[Element]:
        words = self._words
        spaced = self._spaced(unit)
        amounts, prices = [], []
        if line.unit_price_fen is not None:
            amounts.append(format_yuan(price_fen))
            prices.append(format_yuan(line.unit_price_fen))
        if line.unit_price_points is not None:
            amounts.append(f"{line.amount_points}{spaced}")
            prices.append(f"{line.unit_price_points}{spaced}")
        amount, price = " + ".join(amounts), " + ".join(prices)
        if price_fen == 0 and line.amount_points == 0:
            return [Columns(line.name, f"0{spaced} ({words.free})")]
        name = f"*{line.name}" if line.money_only is True else line.name
        if line.quantity_milli == QUANTITY_ONE_MILLI:
            return [Columns(name, amount)]
        quantity = f"  {format_quantity(line.quantity_milli)}{line.unit} × {price}"
        return [Text(name), Columns(quantity, amount)]

    def _totals(self, sale: SaleCaptured, facts: ReceiptFacts) -> list[Element]:
        words, unit, payment = self._words, self._unit(facts), sale.payment
        total_fen = sum(line.amount_fen for line in sale.lines)
        rows: list[Element] = []
        if total_fen > 0 or payment.points == 0:
            total = words.yuan.format(format_yuan(total_fen))
            rows.append(Columns(words.total, total, size=Size.TALL, bold=True))
        if payment.points_for_goods > 0:
            goods = f"{payment.points_for_goods}{self._spaced(unit)}"
            name = words.goods_points.format(unit=unit, unit_en=facts.unit_name_en)
            rows.append(Columns(name, goods, size=Size.TALL, bold=True))
        if payment.points_for_money > 0:
            name = words.by_points.format(
                points=payment.points_for_money, unit=unit, unit_en=facts.unit_name_en
            )
            # From the sale itself: by the time of a reprint the pool may have another rate.
            unpaid_fen = payment.cash_fen + payment.waived_fen - payment.rounded_up_fen
            worth = total_fen - unpaid_fen
            rows.append(Columns(name, words.yuan.format(format_yuan(-worth))))
        rows.extend(self._fen_remainder(payment))
        money_only_fen = sum(line.amount_fen for line in sale.lines if line.money_only is True)
        if money_only_fen:  # starred above: points were not allowed to pay these
            rows.append(Columns(words.money_only, words.yuan.format(format_yuan(money_only_fen))))
        return rows

    def _fen_remainder(self, payment: Payment) -> list[Element]:
        """What became of fen that whole points cannot pay; else the paper does not add up."""
        words = self._words
        rows: list[Element] = []
        if payment.waived_fen > 0:
            rows.append(Columns(words.waived, words.yuan.format(format_yuan(-payment.waived_fen))))
        if payment.rounded_up_fen > 0:
            rows.append(
                Columns(words.rounded_up, words.yuan.format(format_yuan(payment.rounded_up_fen)))
            )
        return rows

    def _resident(self, account: str | None) -> Element:
        return Columns(self._words.resident, blocks.masked(account))

    def _points(self, sale: SaleCaptured, facts: ReceiptFacts) -> list[Element]:
        words, spaced = self._words, self._spaced(self._unit(facts))
        before, used = facts.balance_before_points, sale.payment.points
        left = words.after_sync if before is None else f"{before - used}{spaced}"
        rows: list[Element] = [
            Columns(words.before, words.after_sync if before is None else f"{before}{spaced}"),
            Columns(words.used, f"{used}{spaced}", size=Size.TALL, bold=True),
            Columns(words.after, left, size=Size.TALL),
            self._resident(sale.account),
        ]
        if sale.proof_grade is not None:
            rows.append(Columns(words.proof, sale.proof_grade.value))
        if sale.proof_grade is ProofGrade.MANUAL:
            rows.append(Text(words.by_hand))
        if sale.answered_by is AnsweredBy.STAND_IN:
            rows.append(Text(words.offline))
        return rows

    def _proxy(self, sale: SaleCaptured, proxy: Proxy, facts: ReceiptFacts) -> list[Element]:
        """For the resident at home: who redeemed, on whose word, where it goes and by when."""
        words = self._words
        rows: list[Element] = [
            Rule(),
            Columns(words.proxy, facts.proxy_name or proxy.worker, bold=True),
            Columns(words.consent, words.consents[proxy.consent.value]),
            Columns(words.door, proxy.place, bold=True),
            Columns(words.deliver_by, proxy.deliver_by.isoformat()),
        ]
        if sale.beneficiary is not None:
            rows.append(Columns(words.beneficiary, blocks.masked(sale.beneficiary)))
        return rows

    def _foot(self, facts: ReceiptFacts) -> list[Element]:
        return blocks.foot(self._words, self._shop, facts, thanks=True)

    def _unit(self, facts: ReceiptFacts) -> str:
        return facts.unit_name_en if self._english_units else facts.unit_name

    def _spaced(self, unit: str) -> str:
        return f" {unit}" if self._english_units else unit


def _discounts(sale: SaleCaptured, kind: DiscountKind) -> list[Discount]:
    return [each for each in sale.discounts or () if each.kind is kind]


def _returned(sold: SaleLine, returned: RefundLine) -> SaleLine:
    return SaleLine(
        line_no=sold.line_no,
        item_id=sold.item_id,
        barcode=sold.barcode,
        name=sold.name,
        category=sold.category,
        quantity_milli=returned.quantity_milli,
        unit=sold.unit,
        unit_price_fen=sold.unit_price_fen,
        unit_price_points=sold.unit_price_points,
        amount_fen=returned.amount_fen,
        amount_points=returned.amount_points,
    )
