"""A file that was exported is whole; one altered byte, wherever it stands, and it is not."""

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from protocol.issuers import IssuerRole, certify
from protocol.keys import public_key_text
from server.exports import seal as seal_file
from server.exports.canonical import code_of, digest_of, is_code_for, payload_of, read_code
from server.exports.export import Exported, ExportRefused, export_statement
from server.exports.seal import StatementFormat, Verdict, close_file, make_seal, verify_file
from tests.unit.exports.conftest import OTHER_KEY, ROOT_KEY, exported
from tests.unit.exports.example import example, negative

ROOT = Path(__file__).resolve().parents[3]
KINDS = list(StatementFormat)
PUBLIC = ROOT_KEY.public_key()
# The canonical text of a statement is what codes on paper were made from. If this changes,
# DOCUMENT_VERSION has to change, and the old version's text stays what it was: test_versions.
EXAMPLE_DIGEST = "374cbba7099ecc0de2d9cb18d6127000b78a598d167d296b65aac10dd9ed1221"
ALL_BYTES_UP_TO = 8_000


@pytest.fixture(scope="module", autouse=True)
def _pages_can_be_drawn(cjk_font: Path) -> None:
    """Every kind of file is tested, and the PDF needs a font."""


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_exported_is_whole_and_says_whose_it_is(kind: StatementFormat) -> None:
    made = exported(example(), kind)
    found = verify_file(made.content, PUBLIC)
    assert found.verdict is Verdict.WHOLE
    assert found.seal == made.seal
    assert made.seal.statement == "shop-a-20260331"
    assert made.seal.code.encode() in made.content
    assert made.name == f"shop-a-20260331.{kind}"


def test_the_same_statement_gives_the_same_bytes_in_another_process() -> None:
    script = (
        "import hashlib\n"
        "from server.exports.seal import StatementFormat\n"
        "from tests.unit.exports.conftest import exported\n"
        "from tests.unit.exports.example import example\n"
        "for kind in StatementFormat:\n"
        "    print(hashlib.sha256(exported(example(), kind).content).hexdigest())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    here = [digest_of(exported(example(), kind).content).hex() for kind in KINDS]
    assert ran.stdout.split() == here


@pytest.mark.parametrize("kind", KINDS)
def test_one_altered_byte_anywhere_is_seen(kind: StatementFormat) -> None:
    content = exported(example(), kind).content
    chance = random.Random(4)
    places = list(range(len(content)))
    if len(content) > ALL_BYTES_UP_TO:  # the ends wholly, the rest by sample
        middle = chance.sample(places[1_000:-1_000], 2_000)
        places = [*places[:1_000], *middle, *places[-1_000:]]
    verdicts = {}
    for place in places:
        altered = bytearray(content)
        altered[place] ^= chance.randrange(1, 256)
        verdicts[place] = verify_file(bytes(altered), PUBLIC).verdict
    assert {place for place, verdict in verdicts.items() if verdict is not Verdict.ALTERED} == set()


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_that_are_lost_or_added_are_seen(kind: StatementFormat) -> None:
    content = exported(example(), kind).content
    half = len(content) // 2
    for altered in (
        content + b"\n",
        content + b"\0",
        b" " + content,
        content[:-1],
        content[1:],
        content[:half] + content[half + 1 :],
        content[:half] + b"0" + content[half:],
        content + content,
    ):
        assert verify_file(altered, PUBLIC).verdict is Verdict.ALTERED
    for cut in range(0, len(content), max(1, len(content) // 50)):
        assert verify_file(content[:cut], PUBLIC).verdict is not Verdict.WHOLE


@pytest.mark.parametrize("kind", KINDS)
def test_the_seal_of_another_statement_does_not_fit(kind: StatementFormat) -> None:
    first, second = exported(example(), kind), exported(negative(), kind)
    tail = len(second.seal.text) + 128 + 4
    assert verify_file(first.content[:-tail] + second.content[-tail:], PUBLIC).verdict is (
        Verdict.ALTERED
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_seal_with_another_digest_is_not_believed_though_the_file_is_signed(
    kind: StatementFormat,
) -> None:
    made = exported(example(), kind)
    content = made.content[: made.content.rindex(b"HUIDIAN1 ")]
    forged = replace(made.seal, digest="0" * 64)
    closed = close_file(ROOT_KEY, kind, content, forged)
    assert verify_file(closed, PUBLIC).verdict is Verdict.ALTERED


@pytest.mark.parametrize("kind", KINDS)
def test_another_pools_file_is_unknown_and_names_its_key(kind: StatementFormat) -> None:
    found = verify_file(exported(example(), kind).content, OTHER_KEY.public_key())
    assert found.verdict is Verdict.UNKNOWN
    assert "another pool" in found.says
    assert found.seal is None


def test_a_forger_with_a_key_of_his_own_is_another_pool() -> None:
    document = replace(example(), net_fen=99_999_999)
    made = export_statement(document, StatementFormat.CSV, OTHER_KEY, None)
    assert not isinstance(made, ExportRefused)
    assert verify_file(made.content, PUBLIC).verdict is Verdict.UNKNOWN
    # With the pool's key written over his own it is no longer what anybody signed.
    ours = public_key_text(PUBLIC).encode()
    theirs = public_key_text(OTHER_KEY.public_key()).encode()
    forged = made.content.replace(theirs, ours)
    assert verify_file(forged, PUBLIC).verdict is Verdict.ALTERED


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"%PDF-1.7\n%%EOF\n", b"PK\x03\x04", b'{"a":1}\n', bytes(1_000), b"\xef\xbb\xbfa"],
)
def test_what_is_no_statement_is_unknown(content: bytes) -> None:
    assert verify_file(content, PUBLIC).verdict is Verdict.UNKNOWN


def test_a_file_beyond_the_limit_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    content = exported(example(), StatementFormat.CSV).content
    monkeypatch.setattr(seal_file, "MAX_FILE_BYTES", len(content) - 1)
    assert verify_file(content, PUBLIC).verdict is Verdict.UNKNOWN


def test_the_canonical_text_is_the_one_that_codes_were_made_from() -> None:
    assert digest_of(payload_of(example())).hex() == EXAMPLE_DIGEST


def test_a_code_is_found_by_its_statement_and_differs_with_every_figure() -> None:
    document = example()
    code = make_seal(ROOT_KEY, document.pool, document.statement, payload_of(document)).code
    assert is_code_for(code, "guanghui", "shop-a-20260331")
    assert not is_code_for(code, "guanghui", "shop-b-20260331")
    assert not is_code_for(code, "yamen", "shop-a-20260331")
    other = replace(document, closing_fen=document.closing_fen + 1)
    digest = digest_of(payload_of(other))
    assert code_of(other.pool, other.statement, digest)[4:] != code[4:]


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("GEEM-K271-1AVK-PJS6", "GEEM-K271-1AVK-PJS6"),
        (" geemk271 1avk–pjs6\n", "GEEM-K271-1AVK-PJS6"),
        ("GEEM-K27I-lAVK-PJSO", "GEEM-K271-1AVK-PJS0"),
        ("GEEM-K271-1AVK-PJS", None),
        ("GEEM-K271-1AVK-PJSU", None),
        ("", None),
    ],
)
def test_a_code_is_read_as_people_type_it(typed: str, read: str | None) -> None:
    assert read_code(typed) == read


