"""The real application over a pool with a history, and a merchant's browser without a screen."""

import os
import re
from dataclasses import dataclass

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from server.api import ApiServices
from server.app import AppServices, create_app
from server.bootstrap.desk import make_desk
from server.directory.keys import PoolKeys
from server.exports.fonts import find_page_font
from server.portal.services import PortalServices
from tests.unit.audit.pool_world import PASSWORD, PoolWorld

MERCHANT, OTHER = "xiaodian", "zhan"


@dataclass
class PortalWorld:
    pool: PoolWorld
    app: Flask

    @classmethod
    def of(cls, pool: PoolWorld) -> "PortalWorld":
        keys = PoolKeys(
            root=pool.root,
            card_issuer=pool.issuer,
            slot_issuer=pool.issuer,
            card_master=b"m" * 32,
            session_secret=b"s" * 32,
        )
        services = AppServices(
            api=ApiServices(
                engine=pool.engine,
                pool=pool.pool,
                desk=make_desk(),
                keys=keys,
                clock=lambda: pool.now,
            ),
            portal=PortalServices(
                engine=pool.engine,
                pool=pool.pool,
                desk=make_desk(),
                root=keys.root,
                clock=lambda: pool.now,
                randomness=os.urandom,
                font=find_page_font(),
            ),
            session_secret=keys.session_secret,
            trusted_hosts=("localhost", "127.0.0.1"),
            max_body_bytes=1024 * 1024,
        )
        return cls(pool, create_app(services))

    def browser(self) -> FlaskClient:
        return self.app.test_client()

    def signed_in(self, user: str = MERCHANT) -> FlaskClient:
        client = self.browser()
        answer = sign_in(client, user)
        assert answer.status_code == 303, answer.text
        return client


def csrf_of(client: FlaskClient) -> str:
    page = client.get("/portal/sign-in", follow_redirects=True).text
    found = re.search(r'name="csrf" value="([0-9a-f]{32})"', page)
    assert found is not None, page
    return found.group(1)


def sign_in(client: FlaskClient, user: str, password: str = PASSWORD) -> TestResponse:
    form = {"user": user, "password": password, "csrf": csrf_of(client)}
    return client.post("/portal/sign-in", data=form)


def text_of(page: str) -> str:
    """What a reader sees of a page: no tags, no runs of space."""
    body = re.sub(r"<[^>]+>", " ", page[page.index("<body>") :])
    return re.sub(r"\s+", " ", body)
