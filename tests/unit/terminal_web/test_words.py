"""Every sentence of the page exists in both languages, is filled in, and says what comes next."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po
from msgspec.structs import replace

from drivers.ports import PrinterTrouble, ScannerState
from protocol.money import AmountProblem, Points
from protocol.reasons import Declined, DeclineReason
from terminal.checkout.allowed import AMOUNT_NOTICES
from terminal.checkout.view import NoticeView, TillView
from terminal.domain.notice import NoticeCode
from terminal.domain.print_job import JobState
from terminal.domain.scan import PaymentBrand
from terminal.web.decline_words import DECLINES
from terminal.web.device_words import (
    PRINT_LEVELS,
    PRINT_STATES,
    PRINTER_TROUBLES,
    SCANNER_TROUBLES,
    directory_age_text,
    print_words,
    printer_words,
    status_views,
)
from terminal.web.language import TRANSLATIONS, Words
from terminal.web.words import BRANDS, NOTICES, notice_words
from tests.support.shop import Shop, policy
from tests.support.till_web import app_of

ROOM = TRANSLATIONS.parent
PO_FILE = TRANSLATIONS / "en" / "LC_MESSAGES" / "messages.po"
CHINESE = re.compile(r"[\u3400-\u9fff]")
# 分 alone, and words of the bookkeeping that no cashier should meet.
NEVER = re.compile(r"(?<!积)分(?!成|钟)|授权|冻结|扣减|¥|线下")
FIGURES: dict[str, str | int] = {
    "left": 2,
    "place": "3-2-501",
    "receipt_no": "store-1-000007",
    "brand": "wechat",
    "copy": "missing",
    "item": "6900000000014",
    "lowest": 0,
    "highest": 71,
    "stock": 2,
    "points": 71,
    "cash_fen": 8,
    "z_no": 7,
    "seconds": 30,
    "person": "Li",
    "used_on": "2026-03-02",
    "used_where": "2",
    "valid_until": "2026-03-01",
    "rule": "Patrol",
    "event": "2026",
    "people": 34,
    "awarded": 30,
    "at": "14:05",
    "number": 3,
    "most": 20,
    "changes": "Bun 0.50→0.60",
    "gone": "Bun",
    "rows": 3,
    "items": 50_000,
    "added": 2,
    "changed": 3,
    "removed": 4,
}
LANGUAGES = pytest.mark.parametrize("language", ["zh", "en"])


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One for all sentences: none of them changes anything."""
    made = Shop(tmp_path_factory.mktemp("shop"))
    made.take(policy())
    yield made
    made.store.close()


@contextmanager
def speaking(shop: Shop, language: str) -> Iterator[TillView]:
    """A request in this language; gives a view whose own names are in it too."""
    with app_of(shop, language).test_request_context():
        view = shop.page.view()
        yield replace(view, pool_name="Hui") if language == "en" else view


def check(words: Words, language: str) -> None:
    for sentence in (words.text, words.next):
        assert sentence
        assert "{" not in sentence
        assert bool(CHINESE.search(sentence)) == (language == "zh"), sentence
        assert NEVER.search(sentence) is None, sentence


def notice(code: NoticeCode, decline: Declined | None = None, **figures: str | int) -> NoticeView:
    return NoticeView(
        code=code.value, level="refused", figures={**FIGURES, **figures}, decline=decline
    )


@LANGUAGES
@pytest.mark.parametrize("code", sorted(set(NoticeCode) - {NoticeCode.DECLINED}))
def test_every_notice_says_what_happened_and_what_to_do(
    shop: Shop, code: NoticeCode, language: str
) -> None:
    with speaking(shop, language) as view:
        check(notice_words(notice(code), view), language)


@LANGUAGES
@pytest.mark.parametrize("needs_points", [0, 1])
@pytest.mark.parametrize("reason", list(DeclineReason))
def test_every_decline_says_what_happened_and_what_to_do(
    shop: Shop, reason: DeclineReason, needs_points: int, language: str
) -> None:
    decline = Declined(
        reason,
        missing_points=Points(16),
        limit_points=Points(0 if needs_points else 50),
        until=date(2026, 12, 31),
    )
    with speaking(shop, language) as view:
        said = notice_words(notice(NoticeCode.DECLINED, decline, needs_points=needs_points), view)
        check(said, language)


