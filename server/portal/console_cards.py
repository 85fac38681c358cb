"""Residents' cards at the office: lost, PIN set or unlocked, a temporary card handed on.

What is printed (a new card, a card sheet) is printed at the machine that has the keys.
"""

from datetime import timedelta

from flask import Blueprint, abort, g, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from msgspec import Struct
from sqlalchemy import Connection

from protocol.business_day import business_date
from protocol.card_pins import PinBusyError, is_pin, is_too_easy
from protocol.narrow import narrow
from server.awards.temporary_cards import HandedOver, HandOverTemporaryCard, Household
from server.db import reading
from server.directory import Card, card_of, pool_terms, resident_of
from server.directory.card_pins import locked_pins, pin_of
from server.directory.commands import RevokeCard, UnlockCardPin
from server.directory.phones import copied_phones
from server.directory.queries import cards_of_account
from server.directory.temporary import temporary_card_of, temporary_cards
from server.facts.refused import Refused
from server.portal.forms import Mistyped, command_of, reason_typed, typed
from server.portal.frame import tell_done, tell_refused
from server.portal.services import PortalServices
from server.portal.wording import gettext, said
from server.redemption.manual_list import manual_sales

_ID_BYTES = 8
_PIN_ID_BYTES = 16
REASON_CHARS = 80
MANUAL_SHOWN = timedelta(days=60)
_LOST, _UNLOCK, _PIN, _HAND_OVER = "lost", "unlock", "pin", "hand-over"


def add_cards(pages: Blueprint, portal: PortalServices) -> None:
    """The list of what needs somebody, and a page a resident."""

    @pages.get("/cards")
    def cards() -> ResponseReturnValue:
        with reading(portal.engine) as tx:
            now = portal.clock()
            locked = [
                (pin, card_of(tx, portal.pool, pin.card_id))
                for pin in locked_pins(tx, portal.pool, now)
            ]
            temporary = temporary_cards(tx, portal.pool)
            copied = copied_phones(tx, portal.pool)
            today = business_date(now, pool_terms(tx, portal.pool).cut_off_hour)
            by_hand = manual_sales(tx, portal.pool, today - MANUAL_SHOWN, today)
        return render_template(
            "console/cards.html",
            locked=locked,
            temporary=temporary,
            copied=copied,
            by_hand=by_hand,
            by_hand_days=MANUAL_SHOWN.days,
        )

    @pages.post("/cards")
    def find_card() -> ResponseReturnValue:
        account = narrow(typed("account")).lower()
        with reading(portal.engine) as tx:
            # PostgreSQL takes no NUL, not even in a question.
            known = "\0" not in account and resident_of(tx, portal.pool, account) is not None
        if not known:
            tell_refused(gettext("没有这位居民，请核对账号。"))
            return redirect(url_for("console.cards"), 303)
        return redirect(url_for("console.card", account=account), 303)

    @pages.route("/cards/<account>", methods=["GET"])
    def card(account: str) -> ResponseReturnValue:
        return _page(portal, account)

    @pages.post("/cards/<account>")
    def change_card(account: str) -> ResponseReturnValue:
        with reading(portal.engine) as tx:
            if resident_of(tx, portal.pool, account) is None:
                abort(404)
            live = _live(tx, portal.pool, account)
        command = _command(portal, account, live)
        if isinstance(command, Mistyped):
            return _page(portal, account, told=command.says), 400
        outcome = portal.submit(g.signed_in.user, command)
        if isinstance(outcome, Refused):
            return _page(portal, account, told=said(outcome.says)), 409
        tell_done(_done(outcome, typed("act")))
        to = outcome.to_account if isinstance(outcome, HandedOver) else account
        return redirect(url_for("console.card", account=to), 303)


def _live(tx: Connection, pool: str, account: str) -> Card | None:
    found = cards_of_account(tx, pool, account)
    return found[-1] if found else None


def _page(portal: PortalServices, account: str, *, told: str = "") -> str:
    with reading(portal.engine) as tx:
        resident = resident_of(tx, portal.pool, account)
        if resident is None:
            abort(404)
        live = _live(tx, portal.pool, account)
        pin = (
            pin_of(tx, portal.pool, live.card_id, live.seq, portal.clock())
            if live is not None
            else None
        )
        temporary = temporary_card_of(tx, portal.pool, account)
        copied = copied_phones(tx, portal.pool, account)
    return render_template(
        "console/card.html",
        resident=resident,
        card=live,
        pin=pin,
        temporary=temporary,
        copied=copied,
        move=portal.new_id(),
        may_set_pin=portal.pin_setting is not None,
        reason_chars=REASON_CHARS,
        told=told,
    )