def test_without_a_font_a_pdf_is_refused_with_the_way_to_get_one() -> None:
    refused = export_statement(example(), StatementFormat.PDF, ROOT_KEY, None)
    assert isinstance(refused, ExportRefused)
    assert "apt-get install" in refused.says


def test_a_file_that_a_vouched_key_sealed_is_whole_to_whoever_has_the_root_key() -> None:
    """The root key lies in a drawer; a key for documents signs, and the file brings its voucher."""
    kid = 7
    certificate = certify(ROOT_KEY, IssuerRole.DOCUMENT, kid, OTHER_KEY.public_key())
    for kind in (StatementFormat.CSV, StatementFormat.JSON):
        made = export_statement(example(), kind, OTHER_KEY, None, f"{kid}:{certificate}")
        assert isinstance(made, Exported)
        assert verify_file(made.content, PUBLIC).verdict is Verdict.WHOLE
        flipped = bytearray(made.content)
        flipped[len(flipped) // 2] ^= 1
        assert verify_file(bytes(flipped), PUBLIC).verdict is Verdict.ALTERED
        foreign = certify(OTHER_KEY, IssuerRole.DOCUMENT, kid, OTHER_KEY.public_key())
        card_key = certify(ROOT_KEY, IssuerRole.CARD, kid, OTHER_KEY.public_key())
        for voucher in (
            f"{kid}:{foreign}",
            f"{kid}:{card_key}",
            f"8:{certificate}",
            f"999:{certificate}",
        ):
            wrong = export_statement(example(), kind, OTHER_KEY, None, voucher)
            assert isinstance(wrong, Exported)
            assert verify_file(wrong.content, PUBLIC).verdict is not Verdict.WHOLE, voucher
