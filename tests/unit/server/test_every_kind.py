"""I10 for real: a street where every kind of fact happened, replayed into an empty database."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine, select

from protocol.card_pin_hash import ArgonPinMaker
from protocol.issuers import IssuerRole
from protocol.keys import public_key_text
from protocol.messages import Approved
from protocol.redemption import FenRemainder
from server import awards as a
from server.awards import AwarderRole
from server.awards.bearer_cards import IssueBearerCards
from server.awards.bearer_moves import BlockBearerCard, PayInBearerCard, ReplaceBearerCard
from server.awards.counter import AllowCounterAwards, SetAwarderPin, SetProxyRules
from server.awards.expiry import ExpirePoints
from server.awards.temporary_cards import (
    HandOverTemporaryCard,
    Household,
    IssueTemporaryCard,
    MoveTemporaryRest,
)
from server.bootstrap.desk import make_desk
from server.commands.audit_replay import replay_and_compare
from server.db import create_all, metadata, open_engine, reading, writing
from server.directory import Card, SignInRole, card_of
from server.directory import commands as c
from server.directory.bearer import Spend
from server.directory.card_pin_making import pin_setting
from server.directory.phones import EndPhone
from server.directory.record_prints import PrintRecordCard
from server.facts import Refusal
from server.facts.tables import fact
from server.redemption import (
    BookDiffering,
    LeaveDiffering,
    ReopenTerminal,
)
from server.redemption.order_values import ExpireOrders, SetVoucherDays
from server.redemption.orders import order_id_of
from server.redemption.parked import BookParked, LeaveParked
from server.redemption.proxies import ConfirmDelivery
from server.redemption.stock import CountStock, ReceiveStock
from server.settlement import disputes_values as d
from server.settlement import fund_values as f
from server.settlement import payments_values as p
from server.settlement import states_values as s
from server.settlement import values as v
from server.settlement.assigning import AssignOrder
from server.settlement.document import document_of
from server.settlement.runs import merchants_due
from tests.support.key_office import KeyOffice
from tests.support.phones import phone_in_hand
from tests.unit.server.test_counter_awards import award as counter_award
from tests.unit.server.test_epochs import booted
from tests.unit.server.test_proxies import OWN, PIN_HASH, WORKER, proxied
from tests.unit.server.test_recover_edges import differing, finish
from tests.unit.server.world import LIU, TODAY, World, points_line, sold
from tests.unit.settlement import orders_world as orders

OF_BEFORE = {"settle"}
"""Runs as they once were, which test_books_commands replays: contracts of today refuse them."""

LATER = TODAY + timedelta(days=400)
FIRST_HOME, NEXT_HOME = "00000000000000e1", "00000000000000e2"
PAPERS = ("00000000000000f1", "00000000000000f2", "00000000000000f3")
NEW_PAPER = "00000000000000f9"


def kinds_of(engine: Engine) -> set[str]:
    with reading(engine) as tx:
        return set(tx.execute(select(fact.c.kind).distinct()).scalars())


def replays(world: World, folder: Path) -> None:
    target = open_engine(f"sqlite:///{folder / 'replayed.sqlite3'}")
    create_all(target, metadata)
    with reading(world.engine) as tx:
        assert list(replay_and_compare(tx, world.pool, target, make_desk())) == []
    assert kinds_of(target) == kinds_of(world.engine)
    target.dispose()


@dataclass
class Street:
    """文化街 with a shop, a service centre and people; each part tells another room's facts."""

    world: World
    folder: Path

    def do(self, *commands: msgspec.Struct) -> None:
        self.by("operator:li", *commands)

    def by(self, actor: str, *commands: msgspec.Struct) -> None:
        for each in commands:
            with writing(self.world.engine) as tx:
                outcome = self.world.desk.submit(
                    tx, self.world.pool, each, actor=actor, recorded_at=self.world.clock()
                )
            assert not isinstance(outcome, Refusal), outcome

    @property
    def place(self) -> str:
        return self.world.preset.places[0].id

    def standing_data(self) -> None:
        self.do(
            c.RegisterPlace(place="grid-9", place_kind="grid", name="九号网格", parent="wenhuajie"),
            c.RegisterSignIn(
                user="shop", role=SignInRole.MERCHANT, merchant="shop-a", password_hash="$argon2id$"
            ),
            c.AddItem(
                item_id="tea",
                name="茶叶",
                name_en="Tea",
                category="食品",
                unit="盒",
                price_points=9,
                reimbursement_fen=900,
                stock=10,
                valid_from=TODAY,
            ),
            c.ChangePrice(item_id="tea", valid_from=TODAY + timedelta(days=9), price_points=8),
            c.RetireItem(item_id="tea", retired_from=LATER, reason="换季"),
            ReceiveStock(receipt_id="r-1", item_id="tea", quantity_milli=5_000),
            CountStock(count_id="n-1", item_id="tea", counted_milli=14_000, reason="破损"),
            c.SetRedemptionTerms(valid_from=TODAY, fen_remainder=FenRemainder.CASH),
            c.EndContract(contract="c-centre", last_day=LATER, reason="到期"),
            c.SetCover(warning_bp=None),
            c.SetPointsExpiry(after_days=900),
        )
        self.by("operator:li", s.SetConfirmDays(confirm_days=3))

    def people_and_sanctions(self) -> None:
        until = TODAY + timedelta(days=30)
        self.do(
            c.BlockResident(account=LIU, reason="核实中"),
            c.UnblockResident(account=LIU, reason="核实完"),
            c.BanRedemption(account=LIU, until=until, reason="虚报"),
            c.ChangeCredit(account=LIU, decision="d-1", change=-20, reason="虚报"),
            PrintRecordCard(account=LIU, first_day=TODAY, last_day=TODAY, paper="A4"),
        )
        self.world.issue_card(LIU)
        found = self.world.read(lambda tx: card_of(tx, self.world.pool, "00000000000000c1"))
        assert isinstance(found, Card)
        make = pin_setting(self.world.keys, ArgonPinMaker(memory_kib=8, passes=1))
        self.do(
            make(found, "739415", "0" * 32, "本人设置"),
            c.UnlockCardPin(pin_id="1" * 32, card_id=found.card_id, reason="忘记"),
            c.RevokeCard(card_id=found.card_id, reason="遗失"),
        )
        phone_in_hand(self.world, LIU)
        self.do(EndPhone(account=LIU, reason="换手机"))
        KeyOffice(self.world, self.folder / "drawer.key").rotate(
            IssuerRole.PHONE, lead_days=3, overlap_days=30
        )

    def awards(self) -> None:
        key = public_key_text(Ed25519PrivateKey.from_private_bytes(b"k" * 32).public_key())
        rule = self.world.preset.award_rules[0].id
        claim = a.ClaimAward(
            claim_id="c-1", account=LIU, rule_id="talk", performed_on=TODAY, claimed_by=LIU
        )
        self.do(
            a.RegisterPartner(partner="mini", name="小程序", public_key=key),
            a.ClosePartner(partner="mini", reason="停用"),
            a.RegisterAwarder(awarder="shen", name="社区", role=AwarderRole.COMMUNITY),
            a.RegisterAwarder(awarder="gao", name="社区", role=AwarderRole.COMMUNITY),
            a.RetireAwarder(awarder="gao", reason="调离"),
            a.AmendAwardRule(
                rule_id="talk", valid_from=TODAY, category="宣讲", points=6, review=True
            ),
            claim,
            a.ReviewAward(claim_id="c-1", approve=True, reviewed_by="shen"),
            a.PublishTask(
                event="巡河",
                rule_id="talk",
                performed_on=TODAY,
                headcount=2,
                split=a.Split.EACH,
                published_by="office",
            ),
        )
        self.world.award(LIU, rule)
        self.do(
            a.AwardPoints(
                award_id="a-1", account=LIU, rule_id=rule, performed_on=TODAY, awarded_by="shen"
            ),
            a.ClawBackAward(award_id="a-1", clawed_back_by="office", reason="虚报"),
            ExpirePoints(through=TODAY - timedelta(days=1)),
        )
        correction = a.ProposeOpeningCorrection(
            correction="k-1", opening_id="o-1", right_points=205, reason="抄错"
        )
        self.by("operator:li", correction)
        self.by("operator:wu", a.ApproveOpeningCorrection(correction="k-1"))

    def papers(self) -> None:
        day = TODAY + timedelta(days=300)
        self.do(
            IssueBearerCards(
                batch="b-1",
                card_ids=PAPERS,
                value_points=15,
                expires_on=day,
                spend=Spend.DOWN_TO_ZERO,
                place=self.place,
            ),
            BlockBearerCard(card_id=PAPERS[0], reason="遗失"),
            ReplaceBearerCard(
                move=str(self.world.sale_id()),
                card_id=PAPERS[0],
                new_card_id=NEW_PAPER,
                expires_on=day,
                reason="遗失",
            ),
            PayInBearerCard(move=str(self.world.sale_id()), card_id=PAPERS[1], account=LIU),
            IssueTemporaryCard(to=self._household(FIRST_HOME)),
        )
        self.world.award(FIRST_HOME, self.world.preset.award_rules[0].id)
        till = self.world.till(terminal="t-5")
        card = self.world.sale_id()
        reserved = self.world.card("000000000000007" + FIRST_HOME[-1], card, 1, terminal="t-5")
        assert isinstance(till.authorise(card, reserved, required=1), Approved)
        self.do(
            HandOverTemporaryCard(
                move=str(self.world.sale_id()),
                account=FIRST_HOME,
                to=self._household(NEXT_HOME),
                reason="租户搬走",
            )
        )
        self.world.clock.move(hours=1)
        self.do(MoveTemporaryRest(move=str(self.world.sale_id()), account=FIRST_HOME))

    def _household(self, account: str) -> Household:
        return Household(
            account=account,
            card_id="000000000000007" + account[-1],
            name="临时积分卡",
            household="9-901",
            place=self.place,
            expires_on=TODAY + timedelta(days=300),
            cap_points=100,
        )

    def sales_and_orders(self) -> None:
        world, till = self.world, self.world.till(terminal="t-2")
        once, twice = (orders.sell(world, till, orders.visits(world, 1)) for _ in range(2))
        self.do(
            AssignOrder(order_id=order_id_of(once.sale_id, 1), merchant=orders.CENTRE),
            orders.fulfil(once, provider=orders.CENTRE),
            orders.cancel(twice),
            SetVoucherDays(item_id="haircut-voucher", days=30, reason="合作期"),
            ExpireOrders(today=TODAY - timedelta(days=1)),
        )
        till.tell(sold(world, points_line("x-1", 4, 800), points=4))
        self.do(
            c.AddItem(
                item_id="x-1",
                name="醋",
                name_en="Vinegar",
                category="食品",
                unit="瓶",
                price_points=4,
                reimbursement_fen=800,
            ),
            BookParked(terminal="t-2", epoch=1, seq=till.seq, reason="已补录"),
        )

    def proxies(self) -> None:
        world = self.world
        self.do(
            c.RegisterResident(account=OWN, name="小吴", household="9-1", place=self.place),
            a.RegisterAwarder(
                awarder=WORKER, name="小吴", role=AwarderRole.GRID_WORKER, account=OWN
            ),
            SetAwarderPin(awarder=WORKER, pin_hash=PIN_HASH),
            AllowCounterAwards(shop="shop-a", allowed=True),
            SetProxyRules(residents_a_day=2, points_a_day=50, deliver_within_days=2),
        )
        sale = proxied(world)
        own_award = counter_award(world, account=OWN, worker=WORKER)
        world.till(terminal="t-6").tell(sale, own_award)
        self.do(
            ConfirmDelivery(
                sale_id=str(sale.sale_id), delivered_on=TODAY, said_by="社区", how="电话回访"
            ),
            LeaveParked(terminal="t-6", epoch=1, seq=2, reason="给自己登记"),
        )

    def overdraft(self) -> None:
        world, till = self.world, self.world.till(terminal="t-7")
        line, slot = points_line("flour", 20, 0), world.slot(OWN)
        till.tell(sold(world, line, points=20, account=OWN, evidence=slot))
        assert booted(till).epoch == 2

    def dead_terminal(self) -> None:
        world = self.world
        dead, heir = world.till(), world.till(terminal="t-9")
        other, behind = differing(world, dead, heir)
        for command, record, seq in ((BookDiffering, other, 2), (LeaveDiffering, behind, 3)):
            self.do(
                command(
                    terminal="t-1", epoch=1, seq=seq, hash_hex=record.hash_hex, reason="店家有小票"
                )
            )
        finish(heir)
        self.do(ReopenTerminal(terminal="t-1", reason="没坏"))
        assert booted(dead).anew

    def gifts_and_losses(self) -> None:
        self.do(
            f.RegisterSponsor(sponsor="bank", name="农商行"),
            f.ReceiveGift(gift_id="g-1", sponsor="bank", amount_fen=500_000),
            f.ReceiveGoods(
                gift_id="g-2", sponsor="bank", item_id="tea", quantity_milli=3_000, worth_fen=2_700
            ),
            f.SetAside(set_aside_id="s-1", amount_fen=10_000),
        )
        write_off = f.ProposeWriteOff(write_off="w-1", account=OWN, points=20, reason="已搬走")
        self.by("operator:li", write_off)
        self.by("operator:wu", f.ApproveWriteOff(write_off="w-1"))

    def settling(self) -> None:
        world = self.world
        world.clock.move(days=1)
        self.do(v.OpenRun(run="r-1", through=TODAY, opened_by="财务"))
        due = world.read(lambda tx: merchants_due(tx, world.pool, "r-1"))
        assert sorted(due) == ["bangban", "shop-a"]
        self.do(
            v.SettleMerchant(run="r-1", merchant="bangban"),
            v.SettleMerchants(run="r-1", merchants=("shop-a",)),
            v.CloseRun(run="r-1", closed_by="财务"),
        )
        own, theirs = f"shop-a-{TODAY:%Y%m%d}", f"bangban-{TODAY:%Y%m%d}"
        self.by(
            "portal:shop",
            d.RaiseDispute(dispute="d-1", statement=own, reason="少算"),
            d.RaiseDispute(dispute="d-2", statement=own, line=self._a_line(own), reason="多算"),
        )
        adjusting = d.ProposeAdjustment(dispute="d-1", amount_fen=300, reason="属实")
        refusing = d.AnswerDispute(
            dispute="d-2", verdict=d.Verdict.REFUSED, amount_fen=0, reason="没有"
        )
        self.by("operator:li", adjusting, refusing)
        self.by("operator:wu", d.ApproveAdjustment(dispute="d-1", amount_fen=300))
        self.by("portal:shop", s.ConfirmStatement(statement=own))
        self.by("operator:li", s.ConfirmStatement(statement=theirs, on_behalf="电话"))
        pay = p.ProposePayment(
            payment="p-1", statement=theirs, direction=p.Direction.PAY, amount_fen=1_000
        )
        paid = p.RecordPaid(payment="p-1", bank_ref="ICBC-1", paid_on=TODAY)
        self.by("operator:li", pay, msgspec.structs.replace(pay, payment="p-2"))
        self.by("operator:wu", p.ApprovePayment(payment="p-1"))
        self.by(
            "operator:li",
            paid,
            p.BouncePayment(payment="p-1", reason="账号不符"),
            p.WithdrawPayment(payment="p-2", reason="重复"),
            s.CarryForward(statement=theirs, reason="金额小"),
        )
        world.clock.move(days=9)
        self.by("operator:li", s.LapseStatements())

    def _a_line(self, statement: str) -> str:
        document = self.world.read(lambda tx: document_of(tx, self.world.pool, statement))
        assert document is not None
        return document.lines[0].key


def test_a_history_with_every_kind_of_fact_replays_to_the_same_rows(
    engine: Engine, tmp_path: Path
) -> None:
    world = orders.open_street(engine, tmp_path)
    orders.give(world, 200)
    street = Street(world, tmp_path)
    for part in (
        street.standing_data,
        street.people_and_sanctions,
        street.awards,
        street.papers,
        street.sales_and_orders,
        street.proxies,
        street.overdraft,
        street.dead_terminal,
        street.gifts_and_losses,
        street.settling,
    ):
        part()
    replays(world, tmp_path)
    assert kinds_of(engine) | OF_BEFORE == set(make_desk()._by_kind), "a kind that nobody told here"
