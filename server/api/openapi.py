"""The award API as an OpenAPI document, made from the types that the server reads and writes.

python -m server.api.openapi > docs/openapi.json
"""

import sys
from typing import Any

import msgspec

from protocol.http_signing import PARTNER_TAG
from protocol.messages import Problem
from server.api.partner_messages import PartnerAccepted, PartnerAnswer, PartnerAward
from server.api.phone_messages import (
    PhoneAnswer,
    PhoneEnded,
    PhoneEnrolRequest,
    PhoneRequest,
    ReceiptAnswer,
    ReceiptCheck,
)

_REF = "#/components/schemas/{name}"
_SIGNATURE = (
    "RFC 9421, Ed25519, with the key that the pool registered. Covered: @method, @authority, "
    "@path, content-type, content-digest; parameters: created (within 300 s of the server's "
    f'clock), nonce (used once), keyid "partner:<partner>", tag "{PARTNER_TAG}".'
)
_PROBLEMS = {
    "400": "bad_request: the body is not what it must be",
    "401": "unsigned, bad_signature, replayed, clock_skew (server_time tells the time), or "
    "unknown_partner",
    "409": "conflict: this award_id stands for another award",
    "413": "too_large",
    "500": "fault: of the server, logged there; safe to repeat with a new nonce",
    "503": "try_again: safe, with a new nonce and the same award_id",
}


def openapi_document() -> dict[str, Any]:
    """OpenAPI 3.1: one operation, its messages, and every status that it answers."""
    (asked, answered, problem, *phones), schemas = msgspec.json.schema_components(
        [PartnerAward, PartnerAnswer, Problem, *_PHONE_MESSAGES], ref_template=_REF
    )
    assert PartnerAccepted.__name__ in schemas
    problems = {
        status: {"description": says, "content": _json(problem)}
        for status, says in _PROBLEMS.items()
    }
    signed = [
        {"name": name, "in": "header", "required": True, "schema": {"type": "string"}}
        for name in ("Signature", "Signature-Input", "Content-Digest")
    ]
    partner = {"name": "partner", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Huidian award API / 惠点积分登记接口",
            "version": "1",
            "description": "A town's mini-program awards points. " + _SIGNATURE,
        },
        "paths": {
            "/v1/partners/{partner}/awards": {
                "post": {
                    "operationId": "award",
                    "summary": "登记积分 / award points; safe to repeat",
                    "parameters": [partner, *signed],
                    "requestBody": {"required": True, "content": _json(asked)},
                    "responses": {
                        "200": {"description": "accepted or declined", "content": _json(answered)},
                        **problems,
                    },
                }
            },
            **_phone_paths(phones, problems),
        },
        "components": {"schemas": schemas},
    }


_PHONE_MESSAGES = (
    PhoneEnrolRequest,
    PhoneRequest,
    PhoneAnswer,
    PhoneEnded,
    ReceiptCheck,
    ReceiptAnswer,
)


def _phone_paths(
    messages: list[dict[str, Any]], problems: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """What a resident's phone asks; docs/codes.md says how it signs."""
    enrol, refresh, told, ended, receipt, checked = messages

    def operation(
        name: str, summary: str, asked: dict[str, Any], answered: dict[str, Any]
    ) -> dict[str, Any]:
        told_problems = {each: problems[each] for each in ("400", "413", "500", "503")}
        return {
            "post": {
                "operationId": name,
                "summary": summary,
                "requestBody": {"required": True, "content": _json(asked)},
                "responses": {
                    "200": {"description": "dealt with", "content": _json(answered)},
                    "401": {**problems["401"], "description": "bad_signature or clock_skew"},
                    "403": {**problems["400"], "description": "wrong_code"},
                    **told_problems,
                },
            }
        }

    return {
        "/v1/phones/enrol": operation(
            "enrolPhone", "登记手机 / a phone brings its one-time code and its key", enrol, told
        ),
        "/v1/phones/refresh": operation(
            "refreshPhone",
            "更新 / what is new for an enrolled phone, or that it has ended",
            refresh,
            {"anyOf": [told, ended]},
        ),
        "/v1/receipts/check": operation(
            "checkReceipt", "查小票 / whether a receipt's code is genuine", receipt, checked
        ),
    }


def openapi_json() -> bytes:
    """The document, indented, as it stands in ``docs/openapi.json``."""
    encoded = msgspec.json.encode(openapi_document(), order="deterministic")
    return msgspec.json.format(encoded, indent=2) + b"\n"


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


if __name__ == "__main__":
    sys.stdout.buffer.write(openapi_json())
