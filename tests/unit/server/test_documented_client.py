"""The client that docs/codes.md shows, run as it stands there: its code pays at a till."""

import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import urllib3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.codes import ShowCode, read_code
from protocol.evidence import ShowEvidence
from protocol.messages import Approved
from server.directory.enrolment import shown_code
from tests.support.phones import invite_phone
from tests.support.serving import listening
from tests.unit.server.world import ZHANG, World

DOCS = Path(__file__).parents[3] / "docs" / "codes.md"
BEGINS = "In Python, with nothing but `cryptography` and `requests`:"
SHOWN_CODE = '"BCDFGH-JKLMNP"'


def post(url: str, json: dict[str, Any]) -> SimpleNamespace:
    """As much of ``requests`` as the client uses."""
    answer = urllib3.request("POST", url, json=json, retries=False, timeout=20)
    assert answer.status == 200, answer.data
    return SimpleNamespace(json=answer.json)


def test_the_documented_client_shows_a_code_that_pays(world: World) -> None:
    world.award(ZHANG, "river-patrol")
    text = DOCS.read_text(encoding="utf-8").partition(BEGINS)[2]
    block = "\n".join(
        line for line in text.splitlines() if line.startswith("    ") or not line.strip()
    )
    program = textwrap.dedent(block)
    assert SHOWN_CODE in program
    code = shown_code(invite_phone(world))
    with listening(world.app) as server:
        client: dict[str, Any] = {
            "Ed25519PrivateKey": Ed25519PrivateKey,
            "requests": SimpleNamespace(post=post),
            "time": SimpleNamespace(time=world.clock.now.timestamp),
            "server": server,
        }
        exec(program.replace(SHOWN_CODE, repr(code)), client)
    read = read_code(client["digits"])
    assert isinstance(read, ShowCode)
    assert client["told"]["account"] == ZHANG
    evidence = ShowEvidence(payload_hex=read.payload.hex())
    assert isinstance(world.till().authorise(world.sale_id(), evidence, optional=10), Approved)
