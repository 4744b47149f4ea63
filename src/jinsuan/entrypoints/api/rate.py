"""How the rate of the API is written in a setting. Pure, so that settings can read it."""

from __future__ import annotations

import re

RATE = re.compile(r"([1-9][0-9]{0,8})/([smh])")
SECONDS = {"s": 1, "m": 60, "h": 3600}


def read_rate(text: str) -> tuple[int, int]:
    """`600/m` as (600, 60): so many requests in so many seconds."""
    found = RATE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"JINSUAN_API_RATE 应写作 600/m（s 秒、m 分、h 时），现在是 {text!r}")
    return int(found[1]), SECONDS[found[2]]
