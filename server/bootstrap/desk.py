"""The desk with everybody behind it: which command is applied by which room."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import msgspec
from sqlalchemy import Connection

from server import awards, redemption, settlement
from server.awards import bearer_cards, bearer_moves, counter, temporary_cards
from server.directory import card_pins, catalogue, issuers, phones, sanctions, terms
from server.directory import commands as c
from server.directory import register as directory
from server.directory.accounts import (
    AccountPlan,
    merchant_accounts,
    pool_accounts,
    resident_accounts,
)
from server.directory.adoption import adopt_pool
from server.directory.terminals import enrol_terminal, invite_terminal
from server.directory.values import Answer
from server.directory.values import Refused as DirectoryRefused
from server.facts import FactDesk, FactStamp, Outcome
from server.facts.refused import Refused
from server.ledger import Asset, Normal, head_wish, open_account
from server.reports import record_printing

Command = TypeVar("Command", bound=msgspec.Struct)
DirectoryHandler = Callable[[Connection, str, Command, datetime], Answer | phones.PhoneEnrolled]


def make_desk() -> FactDesk:
    """A desk that applies every command of the server."""
    desk = FactDesk(beside=head_wish)
    _at_desk(desk, c.AdoptPool, adopt_pool, opens=lambda _: pool_accounts())
    _at_desk(desk, c.TakeKeyList, issuers.take_key_list)
    _at_desk(desk, c.RegisterPlace, directory.register_place)
    _at_desk(
        desk,
        c.RegisterResident,
        directory.register_resident,
        opens=lambda command: resident_accounts(command.account),
    )
    _at_desk(desk, c.BlockResident, sanctions.block_resident)
    _at_desk(desk, c.UnblockResident, sanctions.unblock_resident)
    _at_desk(desk, c.BanRedemption, sanctions.ban_redemption)
    _at_desk(desk, c.ChangeCredit, sanctions.change_credit)
    _at_desk(desk, c.SetRedemptionTerms, terms.set_redemption_terms)
    _at_desk(desk, c.SetCover, terms.set_cover)
    _at_desk(desk, c.SetPointsExpiry, terms.set_points_expiry)
    _at_desk(desk, c.IssueCard, directory.issue_card)
    _at_desk(desk, c.RevokeCard, directory.revoke_card)
    _at_desk(desk, c.SetCardPin, card_pins.set_card_pin)
    _at_desk(desk, c.UnlockCardPin, card_pins.unlock_card_pin)
    _at_desk(
        desk,
        c.RegisterMerchant,
        directory.register_merchant,
        opens=lambda command: merchant_accounts(command.merchant),
    )
    _at_desk(desk, c.OpenShop, directory.open_shop)
    _at_desk(desk, c.AgreeContract, directory.agree_contract)
    _at_desk(desk, c.InviteTerminal, invite_terminal)
    # A wrong code costs a try, so the refusal leaves its mark.
    _at_desk(desk, c.EnrolTerminal, enrol_terminal, keeps_refusals=True)
    _at_desk(desk, phones.InvitePhone, phones.invite_phone)
    _at_desk(desk, phones.EnrolPhone, phones.enrol_phone, keeps_refusals=True)
    _at_desk(desk, phones.EndPhone, phones.end_phone)
    _at_desk(desk, c.RegisterSignIn, directory.register_sign_in)
    _at_desk(desk, c.AddItem, catalogue.add_item)
    _at_desk(desk, c.ChangePrice, catalogue.change_price)
    _at_desk(desk, c.RetireItem, catalogue.retire_item)
    awards.register(desk)
    redemption.register(desk)
    settlement.register(desk)
    bearer_cards.register(desk)
    bearer_moves.register(desk)
    temporary_cards.register(desk)
    counter.register(desk)
    record_printing.register(desk)
    return desk


def _opens_nothing(_command: msgspec.Struct) -> tuple[AccountPlan, ...]:
    return ()


def _at_desk(
    desk: FactDesk,
    command_type: type[Command],
    handler: DirectoryHandler[Command],
    *,
    opens: Callable[[Command], tuple[AccountPlan, ...]] = _opens_nothing,
    keeps_refusals: bool = False,
) -> None:
    """Put a directory's command before the desk: first its rows, then the ledger's accounts.

    The two rooms do not know each other; here they meet.
    """
    kind = command_type.__struct_config__.tag
    assert isinstance(kind, str), f"{command_type.__name__} has no kind"

    def apply(tx: Connection, stamp: FactStamp, command: Command) -> Outcome:
        answer = handler(tx, stamp.pool, command, stamp.recorded_at)
        if isinstance(answer, DirectoryRefused):
            return Refused(answer.reason, answer.says)
        _open_accounts(tx, stamp.pool, opens(command))
        return answer

    desk.register(kind, command_type, apply, keeps_refusals=keeps_refusals)


def _open_accounts(tx: Connection, pool: str, plans: tuple[AccountPlan, ...]) -> None:
    for plan in plans:
        open_account(
            tx,
            pool,
            plan.account,
            Asset(plan.asset),
            plan.kind,
            normal=Normal(plan.normal),
            floor_at_zero=plan.floor_at_zero,
            hot=plan.hot,
        )
