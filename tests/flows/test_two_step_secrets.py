"""Secrets of the two-step log-in are sealed in the database, and open with the right key only."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import (
    SECRET_SESSION_KEY,
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
)
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connection
from django.test import Client
from pytest_django import Settings
from typer.testing import CliRunner

from jinsuan.entrypoints import clock
from jinsuan.entrypoints.cli import app
from jinsuan.kernel.ref import Ref
from jinsuan.registry.actions.people import register_person
from jinsuan.registry.errors import DataKeyInvalid, DataKeyMissing, TwoStepUnreadable
from jinsuan.registry.models import Person
from jinsuan.registry.sealing import Keyring, new_key, read_keyring
from jinsuan.registry.two_step import PREFIX, open_secret, seal_secret
from tests.flows.world import SYSTEM

NOW = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)
PASSWORD = "long-enough-for-the-test"
LOGIN, AGAIN, CODE, ENROL = "/登录", "/再次确认", "/两步验证/登录", "/两步验证/启用"
pytestmark = pytest.mark.django_db

Configure = Callable[..., None]


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Configure:
    """Set the data keys; none means that none is configured."""

    def keys(*those: str) -> None:
        monkeypatch.setenv("JINSUAN_DATA_KEY", ",".join(those))

    settings.MFA_TOTP_TOLERANCE = 1  # a test may begin in one half minute and end in the next
    cache.clear()  # allauth remembers used codes and counts tries
    monkeypatch.setattr(clock, "now", lambda: NOW)
    keys()
    return keys


@pytest.fixture
def wang() -> Ref:
    return register_person(
        username="wang", display_name="王经办", password=PASSWORD, actor=SYSTEM, now=NOW
    )


def code(secret: str) -> str:
    """What an authenticator app shows now."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


def enrol(client: Client) -> str:
    """Switch the second step on by the page, and return the secret that the app scanned."""
    client.post(LOGIN, {"login": "wang", "password": PASSWORD})
    client.post(AGAIN, {"password": PASSWORD})  # this page wants to know that it is still he
    assert client.get(ENROL).status_code == 200
    secret = str(client.session[SECRET_SESSION_KEY])
    assert client.post(ENROL, {"code": code(secret)}).status_code == 302
    cache.clear()
    client.logout()
    return secret


def enter(client: Client, given: str) -> Any:
    cache.clear()
    client.post(LOGIN, {"login": "wang", "password": PASSWORD})
    assert "_auth_user_id" not in client.session, "not in before the code"
    return client.post(CODE, {"code": given})


def inside(client: Client) -> bool:
    return "_auth_user_id" in client.session


def rows() -> str:
    """All that the table holds, as somebody with a copy of the database reads it."""
    with connection.cursor() as cursor:
        cursor.execute("select data::text from mfa_authenticator")
        return str(cursor.fetchall())


def kept(kind: Authenticator.Type, name: str) -> str:
    return str(Authenticator.objects.get(type=kind).data[name])


def plain(wang: Ref) -> str:
    secret = generate_totp_secret()
    Authenticator.objects.create(
        user_id=wang.id, type=Authenticator.Type.TOTP, data={"secret": secret}
    )
    return secret


def test_with_a_key_nothing_stands_in_clear_and_the_code_logs_in(
    client: Client, wang: Ref, configure: Configure
) -> None:
    ring = new_key()
    configure(ring)
    secret = enrol(client)

    assert secret not in rows()
    assert all(secret not in str(row.get_decoded()) for row in Session.objects.all())
    sealed = kept(Authenticator.Type.TOTP, "secret")
    seed = kept(Authenticator.Type.RECOVERY_CODES, "seed")
    assert sealed.startswith(PREFIX)
    assert seed.startswith(PREFIX)
    assert open_secret(seed, read_keyring(ring)) not in rows()
    assert enter(client, "000000").status_code == 200
    assert not inside(client)
    assert enter(client, code(secret)).status_code == 302
    assert inside(client)