def test_no_enumeration_has_grown_past_its_words() -> None:
    assert set(NOTICES) == set(NoticeCode) - {NoticeCode.DECLINED}
    assert set(DECLINES) == set(DeclineReason)
    assert set(BRANDS) == set(PaymentBrand)
    assert set(PRINTER_TROUBLES) == set(PrinterTrouble)
    assert set(SCANNER_TROUBLES) == set(ScannerState) - {ScannerState.READY}
    assert set(PRINT_STATES) == set(PRINT_LEVELS) == set(JobState)
    assert {AMOUNT_NOTICES[one] for one in AmountProblem} <= set(NOTICES)


@LANGUAGES
def test_devices_and_paper_have_words(shop: Shop, language: str) -> None:
    with speaking(shop, language) as view:
        for trouble in (*PrinterTrouble, "none", "something new"):
            check(printer_words(trouble), language)
            for state in JobState:
                text, level = print_words(state.value, trouble, trouble)
                check(Words(text, text), language)
                assert level
        ill = replace(
            view, server="offline", untold=3, printer="paper_out", scanner="absent",
            clock_state="unknown", offline_left_points=40,
        )  # fmt: skip
        marks = status_views(ill)
        assert [mark.about for mark in marks] == [
            "server", "offline_left", "untold", "printer", "scanner", "clock",
        ]  # fmt: skip
        for mark in marks:
            check(Words(mark.text, mark.text), language)
        assert status_views(replace(view, untold=0)) == ()
        for age_min in (None, 0, 59, 60, 47 * 60, 48 * 60, 30 * 24 * 60):
            check(Words(directory_age_text(age_min), directory_age_text(age_min)), language)


def chinese(shop: Shop, shown: NoticeView, due_fen: int = 710) -> str:
    with speaking(shop, "zh") as view:
        words = notice_words(shown, replace(view, due_fen=due_fen))
    return words.text + words.next


def test_too_few_points_for_goods_says_how_many_are_missing(shop: Shop) -> None:
    decline = Declined(DeclineReason.INSUFFICIENT_POINTS, missing_points=Points(16))
    said = chinese(shop, notice(NoticeCode.DECLINED, decline, needs_points=1))
    assert said == "积分不够，还差16积分。可减少商品，或请居民换一张卡。"


def test_a_resident_without_points_can_still_pay_cash(shop: Shop) -> None:
    decline = Declined(DeclineReason.INSUFFICIENT_POINTS, missing_points=Points(71))
    said = chinese(shop, notice(NoticeCode.DECLINED, decline, needs_points=0))
    assert said == "没有可用积分。请直接收现金 7.10 元。"


def test_a_ban_is_told_with_its_end_and_that_earning_goes_on(shop: Shop) -> None:
    decline = Declined(DeclineReason.REDEMPTION_BANNED, until=date(2026, 12, 31))
    said = chinese(shop, notice(NoticeCode.DECLINED, decline, needs_points=0))
    assert "暂停兑换至2026年12月31日，积分照常累计" in said


def test_offline_the_limit_is_told(shop: Shop) -> None:
    decline = Declined(DeclineReason.OVER_FLOOR_LIMIT, limit_points=Points(30))
    assert "离线，这位居民这一单最多用30积分" in chinese(
        shop, notice(NoticeCode.DECLINED, decline, needs_points=1)
    )


def test_an_empty_card_is_told_with_day_and_place_of_its_last_use(shop: Shop) -> None:
    decline = Declined(
        DeclineReason.CARD_EMPTY,
        used_at=datetime(2026, 3, 1, 17, 30, tzinfo=UTC),
        used_where="听篌街兑换站",
    )
    said = chinese(shop, notice(NoticeCode.DECLINED, decline, needs_points=1))
    assert said.startswith("此卡已用完，最后一次是2026年3月2日，在听篌街兑换站。请居民换一张卡")


