"""Logging in: by password with a lock, by a second step, by a linked identity and no other.

The identity provider is a small OpenID Connect server on loopback that keeps its promises: it
checks the client, the redirect address, the code and the PKCE verifier.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.socialaccount.models import SocialAccount, SocialToken
from axes.models import AccessAttempt
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from jinsuan.entrypoints.site.oidc import PROVIDER, SingleSignOn, read_single_sign_on
from jinsuan.kernel.ref import Ref, Role
from jinsuan.registry.actions.people import link_identity, register_person
from jinsuan.registry.models import Person
from tests.flows.world import SYSTEM, organisation, person

NOW = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)
SECRET = "client-secret-of-the-test-provider"
PASSWORD = "long-enough-for-the-test"
LOGIN, START, BACK = (
    "/登录",
    f"/sso/{PROVIDER}/login/",
    f"/sso/{PROVIDER}/login/callback/",
)
pytestmark = pytest.mark.django_db


class Provider(ThreadingHTTPServer):
    """An OpenID Connect provider where somebody is logged in already."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.claims: dict[str, Any] = {"sub": "u-1"}
        self.codes: dict[str, dict[str, str]] = {}
        self.broken = False

    def authorise(self, location: str) -> str:
        """What a browser does at the provider: the callback address with a code."""
        asked = {k: v[0] for k, v in parse_qs(urlsplit(location).query).items()}
        assert location.startswith(f"{self.url}/authorize?")
        assert asked["client_id"] == "jinsuan"
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(8)
        self.codes[code] = asked
        parts = urlsplit(asked["redirect_uri"])
        return f"{parts.path}?{urlencode({'code': code, 'state': asked['state']})}"


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def log_message(self, *args: object) -> None:
        """Silence."""

    def _json(self, value: object, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        url = self.server.url
        if self.path == "/.well-known/openid-configuration":
            self._json(
                {
                    "issuer": url,
                    "authorization_endpoint": f"{url}/authorize",
                    "token_endpoint": f"{url}/token",
                    "userinfo_endpoint": f"{url}/userinfo",
                    "jwks_uri": f"{url}/jwks",
                }
            )
        elif self.path == "/userinfo" and self.headers["Authorization"] == "Bearer access":
            self._json(self.server.claims)
        else:
            self._json({}, 404)

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        sent = {k: v[0] for k, v in parse_qs(text).items()}
        asked = self.server.codes.pop(sent["code"], None)
        challenge = base64.urlsafe_b64encode(
            hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
        )
        right = (
            asked is not None
            and not self.server.broken
            and sent["client_secret"] == SECRET
            and sent["redirect_uri"] == asked["redirect_uri"]
            and challenge.decode().rstrip("=") == asked["code_challenge"]
        )
        if not right:
            self._json({"error": "invalid_grant"}, 400)
            return
        now = int(datetime.now(UTC).timestamp())
        claims = {"iss": self.server.url, "aud": "jinsuan", "iat": now, "exp": now + 60}
        token = jwt.encode(claims | self.server.claims, SECRET, algorithm="HS256")
        self._json({"access_token": "access", "token_type": "Bearer", "id_token": token})


@pytest.fixture
def provider(settings: Settings) -> Iterator[Provider]:
    server = Provider()
    configured = SingleSignOn(
        server=server.url, client_id="jinsuan", client_secret=SECRET, name="政务统一身份"
    )
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": configured.apps}}
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def fresh_rate_limits() -> None:
    """allauth's flood limit per address (30 a minute) counts in this process, over all tests."""
    cache.clear()


@pytest.fixture
def wang() -> Ref:
    return register_person(
        username="wang", display_name="王经办", password=PASSWORD, actor=SYSTEM, now=NOW
    )


def logged_in(client: Client) -> str | None:
    return client.session.get("_auth_user_id")


def come_back(client: Client, provider: Provider, **start: str) -> Any:
    begun = client.post(START, start)
    assert begun.status_code == 302, begun.content.decode()[:500]
    return client.get(provider.authorise(begun["Location"]))


def test_a_linked_identity_logs_in(client: Client, provider: Provider, wang: Ref) -> None:
    link_identity(wang.id, provider=PROVIDER, subject="u-1", actor=SYSTEM, now=NOW)
    answer = come_back(client, provider)

    assert answer.status_code == 302
    assert logged_in(client) == str(wang.id)


def test_what_the_provider_tells_of_a_person_is_not_kept(
    client: Client, provider: Provider, wang: Ref
) -> None:
    link_identity(wang.id, provider=PROVIDER, subject="u-1", actor=SYSTEM, now=NOW)
    provider.claims |= {"name": "王某", "phone_number": "13800138000", "email": "w@example.org"}
    come_back(client, provider)

    assert SocialAccount.objects.get().extra_data == {}
    assert SocialToken.objects.count() == 0
    found = Person.objects.get(id=wang.id)
    assert (found.email, found.display_name, found.username) == ("", "王经办", "wang")


def test_a_stranger_with_a_valid_identity_gets_no_account(
    client: Client, provider: Provider, wang: Ref
) -> None:
    before = Person.objects.count()
    answer = come_back(client, provider)

    assert answer.status_code == 403
    assert "没有关联本平台的账户" in answer.content.decode()
    assert logged_in(client) is None
    assert (Person.objects.count(), SocialAccount.objects.count()) == (before, 0)


def test_neither_an_email_nor_a_name_is_taken_for_proof(
    client: Client, provider: Provider, wang: Ref
) -> None:
    Person.objects.filter(id=wang.id).update(email="wang@example.org")
    provider.claims = {
        "sub": "u-evil",
        "email": "wang@example.org",
        "email_verified": True,
        "preferred_username": "wang",
    }
    assert come_back(client, provider).status_code == 403
    assert logged_in(client) is None
    assert SocialAccount.objects.count() == 0


def test_nobody_links_an_identity_to_his_own_session(
    client: Client, provider: Provider, wang: Ref
) -> None:
    client.post(LOGIN, {"login": "wang", "password": PASSWORD})
    assert logged_in(client) == str(wang.id)
    answer = come_back(client, provider, process="connect")

    assert answer.status_code == 403
    assert SocialAccount.objects.count() == 0


@pytest.mark.parametrize("fault", ["state", "code", "broken"])
def test_a_forged_or_failed_answer_logs_nobody_in(
    fault: str, client: Client, provider: Provider, wang: Ref
) -> None:
    link_identity(wang.id, provider=PROVIDER, subject="u-1", actor=SYSTEM, now=NOW)
    back = provider.authorise(client.post(START)["Location"])
    match fault:
        case "state":
            back = f"{BACK}?{urlencode({'code': next(iter(provider.codes)), 'state': 'forged'})}"
        case "code":
            provider.codes.clear()
        case "broken":
            provider.broken = True
    answer = client.get(back)

    assert answer.status_code == 502
    assert "统一身份认证没有完成" in answer.content.decode()
    assert logged_in(client) is None


def test_the_second_step_is_asked_after_a_linked_identity_too(
    client: Client, provider: Provider, wang: Ref
) -> None:
    TOTP.activate(Person.objects.get(id=wang.id), generate_totp_secret())
    link_identity(wang.id, provider=PROVIDER, subject="u-1", actor=SYSTEM, now=NOW)
    answer = come_back(client, provider)

    assert answer.status_code == 302
    assert logged_in(client) is None, "a person with TOTP is not in before the code"


def test_without_configuration_there_is_no_such_way_in(client: Client) -> None:
    assert client.post(START).status_code == 404
    assert read_single_sign_on({}) is None
    assert read_single_sign_on({"JINSUAN_OIDC_NAME": "名称而已"}) is None


SET = {
    "JINSUAN_OIDC_SERVER": "https://id.example.org/realms/gov/",
    "JINSUAN_OIDC_CLIENT_ID": "jinsuan",
    "JINSUAN_OIDC_CLIENT_SECRET": SECRET,
}


def test_the_environment_makes_a_provider() -> None:
    found = read_single_sign_on(SET)
    assert found is not None
    assert (found.name, found.origin) == ("统一身份认证", "https://id.example.org")
    assert found.apps[0]["settings"]["server_url"] == "https://id.example.org/realms/gov"


@pytest.mark.parametrize("name", list(SET))
def test_half_a_configuration_stops_the_start(name: str) -> None:
    with pytest.raises(SystemExit, match=name):
        read_single_sign_on({**SET, name: " "})


def test_a_provider_in_clear_text_elsewhere_stops_the_start() -> None:
    with pytest.raises(SystemExit, match="https"):
        read_single_sign_on({**SET, "JINSUAN_OIDC_SERVER": "http://id.example.org"})


# The lock


def fail(client: Client, times: int, username: str = "wang", address: str = "192.0.2.1") -> int:
    status = 0
    for _ in range(times):
        answer = client.post(LOGIN, {"login": username, "password": "wrong"}, REMOTE_ADDR=address)
        status = answer.status_code
    return status


def enter(client: Client, address: str = "192.0.2.1") -> Any:
    return client.post(LOGIN, {"login": "wang", "password": PASSWORD}, REMOTE_ADDR=address)


def test_five_failures_lock_the_name_from_that_address(client: Client, wang: Ref) -> None:
    assert fail(client, 4) == 200
    assert fail(client, 1) == 429
    answer = enter(client)

    assert answer.status_code == 429
    words = answer.content.decode()
    assert "连续登录失败 5 次，暂停登录 15 分钟" in words
    assert logged_in(client) is None


def test_a_lock_says_nothing_of_whether_the_name_exists(client: Client, wang: Ref) -> None:
    assert fail(client, 5, "nobody-has-this-name") == fail(client, 5) == 429


def test_nobody_locks_out_somebody_who_is_elsewhere(client: Client, wang: Ref) -> None:
    fail(client, 5, address="192.0.2.1")
    assert enter(client, address="192.0.2.2").status_code == 302
    assert logged_in(client) == str(wang.id)


def test_one_locked_name_does_not_lock_the_whole_office(client: Client, wang: Ref) -> None:
    assert fail(client, 5, "li") == 429
    assert enter(client).status_code == 302, "behind one address many people log in"


def test_a_right_password_forgets_the_failures_before_it(client: Client, wang: Ref) -> None:
    fail(client, 4)
    assert enter(client).status_code == 302
    client.logout()
    assert fail(client, 4) == 200
    assert enter(client).status_code == 302


def test_the_lock_opens_by_itself(client: Client, wang: Ref, settings: Settings) -> None:
    fail(client, 5)
    AccessAttempt.objects.update(attempt_time=datetime(2025, 1, 1, tzinfo=UTC))
    assert enter(client).status_code == 302


def test_a_failed_password_is_not_kept(client: Client, wang: Ref) -> None:
    client.post(LOGIN, {"login": "wang", "password": "my-bank-pin-4711"})
    assert "4711" not in str(list(AccessAttempt.objects.values()))


def test_several_roles_still_log_in_by_password(client: Client) -> None:
    who = person("li", organisation(3, "丙局", NOW), Role.TREASURY, NOW)
    assert who.person is not None
    # Without a password nobody gets in by one.
    assert client.post(LOGIN, {"login": "li", "password": ""}).status_code == 200
    assert logged_in(client) is None
