"""The award API as an OpenAPI document, made from the types that the server reads and writes.

python -m server.api.openapi > docs/openapi.json
"""

import sys
from typing import Any

import msgspec

from protocol.http_signing import PARTNER_TAG
from protocol.messages import Problem
from server.api.partner_messages import PartnerAccepted, PartnerAnswer, PartnerAward

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
    (asked, answered, problem), schemas = msgspec.json.schema_components(
        [PartnerAward, PartnerAnswer, Problem], ref_template=_REF
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
            }
        },
        "components": {"schemas": schemas},
    }


def openapi_json() -> bytes:
    """The document, indented, as it stands in ``docs/openapi.json``."""
    encoded = msgspec.json.encode(openapi_document(), order="deterministic")
    return msgspec.json.format(encoded, indent=2) + b"\n"


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


if __name__ == "__main__":
    sys.stdout.buffer.write(openapi_json())
