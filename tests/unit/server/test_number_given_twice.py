"""An old card gave a receipt's number twice: nobody takes the first sale that fits."""

from uuid import UUID

import msgspec

from protocol.messages import NoSale, SaleAnswer, SaleFound, SaleNotFound, SaleRequest, SalesFound
from tests.unit.server.world import Till, World, money_line, sold


def ask(till: Till, receipt_no: str, sale_id: UUID | None = None) -> object:
    question = SaleRequest(receipt_no=receipt_no, sale_id=sale_id)
    answer = till.send(f"/v1/terminals/{till.terminal}/sale", msgspec.json.encode(question))
    return msgspec.json.decode(answer.data, type=SaleAnswer)


def test_both_sales_are_named_and_one_is_asked_for_by_its_id(world: World, till: Till) -> None:
    first = msgspec.structs.replace(sold(world, money_line("米", 100)), receipt_no="t-1-000005")
    second = msgspec.structs.replace(sold(world, money_line("油", 700)), receipt_no="t-1-000005")
    till.tell(first)
    world.clock.move(hours=2)
    till.tell(second)
    both = ask(till, "t-1-000005")
    assert isinstance(both, SalesFound)
    assert [(each.sale_id, each.goods) for each in both.sales] == [
        (first.sale_id, ("米",)),
        (second.sale_id, ("油",)),
    ]
    assert [each.payment.cash_fen for each in both.sales] == [100, 700]
    assert both.sales[0].occurred_at < both.sales[1].occurred_at
    chosen = ask(till, "t-1-000005", second.sale_id)
    assert isinstance(chosen, SaleFound)
    assert chosen.lines == second.lines
    wrong = ask(till, "t-1-000005", world.sale_id())
    assert isinstance(wrong, SaleNotFound)
    world.add_merchant("shop-b")
    stranger = world.till(shop="shop-b", terminal="t-b")
    assert ask(stranger, "t-1-000005") == SaleNotFound(reason=NoSale.OTHER_MERCHANT)
