"""Receipts of practice: the same paper, and nobody could take it for one."""

from typing import Final

from drivers.document import Align, Cut, Document, Rule, Size, Text
from protocol.messages import SaleFound
from protocol.sales import SaleCaptured, SaleRefunded
from terminal.domain.papers import Paper
from terminal.domain.ports import ReceiptFacts, Receipts

_MARK: Final = (
    Rule(heavy=True),
    Text("练习 PRACTICE", align=Align.CENTER, size=Size.BIG, bold=True),
    Text("不是小票，不算数\nNot a receipt", align=Align.CENTER, bold=True),
    Rule(heavy=True),
)


class PracticePapers:
    """See :class:`terminal.domain.ports.Receipts`; no paper of it has a code to be checked by."""

    def __init__(self, receipts: Receipts) -> None:
        self._receipts = receipts

    def sale(self, sale: SaleCaptured, facts: ReceiptFacts) -> Document:
        """The receipt of a practice sale."""
        return marked(self._receipts.sale(sale, facts))

    def refund(
        self, refund: SaleRefunded, sale: SaleCaptured | SaleFound, facts: ReceiptFacts
    ) -> Document:
        """The receipt of goods that came back, or of a sale that was voided."""
        return marked(self._receipts.refund(refund, sale, facts))

    def paper(self, paper: Paper, facts: ReceiptFacts) -> Document:
        """Any other paper."""
        return marked(self._receipts.paper(paper, facts))


def marked(document: Document) -> Document:
    """The same document between two marks that it is practice."""
    body = tuple(each for each in document.elements if not isinstance(each, Cut))
    return Document((*_MARK, *body, *_MARK))
