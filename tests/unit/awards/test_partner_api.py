"""The award API: signed by a registered partner, safe to repeat, described by its document."""

import json
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from werkzeug.test import TestResponse

from protocol.http_signing import PARTNER_TAG, TAG, sign_request
from protocol.keys import public_key_text
from protocol.messages import Problem
from server.api.openapi import openapi_document, openapi_json
from server.api.partner_messages import (
    PartnerAccepted,
    PartnerAnswer,
    PartnerAward,
    PartnerAwardState,
    PartnerDeclined,
)
from server.awards import (
    AwarderRole,
    ClawBackAward,
    ClosePartner,
    Noted,
    RegisterPartner,
    ReviewAward,
)
from tests.unit.awards.deeds import amended, assert_audit_is_clean, award, points, reason, staff
from tests.unit.server.world import HOST, TODAY, ZHANG, World

PATH = "/v1/partners/mini/awards"
DEED = PartnerAward(award_id="2026-1", account=ZHANG, rule_id="clean-up", performed_on=TODAY)
DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "openapi.json"


def accepted(state: PartnerAwardState, worth: int, award_id: str = "2026-1") -> PartnerAccepted:
    return PartnerAccepted(award_id=award_id, state=state, points=worth)


@dataclass
class Mini:
    """A town's mini-program with its key."""

    world: World
    key: Ed25519PrivateKey

    @property
    def key_text(self) -> str:
        return public_key_text(self.key.public_key())

    def headers(
        self, body: bytes, *, path: str = PATH, key_id: str = "partner:mini", tag: str = PARTNER_TAG
    ) -> dict[str, str]:
        return sign_request(
            self.key,
            key_id=key_id,
            method="POST",
            url=HOST + path,
            body=body,
            created_at=self.world.clock(),
            nonce=self.world.random.randbytes(12).hex(),
            tag=tag,
        )

    def send(
        self, body: bytes, headers: dict[str, str] | None = None, path: str = PATH
    ) -> TestResponse:
        sent = self.headers(body, path=path) if headers is None else headers
        return self.world.client.post(path, base_url=HOST, data=body, headers=sent)

    def ask(self, deed: PartnerAward) -> PartnerAccepted | PartnerDeclined:
        response = self.send(msgspec.json.encode(deed))
        assert response.status_code == 200, response.text
        answer: PartnerAccepted | PartnerDeclined = msgspec.json.decode(
            response.data, type=PartnerAnswer
        )
        return answer


def problem(response: TestResponse) -> tuple[int, str]:
    return response.status_code, msgspec.json.decode(response.data, type=Problem).problem.value


@pytest.fixture
def mini(town: World) -> Mini:
    mini = Mini(town, Ed25519PrivateKey.from_private_bytes(b"m" * 32))
    town.do(RegisterPartner(partner="mini", name="惠生活", public_key=mini.key_text))
    return mini


def test_an_award_asked_again_is_awarded_once_with_the_same_answer(mini: Mini) -> None:
    first = mini.ask(DEED)
    assert first == accepted(PartnerAwardState.AWARDED, 10)
    assert mini.ask(DEED) == first
    assert points(mini.world).balance == 10
    assert_audit_is_clean(mini.world)


def test_the_same_id_with_another_content_is_a_conflict(mini: Mini) -> None:
    mini.ask(DEED)
    other = msgspec.structs.replace(DEED, rule_id="patrol")
    assert problem(mini.send(msgspec.json.encode(other))) == (409, "conflict")
    assert points(mini.world).balance == 10


def test_a_request_is_dealt_with_once_and_only_near_its_time(mini: Mini) -> None:
    body = msgspec.json.encode(DEED)
    headers = mini.headers(body)
    assert mini.send(body, headers).status_code == 200
    assert problem(mini.send(body, headers)) == (401, "replayed")
    headers = mini.headers(body)
    mini.world.clock.move(minutes=10)
    assert problem(mini.send(body, headers)) == (401, "clock_skew")


def test_an_unsigned_altered_or_foreign_request_gets_nothing(mini: Mini) -> None:
    body = msgspec.json.encode(DEED)
    assert problem(mini.send(body, {"Content-Type": "application/json"})) == (401, "unsigned")
    altered = body.replace(b"clean-up", b"cleaning")
    assert problem(mini.send(altered, mini.headers(body))) == (401, "bad_signature")
    stranger = Mini(mini.world, Ed25519PrivateKey.from_private_bytes(b"s" * 32))
    assert problem(stranger.send(body)) == (401, "bad_signature")
    # What is signed for a terminal is good for no partner, nor under another name.
    as_terminal = mini.headers(body, tag=TAG)
    assert problem(mini.send(body, as_terminal)) == (401, "bad_signature")
    as_other = mini.headers(body, key_id="partner:other")
    assert problem(mini.send(body, as_other)) == (401, "bad_signature")
    other_path = "/v1/partners/other/awards"
    assert problem(mini.send(body, path=other_path)) == (401, "unknown_partner")
    assert points(mini.world).balance == 0