def _command(portal: PortalServices, account: str, live: Card | None) -> Struct | Mistyped:
    """What was asked for, by whichever of the page's forms."""
    act = typed("act")
    if act == _HAND_OVER:
        return _handing_over(portal, account)
    if act not in {_LOST, _UNLOCK, _PIN}:
        return Mistyped(gettext("请重新打开这一页。"))
    if live is None:
        return Mistyped(gettext("这位居民没有可用的积分卡，请先发卡。"))
    reason = _reason()
    if isinstance(reason, Mistyped):
        return reason
    if act == _LOST:
        return command_of(RevokeCard, card_id=live.card_id, reason=reason)
    if act == _UNLOCK:
        pin_id = portal.randomness(_PIN_ID_BYTES).hex()
        return command_of(UnlockCardPin, pin_id=pin_id, card_id=live.card_id, reason=reason)
    return _pin_typed(portal, live, reason)


def _pin_typed(portal: PortalServices, live: Card, reason: str) -> Struct | Mistyped:
    """What was typed goes no further than into what Argon2 makes of it."""
    pin = typed("pin")
    problem = None
    if pin != typed("pin_again"):
        problem = gettext("两次输入的密码不一样，请居民重新输入。")
    elif not is_pin(pin):
        problem = gettext("密码要 6 位数字，请居民重新输入。")
    elif is_too_easy(pin):
        problem = gettext("密码太简单（如 123456、888888），请居民换一个。")
    elif portal.pin_setting is None:
        problem = gettext("这里不能设密码，请在服务器上运行 huidian-server card-pin set。")
    if problem is not None or portal.pin_setting is None:
        return Mistyped(problem or "")
    try:
        return portal.pin_setting(live, pin, portal.randomness(_PIN_ID_BYTES).hex(), reason)
    except PinBusyError:
        return Mistyped(gettext("服务器正忙，请再提交一次。"))


def _handing_over(portal: PortalServices, account: str) -> Struct | Mistyped:
    reason = _reason()
    if isinstance(reason, Mistyped):
        return reason
    with reading(portal.engine) as tx:
        card = temporary_card_of(tx, portal.pool, account)
        terms = pool_terms(tx, portal.pool)
        before = (
            temporary_card_of(tx, portal.pool, card.to_account)
            if card is not None and card.to_account is not None
            else None
        )
    if card is None:
        return Mistyped(gettext("这不是临时积分卡。"))
    today = business_date(portal.clock(), terms.cut_off_hour)
    to = command_of(
        Household,
        # The same form sent twice names the household that the first one made.
        account=before.account if before is not None else portal.randomness(_ID_BYTES).hex(),
        card_id=before.card_id if before is not None else portal.randomness(_ID_BYTES).hex(),
        name=gettext("临时积分卡"),
        household=typed("household"),
        place=card.place,
        expires_on=today + timedelta(days=terms.card_valid_days),
        cap_points=terms.card_cap_points,
    )
    if isinstance(to, Mistyped):
        return Mistyped(gettext("请写下一户的门牌，最多 80 个字。"))
    return command_of(
        HandOverTemporaryCard, move=typed("move"), account=account, to=to, reason=reason
    )


def _reason() -> str | Mistyped:
    reason = reason_typed()
    if isinstance(reason, str) and len(reason) > REASON_CHARS:
        return Mistyped(gettext("原因最多 80 个字，请写短一些。"))
    return reason


def _done(outcome: object, act: str) -> str:
    if isinstance(outcome, HandedOver):
        points = g.wording.points
        told = gettext(
            "已转给下一户，转过去 %(points)s。请打印新卡。", points=points(outcome.points)
        )
        if outcome.debts_points:
            told += gettext("原户欠的 %(points)s 先还了。", points=points(outcome.debts_points))
        if outcome.left_points:
            told += gettext("还有 %(points)s 正被收银台使用。", points=points(outcome.left_points))
        if outcome.overdraft_points:
            told += gettext(
                "原户还透支 %(points)s，不由下一户承担。", points=points(outcome.overdraft_points)
            )
        return told
    return {
        _LOST: gettext("已挂失，积分不变。居民来了再补卡。"),
        _UNLOCK: gettext("密码已解锁，还是原来的密码。"),
        _PIN: gettext("密码已设置。"),
    }[act]
