"""Rules of templates: they say what they receive, and only show it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PORTAL = ROOT / "src" / "jinsuan" / "entrypoints" / "portal"
TEMPLATES = sorted((PORTAL / "templates").rglob("*.html"))


def test_there_are_templates() -> None:
    assert len(TEMPLATES) > 40


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: str(p.relative_to(PORTAL / "templates")))
def test_a_template_says_what_it_receives_and_computes_nothing(path: Path) -> None:
    text = path.read_text("utf-8")
    first = text.partition("\n")[0]

    assert first.startswith("{# ") and "Receives" in first, "say on line one what it receives"
    assert not re.search(r"\|\s*(add|divisibleby|widthratio)\b|widthratio", text), "no arithmetic"
    assert not re.search(r"\sstyle=|<style|\son[a-z]+=", text), "no inline style, no handlers"
    assert not re.search(r"<script(?![^>]*\ssrc=)", text), "no inline script"
    assert "|safe" not in text, "nothing is believed"
    assert "！" not in text, "no exclamation marks"
