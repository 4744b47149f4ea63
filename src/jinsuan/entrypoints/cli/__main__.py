"""`python -m jinsuan.entrypoints.cli` is `jinsuan`."""

from __future__ import annotations

from jinsuan.entrypoints.cli import main

main()