def test_a_closed_partner_gets_nothing_and_a_new_key_takes_the_olds_place(mini: Mini) -> None:
    body = msgspec.json.encode(DEED)
    mini.world.do(ClosePartner(partner="mini", reason="合同到期"))
    assert problem(mini.send(body)) == (401, "unknown_partner")
    newer = Mini(mini.world, Ed25519PrivateKey.from_private_bytes(b"n" * 32))
    command = RegisterPartner(partner="mini", name="惠生活", public_key=newer.key_text)
    assert mini.world.do(command) == Noted("mini")
    assert mini.world.do(command) == Noted("mini", again=True)
    assert problem(mini.send(body)) == (401, "bad_signature")
    assert newer.ask(DEED) == accepted(PartnerAwardState.AWARDED, 10)


def test_a_partner_is_registered_with_a_key_of_its_own(mini: Mini) -> None:
    command = RegisterPartner(partner="other", name="另一家", public_key=mini.key_text)
    assert reason(mini.world.submit(command)) == "bad_key"
    assert reason(mini.world.submit(msgspec.structs.replace(command, public_key="x"))) == "bad_key"
    spelt_otherwise = msgspec.structs.replace(command, public_key=mini.key_text + "=")
    assert reason(mini.world.submit(spelt_otherwise)) == "bad_key"
    renamed = msgspec.structs.replace(command, partner="mini")
    assert reason(mini.world.submit(renamed)) == "conflict"
    assert reason(mini.world.submit(ClosePartner(partner="none", reason="x"))) == "unknown_partner"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"award_id":"1"}',
        msgspec.json.encode(msgspec.to_builtins(DEED) | {"points": 999}),
        msgspec.json.encode(msgspec.to_builtins(DEED) | {"award_id": "a b"}),
        b'{"award_id":"1","account":"a1","rule_id":"clean-up","performed_on":"2026-03-02"}',
    ],
)
def test_a_body_that_is_no_award_is_refused(mini: Mini, body: bytes) -> None:
    assert problem(mini.send(body)) == (400, "bad_request")


def test_a_body_that_is_too_long_is_refused(mini: Mini) -> None:
    assert problem(mini.send(b"x" * 20_000)) == (413, "too_large")


def test_what_the_rules_refuse_is_an_answer_that_says_why(mini: Mini) -> None:
    for other, why in (
        ({"account": "f" * 16}, "unknown_resident"),
        ({"rule_id": "napping"}, "no_rule"),
        ({"performed_on": TODAY + timedelta(days=1)}, "future"),
        ({"rule_id": "hazard"}, "needs_fact"),
    ):
        answer = mini.ask(msgspec.structs.replace(DEED, **other))
        assert isinstance(answer, PartnerDeclined)
        assert answer.reason == why
        assert " / " in answer.says


def test_x7_a_fact_that_the_desk_awarded_is_not_paid_to_the_mini_program(mini: Mini) -> None:
    mini.world.do(award("a-1", "hazard", fact_ref="T-1"))
    told = msgspec.structs.replace(DEED, rule_id="quick-report", fact_ref="T-1")
    answer = mini.ask(told)
    assert isinstance(answer, PartnerDeclined)
    assert answer.reason == "paid_already"
    assert points(mini.world).balance == 10


def test_a_rule_with_review_waits_and_the_partner_learns_what_became_of_it(mini: Mini) -> None:
    mini.world.do(amended("clean-up", 12, review=True))
    mini.world.do(staff("shen", AwarderRole.OFFICE))
    assert mini.ask(DEED) == accepted(PartnerAwardState.WAITING, 0)
    assert mini.ask(DEED) == accepted(PartnerAwardState.WAITING, 0)
    mini.world.do(ReviewAward(claim_id="mini:2026-1", approve=True, reviewed_by="shen"))
    assert mini.ask(DEED) == accepted(PartnerAwardState.AWARDED, 12)
    command = ClawBackAward(award_id="mini:2026-1", clawed_back_by="office", reason="x")
    mini.world.do(command)
    assert mini.ask(DEED) == accepted(PartnerAwardState.CLAWED_BACK, 0)
    second = msgspec.structs.replace(DEED, award_id="2026-2")
    mini.ask(second)
    refusal = ReviewAward(
        claim_id="mini:2026-2", approve=False, reviewed_by="shen", reason="照片不清楚"
    )
    mini.world.do(refusal)
    assert mini.ask(second) == accepted(PartnerAwardState.NOT_APPROVED, 0, "2026-2")
    assert_audit_is_clean(mini.world)


