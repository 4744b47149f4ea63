"""Where processor time goes inside a process: named functions, each without what it calls.

`watch` replaces a function by one that counts its calls, its processor time and its wall time, less
those of other watched functions that it calls. A name that no longer exists is reported, so a
renamed function cannot silently fall out of the measurement.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DUMP_EVERY_SECONDS = 0.5


@dataclass(slots=True)
class Sum:
    """What one name has used."""

    calls: int = 0
    cpu: float = 0.0
    wall: float = 0.0


@dataclass(slots=True)
class Stopwatch:
    """Sums by name, over all threads."""

    sums: dict[str, Sum] = field(default_factory=lambda: defaultdict(Sum))
    missing: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _open: threading.local = field(default_factory=threading.local)
    _dumped: float = 0.0

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Count the block under a name."""
        stack = self._open.__dict__.setdefault("stack", [])
        inner = [0.0, 0.0]
        stack.append(inner)
        cpu, wall = time.thread_time(), time.perf_counter()
        try:
            yield
        finally:
            cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
            stack.pop()
            if stack:
                stack[-1][0] += cpu
                stack[-1][1] += wall
            with self._lock:
                found = self.sums[name]
                found.calls += 1
                found.cpu += cpu - inner[0]
                found.wall += wall - inner[1]

    def watch(self, name: str, *places: str) -> None:
        """Watch the function at `module:attribute` (or `module:Class.method`) under a name."""
        for place in places:
            module, _, path = place.partition(":")
            *owners, last = path.split(".")
            try:
                owner = importlib.import_module(module)
                for part in owners:
                    owner = getattr(owner, part)
                function = getattr(owner, last)
            except (ImportError, AttributeError):
                self.missing.append(place)
                continue
            setattr(owner, last, self._watched(name, function))

    def _watched(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def watched(*args: Any, **kwargs: Any) -> Any:
            with self.measure(name):
                return function(*args, **kwargs)

        return watched

    def plain(self) -> dict[str, Any]:
        with self._lock:
            sums = {
                name: {"calls": s.calls, "cpu_ms": s.cpu * 1000, "wall_ms": s.wall * 1000}
                for name, s in self.sums.items()
            }
        return {"sums": sums, "missing": self.missing}

    def dump(self, folder: Path, label: str, *, now: bool = False) -> None:
        """Write the sums so far to a file of this process, at most twice a second."""
        if not now and time.monotonic() - self._dumped < DUMP_EVERY_SECONDS:
            return
        self._dumped = time.monotonic()
        path = folder / f"{label}-{os.getpid()}.json"
        half = path.with_suffix(f".{threading.get_ident()}")
        half.write_text(json.dumps(self.plain()))
        half.replace(path)