def test_a_recovery_code_logs_in_once(client: Client, wang: Ref, configure: Configure) -> None:
    configure(new_key())
    enrol(client)
    first = RecoveryCodes(
        Authenticator.objects.get(type=Authenticator.Type.RECOVERY_CODES)
    ).get_unused_codes()[0]

    enter(client, first)
    assert inside(client)
    client.logout()
    enter(client, first)
    assert not inside(client)


def test_without_a_key_things_stay_as_they_are(
    client: Client, wang: Ref, configure: Configure
) -> None:
    secret = enrol(client)
    assert kept(Authenticator.Type.TOTP, "secret") == secret
    enter(client, code(secret))
    assert inside(client)


def test_a_secret_from_before_the_key_still_works(
    client: Client, wang: Ref, configure: Configure
) -> None:
    secret = plain(wang)
    configure(new_key())
    enter(client, code(secret))
    assert inside(client)


@pytest.mark.parametrize("fault", ["none", "other", "same name", "changed", "no base64"])
def test_a_secret_that_does_not_open_is_refused_in_plain_words(
    fault: str, client: Client, wang: Ref, configure: Configure
) -> None:
    right = new_key()
    configure(right)
    secret = enrol(client)
    row = Authenticator.objects.get(type=Authenticator.Type.TOTP)
    sealed = row.data["secret"]
    match fault:
        case "none":
            configure()
        case "other":
            configure(new_key())
        case "same name":
            configure(f"{right.partition(':')[0]}:{new_key().partition(':')[2]}")
        case "changed":
            row.data["secret"] = sealed[:-6] + ("A" if sealed[-6] != "A" else "B") + sealed[-5:]
        case "no base64":
            row.data["secret"] = f"{PREFIX}{secret}é"
    row.save()
    answer = enter(client, code(secret))

    assert answer.status_code == 503
    words = answer.content.decode()
    assert "两步验证的密钥打不开" in words
    assert "registry.two_step_unreadable" in words
    assert secret not in words
    assert sealed not in words
    assert not inside(client)


def test_a_refusal_carries_no_secret_in_its_traceback() -> None:
    sealed = seal_secret("JBSWY3DPEHPK3PXP", read_keyring(new_key()))
    with pytest.raises(TwoStepUnreadable) as caught:
        open_secret(sealed, Keyring())
    assert caught.value.__suppress_context__
    assert sealed not in str(caught.value)
    assert "JBSWY3DPEHPK3PXP" not in caught.value.explain()


def test_a_badly_written_key_keeps_no_secret(wang: Ref, configure: Configure) -> None:
    configure("secret")
    with pytest.raises(DataKeyInvalid):
        TOTP.activate(Person.objects.get(id=wang.id), generate_totp_secret())
    assert not Authenticator.objects.exists()


def test_after_a_change_of_keys_the_older_one_opens_until_it_is_taken_away(
    client: Client, wang: Ref, configure: Configure
) -> None:
    old, new = new_key(), new_key()
    configure(old)
    secret = enrol(client)
    seed = open_secret(kept(Authenticator.Type.RECOVERY_CODES, "seed"), read_keyring(old))
    configure(new, old)
    enter(client, code(secret))
    assert inside(client)
    client.logout()

    assert "重新加密 2 项" in rotate()
    assert "重新加密 0 项" in rotate()
    configure(new)
    enter(client, code(secret))
    assert inside(client)
    assert open_secret(kept(Authenticator.Type.RECOVERY_CODES, "seed"), read_keyring(new)) == seed


def test_rotating_seals_what_stood_in_clear(
    client: Client, wang: Ref, configure: Configure
) -> None:
    secret = plain(wang)
    with pytest.raises(DataKeyMissing):
        rotate()
    configure(new_key())

    assert "重新加密 1 项" in rotate()
    assert secret not in rows()
    enter(client, code(secret))
    assert inside(client)


def test_rotating_without_the_older_key_changes_nothing(
    client: Client, wang: Ref, configure: Configure
) -> None:
    configure(new_key())
    enrol(client)
    before = rows()
    configure(new_key())
    with pytest.raises(TwoStepUnreadable):
        rotate()
    assert rows() == before


def rotate() -> str:
    done = CliRunner().invoke(app, ["key", "rotate"])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output
