"""Question, capture, reversal and the hold's end, with somebody else who wants the same points, in
every order in which they can come to the server.
"""

from collections.abc import Callable
from itertools import permutations

from msgspec.structs import replace

from protocol.messages import Approved, OutcomeKind
from protocol.sales import AnsweredBy, ReversalReason, SaleReversed
from server.bootstrap.desk import make_desk
from server.commands.audit import run_audit
from server.directory import commands as c
from server.redemption import SaleState, sale_of
from tests.unit.server.bookkeeping import Books, books
from tests.unit.server.world import HOLD_S, Till, World, money_line, sold

HAS = 100
WANTS = 60
"""Two of these are more than there is."""

FEN_A_POINT = 10
FIRST_ACCOUNT = 0xE000
ORDERS = tuple(permutations(("ask", "capture", "reverse", "expire", "rival")))


class OneOrder:
    """A resident of its own, one sale, and what became of it step by step."""

    def __init__(self, world: World, till: Till, other: Till, number: int) -> None:
        self.world, self.till, self.other = world, till, other
        self.account = f"{FIRST_ACCOUNT + number:016x}"
        place = world.preset.places[-1].id
        world.do(
            c.RegisterResident(
                account=self.account, name=f"居民{number}", household=f"h-{number}", place=place
            )
        )
        world.award(self.account, "river-patrol")
        self.slot = world.slot(self.account)
        line = money_line("套餐", WANTS * FEN_A_POINT)
        made = sold(world, line, points=WANTS, account=self.account, evidence=self.slot)
        # Its answer, if it had asked, was lost: the till answered by itself.
        self.sale = replace(made, answered_by=AnsweredBy.STAND_IN)
        self.before = books(world, self.account)
        self.rivals = 0
        self.outcomes: dict[str, OutcomeKind] = {}

    def play(self, order: tuple[str, ...]) -> None:
        steps: dict[str, Callable[[], None]] = {
            "ask": self.ask,
            "capture": lambda: self.tell("capture"),
            "reverse": lambda: self.tell("reverse"),
            "expire": lambda: self.world.clock.move(seconds=HOLD_S + 1),
            "rival": self.rival,
        }
        for step in order:
            steps[step]()
            assert self.world.points(f"resident:{self.account}") >= 0, order

    def ask(self) -> None:
        self.till.authorise(self.sale.sale_id, self.slot, optional=WANTS)

    def tell(self, what: str) -> None:
        reversal = SaleReversed(sale_id=self.sale.sale_id, reason=ReversalReason.INTERRUPTED)
        told = self.sale if what == "capture" else reversal
        self.outcomes[what] = self.till.outcome(told).outcome
        assert self.till.outcome(told).outcome in {OutcomeKind.DUPLICATE, OutcomeKind.PARKED}

    def rival(self) -> None:
        """The same resident at another shop, who takes what there is for him."""
        slot, sale_id = self.world.slot(self.account), self.world.sale_id()
        answer = self.other.authorise(sale_id, slot, optional=WANTS)
        if isinstance(answer, Approved) and answer.points:
            self.rivals = answer.points
            line = money_line("别家", WANTS * FEN_A_POINT)
            points = answer.points
            told = sold(
                self.world,
                line,
                points=points,
                sale_id=sale_id,
                account=self.account,
                evidence=slot,
            )
            assert self.other.outcome(told).outcome is OutcomeKind.POSTED

    def judge(self, order: tuple[str, ...]) -> None:
        counts = order.index("capture") < order.index("reverse")
        took = WANTS if counts else 0
        spent, before = took + self.rivals, self.before
        assert books(self.world, self.account) == Books(
            resident=max(0, HAS - spent),
            overdraft=max(0, spent - HAS),
            redeemed=before.redeemed + took,
            owed_fen=before.owed_fen + took * FEN_A_POINT,
            takings_fen=before.takings_fen,
        ), order
        wanted = SaleState.CAPTURED if counts else SaleState.REVERSED
        world = self.world
        kept = world.read(lambda tx: sale_of(tx, world.pool, self.sale.sale_id))
        assert kept is not None
        assert kept.state is wanted, order
        late = self.outcomes["reverse" if counts else "capture"]
        assert late is OutcomeKind.PARKED, f"a person looks at what came too late: {order}"
        assert world.free(self.account) == max(0, HAS - spent), f"a hold is left: {order}"


def test_in_every_order_a_sale_has_one_outcome_and_points_move_once(
    world: World, till: Till
) -> None:
    world.add_merchant("shop-b")
    other = world.till("shop-b", "t-2")
    overdrawn = 0
    for number, order in enumerate(ORDERS):
        one = OneOrder(world, till, other, number)
        one.play(order)
        one.judge(order)
        overdrawn += one.rivals + WANTS > HAS
    assert 0 < overdrawn < len(ORDERS), "the hold held for some, and others came too late"
    world.clock.move(days=1)
    findings = world.read(lambda tx: list(run_audit(tx, world.pool, make_desk)))
    assert [each for each in findings if each.violations or each.stopped] == []
