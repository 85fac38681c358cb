"""A resident with neither phone nor card, on the till's pages and on the office's."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from playwright.sync_api import Page, expect

from protocol.business_day import business_date
from protocol.redemption import FenRemainder
from server.directory import SignInRole, pool_terms
from server.directory import commands as c
from server.directory.queries import cards_of_account
from terminal.domain.staff import Role
from tests.browser.test_cashier import PHONE, TILL
from tests.browser.test_more_pages import look
from tests.support.pool_till import PoolTill, till_of
from tests.support.serving import listening
from tests.support.till_web import app_of, served
from tests.unit.server.world import ZHANG, World

pytestmark = pytest.mark.browser
OWNER = "4719"


@pytest.fixture
def till(world: World, tmp_path: Path) -> Iterator[PoolTill]:
    hour = world.read(lambda tx: pool_terms(tx, world.pool)).cut_off_hour
    today = business_date(world.clock(), hour)
    world.do(
        c.SetRedemptionTerms(
            valid_from=today, fen_remainder=FenRemainder.CASH, manual_day_points=30
        )
    )
    world.issue_card(ZHANG)
    with till_of(world, tmp_path) as opened:
        opened.staff.add("店主", Role.OWNER, OWNER, None)
        yield opened


@pytest.mark.parametrize("page", [TILL, PHONE], indirect=True, ids=["till", "phone"])
def test_the_owner_lets_a_resident_redeem_who_has_nothing_at_hand_and_the_office_sees_it(
    page: Page, world: World, till: PoolTill, artefacts: Path
) -> None:
    (card,) = world.read(lambda tx: cards_of_account(tx, world.pool, ZHANG))
    with served(app_of(till)) as url:
        till.till.add_amount("5.00", "其他商品")
        page.goto(f"{url}/more/look-up")
        form = page.locator('form[data-post="/more/look-up/redeem"]')
        form.locator('[name="number"]').fill(card.card_id[-6:])
        form.locator('[name="reason"]').fill("手机没电，见过身份证")
        look(page, artefacts, "by-hand")
        form.get_by_role("button").tap()
        expect(page.locator("#said-text")).to_contain_text("店主")  # no PIN, no leave
        form.locator('[name="pin"]').fill(OWNER)
        form.get_by_role("button").tap()
        expect(page).to_have_url(f"{url}/")
        payment = till.page.view().payment
        assert payment is not None
        assert payment.points_max == 30
        expect(page.locator("#confirm-text")).to_have_text("用 30 积分，还需付 2.00 元")
        look(page, artefacts, "by-hand-approved")
        till.till.complete(till.till.snapshot()[0].sale_id)
    till.sync()
    hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("uncommon-words")
    world.do(
        c.RegisterSignIn(
            user="jiedao", role=SignInRole.OPERATOR, merchant=None, password_hash=hashed
        )
    )
    world.clock.now = datetime.now(UTC)
    with listening(world.app) as office:
        page.goto(f"{office}/console/cards")
        page.fill("#user", "jiedao")
        page.fill("#password", "uncommon-words")
        page.click("button.go")
        page.goto(f"{office}/console/cards")
        body = page.locator("body")
        expect(body).to_contain_text("人工核对的抵扣，最近 60 天 (1)")
        expect(body).to_contain_text("店主 同意")
        expect(body).to_contain_text("手机没电，见过身份证")
        look(page, artefacts, "by-hand-office")
