from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from server.directory import SignInRole
from server.portal.throttle import FREE_TRIES
from tests.unit.audit.pool_world import PASSWORD
from tests.unit.portal.portal_world import (
    MERCHANT,
    PortalWorld,
    csrf_in,
    csrf_of,
    sign_in,
    text_of,
)


def test_the_right_password_opens_the_statements(portal: PortalWorld) -> None:
    client = portal.browser()
    answer = sign_in(client, MERCHANT)
    assert (answer.status_code, answer.location) == (303, "/portal/statements")
    assert client.get("/portal/statements").status_code == 200


def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(portal: PortalWorld) -> None:
    wrong = sign_in(portal.browser(), MERCHANT, "wrong")
    unknown = sign_in(portal.browser(), "nobody", "wrong")
    assert wrong.status_code == unknown.status_code == 403
    assert text_of(wrong.text) == text_of(unknown.text)
    assert "用户名或密码不对" in wrong.text


def test_a_password_that_is_too_long_is_wrong_and_costs_a_try(portal: PortalWorld) -> None:
    assert sign_in(portal.browser(), MERCHANT, "x" * 100_000).status_code == 403


def test_five_wrong_tries_make_even_the_right_password_wait(portal: PortalWorld) -> None:
    client = portal.browser()
    for _ in range(FREE_TRIES):
        assert sign_in(client, MERCHANT, "wrong").status_code == 403
    waiting = sign_in(client, MERCHANT)
    assert waiting.status_code == 429
    assert "请等 30 秒" in waiting.text
    portal.pool.now += timedelta(seconds=29)
    assert "请等 1 秒" in sign_in(client, MERCHANT).text
    portal.pool.now += timedelta(seconds=1)
    assert sign_in(client, MERCHANT).status_code == 303


def test_tries_at_once_are_no_more_than_tries_one_by_one(portal: PortalWorld) -> None:
    clients = [portal.browser() for _ in range(4 * FREE_TRIES)]
    forms = [{"user": MERCHANT, "password": "wrong", "csrf": csrf_of(each)} for each in clients]
    with ThreadPoolExecutor(len(clients)) as hands:
        answers = hands.map(
            lambda each: each[0].post("/portal/sign-in", data=each[1]).status_code,
            zip(clients, forms, strict=True),
        )
    assert Counter(answers) == {403: FREE_TRIES, 429: 3 * FREE_TRIES}


def test_waiting_does_not_tell_which_names_exist(portal: PortalWorld) -> None:
    client = portal.browser()
    for _ in range(FREE_TRIES):
        sign_in(client, "nobody", "wrong")
    assert sign_in(client, "nobody", "wrong").status_code == 429
    assert sign_in(client, MERCHANT).status_code == 303


@pytest.mark.parametrize("path", ["/portal/sign-in", "/portal/sign-out"])
@pytest.mark.parametrize("token", ["", "0" * 32, "分"])
def test_a_form_that_no_page_of_ours_made_changes_nothing(
    portal: PortalWorld, path: str, token: str
) -> None:
    client = portal.signed_in()
    answer = client.post(path, data={"csrf": token, "user": MERCHANT, "password": "x"})
    assert answer.status_code == 400
    assert "请重新打开登录页" in answer.text
    assert client.get("/portal/statements").status_code == 200


def test_another_sessions_token_is_no_token(portal: PortalWorld) -> None:
    stolen = csrf_of(portal.browser())
    client = portal.browser()
    csrf_of(client)
    form = {"csrf": stolen, "user": MERCHANT, "password": "x"}
    assert client.post("/portal/sign-in", data=form).status_code == 400


def test_the_cookie_is_kept_from_scripts_and_from_other_sites(portal: PortalWorld) -> None:
    cookie = sign_in(portal.browser(), MERCHANT).headers["Set-Cookie"]
    assert cookie.startswith("huidian_portal=")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


