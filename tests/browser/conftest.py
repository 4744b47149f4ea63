"""A real Chromium and a lively site, once per module."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jinsuan.entrypoints import clock
from tests.browser.site import Site, served

NOW = datetime(2025, 9, 16, 6, 4, tzinfo=UTC)
"""The pages' clock: in 2025, because the policy lapses at the end of 2026."""
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
]


def _chromium() -> str | None:
    given = os.environ.get("JINSUAN_CHROMIUM")
    return given or shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def site(committed_module: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The lively province, committed and served."""
    from django.conf import settings
    from django.db import connections

    from jinsuan.entrypoints.api.board import recent_board
    from tests.flows.lively import make_lively

    if _chromium() is None:
        pytest.skip("no Chromium: install the packages chromium and fonts-noto-cjk")
    folder: Path = tmp_path_factory.mktemp("province")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(clock.VARIABLE, str(clock.offset_for(NOW)))
        patch.setattr(settings, "DEMO", True)
        patch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)
        recent_board.forget()
        world = make_lively(now=clock.now(), folder=folder)
        with served(world, password=(folder / "password").read_text()) as running:
            yield running
        recent_board.forget()


@pytest.fixture(scope="module")
def browser(site: Site) -> Iterator[Any]:
    """Chromium without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=_chromium(), args=SWITCHES)
        yield started
        started.close()