def test_a_code_that_did_one_thing_is_told_with_when_where_and_the_way_out(shop: Shop) -> None:
    decline = Declined(
        DeclineReason.CODE_USED,
        used_at=datetime(2026, 3, 1, 4, 10, tzinfo=UTC),
        used_where="二号店",
        expired_at=datetime(2026, 3, 1, 4, 30, tzinfo=UTC),
    )
    said = chinese(shop, notice(NoticeCode.DECLINED, decline))
    assert said == (
        "这个码 12:10 在二号店用过了，一个码只能确认一件事。"
        "现在不要办。请居民出示积分卡；没有卡，12:30 手机会换新码，到时再扫。"
    )
    here = chinese(shop, notice(NoticeCode.DECLINED, replace(decline, used_where="")))
    assert here.startswith("这个码 12:10 在本店用过了")


def test_goods_that_are_short_are_named_with_what_is_left(shop: Shop) -> None:
    said = chinese(shop, notice(NoticeCode.OUT_OF_STOCK, item="大米", stock=2))
    assert said == "“大米”库存不够，系统里还有 2 件。请换一种商品；数目不对，请街道办盘点。"


@pytest.mark.parametrize(
    ("brand", "called"), [("wechat", "微信"), ("alipay", "支付宝"), ("unionpay", "银联")]
)
def test_a_payment_code_is_called_by_its_name(shop: Shop, brand: str, called: str) -> None:
    said = chinese(shop, notice(NoticeCode.PAYMENT_CODE, brand=brand))
    expected = f"这是{called}付款码，不是居民码。（付款码未保存）请居民打开惠积分的居民码。"
    assert said == expected


@LANGUAGES
def test_what_is_said_of_a_code_that_does_not_hold_is_true_of_another_pools_as_well(
    shop: Shop, language: str
) -> None:
    """Two pools' keys may have the same number (1 in 256): nothing tells that from a forgery."""
    decline = Declined(DeclineReason.CODE_FORGED)
    with speaking(shop, language) as view:
        said = notice_words(notice(NoticeCode.DECLINED, decline, needs_points=0), view)
    if language == "zh":
        assert said.text == "这个码验不过：不是惠积分发的，或者改过、印坏了。"
        assert "是别的积分池，请换惠积分的码" in said.next
        assert "请换手机居民码，或到社区换卡" in said.next
    else:
        assert "not issued by Hui" in said.text
        assert "Another pool's name on it: ask for a code of Hui." in said.next
    assert re.search("不是真的|假|forged|genuine", said.text + said.next) is None


def test_the_pools_own_unit_is_used(shop: Shop) -> None:
    decline = Declined(DeclineReason.INSUFFICIENT_POINTS, missing_points=Points(16))
    with speaking(shop, "zh") as view:
        shown = notice(NoticeCode.DECLINED, decline, needs_points=1)
        words = notice_words(shown, replace(view, unit_name="活力值"))
    assert words.text == "活力值不够，还差16活力值。"


def messages_in_code() -> set[str]:
    with (ROOM / "babel.cfg").open(encoding="utf-8") as mapping:
        methods, options = parse_mapping_cfg(mapping)  # type: ignore[no-untyped-call]  # babel's own gap
    keywords = {**DEFAULT_KEYWORDS, "later": None}
    found = extract_from_dir(str(ROOM), methods, options, keywords=keywords)
    return {message for _, _, message, _, _ in found if isinstance(message, str)}


def test_the_english_texts_are_those_of_the_code_and_no_others() -> None:
    with PO_FILE.open("rb") as stream:
        catalogue = read_po(stream, locale="en")
    english = {str(one.id): str(one.string) for one in catalogue if one.id}
    assert messages_in_code() == set(english)
    assert [text for text, said in english.items() if not said or CHINESE.search(said)] == []
    assert not catalogue.obsolete


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_both_languages_fill_in_the_same_figures() -> None:
    with PO_FILE.open("rb") as stream:
        catalogue = read_po(stream, locale="en")
    # A unit's name may be left out in either language, a figure may not.
    differing = [
        one.id
        for one in catalogue
        if one.id
        and placeholders(str(one.id)) - {"unit"} != placeholders(str(one.string)) - {"unit"}
    ]
    assert differing == []


def test_the_pages_scripts_have_no_texts_of_their_own() -> None:
    scripts = sorted(Path(ROOM / "static" / "till").glob("*.js"))
    assert scripts
    assert [script.name for script in scripts if CHINESE.search(script.read_text())] == []