def test_over_https_the_cookie_is_for_https_alone(portal: PortalWorld) -> None:
    assert "Secure" not in sign_in(portal.browser(), MERCHANT).headers["Set-Cookie"]
    behind_tls = PortalWorld.of(portal.pool, cookies_need_https=True)
    client = behind_tls.browser()
    https = "https://localhost"
    page = client.get("/portal/sign-in", base_url=https)
    assert "; Secure;" in page.headers["Set-Cookie"]
    form = {"user": MERCHANT, "password": PASSWORD, "csrf": csrf_in(page.text)}
    assert client.post("/portal/sign-in", data=form, base_url=https).status_code == 303
    assert client.get("/portal/statements", base_url=https).status_code == 200


def test_forms_go_nowhere_but_here(portal: PortalWorld) -> None:
    for address in ("/portal/sign-in", "/console/sign-in", "/phone/"):
        policy = portal.browser().get(address).headers["Content-Security-Policy"]
        assert "form-action 'self'" in policy, address


def test_signing_in_makes_the_session_anew(portal: PortalWorld) -> None:
    client = portal.browser()
    before = csrf_of(client)
    sign_in(client, MERCHANT)
    assert csrf_of(client) != before


def test_signing_out_closes_the_pages(portal: PortalWorld) -> None:
    client = portal.signed_in()
    answer = client.post("/portal/sign-out", data={"csrf": csrf_of(client)})
    assert (answer.status_code, answer.location) == (303, "/portal/sign-in")
    assert client.get("/portal/statements").status_code == 302


def test_a_session_ends_when_nobody_looks_for_half_an_hour(portal: PortalWorld) -> None:
    client = portal.signed_in()
    portal.pool.now += timedelta(minutes=30)
    assert client.get("/portal/statements").status_code == 200
    portal.pool.now += timedelta(minutes=30, seconds=1)
    assert client.get("/portal/statements").status_code == 302
    assert "登录已过期，请重新登录。" in client.get("/portal/sign-in").text
    assert "登录已过期" not in client.get("/portal/sign-in").text
    assert "登录已过期" not in portal.browser().get("/portal/", follow_redirects=True).text


def test_signing_out_of_a_session_that_has_ended_is_no_error(portal: PortalWorld) -> None:
    client = portal.signed_in()
    token = csrf_in(client.get("/portal/statements").text)
    portal.pool.now += timedelta(minutes=31)
    answer = client.post("/portal/sign-out", data={"csrf": token})
    assert (answer.status_code, answer.location) == (303, "/portal/sign-in")


def test_a_session_ends_after_twelve_hours_however_busy(portal: PortalWorld) -> None:
    client = portal.signed_in()
    for _ in range(24):
        portal.pool.now += timedelta(minutes=30)
        assert client.get("/portal/statements").status_code == 200
    portal.pool.now += timedelta(seconds=1)
    assert client.get("/portal/statements").status_code == 302


def test_a_new_password_ends_sessions_that_the_old_one_opened(portal: PortalWorld) -> None:
    client = portal.signed_in()
    portal.pool.sign_in_for(MERCHANT, SignInRole.MERCHANT, MERCHANT, "xin-mi-ma")
    assert client.get("/portal/statements").status_code == 302
    assert sign_in(client, MERCHANT, "xin-mi-ma").status_code == 303


def test_an_operator_is_told_that_these_are_the_merchants_pages(portal: PortalWorld) -> None:
    portal.pool.sign_in_for("jiedao", SignInRole.OPERATOR, None)
    answer = sign_in(portal.browser(), "jiedao")
    assert answer.status_code == 403
    assert "不是商户的" in answer.text


def test_a_cookie_that_was_tampered_with_is_nobody(portal: PortalWorld) -> None:
    client = portal.signed_in()
    cookie = client.get_cookie("huidian_portal")
    assert cookie is not None
    client.set_cookie("huidian_portal", cookie.value[:-4] + "AAAA")
    assert client.get("/portal/statements").status_code == 302
