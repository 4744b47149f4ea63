"""`jinsuan key` and `jinsuan registry`: keys, bodies, links, by the real commands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from allauth.socialaccount.models import SocialAccount
from typer.testing import CliRunner

from jinsuan.entrypoints import clock, data_keys
from jinsuan.entrypoints.cli import app
from jinsuan.kernel.ref import Role
from jinsuan.registry.actions.personal import set_phone
from jinsuan.registry.catalogue import bodies
from jinsuan.registry.errors import DataKeyInvalid, DataKeyMissing
from jinsuan.registry.models import Body
from jinsuan.registry.queries_people import personal_view
from jinsuan.registry.sealing import read_keyring
from tests.flows.world import organisation, person

NOW = datetime(2025, 9, 16, 1, 0, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.setattr(clock, "now", lambda: NOW)

    def command(*words: str) -> str:
        done = CliRunner().invoke(app, list(words))
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.output

    return command


def test_a_new_key_is_printed_and_can_be_used(
    run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = run("key", "new").strip(), run("key", "new").strip()

    assert first != second
    monkeypatch.setenv("JINSUAN_DATA_KEY", f"{second},{first}")
    assert [key.id for key in data_keys.keyring().keys] == [
        second.partition(":")[0],
        first.partition(":")[0],
    ]


def test_rotating_seals_everything_under_the_first_key(
    run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = run("key", "new").strip(), run("key", "new").strip()
    zhou = person("zhou", organisation(1, "乙大学", NOW), Role.TENANT, NOW)
    assert zhou.person is not None
    set_phone(zhou.person, "13800138000", keys=read_keyring(old), actor=zhou, now=NOW)

    monkeypatch.setenv("JINSUAN_DATA_KEY", f"{new},{old}")
    assert "重新加密 1 项" in run("key", "rotate")
    assert "重新加密 0 项" in run("key", "rotate")
    view = personal_view(zhou, zhou.person, keys=read_keyring(new))
    assert view.phone == "138****8000"


def test_rotating_without_a_key_or_with_a_wrong_one_is_refused(
    run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JINSUAN_DATA_KEY", raising=False)
    with pytest.raises(DataKeyMissing):
        run("key", "rotate")
    monkeypatch.setenv("JINSUAN_DATA_KEY", "secret")
    with pytest.raises(DataKeyInvalid):
        run("key", "rotate")


def test_bodies_and_links_are_made_by_command(run: Callable[..., str]) -> None:
    assert f"新登记推荐单位 {len(bodies())} 个" in run("registry", "bodies")
    assert Body.objects.filter(code="zgq").exists()
    assert "新登记推荐单位 0 个" in run("registry", "bodies")
    platform = organisation(7, "平台公司", NOW)
    person("sun", platform, Role.PLATFORM_OPERATOR, NOW)
    zhou = person("zhou", platform, Role.TENANT, NOW)
    assert "已关联" in run("registry", "link", "zhou", "u-10086", "--as", "sun")
    assert SocialAccount.objects.get(uid="u-10086").user_id == zhou.person
