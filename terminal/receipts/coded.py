"""Receipts that anybody can check: each carries what the terminal signs of it, and a short number."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from drivers.document import Document
from protocol.codes import to_digits
from protocol.codes.challenge import ReceiptKind, check_digits, make_receipt, record_digest
from protocol.journal import encode_happening
from protocol.messages import SaleFound
from protocol.money import Fen, Points
from protocol.sales import SaleCaptured, SaleRefunded
from terminal.domain.papers import Paper
from terminal.domain.ports import ReceiptFacts, Receipts

MAX_PAGE_CHARS = 80
"""More would not leave a QR code that 58 mm paper holds in large modules."""


class CodedReceipts:
    """Adds the receipt's code to what another composes; see :class:`terminal.domain.ports.Receipts`.

    ``page`` is where the pool's page checks receipts: a phone's own camera opens it. Without one,
    the code is the digits alone, for the page's camera.
    """

    def __init__(
        self, receipts: Receipts, key: Ed25519PrivateKey, tag: bytes, page: str = ""
    ) -> None:
        if len(page) > MAX_PAGE_CHARS:
            raise ValueError(f"a page's address of more than {MAX_PAGE_CHARS} characters")
        self._receipts = receipts
        self._key = key
        self._tag = tag
        self._page = page

    def paper(self, paper: Paper, facts: ReceiptFacts) -> Document:
        """Any other paper: it carries no code."""
        return self._receipts.paper(paper, facts)

    def sale(self, sale: SaleCaptured, facts: ReceiptFacts) -> Document:
        """The receipt of a completed sale."""
        # Practice is in nobody's books: its paper could never be found there.
        coded = facts if sale.practice else self._coded(facts, ReceiptKind.SALE, sale)
        return self._receipts.sale(sale, coded)

    def refund(
        self, refund: SaleRefunded, sale: SaleCaptured | SaleFound, facts: ReceiptFacts
    ) -> Document:
        """The receipt of goods that came back, or of a sale that was voided."""
        coded = self._coded(facts, ReceiptKind.REFUND, refund)
        return self._receipts.refund(refund, sale, coded)

    def _coded(
        self, facts: ReceiptFacts, kind: ReceiptKind, happened: SaleCaptured | SaleRefunded
    ) -> ReceiptFacts:
        record = facts.record or bytes(encode_happening(happened))
        payload = make_receipt(
            self._key,
            self._tag,
            kind=kind,
            sale_id=happened.sale_id,
            occurred_at=facts.occurred_at,
            points=Points(happened.payment.points),
            total_fen=Fen(sum(line.amount_fen for line in happened.lines)),
            cash_fen=Fen(happened.payment.cash_fen),
            record=record,
        )
        digits = to_digits(payload)
        return replace(
            facts,
            receipt_code=f"{self._page}#{digits}" if self._page else digits,
            receipt_check=check_digits(record_digest(record)),
        )


def page_of(server_url: str, setting: str | None) -> str:
    """Where receipts are checked: as set, else on the server where strangers can reach it safely."""
    if setting is not None:
        return setting
    page = f"{server_url.rstrip('/')}/r"
    is_short = len(page) <= MAX_PAGE_CHARS
    return page if server_url.startswith("https://") and is_short else ""
