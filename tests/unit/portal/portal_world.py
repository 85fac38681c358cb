"""The real application over a pool with a history, and a merchant's browser without a screen."""

import os
import re
from dataclasses import dataclass

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from protocol.card_pin_hash import ArgonPinMaker
from server.api import ApiServices
from server.app import AppServices, create_app
from server.bootstrap.desk import make_desk
from server.directory import SignInRole
from server.directory.card_pin_making import pin_setting
from server.directory.keys import DocumentSigner, PoolKeys
from server.exports.fonts import find_page_font
from server.portal.services import PortalServices
from tests.unit.audit.pool_world import PASSWORD, PoolWorld

MERCHANT, OTHER = "xiaodian", "zhan"
OPERATOR, FINANCE, SECOND = "jiedao", "caiwu-1", "caiwu-2"


@dataclass
class PortalWorld:
    pool: PoolWorld
    app: Flask

    @classmethod
    def of(cls, pool: PoolWorld, *, cookies_need_https: bool = False) -> "PortalWorld":
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
                signer=lambda: DocumentSigner(pool.root),
                clock=lambda: pool.now,
                randomness=os.urandom,
                font=find_page_font(),
                pin_setting=pin_setting(keys, ArgonPinMaker(memory_kib=8, passes=1)),
            ),
            session_secret=keys.session_secret,
            trusted_hosts=("localhost", "127.0.0.1"),
            max_body_bytes=1024 * 1024,
            cookies_need_https=cookies_need_https,
        )
        return cls(pool, create_app(services))

    def browser(self) -> FlaskClient:
        return self.app.test_client()

    def signed_in(self, user: str = MERCHANT) -> FlaskClient:
        return self._through("portal", user)

    def officer(self, user: str) -> FlaskClient:
        """One of the pool's own people at the console."""
        return self._through("console", user)

    def people(self) -> None:
        """An operator, and two of finance."""
        self.pool.sign_in_for(OPERATOR, SignInRole.OPERATOR, None)
        for user in (FINANCE, SECOND):
            self.pool.sign_in_for(user, SignInRole.FINANCE, None)

    def _through(self, door: str, user: str) -> FlaskClient:
        client = self.browser()
        answer = sign_in(client, user, door=door)
        assert answer.status_code == 303, answer.text
        return client


def csrf_of(client: FlaskClient, door: str = "portal") -> str:
    return csrf_in(client.get(f"/{door}/sign-in", follow_redirects=True).text)


def csrf_in(page: str) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]{32})"', page)
    assert found is not None, page
    return found.group(1)


def sign_in(
    client: FlaskClient, user: str, password: str = PASSWORD, door: str = "portal"
) -> TestResponse:
    form = {"user": user, "password": password, "csrf": csrf_of(client, door)}
    return client.post(f"/{door}/sign-in", data=form)


def send(client: FlaskClient, address: str, **typed: str) -> TestResponse:
    """A form filled in and sent, with the token that its page had; the page that comes then."""
    door = address.split("/")[1]
    form = {"csrf": csrf_of(client, door)} | typed
    return client.post(address, data=form, follow_redirects=True)


def text_of(page: str) -> str:
    """What a reader sees of a page: no tags, no runs of space."""
    body = re.sub(r"<[^>]+>", " ", page[page.index("<body>") :])
    return re.sub(r"\s+", " ", body)
