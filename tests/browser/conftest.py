"""A real Chromium and a lively site, once per module."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.site import Site, served
from tests.flows.conftest import lively

REFUSED = "Failed to load resource: the server responded with a status of 4"
"""How Chromium reports a refusal page: that is an answer, not a fault."""
__all__ = ["lively"]  # a fixture, found by its name here
WIDE, NARROW = 1440, 390
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


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where Chromium is; without one there is nothing to test with."""
    found = os.environ.get("JINSUAN_CHROMIUM")
    found = found or shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        missing = "no Chromium: install the packages chromium and fonts-noto-cjk"
        if os.environ.get("CI"):
            pytest.fail(missing)  # the gate installs it, so there its absence is a fault
        pytest.skip(missing)
    return found


@pytest.fixture(scope="module")
def site(chromium: str, lively: Any) -> Iterator[Site]:
    """The lively province, committed and served."""
    from django.conf import settings
    from django.db import connections

    from jinsuan.entrypoints.api.board import recent_board

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "DEMO", True)
        patch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)
        recent_board.forget()
        with served(lively) as running:
            yield running
        recent_board.forget()


@pytest.fixture(scope="module")
def browser(chromium: str, site: Site) -> Iterator[Any]:
    """Chromium without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=SWITCHES)
        yield started
        started.close()


Open = Callable[..., Any]


@pytest.fixture
def open_page(site: Site, browser: Any) -> Iterator[Open]:
    """Open a page as somebody; afterwards nothing may have gone wrong in it."""
    contexts, problems = [], []

    def opened(
        username: str | None, path: str, *, width: int = WIDE, script: bool = True, **display: Any
    ) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, locale="zh-CN", java_script_enabled=script
        )
        contexts.append(context)
        context.add_cookies(site.cookies(username, **display))
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(f"{path}: {error}"))
        page.on(
            "console",
            lambda said: (
                problems.append(f"{path}: {said.text}")
                if said.type == "error" and not said.text.startswith(REFUSED)
                else None
            ),
        )
        page.on(
            "request",
            lambda asked: (
                None
                if asked.url.startswith((site.url, "data:"))
                else problems.append(f"{path}: asks {asked.url}")
            ),
        )
        page.goto(site.address(path))
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not problems, "\n".join(problems)
