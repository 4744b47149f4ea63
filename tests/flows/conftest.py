"""The lively province, made once per module; what a test does to it is rolled back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from jinsuan.entrypoints import clock

if TYPE_CHECKING:  # models cannot be imported before Django has its settings
    from tests.flows.lively import Lively

NOW = datetime(2025, 9, 16, 6, 4, tzinfo=UTC)
"""The pages' clock: in 2025, because the policy lapses at the end of 2026."""


@pytest.fixture(scope="module")
def lively(committed_module: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lively]:
    """The province and its life; `folder` keeps the password of all its log-ins."""
    from django.test import override_settings

    from tests.flows.lively import make_lively

    began = time.monotonic()

    def now() -> datetime:
        """Goes on, but stays within the minute in which the centres were last heard of."""
        return NOW + timedelta(seconds=(time.monotonic() - began) % 40)

    # Seven log-ins hashed as slowly as in production would take longer than all the rest.
    quick = override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"])
    with quick, pytest.MonkeyPatch.context() as patch:
        world = make_lively(now=NOW, folder=tmp_path_factory.mktemp("province"))
        patch.setattr(clock, "now", now)
        yield world


@pytest.fixture
def world(lively: Lively, db: None) -> Iterator[Lively]:
    """The lively province, as it was made."""
    from jinsuan.entrypoints.api.board import recent_board

    recent_board.forget()
    yield lively
    recent_board.forget()
