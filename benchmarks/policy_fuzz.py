"""`python -m benchmarks.policy_fuzz [seconds]`: coverage-guided nonsense for the law's language.

atheris is never a dependency: python3 -m venv fuzz && fuzz/bin/pip install atheris, and run it with
that Python and this project's packages on PYTHONPATH. Anything but a refusal is a finding.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from jinsuan.policy.grammar import SyntaxRefused, parse
from jinsuan.policy.scalar import compiled
from tests.policy_world import FACTS, checker


def one(data: bytes) -> None:
    """Parse, check and run one text."""
    text = data.decode("utf-8", "ignore")
    try:
        syntax = parse(text)
    except SyntaxRefused:
        return
    nothing = dict.fromkeys(FACTS)
    with suppress(SyntaxRefused):
        node, _ = checker().condition(syntax)
        compiled(node)(nothing)
    with suppress(SyntaxRefused):
        compiled(checker().amount(syntax))(nothing)


def main() -> int:
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    if find_spec("atheris") is None:
        print("skipped: atheris is not installed; the first lines of this file say how")
        return 0
    atheris: Any = import_module("atheris")

    atheris.instrument_all()
    atheris.Setup([sys.argv[0], f"-max_total_time={seconds}", "-max_len=400"], one)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
