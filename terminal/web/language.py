"""Which language a page speaks, and the sentences in it. Chinese is the source language."""

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Final

from flask import Flask, request
from flask_babel import Babel, format_date, get_locale, gettext
from msgspec import Struct

from protocol.business_day import SHANGHAI

LANGUAGES: Final = ("zh", "en")
LANGUAGE_COOKIE: Final = "huidian_till_language"
"""Cookies know no ports: the name keeps it apart from other pages of this machine."""

TRANSLATIONS: Final = Path(__file__).parent / "translations"


class Words(Struct, frozen=True):
    """``text`` says what happened, ``next`` what the person at the page does now."""

    text: str
    next: str


def set_up_languages(app: Flask, default_language: str) -> None:
    """Let every request speak the language of its cookie, else ``default_language``."""

    def choose() -> str:
        chosen = request.cookies.get(LANGUAGE_COOKIE, default_language)
        return chosen if chosen in LANGUAGES else default_language

    Babel(
        app,
        default_locale=default_language,
        default_translation_directories=str(TRANSLATIONS),
        default_timezone=SHANGHAI.key,
        locale_selector=choose,
    )


def language_now() -> str:
    """``zh`` or ``en``: the language of this request."""
    return "en" if str(get_locale()).startswith("en") else "zh"


def later(text: str) -> str:
    """Mark a sentence for translation where it stands; :func:`say` translates it when shown."""
    return text


def say(text: str, figures: Mapping[str, str | int] | None = None) -> str:
    """The sentence in the language of this request, its ``{figures}`` filled in."""
    return str(gettext(text)).format_map(figures or {})


def day_text(day: date) -> str:
    """A date in full: 2026年12月31日, December 31, 2026."""
    return str(format_date(day, "long", rebase=False))


def time_text(at: datetime) -> str:
    """The shop's wall time of an aware moment: 14:05."""
    return at.astimezone(SHANGHAI).strftime("%H:%M")
