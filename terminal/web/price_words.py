"""What can be wrong with a price list, in words: what it is, and what to do about it."""

from collections.abc import Mapping
from typing import Final

from babel.support import Translations

from terminal.domain.notice import NoticeCode
from terminal.prices.files import HEADER, FileProblem, FileProblemError
from terminal.prices.rows import RowProblem, Wrong
from terminal.web.language import TRANSLATIONS, later, say

PRICE_NOTICES: Final[dict[NoticeCode, tuple[str, str]]] = {
    NoticeCode.PRICES_IMPORTED: (
        later("价目已换上：共 {items} 种，新 {added}，改 {changed}，去掉 {removed}。"),
        later("从下一件商品起按新价卖。"),
    ),
    NoticeCode.PRICES_AGAIN: (
        later("这份清单已经过时，没有换上。"),
        later("请重新选文件，再看一遍。"),
    ),
    NoticeCode.PRICES_BAD_ROWS: (
        later("清单里有 {rows} 行不对，一行也没有换上。"),
        later("请在文件里改好再来；或者勾选“不要这些行”。"),
    ),
    NoticeCode.PRICES_NOTHING: (later("清单里没有一行能用。"), later("请照下面说的改好文件。")),
    NoticeCode.PRICES_BUSY: (later("正在看另一份清单。"), later("请等一会儿再试。")),
    NoticeCode.PRICES_FORGOTTEN: (later("这份清单不用了，价目没有变。"), later("可以重新选文件。")),
    NoticeCode.PRICE_CHANGED: (later("“{item}”的价钱已改。"), later("从下一件起按新价卖。")),
    NoticeCode.PRICE_OF_POOL: (
        later("这件商品的价钱本店不能改。"),
        later("用{unit}换的商品由{pool}定价；别的商品请核对编号。"),
    ),
    NoticeCode.REASON_NEEDED: (later("没有写原因。"), later("请写一句为什么，再按一次。")),
}

ROWS: Final[dict[RowProblem, tuple[str, str]]] = {
    RowProblem.FORMULA: (later("是公式"), later("请改成算好的文字或数，不要以 = + - @ 开头")),
    RowProblem.CODE_MISSING: (later("没有编号，也没有条码"), later("请至少填一个")),
    RowProblem.CODE_WRONG: (
        later("编号不能用"),
        later("只用字母、数字、汉字和 - _ .，最多 32 个字"),
    ),
    RowProblem.CODE_TWICE: (later("编号和第 {shown} 行一样"), later("请改编号，或删去一行")),
    RowProblem.BARCODE_WRONG: (later("条码不能用"), later("只用数字、字母和 -")),
    RowProblem.BARCODE_ROUNDED: (
        later("条码被表格改成了科学计数"),
        later("请把这一列设成文本，重新填条码"),
    ),
    RowProblem.BARCODE_CHECK_DIGIT: (
        later("条码的校验位不对"),
        later("请照包装再输一次，或用扫码枪扫"),
    ),
    RowProblem.BARCODE_OF_LABEL: (
        later("这是秤打出的整条码，含重量或价钱"),
        later("只填秤上的货号：5 位，或前面带 2 位的 7 位"),
    ),
    RowProblem.BARCODE_TWICE: (later("条码和第 {shown} 行一样"), later("请改条码，或删去一行")),
    RowProblem.BARCODE_OF_POOL: (
        later("这是目录里编号 {shown} 的条码"),
        later("请把编号写成 {shown}，就是给它定本店的价"),
    ),
    RowProblem.BARCODE_KEPT: (
        later("条码已是本店编号 {shown} 的"),
        later("请改用编号 {shown}，或选“整份替换”"),
    ),
    RowProblem.NAME_MISSING: (later("没有名称"), later("请填商品名称")),
    RowProblem.TEXT_WRONG: (later("太长，或有看不见的字符"), later("请写短一些，写在一行里")),
    RowProblem.PRICE_MISSING: (later("没有单价"), later("请填单价，单位是元，例如 7.10")),
    RowProblem.PRICE_NOT_A_NUMBER: (later("单价不是数字"), later("请只填数字，例如 7.10")),
    RowProblem.PRICE_ZERO: (later("单价不能是 0"), later("请填单价；免费的东西由社区定")),
    RowProblem.PRICE_NEGATIVE: (later("单价不能是负数"), later("请填大于 0 的数")),
    RowProblem.PRICE_TOO_MANY_DECIMALS: (
        later("单价最多两位小数"),
        later("单位是元，请改成例如 7.10"),
    ),
    RowProblem.PRICE_TOO_LARGE: (
        later("单价太大，最多 50000 元"),
        later("单位是元，请看看小数点"),
    ),
    RowProblem.POINTS_GOODS: (
        later("“{shown}”的价由社区定"),
        later("请删去这一行；要改价请联系社区"),
    ),
    RowProblem.YES_OR_NO: (later("只能填“是”，或空着"), later("请改成“是”，或删去")),
    RowProblem.TOO_MANY_KEYS: (later("快捷键最多 {shown} 个"), later("请让不常卖的商品空着")),
}