def test_a_rule_for_partners_takes_partners_only(mini: Mini) -> None:
    mini.world.do(amended("clean-up", 12, may_award=(AwarderRole.PARTNER,)))
    assert reason(mini.world.submit(award("a-1", "clean-up"))) == "not_allowed"
    assert mini.ask(DEED) == accepted(PartnerAwardState.AWARDED, 12)
    mini.world.do(amended("patrol", 5, may_award=(AwarderRole.GRID_WORKER,)))
    answer = mini.ask(msgspec.structs.replace(DEED, award_id="2026-2", rule_id="patrol"))
    assert isinstance(answer, PartnerDeclined)
    assert answer.reason == "not_allowed"


def test_the_document_is_served_and_stands_in_the_docs_as_it_is(mini: Mini) -> None:
    served = mini.world.client.get("/v1/openapi.json", base_url=HOST)
    assert served.status_code == 200
    assert served.data == openapi_json()
    # Out of date? python -m server.api.openapi > docs/openapi.json
    assert DOCUMENT.read_bytes() == openapi_json()


def test_the_document_names_every_field_and_every_reference_leads_somewhere() -> None:
    document = openapi_document()
    schemas = document["components"]["schemas"]
    assert set(schemas["PartnerAward"]["properties"]) == set(PartnerAward.__struct_fields__)
    assert schemas["PartnerAward"]["additionalProperties"] is False
    text = json.dumps(document)
    named = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert named <= set(schemas)
    assert {"PartnerAward", "PartnerAccepted", "PartnerDeclined", "Problem"} <= named
    operation = document["paths"]["/v1/partners/{partner}/awards"]["post"]
    assert {"200", "401", "409"} <= set(operation["responses"])


def _answers(mini: Mini) -> list[tuple[str, dict[str, object]]]:
    """Every kind of answer that the API gives, with its status."""
    mini.world.do(amended("patrol", 12, review=True))
    body = msgspec.json.encode(DEED)
    sent = mini.headers(body)
    asked = (
        mini.send(body, sent),
        mini.send(body, sent),
        mini.send(body, {}),
        mini.send(b"{}"),
        mini.send(b"x" * 20_000),
        mini.send(msgspec.json.encode(msgspec.structs.replace(DEED, memo="另一件"))),
        mini.send(msgspec.json.encode(msgspec.structs.replace(DEED, rule_id="napping"))),
        mini.send(
            msgspec.json.encode(msgspec.structs.replace(DEED, award_id="2", rule_id="patrol"))
        ),
        mini.send(body, path="/v1/partners/nobody/awards"),
    )
    answers = [(str(each.status_code), json.loads(each.data)) for each in asked]
    statuses = ["200", "401", "401", "400", "413", "409", "409", "200", "401"]
    assert [status for status, _ in answers] == statuses
    return answers


def fits(schema: dict[str, object], value: object, schemas: dict[str, dict[str, object]]) -> bool:
    """Whether a value is what a schema of the document says: as much of JSON Schema as that uses."""
    known = {
        "$ref", "anyOf", "type", "enum", "const", "title", "description", "required", "properties",
        "additionalProperties", "default", "discriminator", "pattern", "minLength", "maxLength",
        "minimum", "maximum", "format",
    }  # fmt: skip
    assert set(schema) <= known, set(schema) - known
    if "$ref" in schema:
        return fits(schemas[str(schema["$ref"]).rpartition("/")[2]], value, schemas)
    if "anyOf" in schema:
        choices = schema["anyOf"]
        assert isinstance(choices, list)
        return sum(fits(each, value, schemas) for each in choices) == 1
    if "enum" in schema:
        choices = schema["enum"]
        assert isinstance(choices, list)
        return value in choices
    types = {"string": str, "integer": int, "object": dict, "null": type(None)}
    if not isinstance(value, types[str(schema["type"])]) or isinstance(value, bool):
        return False
    if isinstance(value, str) and "pattern" in schema:
        return re.search(str(schema["pattern"]), value) is not None
    if isinstance(value, dict):
        fields, needed = schema["properties"], schema.get("required", [])
        assert isinstance(fields, dict)
        assert isinstance(needed, list)
        return set(needed) <= set(value) <= set(fields) and all(
            fits(fields[name], each, schemas) for name, each in value.items()
        )
    return True


def test_every_answer_is_one_that_the_document_describes(mini: Mini) -> None:
    document = openapi_document()
    schemas = document["components"]["schemas"]
    operation = document["paths"]["/v1/partners/{partner}/awards"]["post"]
    for status, answer in _answers(mini):
        schema = operation["responses"][status]["content"]["application/json"]["schema"]
        assert fits(schema, answer, schemas), (status, answer)
        assert not fits(schema, {**answer, "more": 1}, schemas)
        assert not fits(schema, {}, schemas)
    asked = operation["requestBody"]["content"]["application/json"]["schema"]
    deed = json.loads(msgspec.json.encode(DEED))
    assert fits(asked, deed, schemas)
    assert not fits(asked, deed | {"memo": "a\0b"}, schemas)
    assert not fits(asked, deed | {"points": 999}, schemas)
