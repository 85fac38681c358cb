"""What the pages have shown to the people in the shops: the promises that the books must keep."""

from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Shown:
    """A sale that a page showed as completed."""

    device: str
    sale_id: UUID
    receipt_no: str
    points: int
    cash_fen: int
    waived_fen: int
    total_fen: int
    step: int


@dataclass(slots=True)
class Witness:
    """Everything that was promised in a run.

    Attributes:
        completed: by sale.
        called_off: sales that a page said had not happened, and why.
        returned: sales whose goods a page said had come back.
        in_doubt: sales whose button was pressed and no page came back.
        unseen: by device, the one of these that its next first page has to speak of.
        on_stick: sales whose page said that a copy is on the stick; a dead card loses none.
        may_be_lost: sales that a rolled-back card has forgotten before the server heard.
        copied: terminals of whose card a copy was used; they may be stopped.
        put_back: terminals that got an older card. A sale for which that had been asked, and no
            more, is on no stick: nobody but the server knows of it, until its hold expires.
    """

    completed: dict[UUID, Shown] = field(default_factory=dict)
    called_off: dict[UUID, str] = field(default_factory=dict)
    returned: dict[UUID, str] = field(default_factory=dict)
    in_doubt: set[UUID] = field(default_factory=set)
    unseen: dict[str, UUID] = field(default_factory=dict)
    may_be_lost: set[UUID] = field(default_factory=set)
    on_stick: set[UUID] = field(default_factory=set)
    copied: set[str] = field(default_factory=set)
    put_back: set[str] = field(default_factory=set)

    def doubt(self, device: str, sale_id: UUID) -> None:
        """A button was pressed and no page came back; whatever an earlier page said of the sale."""
        self.in_doubt.add(sale_id)
        self.unseen[device] = sale_id
        self.called_off.pop(sale_id, None)

    def of_device(self, device: str) -> list[Shown]:
        """What a device's page showed as completed, in order."""
        return [shown for shown in self.completed.values() if shown.device == device]