FILES: Final[dict[FileProblem, tuple[str, str]]] = {
    FileProblem.EMPTY: (later("文件是空的。"), later("请选有商品的那份文件。")),
    FileProblem.TOO_LARGE: (
        later("文件太大，最多 {shown} MB。"),
        later("请只留下要用的列，或分成几份。"),
    ),
    FileProblem.OLD_EXCEL: (
        later("这是旧的 .xls 文件。"),
        later("请在表格软件里另存为 .xlsx 或 CSV，再来。"),
    ),
    FileProblem.DAMAGED: (
        later("这份文件打不开，可能坏了，或加了密码。"),
        later("请在表格软件里打开，另存一份，再来。"),
    ),
    FileProblem.NOT_TEXT: (
        later("读不出文字：不是 UTF-8，也不是 GBK。"),
        later("请在表格软件里另存为 .xlsx，再来。"),
    ),
    FileProblem.NO_HEADER: (
        later("没有找到表头。"),
        later("请先存一份本店的价目，照它的第一行写列名。"),
    ),
    FileProblem.COLUMN_MISSING: (later("少了“{shown}”这一列。"), later("请加上这一列，再来。")),
    FileProblem.COLUMN_TWICE: (later("“{shown}”有两列。"), later("请只留下一列，再来。")),
    FileProblem.PRICE_IN_FEN: (
        later("“{shown}”不收，价钱只认元。"),
        later("请改成元，最多两位小数，列名写“单价（元）”。"),
    ),
    FileProblem.TOO_MANY_ROWS: (
        later("商品太多，一份价目最多 {shown} 种。"),
        later("请去掉不卖的商品，再来。"),
    ),
    FileProblem.TOO_MANY_KEYS: (
        later("快捷键最多 {shown} 个，加上原有的就太多了。"),
        later("请让不常卖的商品空着，再来。"),
    ),
}

_ENGLISH = Translations.load(str(TRANSLATIONS), ["en"])


def wrong_words(wrong: Wrong) -> tuple[str, str, str, str]:
    """Column, what stands there, what is wrong, what to do; in the language of this request."""
    text, todo = ROWS[wrong.problem]
    figures = {"shown": wrong.shown}
    return say(HEADER[wrong.column]), wrong.shown, say(text, figures), say(todo, figures)


def file_words(error: FileProblemError) -> tuple[str, str]:
    """What is wrong with a file, and what to do; in the language of this request."""
    text, todo = FILES[error.problem]
    return say(text, {"shown": error.shown}), say(todo, {"shown": error.shown})


def in_both(text: str, figures: Mapping[str, str | int]) -> str:
    """A sentence for a command, in Chinese and in English."""
    english = str(_ENGLISH.gettext(text))
    return f"{text.format_map(figures)} · {english.format_map(figures)}"


COLUMN_NAMES: Final = (
    later("编号"), later("条码"), later("名称"), later("类别"),
    later("单位"), later("单价（元）"), later("称重"), later("快捷键"),
)  # fmt: skip
"""Marked for translation; :data:`HEADER` says which is which."""
